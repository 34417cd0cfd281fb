"""How faithful is it? Figures for the model card, judged by pixels and by the probe.

500 held-out prompts for full captions, then short prompts and single negatives; the same judges
on drawn pictures of the same scenes stand beside each figure, since no judge is perfect. The
shipped open_clip is never a judge of the generator; its own zero-shot figures are measured on
drawn pictures that nothing was trained on.
"""

from __future__ import annotations

import json
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from training import clip, data, probe, tokenizer
from training.captions import caption
from training.export import SHIPPED
from training.meaning import PLACES
from training.scenes import COLOURS, SHAPES, SUBJECTS, Scene, random_scene
from training.world import draw, shape_points

PROMPTS = 500
STEPS = 20
GUIDANCE = 3.0
BATCH = 10
RESULTS = Path(__file__).parent / "faithfulness.json"
GRID = Path(__file__).parent.parent / "docs" / "images" / "embedded-samples.png"
Pictures = np.ndarray[Any, Any]
_PALETTE = np.array([COLOURS[name] for name in COLOURS], dtype=np.float32)
_NAMES = tuple(COLOURS)


class Tally:
    """Counts right answers by question, for drawn and for generated pictures."""

    def __init__(self) -> None:
        self.counts: dict[str, dict[str, list[int]]] = defaultdict(dict)

    def add(self, question: str, whose: str, right: Iterable[bool]) -> None:
        """Add answers."""
        found = list(right)
        count = self.counts[question].setdefault(whose, [0, 0])
        count[0] += sum(found)
        count[1] += len(found)

    def table(self) -> dict[str, dict[str, Any]]:
        """Return each question's share and number of pictures."""
        return {
            question: {
                "n": max(total for _, total in by.values()),
                **{whose: round(right / total, 4) for whose, (right, total) in by.items() if total},
            }
            for question, by in self.counts.items()
        }


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt, and the scene it describes."""

    scene: Scene
    prompt: str


def generator() -> Callable[..., Pictures]:
    """Return a function from prompts (and negatives) to pictures, by the shipped weights."""
    from diffusers import DiffusionPipeline

    load: Any = DiffusionPipeline.from_pretrained
    pipe = load(str(SHIPPED), dtype=torch.float32, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)

    def make(prompts: Sequence[str], negative: str | None = None, first_seed: int = 0) -> Pictures:
        made: list[Pictures] = []
        for start in range(0, len(prompts), BATCH):
            part = list(prompts[start : start + BATCH])
            seeds = range(first_seed + start, first_seed + start + len(part))
            images = pipe(
                part,
                negative_prompt=[negative] * len(part) if negative else None,
                num_inference_steps=STEPS,
                guidance_scale=GUIDANCE,
                generator=[torch.Generator().manual_seed(seed) for seed in seeds],
            ).images
            made += [np.asarray(image) for image in images]
        return np.stack(made)

    return make


def asked(count: int, keep: float, first: int = data.HELD_OUT_SEED) -> list[Asked]:
    """Return held-out scenes with prompts that say all (``keep`` 1) or less."""
    rng = random.Random(17)
    scenes = [random_scene(first + i) for i in range(count)]
    return [Asked(scene, _complete(scene, rng, keep)) for scene in scenes]


def _complete(scene: Scene, rng: random.Random, keep: float) -> str:
    """A caption; of a pair always one that states the relation."""
    while True:
        text = caption(scene, rng, keep=keep)
        if scene.kind != "pair" or " and " not in text:
            return text


def nearest_colour(picture: Pictures, background: str) -> str | None:
    """Return the name of the most frequent palette colour that is not the background's.

    Pixel statistics only: every pixel votes for the nearest named colour; pixels nearer to the
    background's colour than to any other do not count, nor does ink when another colour is there.
    """
    flat = picture.reshape(-1, 3).astype(np.float32)
    nearest = ((flat[:, None] - _PALETTE) ** 2).sum(-1).argmin(1)
    votes = np.bincount(nearest, minlength=len(_NAMES)).astype(float)
    votes[_NAMES.index(background)] = 0
    votes[_NAMES.index("black")] *= 0.4  # outlines
    best = int(votes.argmax())
    return _NAMES[best] if votes[best] >= 0.02 * len(flat) else None


def halves(picture: Pictures, relation: str) -> tuple[Pictures, Pictures]:
    """Return the parts where the first and the second object must be."""
    left, right = picture[:, :64], picture[:, 64:]
    top, bottom = picture[:64], picture[64:]
    parts = {"left": left, "right": right, "top": top, "bottom": bottom}
    first, second = PLACES[relation]
    return parts[first], parts[second]


def nearest_shape(picture: Pictures, background: Sequence[float]) -> str | None:
    """Return the shape whose outline, scaled to the same box, overlaps best (by intersection over
    union) with all that differs from the background."""
    away = np.abs(picture.astype(np.float32) - np.array(background)).sum(-1) > 110
    found = _boxed(away)
    if found is None:
        return None
    overlap = {
        shape: (found & template).sum() / (found | template).sum()
        for shape, template in _templates().items()
    }
    return max(overlap, key=lambda shape: overlap[shape])


def _boxed(mask: Pictures) -> Pictures | None:
    """Cut a mask to its box and scale it to 32x32; None when next to nothing is set."""
    rows, columns = (np.flatnonzero(mask.sum(axis) >= 2) for axis in (1, 0))
    if len(rows) < 8 or len(columns) < 8:
        return None
    cut = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scaled = Image.fromarray(cut.astype(np.uint8) * 255).resize((32, 32))
    return np.asarray(scaled) > 127


@cache
def _templates() -> dict[str, Pictures]:
    templates: dict[str, Pictures] = {}
    for shape in SHAPES:
        image = Image.new("L", (128, 128))
        ImageDraw.Draw(image).polygon(shape_points(shape, 64, 64, 50), fill=255)
        boxed = _boxed(np.asarray(image) > 127)
        assert boxed is not None
        templates[shape] = boxed
    return templates


def by_pixels(tally: Tally, whose: str, items: Sequence[Asked], pictures: Pictures) -> None:
    """Colours and relation from pixel statistics. Watercolours, whose washes change every
    colour on purpose, are left to the probe."""
    for item, picture in zip(items, pictures, strict=True):
        scene = item.scene
        if scene.style == "watercolor":
            continue
        if scene.kind == "shape":
            seen = nearest_colour(picture, scene.background or "white")
            tally.add("one shape: colour (pixels)", whose, [seen == scene.objects[0][0]])
            outline = nearest_shape(picture, COLOURS[scene.background or "white"])
            tally.add("one shape: object (pixels)", whose, [outline == scene.objects[0][1]])
        if scene.kind == "pair" and scene.relation:
            background = scene.background or "white"
            seen_pair = [
                nearest_colour(part, background) for part in halves(picture, scene.relation)
            ]
            wanted = [colour for colour, _ in scene.objects]
            tally.add("two shapes: both colours (pixels)", whose, [set(seen_pair) == set(wanted)])
            tally.add("two shapes: relation (pixels)", whose, [seen_pair == wanted])
            shapes = [
                nearest_shape(part, COLOURS[background]) for part in halves(picture, scene.relation)
            ]
            right = shapes == [shape for _, shape in scene.objects]
            tally.add("two shapes: both objects in place (pixels)", whose, [right])


def by_probe(
    tally: Tally, whose: str, items: Sequence[Asked], read: Sequence[dict[str, str]]
) -> None:
    """Everything else, from the probe's reading."""
    for item, seen in zip(items, read, strict=True):
        shown = probe.truth(item.scene)

        def holds(*slots: str, seen: dict[str, str] = seen, shown: dict[str, str] = shown) -> bool:
            return all(seen[slot] == shown[slot] for slot in slots)

        tally.add("style", whose, [holds("style")])
        if "background" in shown:
            tally.add("background", whose, [holds("background")])
        if item.scene.kind == "shape":
            tally.add("one shape: object", whose, [holds("one shape")])
            tally.add("one shape: colour", whose, [holds("one colour")])
        elif item.scene.kind == "pair":
            first, second = PLACES[item.scene.relation or ""]
            colours = (f"{first} colour", f"{second} colour")
            shapes = (f"{first} shape", f"{second} shape")
            tally.add("two shapes: both colours in place", whose, [holds(*colours)])
            tally.add("two shapes: both shapes in place", whose, [holds(*shapes)])
            tally.add("two shapes: everything", whose, [holds(*colours, *shapes)])
        elif item.scene.kind == "landscape":
            for slot in ("subject", "subject colour", "time", "ground"):
                tally.add(f"landscape: {slot}", whose, [holds(slot)])
        else:
            for slot in ("hair", "hair length", "shirt"):
                tally.add(f"portrait: {slot}", whose, [holds(slot)])
            for slot in ("glasses", "hat", "beard"):
                if slot in shown:
                    tally.add(f"portrait: {slot}", whose, [holds(slot)])


