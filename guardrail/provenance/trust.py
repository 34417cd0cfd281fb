"""Which certificates are trusted here: the development root, and what the operator names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cryptography import x509

from guardrail.errors import ConfigurationError
from guardrail.provenance.certificates import pem
from guardrail.provenance.signers.development import development_root


def trust_anchors(home: Path, files: Iterable[str | Path | None] = ()) -> str | None:
    """Return everything that is trusted here as PEM; None when nothing is.

    Makes nothing: a development chain counts only if it exists. Raises
    :class:`ConfigurationError` naming a file that holds no certificates.
    """
    parts = [development_root(home) or ""]
    parts += [read_anchors(Path(file)) for file in files if file is not None]
    return "".join(parts) or None


def read_anchors(path: Path) -> str:
    """Return the certificates of a PEM file and nothing else of it: a key that lies beside them
    goes no further. Raises :class:`ConfigurationError`."""
    hint = "Give certificates in PEM (-----BEGIN CERTIFICATE-----)."
    try:
        content = path.expanduser().read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read ({error.strerror}).", hint=hint) from error
    try:
        return pem(*x509.load_pem_x509_certificates(content))
    except ValueError as error:
        raise ConfigurationError(f"{path} holds no trust anchors.", hint=hint) from error
