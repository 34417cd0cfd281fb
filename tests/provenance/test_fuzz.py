"""Files changed at random: a small run of ``benchmarks/verify_fuzz.py``, which does 5,000."""

from __future__ import annotations

import random

import pytest

from benchmarks.verify_fuzz import VALID, fuzz, sources
from guardrail.provenance import verify
from tests.provenance.mutation import MUTATIONS, Mutation, lenient_pixels, mutate


def test_nothing_crashes_hangs_or_is_fooled() -> None:
    tally = fuzz(300, seed=20261123)
    assert tally.crashes == []
    assert tally.fooled == []
    assert tally.slow == 0
    assert sum(tally.states.values()) == 300
    assert tally.states["invalid"] > 200


def test_the_check_itself_would_notice_a_changed_picture(
    signed: dict[str, bytes],
) -> None:
    """A pixel changed under a PNG whose checksum is wrong is seen by the lenient decoder."""
    content = signed["image/png"]
    at = content.rindex(b"IDAT") + 2000
    changed = content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]
    assert lenient_pixels(content)
    assert lenient_pixels(changed) != lenient_pixels(content)
    assert verify(changed).state not in VALID


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_every_mutation_changes_files(mutation: Mutation) -> None:
    files, _ = sources()
    chance = random.Random(1)
    content, other = files["ours.png"], files["ours.jpeg"]
    assert any(mutation(chance, content, other) != content for _ in range(5))
    assert mutate(chance, content, other) != content
