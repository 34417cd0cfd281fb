"""``concepts``: open_clip zero-shot classification (Radford et al. 2021, section 3.1).

A concept is a list of prompts that describe it and a list of negatives that do not. Its score for
a picture is the probability mass of its prompts in a softmax over both lists; with crops, the
highest of the whole picture and its parts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from guardrail.checks.encoder import EMBEDDED, load_encoder
from guardrail.checks.interface import Observation
from guardrail.contracts import JsonObject, Region
from guardrail.errors import CheckError

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class _Concept:
    name: str
    threshold: float
    positives: int
    """How many of the encoded texts are prompts; the rest are negatives."""
    texts: Any
    """Unit text embeddings, shape (prompts + negatives, width)."""


class Concepts:
    """Scores pictures against named concepts with one open_clip model.

    ``options``: ``model`` (``embedded``, an open_clip name, ``local-dir:PATH`` or ``hf-hub:ID``),
    ``pretrained`` (weights tag, for open_clip names), ``concepts`` (name to ``prompts``,
    ``negatives`` and ``threshold`` in 0..1), ``crops`` (look also at n x n overlapping parts; 1,
    the default, is the whole picture only). Nothing is downloaded. Raises :class:`CheckError`
    when the model is missing or a concept cannot be scored.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        name = options.get("model", EMBEDDED)
        self._encoder = load_encoder(name, options.get("pretrained"))
        self._concepts = [self._prepare(n, c) for n, c in sorted(options["concepts"].items())]
        if not self._concepts:
            raise CheckError("A rule of the kind 'concepts' names no concept.")
        self._crops = int(options.get("crops", 1))
        self.model: JsonObject = {"id": name, "weights_digest": self._encoder.weights_digest}

    def observe(self, images: Sequence[Image]) -> Sequence[Observation]:
        """Return one observation for each picture: its highest-scoring matched concept, where it
        was seen, and the scores of all concepts."""
        parts = [list(regions(image.size, self._crops)) for image in images]
        cut = [
            image if region is None else image.crop(_box(region))
            for image, own in zip(images, parts, strict=True)
            for region in own
        ]
        features = iter(self._encoder.encode_images(cut)) if cut else iter(())
        return [self._one([(region, next(features)) for region in own]) for own in parts]

    def _prepare(self, name: str, concept: Mapping[str, Any]) -> _Concept:
        prompts, negatives = list(concept["prompts"]), list(concept["negatives"])
        threshold = float(concept["threshold"])
        if not prompts or not negatives or not 0 <= threshold <= 1:
            raise CheckError(
                f"The concept {name!r} cannot be scored.",
                hint="It needs at least one prompt, one negative, and a threshold from 0 to 1.",
            )
        texts = self._encoder.encode_texts(prompts + negatives)
        return _Concept(name, threshold, len(prompts), texts)

    def _one(self, seen: Sequence[tuple[Region | None, Any]]) -> Observation:
        every = {
            c.name: [(self._score(f, c), region) for region, f in seen] for c in self._concepts
        }
        if any(math.isnan(score) for pairs in every.values() for score, _ in pairs):
            raise CheckError("The open_clip model gives scores that are not numbers.")
        best = {name: max(pairs, key=lambda pair: pair[0]) for name, pairs in every.items()}
        scores = {name: score for name, (score, _) in best.items()}
        matched = [c for c in self._concepts if scores[c.name] >= c.threshold]
        if not matched:
            return Observation(None, scores=scores)
        top = max(matched, key=lambda concept: scores[concept.name])
        return Observation(
            "CONCEPT_SHOWN",
            f"The picture shows what the policy calls {top.name!r}.",
            matched=top.name,
            region=best[top.name][1],
            score=scores[top.name],
            threshold=top.threshold,
            scores=scores,
        )

    def _score(self, feature: Any, concept: _Concept) -> float:
        logits = self._encoder.scale * (concept.texts @ feature)
        probabilities = logits.softmax(dim=0)
        return round(float(probabilities[: concept.positives].sum()), 6)


def regions(size: tuple[int, int], crops: int) -> Iterator[Region | None]:
    """Yield the whole picture (None) and then ``crops`` x ``crops`` parts of it, each twice as wide
    and high as a tile, so that what lies across an edge is whole in one of them."""
    yield None
    if crops < 2:
        return
    width, height = (max(1, 2 * side // (crops + 1)) for side in size)
    for row in range(crops):
        for column in range(crops):
            left = column * (size[0] - width) // (crops - 1)
            top = row * (size[1] - height) // (crops - 1)
            yield Region(left, top, width, height)


def _box(region: Region) -> tuple[int, int, int, int]:
    return region.left, region.top, region.left + region.width, region.top + region.height
