"""Record identifiers and seeds: how they are made, written and read."""

from __future__ import annotations

import secrets
from uuid import UUID

import uuid6

SEED_MAX = 2**64 - 1
"""Seeds are unsigned 64-bit integers, the range that ``torch.Generator.manual_seed`` takes."""


def new_id() -> UUID:
    """Return a fresh UUIDv7 (RFC 9562 section 5.7): unique, and sortable by time of creation."""
    return UUID(int=uuid6.uuid7().int)


def new_seed() -> int:
    """Draw a seed from the system's entropy, in ``0 .. 2**64 - 1``."""
    return secrets.randbits(64)


def check_seed(seed: int) -> int:
    """Return ``seed`` if it is an integer in ``0 .. 2**64 - 1``; raise ``ValueError`` if not."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= SEED_MAX:
        raise ValueError(f"a seed is a whole number from 0 to {SEED_MAX}")
    return seed
