"""Every reason code a check on texts can give, with its sentence and what to change.

Codes are frozen: never reused, never renamed; a test pins them. A rule's own ``reason`` and
``remediation`` in the policy document win over these.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something was found, for a machine and for a person."""

    code: str
    sentence: str
    remediation: str

    def __post_init__(self) -> None:
        REASONS[self.code] = self


REASONS: dict[str, Reason] = {}
"""All reasons by code."""

NAMED = Reason(
    "REAL_PERSON_NAMED",
    "The request names a real person.",
    "Describe an invented person instead, or record the person's consent.",
)
RECENTLY_DEAD = Reason(
    "REAL_PERSON_RECENTLY_DEAD",
    "The request names a real person who died recently.",
    "Describe an invented person instead, or record the consent of those who may give it.",
)
HISTORICAL = Reason(
    "REAL_PERSON_HISTORICAL",
    "The request names a real person of history.",
    "Describe an invented person instead.",
)
DESCRIBED = Reason(
    "REAL_PERSON_DESCRIBED",
    "The request describes a real person by an office, a role or a work.",
    "Describe what the person should look like without pointing at anyone who exists.",
)
PRIVATE = Reason(
    "REAL_PERSON_PRIVATE",
    "The request is about a private person known to the requester.",
    "Ask for an invented person, or record the person's consent.",
)
IMPERSONATION = Reason(
    "DEEPFAKE_IMPERSONATION",
    "The request asks for a picture to pose as a real person.",
    "Ask for an invented person, clearly not anyone who exists.",
)
DECEPTION = Reason(
    "DEEPFAKE_DECEPTION",
    "The request says that the picture is meant to deceive.",
    "Ask for a picture that does not pretend to show something that happened.",
)
FACE_SWAP = Reason(
    "DEEPFAKE_FACE_SWAP",
    "The request asks to put a person's face or likeness onto another picture.",
    "Ask for an invented face.",
)
UNDRESS = Reason(
    "DEEPFAKE_UNDRESS",
    "The request asks to undress a person.",
    "Remove what asks for clothes to be taken away.",
)
EVIDENCE = Reason(
    "DEEPFAKE_FABRICATED_EVIDENCE",
    "The request asks for fabricated evidence or documents.",
    "Remove the claim that the picture is evidence or a genuine document.",
)
NEWS = Reason(
    "DEEPFAKE_FABRICATED_NEWS",
    "The request asks for fabricated news.",
    "Remove the claim that the picture is a news report of a real event.",
)
ENDORSEMENT = Reason(
    "DEEPFAKE_FALSE_ENDORSEMENT",
    "The request asks for an endorsement that nobody gave.",
    "Use an invented person, or the person's recorded consent.",
)
DEFAMATION = Reason(
    "DEEPFAKE_DEFAMATION",
    "The request asks to show a real person in a compromising situation.",
    "Remove the real person or the compromising situation.",
)
INTIMATE_PERSON = Reason(
    "INTIMATE_REAL_PERSON",
    "The request combines a real person with intimate content.",
    "This cannot be generated. Remove the intimate content and the real person.",
)
INTIMATE_MINOR = Reason(
    "INTIMATE_MINOR",
    "The request combines a minor with intimate content.",
    "This cannot be generated.",
)
NON_CONSENSUAL = Reason(
    "INTIMATE_NON_CONSENSUAL",
    "The request asks for intimate imagery without consent.",
    "This cannot be generated.",
)
PHRASE = Reason(
    "PHRASE_LISTED",
    "The request contains a phrase that the policy lists.",
    "Remove or replace the marked words.",
)
PATTERN = Reason(
    "PATTERN_MATCHED",
    "The request contains something that a pattern of the policy matches.",
    "Remove or replace the marked words.",
)
LANGUAGE = Reason(
    "LANGUAGE_NOT_COVERED",
    "The request is in a language that the policy does not cover.",
    "Write the request in a language that the policy covers, or ask for a review.",
)
ARTIST = Reason(
    "STYLE_OF_LIVING_ARTIST",
    "The request asks for the style of a living artist.",
    "Describe the style by its period, technique or mood instead.",
)
CHARACTER = Reason(
    "CHARACTER_NAMED",
    "The request names a protected character.",
    "Describe an original character instead.",
)
TRADEMARK = Reason(
    "TRADEMARK_NAMED",
    "The request names a trademark.",
    "Describe the product without its brand.",
)
