"""What the drawn world contains: descriptions of pictures, drawn at random from a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 48, 49),
    "orange": (240, 134, 40),
    "yellow": (250, 205, 56),
    "green": (58, 158, 84),
    "teal": (32, 170, 170),
    "blue": (45, 100, 210),
    "purple": (126, 70, 180),
    "pink": (243, 140, 180),
    "brown": (134, 86, 48),
    "black": (34, 34, 40),
    "white": (250, 249, 245),
    "gray": (150, 152, 158),
}
BACKGROUNDS = ("white", "black", "gray", "yellow", "pink", "teal", "blue")
SHAPES = ("circle", "square", "triangle", "star", "heart", "hexagon")
RELATIONS = ("left of", "right of", "above", "below")
SUBJECTS = ("house", "boat", "car", "tree")
TIMES = ("day", "sunset", "night")
GROUNDS = ("grass", "sand", "snow")
HAIR_COLOURS: dict[str, tuple[int, int, int]] = {
    "black": (38, 32, 36),
    "brown": (110, 68, 40),
    "blond": (232, 194, 104),
    "red": (186, 74, 36),
    "gray": (168, 168, 174),
}
HAIR_LENGTHS = ("short", "long")
SKINS = ((255, 222, 196), (238, 190, 152), (196, 138, 98), (132, 86, 58))
STYLES = ("flat", "outline", "pixel art", "watercolor")
KINDS = ("shape", "pair", "landscape", "portrait")
KIND_WEIGHTS = (18, 34, 24, 24)


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture's full description. Unused fields are None or False."""

    kind: str
    style: str
    seed: int
    """Decides what no word describes: jitter, clouds, skin."""
    background: str | None = None
    objects: tuple[tuple[str, str], ...] = ()
    """(colour, shape) of each shape; of a pair, the one the sentence names first comes first."""
    relation: str | None = None
    size: str | None = None
    subject: str | None = None
    colour: str | None = None
    time: str | None = None
    ground: str | None = None
    mountains: bool = False
    companion: bool = False
    """A small tree beside the subject."""
    person: str | None = None
    hair: str | None = None
    hair_length: str | None = None
    shirt: str | None = None
    hat: str | None = None
    glasses: bool = False
    beard: bool = False
    smile: bool = False
    extras: tuple[str, ...] = field(default=())


def random_scene(seed: int) -> Scene:
    """Return the scene of a seed; the same seed always gives the same scene."""
    rng = random.Random(seed)
    kind = rng.choices(KINDS, KIND_WEIGHTS)[0]
    style = rng.choice(STYLES)
    return {"shape": _shape, "pair": _pair, "landscape": _landscape, "portrait": _portrait}[kind](
        rng, style, seed
    )


def _other(rng: random.Random, *taken: str | None) -> str:
    return rng.choice([name for name in COLOURS if name not in taken])


def _shape(rng: random.Random, style: str, seed: int) -> Scene:
    background = rng.choice(BACKGROUNDS)
    return Scene(
        "shape",
        style,
        seed,
        background=background,
        objects=((_other(rng, background), rng.choice(SHAPES)),),
        size=rng.choice((None, "small", "large")),
    )


def _pair(rng: random.Random, style: str, seed: int) -> Scene:
    background = rng.choice(BACKGROUNDS)
    first = _other(rng, background)
    second = _other(rng, background, first)
    return Scene(
        "pair",
        style,
        seed,
        background=background,
        objects=((first, rng.choice(SHAPES)), (second, rng.choice(SHAPES))),
        relation=rng.choice(RELATIONS),
    )


def _landscape(rng: random.Random, style: str, seed: int) -> Scene:
    subject = rng.choice(SUBJECTS)
    colours = ("green", "orange", "pink", "red") if subject == "tree" else tuple(COLOURS)
    return Scene(
        "landscape",
        style,
        seed,
        subject=subject,
        colour=rng.choice(colours),
        time=rng.choice(TIMES),
        ground="water" if subject == "boat" else rng.choice(GROUNDS),
        mountains=rng.random() < 0.4,
        companion=subject in ("house", "car") and rng.random() < 0.35,
    )


def _portrait(rng: random.Random, style: str, seed: int) -> Scene:
    background = rng.choice(BACKGROUNDS)
    person = rng.choice(("person", "woman", "man"))
    return Scene(
        "portrait",
        style,
        seed,
        background=background,
        person=person,
        hair=rng.choice(tuple(HAIR_COLOURS)),
        hair_length=rng.choice(HAIR_LENGTHS),
        shirt=_other(rng, background),
        hat=_other(rng, background) if rng.random() < 0.3 else None,
        glasses=rng.random() < 0.4,
        beard=person != "woman" and rng.random() < 0.4,
        smile=rng.random() < 0.5,
    )
