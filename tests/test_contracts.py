"""The values between stages: severities, what counts, and what they look like as JSON."""

from __future__ import annotations

import dataclasses
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrail import contracts
from guardrail.contracts import Action, Decision, Finding, Mode, PolicyRef, Stage, Verdict, as_json
from guardrail.errors import ExitCode

REF = PolicyRef("p", "1", "0" * 64)


def finding(action: Action = Action.BLOCK, mode: Mode = Mode.ENFORCE, **more: object) -> Finding:
    values = {"reason_code": "X", "reason": "Because."} | more
    return Finding("r", "c", Stage.PROMPT, action, mode, **values)  # type: ignore[arg-type]


def test_severity_is_block_error_review_allow() -> None:
    order = [Verdict.ALLOW, Verdict.REVIEW, Verdict.ERROR, Verdict.BLOCK]
    for low, high in itertools.combinations(order, 2):
        assert contracts.worst([low, high]) is high
        assert contracts.worst([high, low]) is high


def test_no_verdict_is_not_a_pass() -> None:
    with pytest.raises(ValueError, match="no verdict"):
        contracts.worst([])


@given(st.lists(st.sampled_from(Verdict), min_size=1), st.sampled_from(Verdict))
def test_adding_a_verdict_never_weakens(verdicts: list[Verdict], more: Verdict) -> None:
    before = contracts.worst(verdicts)
    assert contracts.worst([*verdicts, more]).severity >= before.severity


@pytest.mark.parametrize(
    ("made", "verdict"),
    [
        (finding(Action.BLOCK), Verdict.BLOCK),
        (finding(Action.REVIEW), Verdict.REVIEW),
        (finding(Action.REDACT), Verdict.ALLOW),
        (finding(Action.WARN), Verdict.ALLOW),
        (finding(Action.WARN, failed=True), Verdict.ERROR),
        (finding(Action.BLOCK, Mode.SHADOW), Verdict.ALLOW),
        (finding(Action.BLOCK, Mode.SHADOW, failed=True), Verdict.ALLOW),
    ],
)
def test_what_a_finding_counts_for(made: Finding, verdict: Verdict) -> None:
    assert made.counts is verdict


def test_a_decision_names_what_decided_and_what_to_change() -> None:
    warned = finding(Action.WARN, remediation="ignore")
    blocked = finding(remediation="Name nobody.")
    decision = Decision(Verdict.BLOCK, REF, (warned, blocked))
    assert decision.deciding == (blocked,)
    assert decision.remediation == "Name nobody."
    assert Decision(Verdict.ALLOW, REF, (warned,)).deciding == ()


def test_every_value_is_frozen() -> None:
    kinds = [
        value
        for value in vars(contracts).values()
        if dataclasses.is_dataclass(value) and isinstance(value, type)
    ]
    assert len(kinds) > 10
    for kind in kinds:
        assert kind.__dataclass_params__.frozen, kind  # type: ignore[attr-defined]


def test_values_become_json() -> None:
    data = as_json(Decision(Verdict.BLOCK, REF, (finding(),)))
    assert json.loads(json.dumps(data))["findings"][0]["action"] == "block"
    assert "effective_prompt" not in data


def test_exit_codes_are_frozen() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0,
        "UNEXPECTED": 1,
        "USAGE": 2,
        "BLOCKED": 3,
        "REVIEW": 4,
        "VERIFICATION_FAILED": 5,
        "STAGE_FAILED": 6,
    }
