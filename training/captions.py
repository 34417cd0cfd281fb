"""Sentences for scenes: compositional, paraphrased, and often only a part of what is there.

Short prompts and single words must work too, so most captions leave something out: a model that
only ever read complete descriptions does not know what to do with "a red circle".
"""

from __future__ import annotations

import random

from training.scenes import (
    COLOURS,
    GROUNDS,
    HAIR_COLOURS,
    HAIR_LENGTHS,
    SHAPES,
    STYLES,
    SUBJECTS,
    TIMES,
    Scene,
)

FUNCTION_WORDS = (
    "a an the of on in at by with and to left right above below over under next beside is next "
    "background style portrait painting drawing picture illustration wearing hair hat shirt "
    "glasses beard smile smiling person woman man small large big mountains mountain landscape "
    "meadow beach field lake water sea sky stars moon sun sunny scene two shapes shape colored "
    "photo without no"
)
RELATION_WORDS = {
    "left of": ("left of", "to the left of"),
    "right of": ("right of", "to the right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
}
MIRROR = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
TIME_WORDS = {
    "day": ("by day", "in the day", "on a sunny day"),
    "sunset": ("at sunset",),
    "night": ("at night", "by night"),
}
GROUND_WORDS = {
    "grass": ("on grass", "on a meadow", "in a field"),
    "sand": ("on sand", "on a beach"),
    "snow": ("in snow", "on snow"),
    "water": ("on water", "on a lake", "on the sea"),
}


def vocabulary() -> list[str]:
    """Return every word of the grammar, sorted."""
    words = set(FUNCTION_WORDS.split())
    for group in (COLOURS, SHAPES, SUBJECTS, TIMES, GROUNDS, HAIR_COLOURS, HAIR_LENGTHS):
        words.update(group)
    for style in STYLES:
        words.update(style.split())
    return sorted(words)


def full_caption(scene: Scene, rng: random.Random) -> str:
    """Return a caption that says everything words can say about the scene."""
    return caption(scene, rng, keep=1.0)


def caption(scene: Scene, rng: random.Random, keep: float | None = None) -> str:
    """Return a caption that keeps each attribute with probability ``keep``.

    By default ``keep`` is drawn: a third of the captions are complete, the rest leave things
    out, down to a bare fragment.
    """
    if keep is None:
        keep = rng.choice((1.0, 1.0, 0.8, 0.6, 0.4))
        if rng.random() < 0.08:
            return _fragment(scene, rng)
    said = _Said(rng, keep)
    body = {"shape": _shape, "pair": _pair, "landscape": _landscape, "portrait": _portrait}[
        scene.kind
    ](scene, said)
    return _with_style(body, scene, said)


class _Said:
    """Decides what is said."""

    def __init__(self, rng: random.Random, keep: float) -> None:
        self.rng = rng
        self._keep = keep

    def __call__(self) -> bool:
        return self.rng.random() < self._keep


def _article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _with_style(body: str, scene: Scene, said: _Said) -> str:
    if not said():
        return body
    form = said.rng.random()
    if form < 0.6:
        return f"{body}, {scene.style} style"
    if form < 0.8:
        return f"{scene.style} style, {body}"
    kind = {"flat": "flat illustration", "outline": "outline drawing"}.get(
        scene.style, "watercolor painting" if scene.style == "watercolor" else "pixel art"
    )
    return f"{body}, {kind}"


def _object(colour: str, shape: str, said: _Said) -> str:
    return _article(f"{colour} {shape}" if said() else shape)


def _background(scene: Scene, said: _Said) -> str:
    if not said():
        return ""
    return f" on {_article(scene.background or 'white')} background"


def _shape(scene: Scene, said: _Said) -> str:
    colour, shape = scene.objects[0]
    words = f"{colour} {shape}" if said() else shape
    if scene.size and said():
        size = "big" if scene.size == "large" and said.rng.random() < 0.3 else scene.size
        words = f"{size} {words}"
    return _article(words) + _background(scene, said)


def _pair(scene: Scene, said: _Said) -> str:
    # Colours are almost always said: binding colour, shape and place is what is to be learned.
    first, second = (
        _article(f"{colour} {shape}" if said.rng.random() < 0.9 or said() else shape)
        for colour, shape in scene.objects
    )
    relation = scene.relation or "left of"
    if said.rng.random() < 0.5:
        first, second, relation = second, first, MIRROR[relation]
    if said.rng.random() < 0.12:
        return f"{first} and {second}" + _background(scene, said)
    words = said.rng.choice(RELATION_WORDS[relation])
    return f"{first} {words} {second}" + _background(scene, said)


def _landscape(scene: Scene, said: _Said) -> str:
    subject = scene.subject or "house"
    words = f"{scene.colour} {subject}" if said() or subject == "tree" else subject
    parts = [_article(words)]
    if scene.companion and said():
        parts.append(said.rng.choice(("beside a tree", "next to a tree", "with a tree")))
    if said():
        parts.append(said.rng.choice(GROUND_WORDS[scene.ground or "grass"]))
    if scene.mountains and said():
        parts.append("with mountains")
    if said():
        parts.append(said.rng.choice(TIME_WORDS[scene.time or "day"]))
    return " ".join(parts)


def _portrait(scene: Scene, said: _Said) -> str:
    features = []
    if said():
        words = [w for w in (scene.hair_length if said() else None, scene.hair) if w]
        features.append(" ".join([*words, "hair"]))
    if scene.glasses and said():
        features.append("glasses")
    if scene.beard and said():
        features.append("a beard")
    if scene.hat and said():
        features.append(_article(f"{scene.hat} hat"))
    if said():
        features.append(_article(f"{scene.shirt} shirt"))
    said.rng.shuffle(features)
    body = f"portrait of {_article(scene.person or 'person')}"
    if said.rng.random() < 0.4:
        body = f"a {body}"
    if features:
        joined = ", ".join(features[:-1])
        body += " with " + (f"{joined} and {features[-1]}" if joined else features[-1])
    if scene.smile and said():
        body += ", smiling"
    return body + _background(scene, said)


def _fragment(scene: Scene, rng: random.Random) -> str:
    """A word or two, as people type them, above all into negative prompts."""
    choices = [f"{scene.style} style", scene.style]
    if scene.background:
        choices.append(f"{scene.background} background")
    if scene.time:
        choices += [scene.time, rng.choice(TIME_WORDS[scene.time])]
    choices += [item for item in (scene.subject, scene.ground) if item]
    choices += [shape for _, shape in scene.objects] + [colour for colour, _ in scene.objects]
    if scene.kind == "portrait":
        choices += ["portrait", scene.person or "person", f"{scene.hair} hair"]
    features = {
        "glasses": scene.glasses,
        "beard": scene.beard,
        "smile": scene.smile,
        "hat": scene.hat,
        "mountains": scene.mountains,
    }
    choices += [name for name, present in features.items() if present]
    return rng.choice(choices)
