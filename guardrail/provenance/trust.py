"""Which certificates are trusted here: the development root, the trust lists of C2PA (bundled, or
a later copy that was installed), and what the operator names.

A list that is installed is kept with its date, in ``home/trust``, and the copies before it stay:
what was trusted when can be told later.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from guardrail.clock import Clock, utc_now
from guardrail.errors import ConfigurationError
from guardrail.files import write_durably
from guardrail.provenance.certificates import fingerprint, pem
from guardrail.provenance.signers.development import development_root
from guardrail.provenance.signers.interface import Signer

FOLDER = "trust"
_BUNDLED = Path(__file__).resolve().parent / "trust_lists"
_BUNDLED_SINCE = datetime(2026, 8, 21, tzinfo=UTC)
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")
_COPY = re.compile(r"(?P<name>[a-z0-9-]+)\.(?P<since>\d{8}T\d{6}Z)\.pem\Z")
_STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True)
class TrustList:
    """One list of trusted certificates that is in force."""

    name: str
    path: Path
    since: datetime
    """When this copy was installed, in UTC; of a bundled one, when it was copied."""
    bundled: bool

    def certificates(self) -> list[x509.Certificate]:
        """Return the certificates. Raises :class:`ConfigurationError`."""
        return read_certificates(self.path)


@dataclass(frozen=True, slots=True)
class Update:
    """What installing a list changed."""

    list: TrustList
    added: tuple[str, ...]
    """Subjects of certificates that the copy before did not hold."""
    removed: tuple[str, ...]


def trust_anchors(
    home: Path, files: Iterable[str | Path | None] = (), *, signer: Signer | None = None
) -> str | None:
    """Return everything that is trusted here as PEM; None when nothing is: the lists in force,
    the development root, ``files``, and what verifies the pictures of our own ``signer``.

    Makes nothing: a development chain counts only if it exists. Raises
    :class:`ConfigurationError` naming a file that holds no certificates.
    """
    parts = [signer.anchors()] if signer else []
    parts += [development_root(home) or ""]
    parts += [pem(*entry.certificates()) for entry in trust_lists(home)]
    parts += [read_anchors(Path(file)) for file in files if file is not None]
    return "".join(parts) or None


def trust_lists(home: Path) -> tuple[TrustList, ...]:
    """Return the lists in force, by name: of each the latest copy, the bundled one included."""
    latest: dict[str, TrustList] = {}
    for entry in sorted((*_bundled(), *_installed(home)), key=lambda e: (e.since, not e.bundled)):
        latest[entry.name] = entry
    return tuple(latest[name] for name in sorted(latest))


def install_list(
    home: Path, source: Path, *, name: str | None = None, clock: Clock = utc_now
) -> Update:
    """Put the certificates of a PEM file in force under ``name`` (default: the file's name).

    Raises :class:`ConfigurationError` for a file without certificates or an impossible name.
    """
    name = name or re.sub(r"[^a-z0-9]+", "-", source.stem.lower()).strip("-")
    if not _NAME.match(name):
        raise ConfigurationError(
            f"{name!r} cannot name a trust list.", hint="Use a-z, 0-9 and single hyphens."
        )
    new = read_certificates(source)
    before = next((entry for entry in trust_lists(home) if entry.name == name), None)
    old = before.certificates() if before else []
    since = clock()
    path = home / FOLDER / f"{name}.{since:{_STAMP}}.pem"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_durably(path, pem(*new).encode("ascii"))
    except FileExistsError as error:
        raise ConfigurationError("A list was installed in this very second.") from error
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written ({error.strerror}).") from error
    return Update(TrustList(name, path, since, bundled=False), _only(new, old), _only(old, new))


def read_anchors(path: Path) -> str:
    """Return the certificates of a PEM file and nothing else of it: a key that lies beside them
    goes no further. Raises :class:`ConfigurationError`."""
    return pem(*read_certificates(path))


def read_certificates(path: Path) -> list[x509.Certificate]:
    """Return the certificates of a PEM file. Raises :class:`ConfigurationError`."""
    hint = "Give certificates in PEM (-----BEGIN CERTIFICATE-----)."
    try:
        content = path.expanduser().read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read ({error.strerror}).", hint=hint) from error
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError as error:
        raise ConfigurationError(f"{path} holds no trust anchors.", hint=hint) from error


def _bundled() -> Iterator[TrustList]:
    for path in sorted(_BUNDLED.glob("*.pem")):
        yield TrustList(path.stem.lower(), path, _BUNDLED_SINCE, bundled=True)


def _installed(home: Path) -> Iterator[TrustList]:
    for path in (home / FOLDER).glob("*.pem"):
        match = _COPY.match(path.name)
        if match:
            since = datetime.strptime(match["since"], _STAMP).replace(tzinfo=UTC)
            yield TrustList(match["name"], path, since, bundled=False)


def _only(these: list[x509.Certificate], those: list[x509.Certificate]) -> tuple[str, ...]:
    known = {fingerprint(certificate) for certificate in those}
    missing = (c for c in these if fingerprint(c) not in known)
    return tuple(sorted(c.subject.rfc4514_string() for c in missing))
