"""Signing in a hardware security module or smart card, through PKCS#11.

The key is found by its label and stays inside; what is signed is a digest, since tokens differ in
which hashes they compute (SoftHSM 2.6 has no ``CKM_ECDSA_SHA256``).
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from guardrail.errors import MissingExtra, ProvenanceError
from guardrail.provenance.signers.callback import Sign
from guardrail.provenance.signers.keys import HASH_NAMES
from guardrail.provenance.signers.passphrase import Passphrase

_FAULTS = {
    "PinIncorrect": ("refuses the PIN.", "Check the PIN; a token locks after a few wrong ones."),
    "PinLocked": ("is locked after too many wrong PINs.", "Have its PIN reset."),
    "NoSuchToken": ("is not in any slot.", "Check the token's label with the module's own tool."),
    "NoSuchKey": ("holds no private key with that label.", "Check the key's label."),
    "MultipleObjectsReturned": ("holds several keys with that label.", "Give each its own label."),
    "MultipleTokensReturned": ("stands in several slots.", "Give each token its own label."),
}


@dataclass(frozen=True, slots=True)
class Pkcs11Key:
    """Names a private key in a token; :meth:`connect` reaches it."""

    module: Path
    """The module's shared library."""
    token: str
    """The token's label."""
    key: str
    """The key's label."""
    pin: Passphrase = field(repr=False)

    def connect(self, algorithm: str) -> Sign:
        """Log in and return what signs with the key.

        Raises :class:`ProvenanceError` saying which of module, token, PIN and key is at fault,
        and :class:`MissingExtra` without python-pkcs11.
        """
        try:
            import pkcs11  # noqa: PLC0415 (an extra)
        except ImportError as error:
            raise MissingExtra("A PKCS#11 signer", "pkcs11") from error
        pin = self.pin.read().decode("utf-8", "replace")
        try:
            session = _session(self.module, self.token, pin)
            key = session.get_key(pkcs11.constants.ObjectClass.PRIVATE_KEY, label=self.key)
        except pkcs11.exceptions.PKCS11Error as error:
            what, hint = _FAULTS.get(
                type(error).__name__, (f"cannot be used ({type(error).__name__}).", None)
            )
            raise ProvenanceError(f"The token {self.token!r} {what}", hint=hint) from error
        return _serial(_signature(key, algorithm))


def _session(module: Path, label: str, pin: str) -> Any:
    """Open a session with the token. A login counts for the whole process (PKCS#11 3.0 section
    5.6.6), so that a second one of this process finds itself logged in already."""
    import pkcs11  # noqa: PLC0415

    token = _library(module).get_token(token_label=label)
    try:
        return token.open(user_pin=pin)
    except pkcs11.exceptions.UserAlreadyLoggedIn:
        return token.open()


def _library(module: Path) -> Any:
    import pkcs11  # noqa: PLC0415

    try:
        library = pkcs11.lib(str(module))
    except (RuntimeError, OSError, pkcs11.exceptions.PKCS11Error) as error:
        raise ProvenanceError(
            f"The PKCS#11 module {module} does not load.", hint="Check the path of the library."
        ) from error
    # A forked child has to initialise the module again (PKCS#11 3.0 section 5.4).
    if _initialised_by.setdefault(str(module), os.getpid()) != os.getpid():
        library.reinitialize()
        _initialised_by[str(module)] = os.getpid()
    return library


_initialised_by: dict[str, int] = {}


def _signature(key: Any, algorithm: str) -> Sign:
    import pkcs11  # noqa: PLC0415

    mechanism = pkcs11.Mechanism
    digest = HASH_NAMES.get(algorithm)
    if digest is None:
        raise ProvenanceError(
            f"Keys for {algorithm} are not used through PKCS#11.",
            hint="Use a key on P-256, P-384 or P-521, or RSA.",
        )
    if algorithm == "PS256":
        scheme = (mechanism.SHA256, pkcs11.MGF.SHA256, 32)
        return lambda data: bytes(
            key.sign(data, mechanism=mechanism.SHA256_RSA_PKCS_PSS, mechanism_param=scheme)
        )
    return lambda data: bytes(
        key.sign(hashlib.new(digest, data).digest(), mechanism=mechanism.ECDSA)
    )


def _serial(sign: Callable[[bytes], bytes]) -> Sign:
    """One signature at a time: a session holds the state of one operation (section 5.13). The
    lock belongs to this process, whose connection this is."""
    lock = threading.Lock()

    def locked(data: bytes) -> bytes:
        with lock:
            return sign(data)

    return locked
