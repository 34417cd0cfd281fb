"""``concepts``: open_clip zero-shot classification (Radford et al. 2021, section 3.1).

A concept is a list of prompts that describe it and a list of negatives that do not. Its score for
a picture is the probability mass of its prompts in a softmax over both lists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from guardrail.checks.encoder import EMBEDDED, load_encoder
from guardrail.checks.interface import Observation
from guardrail.contracts import JsonObject
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
    ``negatives`` and ``threshold`` in 0..1). Nothing is downloaded. Raises :class:`CheckError`
    when the model is missing or a concept cannot be scored.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        name = options.get("model", EMBEDDED)
        self._encoder = load_encoder(name, options.get("pretrained"))
        self._concepts = [self._prepare(n, c) for n, c in sorted(options["concepts"].items())]
        if not self._concepts:
            raise CheckError("A rule of the kind 'concepts' names no concept.")
        self.model: JsonObject = {"id": name, "weights_digest": self._encoder.weights_digest}

    def observe(self, images: Sequence[Image]) -> Sequence[Observation]:
        """Return one observation for each picture: its highest-scoring matched concept, and the
        scores of all concepts."""
        features = self._encoder.encode_images(images)
        return [self._one(feature) for feature in features]

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

    def _one(self, feature: Any) -> Observation:
        scores = {concept.name: self._score(feature, concept) for concept in self._concepts}
        matched = [c for c in self._concepts if scores[c.name] >= c.threshold]
        if not matched:
            return Observation(None, scores=scores)
        top = max(matched, key=lambda concept: scores[concept.name])
        return Observation(
            "CONCEPT_SHOWN",
            f"The picture shows what the policy calls {top.name!r}.",
            matched=top.name,
            score=scores[top.name],
            threshold=top.threshold,
            scores=scores,
        )

    def _score(self, feature: Any, concept: _Concept) -> float:
        logits = self._encoder.scale * (concept.texts @ feature)
        probabilities = logits.softmax(dim=0)
        return round(float(probabilities[: concept.positives].sum()), 6)
