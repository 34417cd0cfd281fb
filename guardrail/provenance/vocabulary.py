"""The words of C2PA that guardrail writes and reads, each with its clause.

c2pa-rs passes a misspelt source type, action or label through unread, so whatever we write is
taken from here and checked against here (:mod:`guardrail.provenance.wellformed`).
"""

from __future__ import annotations

import re
from enum import StrEnum

SPEC_VERSION = "2.4.0"
"""The version of the C2PA specification we write (2.4 section 10.2.3.2: it belongs in
``claim_generator_info``; the conformance programme 0.2 makes it mandatory)."""

_IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_C2PA = "http://c2pa.org/digitalsourcetype/"


class SourceType(StrEnum):
    """``digitalSourceType`` (C2PA 2.2 section 18.14.4.5): how the pixels came to be."""

    TRAINED_ALGORITHMIC_MEDIA = _IPTC + "trainedAlgorithmicMedia"
    COMPOSITE_WITH_TRAINED = _IPTC + "compositeWithTrainedAlgorithmicMedia"
    COMPOSITE_SYNTHETIC = _IPTC + "compositeSynthetic"
    ALGORITHMIC_MEDIA = _IPTC + "algorithmicMedia"
    ALGORITHMICALLY_ENHANCED = _IPTC + "algorithmicallyEnhanced"
    HUMAN_EDITS = _IPTC + "humanEdits"
    DIGITAL_CREATION = _IPTC + "digitalCreation"
    DIGITAL_CAPTURE = _IPTC + "digitalCapture"
    COMPUTATIONAL_CAPTURE = _IPTC + "computationalCapture"
    COMPOSITE_CAPTURE = _IPTC + "compositeCapture"
    COMPOSITE = _IPTC + "composite"
    SCREEN_CAPTURE = _IPTC + "screenCapture"
    VIRTUAL_RECORDING = _IPTC + "virtualRecording"
    DATA_DRIVEN_MEDIA = _IPTC + "dataDrivenMedia"
    EMPTY = _C2PA + "empty"
    TRAINED_ALGORITHMIC_DATA = _C2PA + "trainedAlgorithmicData"

    @property
    def word(self) -> str:
        """The last part of the identifier, e.g. ``trainedAlgorithmicMedia``."""
        return self.rsplit("/", 1)[-1]


GENERATIVE = frozenset(
    {
        SourceType.TRAINED_ALGORITHMIC_MEDIA,
        SourceType.COMPOSITE_WITH_TRAINED,
        SourceType.COMPOSITE_SYNTHETIC,
        SourceType.TRAINED_ALGORITHMIC_DATA,
    }
)
"""The source types that the conformance programme counts as generative AI."""

SOURCE_OF_MODE = {
    "text-to-image": SourceType.TRAINED_ALGORITHMIC_MEDIA,
    "image-to-image": SourceType.COMPOSITE_WITH_TRAINED,
    "inpainting": SourceType.COMPOSITE_WITH_TRAINED,
    "outpainting": SourceType.COMPOSITE_WITH_TRAINED,
}
"""What each way of generating makes: a picture that also holds other pixels is a composite."""


class Oversight(StrEnum):
    """``contentProfile.humanOversightLevel`` of ``c2pa.ai-disclosure`` (2.4 section 18.28)."""

    FULLY_AUTONOMOUS = "fully_autonomous"
    PROMPT_GUIDED = "prompt_guided"
    HUMAN_VALIDATED = "human_validated"


class Permission(StrEnum):
    """``use`` of an entry of ``cawg.training-mining`` (CAWG 1.1 section 3)."""

    ALLOWED = "allowed"
    NOT_ALLOWED = "notAllowed"
    CONSTRAINED = "constrained"


TRAINING_USES = (
    "cawg.ai_generative_training",
    "cawg.ai_inference",
    "cawg.ai_training",
    "cawg.data_mining",
)

MODEL_TYPE = "c2pa.types.model.pytorch"
MODEL_TYPE_SHAPE = re.compile(r"c2pa\.types\.model(\.[a-z_]+)*\Z")
"""``modelType`` comes from the table of asset types, its ``c2pa.types.model`` rows."""

ACTIONS_LABEL = "c2pa.actions.v2"
DISCLOSURE_LABEL = "c2pa.ai-disclosure"
TRAINING_LABEL = "cawg.training-mining"
GENERATION_LABEL = "org.guardrail.generation"
PROMPT_LABEL = "org.guardrail.prompt"


def _predefined(names: str) -> frozenset[str]:
    return frozenset("c2pa." + name for name in names.split())


PREDEFINED_ACTIONS = _predefined(
    "addedText adjustedColor changedSpeed converted created cropped deleted drawing dubbed "
    "edited edited.metadata enhanced filtered mastered mixed opened orientation placed "
    "published redacted remixed removed repackaged resized resized.proportional transcoded "
    "translated trimmed unknown watermarked.bound watermarked.unbound"
)
"""Actions of 2.4 section 18.15 that are not deprecated."""

SOURCELESS_ACTIONS = _predefined(
    "converted edited.metadata enhanced opened placed published redacted repackaged "
    "resized.proportional transcoded watermarked watermarked.bound watermarked.unbound"
)
"""Actions that need no ``digitalSourceType`` (conformance 0.2); all other predefined ones do."""

PREDEFINED_ASSERTIONS = _predefined(
    "actions.v2 ai-disclosure ingredient.v3 soft-binding thumbnail.claim "
    "thumbnail.ingredient embedded-data asset-ref asset-type.v2 metadata "
    "environmental-sustainability repository-receipt external-reference"
)
"""Predefined assertions a claim generator may write itself (hard bindings come from c2pa-rs)."""

INTENDED_PURPOSES = {
    "emailProtection": "1.3.6.1.5.5.7.3.4",
    "documentSigning": "1.3.6.1.5.5.7.3.36",
    "c2pa-kp-claimSigning": "1.3.6.1.4.1.62558.2.1",
}
"""Extended key usages a signing certificate may have (C2PA certificate policy, leaf profile)."""
