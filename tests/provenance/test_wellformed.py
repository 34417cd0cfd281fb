"""What the library signs without a word, and we refuse."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from guardrail.provenance.manifest import generated_manifest
from guardrail.provenance.wellformed import manifest_faults
from tests.provenance.conftest import make_facts

Definition = dict[str, Any]


def data(definition: Definition, position: int) -> dict[str, Any]:
    found: dict[str, Any] = definition["assertions"][position]["data"]
    return found


def step(definition: Definition) -> dict[str, Any]:
    found: dict[str, Any] = data(definition, 0)["actions"][0]
    return found


def put(target: dict[str, Any], key: str, value: Any) -> None:
    target[key] = value


CASES: dict[str, tuple[Callable[[Definition], Any], str]] = {
    "gathered": (lambda d: put(d["assertions"][3], "created", False), "not marked as created"),
    "spec version": (lambda d: d["claim_generator_info"][0].pop("specVersion"), "specVersion"),
    "generator": (lambda d: d["claim_generator_info"][0].pop("version"), "a name and a version"),
    "no actions": (lambda d: d["assertions"].pop(0), "exactly one c2pa.actions.v2"),
    "two actions": (lambda d: d["assertions"].append(d["assertions"][0]), "exactly one"),
    "unknown label": (lambda d: put(d["assertions"][3], "label", "c2pa.foo"), "not an assertion"),
    "no dot": (lambda d: put(d["assertions"][3], "label", "guardrail"), "not a namespaced label"),
    "slash": (lambda d: put(d["assertions"][3], "label", "org.a/b"), "not a namespaced label"),
    "not complete": (lambda d: data(d, 0).pop("allActionsIncluded"), "needs allActionsIncluded"),
    "no inception": (lambda d: put(step(d), "action", "c2pa.edited"), "must begin with"),
    "twice created": (
        lambda d: data(d, 0)["actions"].append(dict(step(d))),
        "may say only once",
    ),
    "unknown action": (lambda d: put(step(d), "action", "c2pa.made"), "not an action"),
    "deprecated action": (
        lambda d: data(d, 0)["actions"].append({"action": "c2pa.saved"}),
        "not an action",
    ),
    "bare action": (lambda d: data(d, 0)["actions"].append({"action": "x"}), "not namespaced"),
    "bogus source": (
        lambda d: put(step(d), "digitalSourceType", "http://example.com/x"),
        "not one that C2PA defines",
    ),
    "short source": (
        lambda d: put(step(d), "digitalSourceType", "trainedAlgorithmicMedia"),
        "not one that C2PA defines",
    ),
    "no source": (lambda d: step(d).pop("digitalSourceType"), "needs a digitalSourceType"),
    "edit without source": (
        lambda d: data(d, 0)["actions"].append({"action": "c2pa.cropped"}),
        "needs a digitalSourceType",
    ),
    "opened with source": (lambda d: put(step(d), "action", "c2pa.opened"), "carries no"),
    "agent as text": (lambda d: put(step(d), "softwareAgent", "sdxl"), "softwareAgent is a map"),
    "time without zone": (lambda d: put(step(d), "when", "2026-11-23T10:00:00"), "RFC 3339"),
    "time as number": (lambda d: put(step(d), "when", 7), "RFC 3339"),
    "bare parameter": (lambda d: put(step(d), "parameters", {"strength": 1}), "not namespaced"),
    "model type": (lambda d: put(data(d, 1), "modelType", "c2pa.types.dataset"), "modelType"),
    "model name": (lambda d: data(d, 1).pop("modelName"), "modelName is missing"),
    "oversight": (
        lambda d: put(data(d, 1), "contentProfile", {"humanOversightLevel": "some"}),
        "humanOversightLevel",
    ),
    "training use": (
        lambda d: put(data(d, 2)["entries"], "c2pa.ai_training", {"use": "allowed"}),
        "not a use that CAWG defines",
    ),
    "permission": (
        lambda d: put(data(d, 2)["entries"], "cawg.ai_training", {"use": "no"}),
        "is not one of",
    ),
    "big integer": (lambda d: put(data(d, 3), "seed", 2**63), "unchanged"),
    "not a number": (lambda d: put(data(d, 3), "x", [float("nan")]), "unchanged"),
    "lone surrogate": (lambda d: put(d, "title", "\ud800"), "unchanged"),
    "bytes": (lambda d: put(data(d, 3), "x", b"raw"), "unchanged"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_manifest_that_must_not_be_signed_is_named(name: str) -> None:
    change, words = CASES[name]
    sound = generated_manifest(make_facts(), software_version="1", development=False)
    assert manifest_faults(sound) == ()
    definition = copy.deepcopy(sound)
    change(definition)
    assert any(words in fault.sentence for fault in manifest_faults(definition))