def short_prompts(tally: Tally, make: Callable[..., Pictures], judge: probe.Probe) -> None:
    """Bare prompts such as ``a red circle`` and ``a blue boat``."""
    rng = random.Random(18)
    colours = [c for c in COLOURS if c != "white"]
    shapes = [
        (rng.choice(colours), rng.choice(("circle", "square", "triangle", "star", "heart")))
        for _ in range(60)
    ]
    scenes = [
        (rng.choice(colours), rng.choice([s for s in SUBJECTS if s != "tree"])) for _ in range(60)
    ]
    article = {c: "an" if c[0] in "aeiou" else "a" for c in colours}
    pictures = make([f"{article[c]} {c} {s}" for c, s in shapes], first_seed=1000)
    read = judge.read(pictures)
    rims = [np.concatenate([p[:3].reshape(-1, 3), p[-3:].reshape(-1, 3)]) for p in pictures]
    tally.add(
        "short: shape (pixels)",
        "generated",
        [
            nearest_shape(picture, np.median(rim, axis=0)) == shape
            for picture, rim, (_, shape) in zip(pictures, rims, shapes, strict=True)
        ],
    )
    tally.add(
        "short: colour and shape",
        "generated",
        [(r["one colour"], r["one shape"]) == pair for r, pair in zip(read, shapes, strict=True)],
    )
    tally.add(
        "short: colour of a shape",
        "generated",
        [r["one colour"] == colour for r, (colour, _) in zip(read, shapes, strict=True)],
    )
    read = judge.read(make([f"{article[c]} {c} {s}" for c, s in scenes], first_seed=2000))
    tally.add(
        "short: colour and subject",
        "generated",
        [(r["subject colour"], r["subject"]) == pair for r, pair in zip(read, scenes, strict=True)],
    )
    read = judge.read(make(["portrait of a person"] * 20 + ["a woman"] * 20, first_seed=3000))
    tally.add("short: a person", "generated", [r["portrait"] == "yes" for r in read])


