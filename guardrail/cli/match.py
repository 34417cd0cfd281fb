"""What is trusted here, and does a picture agree with the audit record? Shared by ``guardrail
verify`` and ``show``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guardrail.audit import AuditLog, Record
    from guardrail.provenance import Verification
    from guardrail.settings import Settings


class RecordMatch(StrEnum):
    """How a picture and the audit store agree."""

    MATCHES = "matches"
    SAME_PIXELS = "same_pixels"
    DIFFERS = "differs"
    NOT_RELEASED = "not_released"
    UNKNOWN = "unknown"
    NOT_CLAIMED = "not_claimed"
    NO_STORE = "no_store"

    @property
    def contradicts(self) -> bool:
        """True when the store speaks against what the credentials claim."""
        return self not in (RecordMatch.MATCHES, RecordMatch.NOT_CLAIMED, RecordMatch.NO_STORE)

    @property
    def sentence(self) -> str:
        """The same in plain words."""
        return _WORDS[self]


_WORDS = {
    RecordMatch.MATCHES: "matches: the store released exactly this file under this record",
    RecordMatch.SAME_PIXELS: "DIFFERS: the store released these pixels in another file",
    RecordMatch.DIFFERS: "DIFFERS: the store knows the record, and released another picture for it",
    RecordMatch.NOT_RELEASED: "DIFFERS: the store knows the record, and released nothing under it",
    RecordMatch.UNKNOWN: "unknown: the store holds no such record",
    RecordMatch.NOT_CLAIMED: "the credentials claim no guardrail record",
    RecordMatch.NO_STORE: "not compared: there is no audit store here",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a picture and the store agree, and the record that it is about, if there is one."""

    match: RecordMatch
    record: Record | None = None


@contextlib.contextmanager
def existing_store(url: str) -> Iterator[AuditLog | None]:
    """Open the audit store if there is one. Looking at a picture never makes a store."""
    path = url.removeprefix("sqlite:///")
    if path != url and not Path(path).is_file():
        yield None
        return
    from guardrail.audit import AuditLog as Log  # noqa: PLC0415 (a database driver comes with it)

    with Log.open(url, migrate=False) as log:
        yield log


def trusted_here(settings: Settings, files: Iterable[Path] = ()) -> str | None:
    """Return what is trusted under these settings, in PEM; makes nothing.

    Raises :class:`~guardrail.errors.GuardrailError` naming a file that cannot be used.
    """
    from guardrail.provenance import load_signer  # noqa: PLC0415
    from guardrail.provenance.signers.load import DEVELOPMENT  # noqa: PLC0415
    from guardrail.provenance.trust import trust_anchors  # noqa: PLC0415

    home, ours = settings.home_dir, None
    if settings.signer != DEVELOPMENT:
        ours = load_signer(settings.signer, home=home)
    return trust_anchors(home, (settings.trust, *files), signer=ours)


def compare(found: Verification, store: AuditLog | None) -> Comparison:
    """Compare a picture with the record that released it, or that its credentials claim.

    Raises :class:`~guardrail.errors.AuditError` when the store cannot be read.
    """
    claimed = found.guardrail.record_id if found.guardrail else None
    if store is None:
        return Comparison(RecordMatch.NO_STORE if claimed else RecordMatch.NOT_CLAIMED)
    released = store.find_asset(found.sha256)
    if claimed is None:
        return Comparison(RecordMatch.NOT_CLAIMED, released)
    if released is not None and released.record_id == found.record_id:
        return Comparison(RecordMatch.MATCHES, released)
    record = _record(store, found)
    if record is None:
        return Comparison(RecordMatch.DIFFERS if released else RecordMatch.UNKNOWN, released)
    return Comparison(_difference(found, record), record)


def _difference(found: Verification, record: Record) -> RecordMatch:
    if record.sha256 is None:
        return RecordMatch.NOT_RELEASED
    same = found.pixels_sha256 is not None and found.pixels_sha256 == record.pixels_sha256
    return RecordMatch.SAME_PIXELS if same else RecordMatch.DIFFERS


def _record(store: AuditLog, found: Verification) -> Record | None:
    from guardrail.audit import RecordNotFound  # noqa: PLC0415

    if found.record_id is None:  # what a manifest claims need not be an identifier
        return None
    try:
        return store.record(found.record_id)
    except RecordNotFound:
        return None
