"""From the name of a signer to the signer. Touches no key: that waits until something signs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from guardrail.clock import Clock, utc_now
from guardrail.errors import ConfigurationError
from guardrail.plugins import load_plugins
from guardrail.provenance.signers.callback import CallbackSigner, Connect
from guardrail.provenance.signers.development import DevelopmentSigner
from guardrail.provenance.signers.fields import Fields
from guardrail.provenance.signers.interface import Signer
from guardrail.provenance.signers.kms import AwsKey, AzureKey, GcpKey
from guardrail.provenance.signers.pem import PemSigner
from guardrail.provenance.signers.pkcs11 import Pkcs11Key

DEVELOPMENT = "development"
_HINT = "Name 'development', a PEM file with key and chain, or a signer file (docs/provenance.md)."


def load_signer(name: str | Path, *, home: Path, clock: Clock = utc_now) -> Signer:
    """Return the signer called ``name``: ``development``, a signer file (YAML), or a PEM file
    that holds the key and the chain, signing certificate first.

    Light: checks that the file exists and says something sensible, and reads no key. Raises
    :class:`ConfigurationError` with a sentence and a hint.
    """
    if str(name) == DEVELOPMENT:
        return DevelopmentSigner(Path(home), clock=clock)
    path = Path(name).expanduser()
    if not path.is_file():
        raise ConfigurationError(f"There is no signer {str(name)!r}.", hint=_HINT)
    if path.suffix.lower() in (".pem", ".crt", ".key"):
        return PemSigner(path, path)
    settings = _read(path)
    kind = settings.pop("kind", None)
    maker = _KINDS.get(str(kind)) or load_plugins("guardrail.signers", reserved=_KINDS).get(
        str(kind)
    )
    if maker is None:
        raise ConfigurationError(
            f"{path}: unknown kind of signer {kind!r}.", hint=f"Known: {', '.join(sorted(_KINDS))}."
        )
    made: Signer = maker(path, settings)
    return made


def _read(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read.", hint=_HINT) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        # The text of the error may quote the file, and a file with a mistake may hold a secret.
        raise ConfigurationError(f"{path}{where} is not valid YAML.", hint=_HINT) from None
    if not isinstance(data, dict):
        raise ConfigurationError(f"{path} is not a signer file.", hint=_HINT)
    return data


def _pem(path: Path, settings: Mapping[str, Any]) -> Signer:
    fields = Fields(path, settings, {"key", "passphrase", *_CHAIN})
    return PemSigner(
        certificates=fields.file("certificates"),
        key=fields.file("key"),
        passphrase=fields.secret("passphrase"),
        root=fields.optional_file("anchors"),
        time_stamps=fields.time_stamps(),
    )


def _pkcs11(path: Path, settings: Mapping[str, Any]) -> Signer:
    fields = Fields(path, settings, {"module", "token", "key", "pin", *_CHAIN})
    pin = fields.secret("pin")
    if pin is None:
        raise ConfigurationError(f"{path}: 'pin' is missing.", hint="Write pin: {env: NAME}.")
    key = Pkcs11Key(fields.file("module"), fields.text("token"), fields.text("key"), pin)
    return _callback(fields, "pkcs11", key.connect)


def _aws(path: Path, settings: Mapping[str, Any]) -> Signer:
    fields = Fields(path, settings, {"key", "region", *_CHAIN})
    region = fields.text("region") if "region" in settings else None
    return _callback(fields, "aws-kms", AwsKey(fields.text("key"), region).connect)


def _gcp(path: Path, settings: Mapping[str, Any]) -> Signer:
    fields = Fields(path, settings, {"key", *_CHAIN})
    return _callback(fields, "gcp-kms", GcpKey(fields.text("key")).connect)


def _azure(path: Path, settings: Mapping[str, Any]) -> Signer:
    fields = Fields(path, settings, {"key", *_CHAIN})
    return _callback(fields, "azure-key-vault", AzureKey(fields.text("key")).connect)


def _callback(fields: Fields, kind: str, connect: Connect) -> Signer:
    return CallbackSigner(
        certificates=fields.file("certificates"),
        connect=connect,
        kind=kind,
        root=fields.optional_file("anchors"),
        time_stamps=fields.time_stamps(),
    )


_CHAIN = ("certificates", "anchors", "timestamp")
_KINDS: dict[str, Callable[[Path, Mapping[str, Any]], Signer]] = {
    "pem": _pem,
    "pkcs11": _pkcs11,
    "aws-kms": _aws,
    "gcp-kms": _gcp,
    "azure-key-vault": _azure,
}