NEGATIVES = {
    "glasses": ("portrait of a man with glasses and brown hair", "glasses", "portrait", "yes"),
    "hat": ("portrait of a woman with a red hat", "hat", "portrait", "yes"),
    "beard": ("portrait of a man with a beard", "beard", "portrait", "yes"),
    "mountains": ("a red house with mountains by day", "mountains", "subject", "house"),
    "watercolor style": ("a blue car on grass", "style", "subject", "car"),
    "night": ("a boat on a lake", "time", "subject", "boat"),
}
"""Negative prompt: what is asked for besides, the slot it should empty, what must stay."""


def negatives(tally: Tally, make: Callable[..., Pictures], judge: probe.Probe) -> None:
    """Single negatives: the thing is gone, and the subject is still there."""
    for number, (negative, (prompt, slot, kept, value)) in enumerate(NEGATIVES.items()):
        read = judge.read(make([prompt] * 20, negative=negative, first_seed=4000 + 100 * number))
        unwanted = {"watercolor style": "watercolor", "night": "night"}.get(negative)
        gone = [r[slot] != unwanted if unwanted else r[slot] == "-" for r in read]
        tally.add("negative: the thing is gone", "generated", gone)
        tally.add("negative: the subject stays", "generated", [r[kept] == value for r in read])


