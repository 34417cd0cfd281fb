"""The checks on texts, by the name a rule's ``check:`` uses.

    real_person   REAL_PERSON_NAMED, REAL_PERSON_DESCRIBED, REAL_PERSON_PRIVATE,
                  REAL_PERSON_RECENTLY_DEAD, REAL_PERSON_HISTORICAL
    deepfake      DEEPFAKE_FACE_SWAP, DEEPFAKE_UNDRESS, DEEPFAKE_DECEPTION,
                  DEEPFAKE_IMPERSONATION, DEEPFAKE_DEFAMATION, DEEPFAKE_FABRICATED_EVIDENCE,
                  DEEPFAKE_FABRICATED_NEWS, DEEPFAKE_FALSE_ENDORSEMENT
    intimate      INTIMATE_REAL_PERSON, INTIMATE_MINOR, INTIMATE_NON_CONSENSUAL, DEEPFAKE_UNDRESS
    protected     STYLE_OF_LIVING_ARTIST, CHARACTER_NAMED, TRADEMARK_NAMED
    phrases       PHRASE_LISTED
    pattern       PATTERN_MATCHED
    language      LANGUAGE_NOT_COVERED

What each code says, and what to change, stands in :mod:`guardrail.policy.rules.reasons`.
"""

from __future__ import annotations

from collections.abc import Mapping

from guardrail.policy.interface import PromptCheck
from guardrail.policy.rules.deepfake import Deepfake
from guardrail.policy.rules.intimate import Intimate
from guardrail.policy.rules.language import Language
from guardrail.policy.rules.pattern import Pattern
from guardrail.policy.rules.phrases import Phrases
from guardrail.policy.rules.protected import Protected
from guardrail.policy.rules.real_person import RealPerson

CHECKS: Mapping[str, type[PromptCheck]] = {
    "real_person": RealPerson,
    "deepfake": Deepfake,
    "intimate": Intimate,
    "protected": Protected,
    "phrases": Phrases,
    "pattern": Pattern,
    "language": Language,
}
"""Checks on texts by name. Each class has ``Options``, the model of its ``with:``; a constructor
that takes one and raises ``ValueError`` naming the option that cannot be used."""

__all__ = [
    "CHECKS",
    "Deepfake",
    "Intimate",
    "Language",
    "Pattern",
    "Phrases",
    "PromptCheck",
    "Protected",
    "RealPerson",
]
