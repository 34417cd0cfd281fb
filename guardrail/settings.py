"""The settings, and where each value came from.

Precedence: command-line flag, then environment (``GUARDRAIL_*``), then the project's
``guardrail.toml`` (in the working directory), then the user's ``config.toml``, then the default.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import platformdirs

from guardrail.errors import ConfigurationError

ENV_PREFIX = "GUARDRAIL_"
PROJECT_FILE = "guardrail.toml"


def _default_home() -> str:
    return platformdirs.user_data_dir("guardrail", appauthor=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. Every field can be set as ``GUARDRAIL_<NAME>`` or in a file by its name."""

    home: str = field(default_factory=_default_home)
    """Folder for the default store, the development keys and caches."""
    audit: str | None = None
    """SQLAlchemy URL of the audit store, or a path to a SQLite file. Default: home/audit.db."""
    policy: str = "default"
    """Name of a bundled policy, path to a policy document, or ``active``: the version that
    ``guardrail policy activate`` put in force. ``NAME@DIGEST`` pins a version."""
    model: str = "embedded"
    """``embedded``, a local directory or a hub id."""
    signer: str = "development"
    """``development``, or path to a signer file (certificate chain and key reference)."""
    trust: str | None = None
    """Path to a PEM file with further trust anchors for verification."""
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Where each value came from: ``default``, a file, or an environment variable."""

    @property
    def home_dir(self) -> Path:
        """The home folder as a path (not created here)."""
        return Path(self.home).expanduser()

    @property
    def audit_url(self) -> str:
        """The audit store as a SQLAlchemy URL."""
        if self.audit is None:
            return f"sqlite:///{self.home_dir / 'audit.db'}"
        if "://" in self.audit:
            return self.audit
        return f"sqlite:///{Path(self.audit).expanduser().absolute()}"


NAMES = tuple(f.name for f in fields(Settings) if f.name != "sources")


def load_settings(
    overrides: Mapping[str, str | None] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Settings:
    """Read the settings from all places, by precedence.

    ``overrides`` are command-line flags (None means not given). Raises
    :class:`~guardrail.errors.ConfigurationError` naming the file or variable at fault.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, str] = {}
    sources: dict[str, str] = dict.fromkeys(NAMES, "default")
    user_file = Path(platformdirs.user_config_dir("guardrail", appauthor=False)) / "config.toml"
    for path in (user_file, (directory or Path.cwd()) / PROJECT_FILE):
        for name, value in _read_file(path).items():
            values[name], sources[name] = value, str(path)
    for name in NAMES:
        variable = ENV_PREFIX + name.upper()
        if environ.get(variable):
            values[name], sources[name] = environ[variable], variable
    for name, flag in (overrides or {}).items():
        if flag is not None:
            values[name], sources[name] = flag, f"--{name}"
    return replace(Settings(), **values, sources=sources)


def _read_file(path: Path) -> dict[str, str]:
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error}.", hint="Mend or remove it."
        ) from error
    for name, value in data.items():
        if name not in NAMES:
            raise ConfigurationError(
                f"{path}: unknown setting {name!r}.", hint=f"Known settings: {', '.join(NAMES)}."
            )
        if not isinstance(value, str):
            raise ConfigurationError(f"{path}: setting {name!r} must be text in quotes.")
    return data
