"""The manifest definition: what it says, and that nothing else gets into it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrail.contracts import Action, Decision, Finding, ManifestFacts, Mode, ModelIdentity, Stage
from guardrail.errors import ProvenanceError
from guardrail.provenance.manifest import generated_manifest, source_type, warnings, well_encoded
from guardrail.provenance.wellformed import manifest_faults
from tests.provenance.conftest import DECISION, make_facts


def build(facts: ManifestFacts, **options: Any) -> dict[str, Any]:
    options = {"software_version": "0.1.0", "development": False, **options}
    return generated_manifest(facts, **options)


def assertion(definition: dict[str, Any], label: str) -> dict[str, Any]:
    [found] = [a for a in definition["assertions"] if a["label"] == label]
    assert found["created"] is True
    data: dict[str, Any] = found["data"]
    return data


def test_every_assertion_is_created_and_none_is_missing() -> None:
    definition = build(make_facts())
    assert [a["label"] for a in definition["assertions"]] == [
        "c2pa.actions.v2",
        "c2pa.ai-disclosure",
        "cawg.training-mining",
        "org.guardrail.generation",
    ]
    assert all(a["created"] is True for a in definition["assertions"])
    assert manifest_faults(definition) == ()


def test_the_generator_says_which_specification_it_follows() -> None:
    assert build(make_facts())["claim_generator_info"] == [
        {"name": "guardrail", "version": "0.1.0", "specVersion": "2.4.0"}
    ]


def test_the_picture_was_created_by_a_trained_model() -> None:
    data = assertion(build(make_facts()), "c2pa.actions.v2")
    assert data == {
        "allActionsIncluded": True,
        "actions": [
            {
                "action": "c2pa.created",
                "when": "2026-11-23T10:00:00.000000Z",
                "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/"
                "trainedAlgorithmicMedia",
                "softwareAgent": {"name": "embedded"},
            }
        ],
    }


def test_the_disclosure_names_model_weights_and_oversight() -> None:
    model = ModelIdentity("org/model", "0123abc", "ef" * 32, {}, "P")
    data = assertion(build(make_facts(model=model)), "c2pa.ai-disclosure")
    assert data == {
        "modelType": "c2pa.types.model.pytorch",
        "modelName": "org/model",
        "modelIdentifier": "org/model@0123abc#sha256:" + "ef" * 32,
        "contentProfile": {"humanOversightLevel": "prompt_guided"},
    }


def test_training_on_the_picture_is_not_allowed() -> None:
    entries = assertion(build(make_facts()), "cawg.training-mining")["entries"]
    assert len(entries) == 4
    assert {entry["use"] for entry in entries.values()} == {"notAllowed"}


def test_generation_connects_the_picture_with_its_record() -> None:
    facts = make_facts()
    data = assertion(build(facts), "org.guardrail.generation")
    assert data["recordId"] == str(facts.record_id)
    assert data["seed"] == "18446744073709551615"  # text: an integer would become a float
    assert data["policy"] == {"id": "default", "version": "1.0.0", "sha256": "ab" * 32}
    assert data["decision"] == {"verdict": "allow", "warnings": []}
    assert data["model"]["weightsSha256"] == "cd" * 32


def test_only_known_parameters_reach_the_manifest() -> None:
    definition = build(make_facts())
    parameters = assertion(definition, "org.guardrail.generation")["parameters"]
    assert parameters == {"width": 64, "guidance_scale": 7.5}
    assert "hidden wish" not in json.dumps(definition)


def test_the_prompt_is_absent_unless_given_and_then_stands_alone() -> None:
    assert "org.guardrail.prompt" not in json.dumps(build(make_facts()))
    definition = build(make_facts(prompt="a red boat"))
    assert assertion(definition, "org.guardrail.prompt") == {"prompt": "a red boat"}
    others = [a for a in definition["assertions"] if a["label"] != "org.guardrail.prompt"]
    assert "red boat" not in json.dumps(others)


def test_a_development_signature_is_labelled_in_the_manifest() -> None:
    plain = assertion(build(make_facts()), "org.guardrail.generation")
    labelled = assertion(build(make_facts(), development=True), "org.guardrail.generation")
    assert "development" not in plain
    assert labelled["development"] is True


@pytest.mark.parametrize(
    ("action", "mode", "listed"),
    [
        (Action.WARN, Mode.ENFORCE, True),
        (Action.REDACT, Mode.ENFORCE, True),
        (Action.WARN, Mode.SHADOW, False),
        (Action.BLOCK, Mode.SHADOW, False),
    ],
)
def test_warnings_are_the_enforced_rules_that_matched(
    action: Action, mode: Mode, listed: bool
) -> None:
    finding = Finding("style.brand", "phrases", Stage.PROMPT, action, mode, "PHRASE", "Because.")
    decision = Decision(DECISION.verdict, DECISION.policy, (finding, finding))
    assert warnings(decision) == (["style.brand"] if listed else [])


@pytest.mark.parametrize("mode", ["image-to-image", "inpainting", "outpainting"])
def test_a_picture_on_top_of_another_is_a_composite(mode: str) -> None:
    assert source_type(mode).word == "compositeWithTrainedAlgorithmicMedia"


def test_an_unknown_mode_is_not_guessed() -> None:
    with pytest.raises(ProvenanceError, match="digital source type"):
        build(make_facts(mode="telepathy"))


@given(st.text())
def test_text_that_utf8_can_hold_is_unchanged(text: str) -> None:
    assert well_encoded(text) == text


@given(st.text(alphabet=st.characters(min_codepoint=0xD7F0, max_codepoint=0xE010)))
def test_what_it_returns_can_always_be_encoded(text: str) -> None:
    well_encoded(text).encode("utf-8")


@given(st.builds(make_facts, prompt=st.text(), title=st.text(), seed=st.integers(0, 2**64 - 1)))
def test_any_facts_make_a_wellformed_manifest(facts: ManifestFacts) -> None:
    assert manifest_faults(build(facts)) == ()
