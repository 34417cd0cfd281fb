"""``concepts``: open_clip zero-shot classification (Radford et al. 2021, section 3.1).

A concept is a list of prompts that describe it and a list of negatives that do not. Its score for
a picture is the probability mass of its prompts in a softmax over both lists.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from guardrail import resources
from guardrail.checks.interface import Observation
from guardrail.errors import CheckError

if TYPE_CHECKING:
    from PIL.Image import Image

EMBEDDED = "embedded"


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
    ``negatives`` and ``threshold`` in 0..1). Raises :class:`CheckError` when the model is missing.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._encoder = _encoder(options["model"], options.get("pretrained"))
        self._concepts = [self._prepare(n, c) for n, c in sorted(options["concepts"].items())]

    def observe(self, images: Sequence[Image]) -> Sequence[Observation]:
        """Return one observation for each picture: its highest-scoring matched concept."""
        features = self._encoder.encode_images(images)
        return [self._one(feature) for feature in features]

    def _prepare(self, name: str, concept: Mapping[str, Any]) -> _Concept:
        prompts, negatives = list(concept["prompts"]), list(concept["negatives"])
        texts = self._encoder.encode_texts(prompts + negatives)
        return _Concept(name, float(concept["threshold"]), len(prompts), texts)

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
            score=round(scores[top.name], 6),
            threshold=top.threshold,
            scores=scores,
        )

    def _score(self, feature: Any, concept: _Concept) -> float:
        logits = self._encoder.scale * (concept.texts @ feature)
        probabilities = logits.softmax(dim=0)
        return float(probabilities[: concept.positives].sum())


class _Encoder:
    """A loaded open_clip model, in evaluation mode."""

    def __init__(self, name: str, pretrained: str | None) -> None:
        # Heavy: only when a policy has a concept rule.
        import open_clip  # noqa: PLC0415
        import torch  # noqa: PLC0415

        if name == EMBEDDED:
            name = f"local-dir:{resources.embedded_model_dir() / 'open_clip'}"
        self._torch = torch
        model, _, self._transform = open_clip.create_model_and_transforms(
            name, pretrained=pretrained, require_pretrained=":" not in name
        )
        self._model = model.eval()  # BatchNorm towers give other embeddings in training mode
        self._tokenizer = open_clip.get_tokenizer(name)
        self.scale = float(model.logit_scale.exp())

    def encode_texts(self, texts: Sequence[str]) -> Any:
        """Return unit embeddings, shape (texts, width)."""
        with self._torch.inference_mode():
            return self._model.encode_text(self._tokenizer(list(texts)), normalize=True)

    def encode_images(self, images: Sequence[Image]) -> Any:
        """Return unit embeddings, shape (images, width)."""
        batch = self._torch.stack([self._transform(image.convert("RGB")) for image in images])
        with self._torch.inference_mode():
            return self._model.encode_image(batch, normalize=True)


_encoders: dict[tuple[str, str | None], _Encoder] = {}
_loading = threading.Lock()


def _encoder(name: str, pretrained: str | None) -> _Encoder:
    """Load an open_clip model once a process. Raises :class:`CheckError`."""
    with _loading:
        if (name, pretrained) not in _encoders:
            try:
                _encoders[name, pretrained] = _Encoder(name, pretrained)
            except Exception as error:  # open_clip raises many kinds; each means: cannot look
                raise CheckError(
                    f"The open_clip model {name!r} cannot be loaded ({type(error).__name__}).",
                    hint="Name 'embedded', 'local-dir:PATH', or a model whose weights are cached.",
                ) from error
        return _encoders[name, pretrained]
