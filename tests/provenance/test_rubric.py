"""Every check of the rubrics can fail, and fails for its own reason."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from guardrail.errors import ConfigurationError
from guardrail.provenance import Provenance, check_rubric, verify
from guardrail.provenance.rubric import Outcome, evaluate_rubric, load_rubric
from guardrail.provenance.rubric.document import make_rubric
from tests.provenance.conftest import DATA

Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def crjson(signed: dict[str, bytes], provenance: Provenance) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        str(verify(signed["image/png"], anchors=provenance.anchors_pem).crjson)
    )
    return found


def actions(manifest: Manifest) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = manifest["assertions"]["c2pa.actions.v2"]["actions"]
    return found


def add(manifest: Manifest, label: str, /, **data: Any) -> None:
    manifest["assertions"][label] = data


def fail(manifest: Manifest, code: str) -> None:
    manifest["validationResults"]["failure"].append({"code": code})


def opened(manifest: Manifest, **data: Any) -> None:
    actions(manifest)[:] = [{"action": "c2pa.opened", **data}]


PARENT = {"parameters": {"ingredients": [{"url": "x"}]}}
BREAK: dict[str, Callable[[Manifest], Any]] = {
    "mandatory_dst_for_perceptible_transformations": lambda m: actions(m).append(
        {"action": "c2pa.cropped"}
    ),
    "mandatory_spec_version": lambda m: m["claim.v2"]["claim_generator_info"].pop("specVersion"),
    "mandatory_all_actions_included": lambda m: m["assertions"]["c2pa.actions.v2"].pop(
        "allActionsIncluded"
    ),
    "no_dst_for_opened_action": lambda m: opened(m, digitalSourceType="x", **PARENT),
    "well_formed_data_present": lambda m: m.pop("validationResults"),
    "well_formed_success": lambda m: fail(m, "assertion.cbor.invalid"),
    "valid_data_present": lambda m: m.pop("validationResults"),
    "valid_success": lambda m: fail(m, "assertion.dataHash.mismatch"),
    "inception_action_position": lambda m: m["claim.v2"]["created_assertions"].pop(0),
    "no_deprecated_assertions": lambda m: add(m, "stds.exif"),
    "no_unsupported_assertions": lambda m: add(m, "c2pa.foo"),
    "no_deprecated_actions": lambda m: actions(m).append({"action": "c2pa.printed"}),
    "no_unsupported_actions": lambda m: actions(m).append({"action": "c2pa.conjured"}),
    "no_unrecognized_custom_assertions": lambda m: add(m, "guardrail"),
    "no_unrecognized_custom_actions": lambda m: actions(m).append({"action": "conjured"}),
    "no_unrecognized_custom_action_parameters": lambda m: actions(m)[0].update(
        parameters={"strength": 1}
    ),
    "discouraged_legacy_action_parameters": lambda m: actions(m)[0].update(
        parameters={"description": "x"}
    ),
    "active_manifest_urn": lambda m: m.update(label="urn:uuid:1"),
    "review_ratings_datasource": lambda m: add(
        m, "c2pa.x", reviewRatings=[1], dataSource={"type": "humanEntry.anonymous"}
    ),
    "ingredient_v3_no_active_manifest": lambda m: add(
        m, "c2pa.ingredient.v3", relationship="parentOf", validationResults={}
    ),
    "ingredient_v3_mandatory_validation_results": lambda m: add(
        m, "c2pa.ingredient.v3", relationship="parentOf", activeManifest={}
    ),
    "ingredient_relationship_values": lambda m: add(m, "c2pa.ingredient.v3", relationship="cousin"),
    "mandatory_dst_for_created_action": lambda m: actions(m)[0].pop("digitalSourceType"),
    "no_deprecated_claim_fields": lambda m: m["claim.v2"].update(specVersion="2.2"),
    "ingredient_v3_choice": lambda m: add(
        m,
        "c2pa.ingredient.v3",
        relationship="parentOf",
        activeManifest={"url": "x"},
        validationResults={"a": 1},
        digitalSourceType="x",
    ),
    "alternative_content_representation_choice": lambda m: add(
        m, "c2pa.alternative-content-representation", type="exif.originalPreservationImage"
    ),
    "forbidden_labels_in_external_references": lambda m: add(
        m, "c2pa.external-reference", label="c2pa.hash.data", url="x"
    ),
    "no_url_in_hashes": lambda m: m["assertions"]["c2pa.hash.data"].update(url="x"),
    "all_actions_included_opened": lambda m: (
        opened(m, **PARENT),
        m["assertions"]["c2pa.actions.v2"].update(allActionsIncluded=False),
    ),
    "opened_action_ingredient_reference": opened,
    "no_box_hash_for_tiff": lambda m: (
        add(m, "c2pa.hash.boxes"),
        add(m, "c2pa.asset-type.v2", **{"dc:format": "image/tiff"}),
    ),
}


def outcomes(name: str, crjson: dict[str, Any]) -> dict[str, Outcome]:
    return {c.id.split(":")[1]: c.outcome for c in evaluate_rubric(name, json.dumps(crjson)).checks}


def test_there_is_a_way_to_fail_every_check() -> None:
    ids = [statement.id.split(":")[1] for statement in load_rubric("conformance").statements]
    assert sorted(ids) == sorted(BREAK)


@pytest.mark.parametrize("check", BREAK)
def test_a_check_fails_when_its_rule_is_broken(crjson: dict[str, Any], check: str) -> None:
    assert set(outcomes("conformance", crjson).values()) == {Outcome.PASS}
    broken = copy.deepcopy(crjson)
    BREAK[check](broken["manifests"][0])
    found = outcomes("conformance", broken)
    wanted = Outcome.WARN if check.startswith("discouraged") else Outcome.FAIL
    assert found[check] is wanted


@pytest.mark.parametrize(
    ("check", "code"),
    [
        ("well_formed_success", "claim.missing"),
        ("valid_success", "claimSignature.missing"),
        ("trusted_success", "signingCredential.untrusted"),
    ],
)
def test_integrity_sees_each_kind_of_failure(crjson: dict[str, Any], check: str, code: str) -> None:
    broken = copy.deepcopy(crjson)
    fail(broken["manifests"][0], code)
    failed = [name for name, outcome in outcomes("integrity", broken).items() if outcome != "pass"]
    assert failed == [check]


def test_integrity_without_results_fails_throughout(crjson: dict[str, Any]) -> None:
    broken = copy.deepcopy(crjson)
    del broken["manifests"][0]["validationResults"]
    assert set(outcomes("integrity", broken).values()) == {Outcome.FAIL}


_DST = "http://cv.iptc.org/newscodes/digitalsourcetype/"
SIGNALS: dict[str, Callable[[Manifest], Any]] = {
    "Contains Blank Canvas": lambda m: actions(m)[0].update(
        digitalSourceType="http://c2pa.org/digitalsourcetype/empty"
    ),
    "Contains Captured Media": lambda m: actions(m)[0].update(
        digitalSourceType=_DST + "digitalCapture"
    ),
    "Contains Partly GenAI Creation": lambda m: actions(m)[0].update(
        digitalSourceType=_DST + "compositeWithTrainedAlgorithmicMedia"
    ),
    "Contains Media of Unknown Provenance": lambda m: add(m, "c2pa.ingredient.v3", title="x"),
    "Contains ambiguous actions": lambda m: actions(m).append({"action": "org.x"}),
    "Contains Non-editorial Transformations": lambda m: actions(m).append(
        {"action": "c2pa.converted"}
    ),
    "Contains Perceptible GenAI Transformations": lambda m: actions(m).append(
        {"action": "c2pa.edited", "digitalSourceType": _DST + "trainedAlgorithmicMedia"}
    ),
    "Contains Perceptible Non-GenAI Transformations": lambda m: actions(m).append(
        {"action": "c2pa.edited", "digitalSourceType": _DST + "humanEdits"}
    ),
}


@pytest.mark.parametrize("signal", SIGNALS)
def test_a_signal_appears_when_the_manifest_gives_it(crjson: dict[str, Any], signal: str) -> None:
    assert signal not in evaluate_rubric("signals", json.dumps(crjson)).present
    changed = copy.deepcopy(crjson)
    SIGNALS[signal](changed["manifests"][0])
    assert signal in evaluate_rubric("signals", json.dumps(changed)).present


def test_an_ingredient_without_credentials_is_looked_at_by_its_source_type(
    crjson: dict[str, Any],
) -> None:
    changed = copy.deepcopy(crjson)
    add(changed["manifests"][0], "c2pa.ingredient.v3", digitalSourceType=_DST + "digitalCapture")
    report = evaluate_rubric("signals", json.dumps(changed))
    assert "Contains Captured Media" in report.present
    assert len(report.checks) == 28


def test_a_file_without_credentials_passes_nothing() -> None:
    report = check_rubric(DATA / "public-testfiles" / "adobe-20220124-A.jpg")
    assert len(report.checks) == 31
    assert not any(check.passed for check in report.checks)
    assert not report.passed


def test_old_files_fail_the_new_rubric_by_name() -> None:
    report = check_rubric(DATA / "public-testfiles" / "adobe-20220124-CA.jpg")
    failed = [check.id.split(":")[1] for check in report.checks if not check.passed]
    assert "mandatory_spec_version" in failed
    assert "active_manifest_urn" in failed


@pytest.mark.parametrize("assertions", ["x", 5, {"c2pa.actions.v2": {"actions": 7}}])
def test_a_manifest_of_another_shape_does_not_pass(crjson: dict[str, Any], assertions: Any) -> None:
    changed = copy.deepcopy(crjson)
    changed["manifests"][0]["assertions"] = assertions
    report = evaluate_rubric("conformance", json.dumps(changed))
    assert not report.passed


def test_a_check_that_can_not_be_evaluated_is_no_pass() -> None:
    head = {"rubric_metadata": {"name": "x", "version": 1}}
    rubric = make_rubric("x", head, [{"id": "a:b", "expression": "keys(manifests)"}])
    from guardrail.provenance.rubric.evaluate import _checks

    [check] = _checks(rubric, {"manifests": [{}]})
    assert check.outcome is Outcome.ERROR
    assert not check.passed


def test_an_unknown_rubric_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="no rubric 'x'"):
        evaluate_rubric("x", "{}")
