"""What c2pa-rs signs without a word and a verifier would then hold against us.

Measured on c2pa-rs 0.91: an unknown digitalSourceType, action or ``c2pa.`` label, a label without
a dot, an unknown setting and any content of ``c2pa.ai-disclosure`` pass unchecked; an integer of
64 bits turns into a float. Each is checked here before anything is signed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from guardrail.clock import parse_rfc3339
from guardrail.provenance.vocabulary import (
    ACTIONS_LABEL,
    DISCLOSURE_LABEL,
    MODEL_TYPE_SHAPE,
    PREDEFINED_ACTIONS,
    PREDEFINED_ASSERTIONS,
    SOURCELESS_ACTIONS,
    SPEC_VERSION,
    TRAINING_LABEL,
    TRAINING_USES,
    Oversight,
    Permission,
    SourceType,
)

_CUSTOM_LABEL = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+\Z")
_INCEPTION = ("c2pa.created", "c2pa.opened")
_INTEGER_LIMIT = 2**53 - 1
_PARAMETERS = (
    "redacted",
    "ingredients",
    "ingredientIds",
    "relatedAssertions",
    "multipleInstances",
    "sourceLanguage",
    "targetLanguage",
)


@dataclass(frozen=True, slots=True)
class ManifestFault:
    """One thing in a manifest definition that must not be signed."""

    where: str
    """Path within the definition, e.g. ``c2pa.actions.v2.actions[0]``."""
    sentence: str


def manifest_faults(definition: Mapping[str, Any]) -> tuple[ManifestFault, ...]:
    """Return every fault of a manifest definition; empty when it may be signed."""
    return tuple(_all_faults(definition))


def _all_faults(definition: Mapping[str, Any]) -> Iterator[ManifestFault]:
    yield from _generator(definition.get("claim_generator_info"))
    yield from _values("manifest", definition)
    assertions = definition.get("assertions") or []
    labels = [assertion["label"] for assertion in assertions]
    if labels.count(ACTIONS_LABEL) != 1:
        yield ManifestFault("assertions", f"exactly one {ACTIONS_LABEL} is needed")
    for assertion in assertions:
        label = assertion["label"]
        yield from _label(label)
        if assertion.get("created") is not True:
            yield ManifestFault(label, "is not marked as created, so no signer answers for it")
        check = _CONTENT.get(label)
        if check:
            yield from check(label, assertion["data"])


def _generator(info: Any) -> Iterator[ManifestFault]:
    first = info[0] if isinstance(info, list) and info else {}
    if first.get("specVersion") != SPEC_VERSION:
        yield ManifestFault("claim_generator_info", f"specVersion must be {SPEC_VERSION}")
    if not first.get("name") or not first.get("version"):
        yield ManifestFault("claim_generator_info", "needs a name and a version")


def _label(label: str) -> Iterator[ManifestFault]:
    if label.startswith("c2pa."):
        if label.split("__", maxsplit=1)[0] not in PREDEFINED_ASSERTIONS:
            yield ManifestFault(label, "is not an assertion of the C2PA specification")
    elif not _CUSTOM_LABEL.match(label):
        yield ManifestFault(label, "is not a namespaced label (2.2 section 6.2.2)")


def _actions(label: str, data: Mapping[str, Any]) -> Iterator[ManifestFault]:
    if not isinstance(data.get("allActionsIncluded"), bool):
        yield ManifestFault(label, "needs allActionsIncluded (conformance programme 0.2)")
    steps = data.get("actions") or []
    if not steps or steps[0].get("action") not in _INCEPTION:
        yield ManifestFault(label, "must begin with c2pa.created or c2pa.opened")
    if sum(step.get("action") in _INCEPTION for step in steps) > 1:
        yield ManifestFault(label, "may say only once that the picture was created or opened")
    for number, step in enumerate(steps):
        yield from _action(f"{label}.actions[{number}]", step)


def _action(where: str, step: Mapping[str, Any]) -> Iterator[ManifestFault]:
    name = str(step.get("action"))
    if name.startswith("c2pa."):
        if name not in PREDEFINED_ACTIONS:
            yield ManifestFault(where, f"{name} is not an action of the C2PA specification")
    elif "." not in name:
        yield ManifestFault(where, f"{name} is not namespaced (2.2 section 18.14.12)")
    yield from _source(where, name, step.get("digitalSourceType"))
    if not isinstance(step.get("softwareAgent", {}), Mapping):
        yield ManifestFault(where, "softwareAgent is a map since version 2 of actions")
    if "when" in step and not _is_time(step["when"]):
        yield ManifestFault(where, "when is not an RFC 3339 time with a zone")
    for parameter in step.get("parameters", {}):
        if parameter not in _PARAMETERS and "." not in parameter:
            yield ManifestFault(where, f"parameter {parameter} is not namespaced")


def _source(where: str, action: str, source: Any) -> Iterator[ManifestFault]:
    if action == "c2pa.opened" and source is not None:
        yield ManifestFault(where, "c2pa.opened carries no digitalSourceType (2.4)")
    elif source is not None and source not in frozenset(SourceType):
        yield ManifestFault(where, "digitalSourceType is not one that C2PA defines")
    elif source is None and action in PREDEFINED_ACTIONS - SOURCELESS_ACTIONS:
        yield ManifestFault(where, f"{action} needs a digitalSourceType")


def _disclosure(label: str, data: Mapping[str, Any]) -> Iterator[ManifestFault]:
    if not MODEL_TYPE_SHAPE.match(str(data.get("modelType"))):
        yield ManifestFault(label, "modelType is not a c2pa.types.model type")
    for name in ("modelName", "modelIdentifier"):
        if not isinstance(data.get(name), str) or not data[name]:
            yield ManifestFault(label, f"{name} is missing")
    level = (data.get("contentProfile") or {}).get("humanOversightLevel")
    if level not in frozenset(Oversight):
        yield ManifestFault(label, f"humanOversightLevel is not one of {', '.join(Oversight)}")


def _training(label: str, data: Mapping[str, Any]) -> Iterator[ManifestFault]:
    for use, entry in (data.get("entries") or {}).items():
        if use not in TRAINING_USES:
            yield ManifestFault(label, f"{use} is not a use that CAWG defines")
        if entry.get("use") not in frozenset(Permission):
            yield ManifestFault(label, f"{use} is not one of {', '.join(Permission)}")


_CONTENT = {
    ACTIONS_LABEL: _actions,
    DISCLOSURE_LABEL: _disclosure,
    TRAINING_LABEL: _training,
}


def _values(where: str, value: Any) -> Iterator[ManifestFault]:
    """Walk all values: what does not survive the way through JSON and CBOR is a fault."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _values(f"{where}.{key}", item)
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _values(f"{where}[{number}]", item)
    elif not _survives(value):
        yield ManifestFault(where, "holds a value that JSON and CBOR do not carry unchanged")


def _survives(value: Any) -> bool:
    if isinstance(value, bool) or value is None:
        return True
    if isinstance(value, int):
        return abs(value) <= _INTEGER_LIMIT
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in value)


def _is_time(text: Any) -> bool:
    try:
        parse_rfc3339(text)
    except (TypeError, ValueError):
        return False
    return True
