"""Reason codes are a public promise: none is renamed or reused."""

from __future__ import annotations

from guardrail.policy.rules import CHECKS
from guardrail.policy.rules.reasons import REASONS


def test_codes_are_pinned() -> None:
    assert set(REASONS) == {
        "REAL_PERSON_NAMED",
        "REAL_PERSON_HISTORICAL",
        "REAL_PERSON_RECENTLY_DEAD",
        "REAL_PERSON_DESCRIBED",
        "REAL_PERSON_PRIVATE",
        "DEEPFAKE_IMPERSONATION",
        "DEEPFAKE_DECEPTION",
        "DEEPFAKE_FACE_SWAP",
        "DEEPFAKE_UNDRESS",
        "DEEPFAKE_FABRICATED_EVIDENCE",
        "DEEPFAKE_FABRICATED_NEWS",
        "DEEPFAKE_FALSE_ENDORSEMENT",
        "DEEPFAKE_DEFAMATION",
        "INTIMATE_REAL_PERSON",
        "INTIMATE_MINOR",
        "INTIMATE_NON_CONSENSUAL",
        "PHRASE_LISTED",
        "PATTERN_MATCHED",
        "LANGUAGE_NOT_COVERED",
        "STYLE_OF_LIVING_ARTIST",
        "CHARACTER_NAMED",
        "TRADEMARK_NAMED",
    }


def test_every_reason_says_why_and_what_to_change() -> None:
    for reason in REASONS.values():
        assert reason.sentence.endswith(".")
        assert reason.remediation.endswith(".")


def test_checks_are_pinned() -> None:
    assert set(CHECKS) == {
        "real_person",
        "deepfake",
        "intimate",
        "protected",
        "phrases",
        "pattern",
        "language",
    }