@torch.inference_mode()
def open_clip_zero_shot(tally: Tally, count: int = 500) -> None:
    """Zero-shot questions to the shipped open_clip, on drawn pictures it was not trained on."""
    model = clip.train()
    scenes = [random_scene(data.HELD_OUT_SEED + 50_000 + i) for i in range(count)]
    pictures = np.stack([np.asarray(draw(scene)) for scene in scenes])
    image = torch.cat(
        [
            model.encode_image(
                clip.images(pictures, list(range(i, min(i + 100, count)))), normalize=True
            )
            for i in range(0, count, 100)
        ]
    )

    def ask(choices: Sequence[str]) -> list[int]:
        text = model.encode_text(
            torch.tensor([tokenizer.encode(c) for c in choices]), normalize=True
        )
        return [int(i) for i in (image @ text.T).argmax(1)]

    subjects = ("house", "boat", "car", "tree")
    chosen = ask([f"a {s}" for s in subjects])
    tally.add(
        "open_clip: subject of 4",
        "drawn",
        [
            subjects[c] == s.subject
            for c, s in zip(chosen, scenes, strict=True)
            if s.kind == "landscape"
        ],
    )
    shapes = ("circle", "square", "triangle", "star", "heart", "hexagon")
    chosen = ask([f"a {s}" for s in shapes])
    tally.add(
        "open_clip: shape of 6",
        "drawn",
        [
            shapes[c] == s.objects[0][1]
            for c, s in zip(chosen, scenes, strict=True)
            if s.kind == "shape"
        ],
    )
    for kind, name in (("shape", "shape colour"), ("landscape", "subject colour")):
        answers: list[bool] = []
        for position, scene in enumerate(scenes):
            if scene.kind != kind:
                continue
            thing = scene.objects[0][1] if kind == "shape" else scene.subject
            if scene.subject == "tree":
                continue
            text = model.encode_text(
                torch.tensor([tokenizer.encode(f"a {c} {thing}") for c in COLOURS]), normalize=True
            )
            best = _NAMES[int((text @ image[position]).argmax())]
            answers.append(best == (scene.objects[0][0] if kind == "shape" else scene.colour))
        tally.add(f"open_clip: {name} of 12", "drawn", answers)
    people = ("a portrait of a person", "a woman", "a man")
    others = ("a shape", "two shapes", "a house", "a boat", "a car", "a tree", "a landscape")
    chosen = ask([*people, *others])
    tally.add(
        "open_clip: person or not",
        "drawn",
        [(c < len(people)) == (s.kind == "portrait") for c, s in zip(chosen, scenes, strict=True)],
    )


def sample_grid(make: Callable[..., Pictures], path: Path = GRID) -> None:
    """Write a grid of samples for the model card."""
    prompts = [
        "a house on a meadow at sunset, watercolor style",
        "a red boat on a lake at night, flat style",
        "a pink tree on a meadow by day, outline style",
        "a blue car in snow with mountains by day, pixel art",
        "portrait of a woman with long red hair and glasses on a teal background, flat style",
        "portrait of a man with short black hair and a beard on a yellow background, outline style",
        "portrait of a person with a green hat and a white shirt, pixel art",
        "portrait of a woman with long blond hair, smiling on a gray background, watercolor style",
        "a red circle to the left of a blue square on a white background, flat style",
        "a yellow star above a purple heart on a black background, outline style",
        "a green hexagon below an orange triangle on a gray background, pixel art",
        "a pink heart right of a teal circle on a yellow background, watercolor style",
        "a red heart",
        "a star",
        "a house",
        "night",
    ]
    pictures = make(prompts, first_seed=7)
    grid = Image.new("RGB", (8 * 132 + 4, 2 * 132 + 4), "white")
    for number, picture in enumerate(pictures):
        place = (4 + (number % 8) * 132, 4 + (number // 8) * 132)
        grid.paste(Image.fromarray(picture), place)
    path.parent.mkdir(parents=True, exist_ok=True)
    grid.save(path, optimize=True)


def main() -> None:
    """Measure everything and write ``faithfulness.json`` and the sample grid."""
    judge, make, tally = probe.train(), generator(), Tally()
    items = asked(PROMPTS, keep=1.0)
    drawn = np.stack([np.asarray(draw(item.scene)) for item in items])
    began = time.time()
    generated = make([item.prompt for item in items])
    seconds = (time.time() - began) / PROMPTS
    for whose, pictures in (("drawn", drawn), ("generated", generated)):
        by_pixels(tally, whose, items, pictures)
        by_probe(tally, whose, items, judge.read(pictures))
    short_prompts(tally, make, judge)
    negatives(tally, make, judge)
    open_clip_zero_shot(tally)
    sample_grid(make)
    table = tally.table()
    RESULTS.write_text(
        json.dumps({"prompts": PROMPTS, "steps": STEPS, "table": table}, indent=2) + "\n"
    )
    for question, row in table.items():
        figures = "  ".join(
            f"{whose} {row[whose]:.3f}" for whose in ("drawn", "generated") if whose in row
        )
        print(f"{question:<44} n={row['n']:<4} {figures}")
    print(f"{seconds:.2f} s a picture in batches of {BATCH}")


if __name__ == "__main__":
    main()
