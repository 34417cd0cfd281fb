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
from guardrail.provenance.signers.interface import Signer
from guardrail.provenance.signers.kms import AwsKey, AzureKey, GcpKey
from guardrail.provenance.signers.passphrase import Passphrase
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
        anchors=fields.optional_file("anchors"),
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
        fields.file("certificates"), connect, kind, fields.optional_file("anchors")
    )


class Fields:
    """The settings of a signer file, checked as they are taken. Paths are relative to it."""

    def __init__(self, path: Path, settings: Mapping[str, Any], known: set[str]) -> None:
        self._path, self._settings = path, settings
        for name in settings:
            if name not in known:
                raise ConfigurationError(
                    f"{path}: unknown setting {name!r}.",
                    hint=f"Known settings: kind, {', '.join(sorted(known))}.",
                )

    def text(self, name: str) -> str:
        """Return a setting that must be text."""
        value = self._settings.get(name)
        if not isinstance(value, str) or not value:
            raise ConfigurationError(f"{self._path}: {name!r} is missing or is not text.")
        return value

    def file(self, name: str) -> Path:
        """Return the path of a file that must exist."""
        path = self._path.parent / Path(self.text(name)).expanduser()
        if not path.is_file():
            raise ConfigurationError(f"{self._path}: {name!r} names {path}, which does not exist.")
        return path

    def optional_file(self, name: str) -> Path | None:
        """Return the path of a file that must exist if it is named."""
        return self.file(name) if name in self._settings else None

    def secret(self, name: str) -> Passphrase | None:
        """Return where a passphrase or PIN is: ``{env: NAME}`` or ``{file: PATH}``."""
        value = self._settings.get(name)
        if value is None:
            return None
        if isinstance(value, dict) and len(value) == 1:
            if isinstance(value.get("env"), str):
                return Passphrase(variable=value["env"], word=name)
            if isinstance(value.get("file"), str):
                file = self._path.parent / Path(value["file"]).expanduser()
                return Passphrase(file=file, word=name)
        raise ConfigurationError(
            f"{self._path}: {name!r} must say where the {name} is, not what it is.",
            hint=f"Write {name}: {{env: NAME}} or {name}: {{file: PATH}}.",
        )


_CHAIN = ("certificates", "anchors")
_KINDS: dict[str, Callable[[Path, Mapping[str, Any]], Signer]] = {
    "pem": _pem,
    "pkcs11": _pkcs11,
    "aws-kms": _aws,
    "gcp-kms": _gcp,
    "azure-key-vault": _azure,
}
