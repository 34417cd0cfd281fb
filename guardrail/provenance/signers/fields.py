"""The settings of a signer file, checked as they are taken."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from guardrail.errors import ConfigurationError
from guardrail.provenance.signers.passphrase import Passphrase
from guardrail.provenance.timestamps import Mode, TimeStampService

_MAX_WAIT = 60


class Fields:
    """Gives the settings of a signer file one by one. Paths are relative to the file.

    Raises :class:`ConfigurationError` for a setting that does not exist, and each method for one
    that is not as it must be.
    """

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

    def time_stamps(self) -> TimeStampService | None:
        """Return the time-stamp authority: ``{url, mode, timeout, anchors}``."""
        value = self._settings.get("timestamp")
        if value is None:
            return None
        if not isinstance(value, dict):
            raise ConfigurationError(
                f"{self._path}: 'timestamp' must name an authority.",
                hint="Write timestamp: {url: https://..., mode: required}.",
            )
        given = Fields(self._path, value, {"url", "mode", "timeout", "anchors"})
        return TimeStampService(
            url=given.url("url"),
            mode=given.mode("mode"),
            timeout=given.seconds("timeout", 5.0),
            anchors=given.optional_file("anchors"),
        )

    def url(self, name: str) -> str:
        """Return a web address. Its text is not repeated in errors: it may hold a token."""
        value = self.text(name)
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError(f"{self._path}: {name!r} is not an http(s) address.")
        return value

    def mode(self, name: str) -> Mode:
        """Return whether a time-stamp is required. Default: ``best-effort``."""
        value = self._settings.get(name, Mode.BEST_EFFORT)
        value = Mode.OFF if value is False else value  # YAML reads a bare `off` as false
        try:
            return Mode(value)
        except ValueError as error:
            raise ConfigurationError(
                f"{self._path}: {name!r} must be one of {', '.join(Mode)}."
            ) from error

    def seconds(self, name: str, default: float) -> float:
        """Return a time-out of more than 0 and at most 60 seconds."""
        value = self._settings.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigurationError(f"{self._path}: {name!r} must be a number of seconds.")
        if not 0 < value <= _MAX_WAIT:
            raise ConfigurationError(f"{self._path}: {name!r} must be at most {_MAX_WAIT} seconds.")
        return float(value)
