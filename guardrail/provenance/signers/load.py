"""From the name of a signer to the signer. Touches no key: that waits until something signs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from guardrail.clock import Clock, utc_now
from guardrail.errors import ConfigurationError
from guardrail.plugins import load_plugins
from guardrail.provenance.signers.development import DevelopmentSigner
from guardrail.provenance.signers.interface import Signer
from guardrail.provenance.signers.passphrase import Passphrase
from guardrail.provenance.signers.pem import PemSigner

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
    fields = Fields(path, settings, {"certificates", "key", "passphrase", "anchors"})
    return PemSigner(
        certificates=fields.file("certificates"),
        key=fields.file("key"),
        passphrase=fields.passphrase(),
        anchors=fields.file("anchors") if "anchors" in settings else None,
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

    def passphrase(self) -> Passphrase | None:
        """Return where the passphrase is: ``{env: NAME}`` or ``{file: PATH}``."""
        value = self._settings.get("passphrase")
        if value is None:
            return None
        if isinstance(value, dict) and len(value) == 1:
            if isinstance(value.get("env"), str):
                return Passphrase(variable=value["env"])
            if isinstance(value.get("file"), str):
                return Passphrase(file=self._path.parent / Path(value["file"]).expanduser())
        raise ConfigurationError(
            f"{self._path}: 'passphrase' must say where the passphrase is, not what it is.",
            hint="Write passphrase: {env: NAME} or passphrase: {file: PATH}.",
        )


_KINDS: dict[str, Callable[[Path, Mapping[str, Any]], Signer]] = {"pem": _pem}
