"""The register of models: under which terms they may be used, and which weights were pinned.

The bundled register (``policies/models.yaml``) says for each statement what was read, where and
when. A file ``models.yaml`` in the home folder adds models, replaces bundled entries, and holds the
digests of weights that somebody pinned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from guardrail import resources
from guardrail.contracts import ModelIdentity
from guardrail.errors import ConfigurationError, VerificationFailed
from guardrail.files import write_atomically

CAUTION = "Licences change: check the licensor's current terms."
STATEMENTS = ("licence", "limits", "training_data", "gated")
"""What an entry states, and a source may support."""

Statement = Literal["licence", "limits", "training_data", "gated"]
Commercial = Literal["yes", "no", "conditional", "unknown"]
Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Entry):
    """What was read, where and when."""

    url: Text
    read: date
    covers: Annotated[tuple[Statement, ...], Field(min_length=1)]


class Licence(_Entry):
    """Terms that several models share."""

    name: Text
    commercial: Commercial
    limits: Text
    sources: tuple[Source, ...] = ()


class Model(_Entry):
    """One model under one licence."""

    id: Text
    family: Text
    licence: Text
    """A key of ``licences``."""
    training_data: Text
    gated: bool
    limits: Text | None = None
    """Beyond those of the licence."""
    sources: tuple[Source, ...] = ()


class Document(_Entry):
    """A register file."""

    schema_version: Literal[1]
    licences: dict[str, Licence] = {}
    models: tuple[Model, ...] = ()
    pins: dict[str, dict[str, Sha256]] = {}
    """Weights by model id: file to SHA-256."""


@dataclass(frozen=True, slots=True)
class Registration:
    """What the register says about one model."""

    id: str
    family: str
    licence: str
    commercial: Commercial
    limits: str
    training_data: str
    gated: bool
    """Whether the licensor wants its terms accepted before a download."""
    sources: tuple[Source, ...]
    unread: tuple[str, ...]
    """Statements that no source supports: from general knowledge, to be checked."""


@dataclass(frozen=True, slots=True)
class Register:
    """All registered models, and the weights that were pinned here."""

    models: Mapping[str, Registration]
    pins: Mapping[str, Mapping[str, str]]

    def find(self, model: str) -> Registration:
        """Return the entry of a model: a hub id (any case, ``@revision`` aside) or ``embedded``.

        Raises :class:`ConfigurationError` naming similar ones.
        """
        name = model.partition("@")[0].lower()
        found = next((m for key, m in self.models.items() if key.lower() == name), None)
        if found is not None:
            return found
        last = name.rpartition("/")[2]
        similar = [key for key in self.models if len(last) > 3 and last[:6] in key.lower()][:5]
        raise ConfigurationError(
            f"The model {model!r} is not in the register.",
            hint=f"Did you mean: {', '.join(similar)}?"
            if similar
            else "See: guardrail models list",
        )


def load_register(home: Path | None = None) -> Register:
    """Return the bundled register with what the file in ``home`` adds and replaces.

    Raises :class:`ConfigurationError` locating what is wrong with a file.
    """
    models: dict[str, Registration] = {}
    licences: dict[str, Licence] = {}
    pins: dict[str, Mapping[str, str]] = {}
    for path in (resources.model_register(), *_own(home)):
        document = _read(path)
        licences |= document.licences
        models |= {m.id: _registration(m, licences, path) for m in document.models}
        pins |= document.pins
    return Register(models, pins)


def pin(home: Path, model: str, weights: Mapping[str, str]) -> Path:
    """Keep the digests of a model's weights (file to SHA-256); return the file they are in."""
    path = home / resources.MODEL_REGISTER
    content: dict[str, Any] = {"schema_version": 1}
    if path.is_file():
        _read(path)
        content = yaml.safe_load(path.read_text("utf-8"))
    content.setdefault("pins", {})[model] = dict(sorted(weights.items()))
    write_atomically(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode())
    return path


def require_pinned(register: Register, model: str, weights: Mapping[str, str]) -> None:
    """Raise :class:`VerificationFailed` unless ``weights`` are exactly those that were pinned."""
    pinned = register.pins.get(model)
    if pinned is None:
        raise VerificationFailed(
            f"No weights of {model!r} are pinned, so there is nothing to compare with.",
            hint="Check where these come from, and pin them: "
            f"guardrail models verify {model} --pin",
        )
    changed = sorted(f for f in {*pinned, *weights} if pinned.get(f) != weights.get(f))
    if changed:
        raise VerificationFailed(
            f"The weights of {model!r} are not the pinned ones: {', '.join(changed)}.",
            hint="Get the pinned revision again, or pin the new weights after checking them.",
        )


def terms_of(register: Register, model: ModelIdentity) -> dict[str, str]:
    """Return what the register says about a loaded model, for the record and for rules.

    ``licence`` (empty when not registered), ``commercial`` (``unregistered`` when not) and
    ``weights``: ``pinned``, ``not pinned`` or ``not as pinned``.
    """
    entry = register.models.get(model.id)
    pinned = register.pins.get(model.id)
    weights = "not pinned"
    if pinned is not None:
        weights = "pinned" if dict(pinned) == dict(model.weights) else "not as pinned"
    return {
        "licence": entry.licence if entry else "",
        "commercial": entry.commercial if entry else "unregistered",
        "weights": weights,
    }


def _own(home: Path | None) -> tuple[Path, ...]:
    path = home / resources.MODEL_REGISTER if home else None
    return (path,) if path and path.is_file() else ()


def _read(path: Path) -> Document:
    try:
        return Document.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"{path}: {where}: {first['msg']}.") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        raise ConfigurationError(f"{path} cannot be read as YAML{line}.") from error


def _registration(model: Model, licences: Mapping[str, Licence], path: Path) -> Registration:
    if model.licence not in licences:
        raise ConfigurationError(f"{path}: {model.id} names the unknown licence {model.licence!r}.")
    licence = licences[model.licence]
    covered = {statement for source in model.sources for statement in source.covers}
    # The licence's own text supports its limits; only the model's source says it is under it.
    covered |= {s for source in licence.sources for s in source.covers} - {"licence"}
    return Registration(
        id=model.id,
        family=model.family,
        licence=licence.name,
        commercial=licence.commercial,
        limits="; ".join(text for text in (licence.limits, model.limits) if text),
        training_data=model.training_data,
        gated=model.gated,
        sources=(*model.sources, *licence.sources),
        unread=tuple(statement for statement in STATEMENTS if statement not in covered),
    )
