"""What the pipeline records, and what comes back."""

from __future__ import annotations

import json
from dataclasses import replace
from uuid import UUID

import pytest

from guardrail.audit import AuditLog, RecordNotFound, State
from guardrail.contracts import PolicyRef, Stage, Verdict, as_json
from guardrail.errors import AuditError
from guardrail.identifiers import new_id
from tests.audit.samples import (
    ALLOW,
    MODEL,
    POLICY,
    POLICY_TEXT,
    REPORT,
    Behind,
    generate,
    make_request,
    refusal,
    release,
)


def test_a_generation_is_recorded_before_and_after(log: AuditLog) -> None:
    request = make_request(negative_prompt="fog", metadata={"campaign": 7}, count=2)
    log.begin(request, ALLOW, MODEL)
    opened = log.record(request.record_ids[0])
    assert opened.state is State.IN_PROGRESS
    release(log, request, 0)
    release(log, request, 1)
    first, second = (log.record(record_id) for record_id in request.record_ids)
    assert first.state is second.state is State.RELEASED
    assert first.request_id == second.request_id == request.request_id
    assert (first.seed, second.seed) == (str(2**64 - 1), str(2**64 - 2))
    assert first.prompt == "a red boat"
    assert first.negative_prompt == "fog"
    assert json.loads(first.metadata or "") == {"campaign": 7}
    assert (first.actor, first.tenant, first.purpose) == ("ada@example.org", "acme", "marketing")
    assert first.model == MODEL
    assert first.decision["policy"]["digest"] == POLICY.digest
    assert first.sha256 != second.sha256
    assert [event.seq for event in first.events] == [0, 2]
    assert first.erased == ()
    assert log.verify().ok


def test_personal_texts_are_not_in_the_hashed_bytes(log: AuditLog, behind: Behind) -> None:
    request = make_request(
        "a secret garden", negative_prompt="hidden fog", metadata={"k": "private"}
    )
    request = replace(request, destinations=("/home/ada/garden.png",))
    log.begin(request, replace(ALLOW, effective_prompt="a redacted garden"), MODEL)
    log.fail(request, request.record_ids, "stage", "/home/ada/garden.png cannot be written")
    bodies = " ".join(body for (body,) in behind.run("SELECT body FROM audit_event"))
    for text in ("garden", "fog", "private", "ada@", "home"):
        assert text not in bodies
    record = log.record(request.record_ids[0])
    assert record.failure == {
        "stage": "stage",
        "error": "/home/ada/garden.png cannot be written",
    }
    assert record.state is State.FAILED


@pytest.mark.parametrize(
    ("verdict", "state"),
    [
        (Verdict.BLOCK, State.REFUSED),
        (Verdict.REVIEW, State.HELD),
        (Verdict.ERROR, State.FAILED),
    ],
)
def test_refusals_are_recorded_whole(log: AuditLog, verdict: Verdict, state: State) -> None:
    request = make_request(count=3)
    log.refuse(request, refusal(verdict))
    record = log.record(request.record_ids[0])
    assert record.state is state
    assert record.verdict == verdict
    assert record.decision["findings"][0]["rule_id"] == "real-people"
    assert record.prompt == "a red boat"
    with pytest.raises(RecordNotFound):
        log.record(request.record_ids[1])


def test_a_withheld_picture_ends_its_record(log: AuditLog) -> None:
    request = make_request()
    log.begin(request, ALLOW, MODEL)
    log.withhold(request, request.record_ids[0], refusal(), REPORT, Stage.OUTPUT)
    record = log.record(request.record_ids[0])
    assert record.state is State.REFUSED
    assert record.verdict == "block"
    assert record.output_decision is not None
    assert record.report == as_json(REPORT)


def test_a_record_is_opened_once_and_closed_once(log: AuditLog) -> None:
    request = make_request()
    log.begin(request, ALLOW, MODEL)
    with pytest.raises(AuditError, match="recorded already"):
        log.begin(request, ALLOW, MODEL)
    release(log, request)
    with pytest.raises(AuditError, match="closed already"):
        release(log, request)
    with pytest.raises(AuditError, match="never opened"):
        release(log, make_request())
    assert log.verify().size == 2


def test_failing_and_cancelling_close_only_what_is_open(log: AuditLog) -> None:
    request = make_request(count=3)
    log.begin(request, ALLOW, MODEL)
    release(log, request, 0)
    log.fail(request, request.record_ids[:2], "sign", "ProvenanceError: no.")
    log.cancel(request, request.record_ids)
    states = [log.record(record_id).state for record_id in request.record_ids]
    assert states == [State.RELEASED, State.FAILED, State.CANCELLED]
    size = log.verify().size
    log.cancel(request, request.record_ids)
    assert log.verify().size == size


def test_an_asset_leads_to_its_record(log: AuditLog) -> None:
    record_id = generate(log)
    sha256 = log.record(record_id).sha256
    found = log.find_asset(sha256 or "")
    assert found is not None
    assert found.record_id == record_id
    assert log.find_asset("00" * 32) is None


def test_a_rerun_is_noted_and_changes_no_state(log: AuditLog) -> None:
    record = log.record(generate(log))
    log.note_rerun(record, "pixel_near", ["threads: recorded 1, now 2"])
    again = log.record(record.record_id)
    assert again.state is State.RELEASED
    assert again.events[-1].body["data"]["verdict"] == "pixel_near"


def test_unknown_records_and_policies_say_so(log: AuditLog) -> None:
    with pytest.raises(RecordNotFound) as caught:
        log.record(new_id())
    assert caught.value.exit_code == 2
    with pytest.raises(RecordNotFound):
        log.policy_text("\ud800")


def test_a_policy_is_stored_once_and_never_changed(log: AuditLog) -> None:
    log.store_policy(POLICY, POLICY_TEXT)
    assert log.policy_text(POLICY.digest) == POLICY_TEXT
    with pytest.raises(AuditError, match="another text"):
        log.store_policy(PolicyRef("default", "1.0.0", POLICY.digest), "{}")


HOSTILE = {
    "nul": "before\0after",
    "surrogate": "lone \ud800 surrogate",
    "rtl": "\u202etxet desrever\u202c",
    "quotes": """'; DROP TABLE audit_event; -- " \\ %s ? :name""",
    "json": '{"rule_id":"real-people"}',
    "emoji": "\U0001f468\u200d\U0001f469 \x1b[31m",
    "long": "x" * 100_000,
    "lines": "one\ntwo\r\nthree\t",
    "empty": "",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_survive_as_values(log: AuditLog, text: str) -> None:
    stored = text.replace("\0", "\\u0000").replace("\ud800", "\\ud800")
    request = make_request(text, negative_prompt=text, actor=text, metadata={"k": text})
    request = replace(request, tenant=text[:200], purpose=text[:200])
    log.begin(request, ALLOW, replace(MODEL, id=text[:200]))
    release(log, request)
    record = log.record(request.record_ids[0])
    assert record.prompt == record.negative_prompt == record.actor == stored
    assert record.tenant == record.purpose == stored[:200]
    assert record.metadata == json.dumps({"k": text})
    assert log.verify().ok


def test_names_longer_than_their_columns_are_refused_alike(log: AuditLog) -> None:
    with pytest.raises(AuditError, match="tenant is longer than 255"):
        log.begin(make_request(tenant="x" * 256), ALLOW, MODEL)
    assert log.verify().size == 0


def test_what_json_cannot_say_is_refused(log: AuditLog) -> None:
    request = make_request(guidance_scale=float("nan"))
    with pytest.raises(AuditError, match="canonical JSON"):
        log.begin(request, ALLOW, MODEL)
    assert log.verify().size == 0


def test_a_whole_batch_is_recorded_or_nothing(log: AuditLog) -> None:
    request = make_request(count=2)
    log.begin(request, ALLOW, MODEL)
    broken = make_request(count=2)
    broken = replace(broken, record_ids=(new_id(), request.record_ids[1]))
    with pytest.raises(AuditError):
        log.begin(broken, ALLOW, MODEL)
    with pytest.raises(RecordNotFound):
        log.record(broken.record_ids[0])
    assert log.verify().size == 2


def test_the_unknown_uuid_is_not_found(log: AuditLog) -> None:
    with pytest.raises(RecordNotFound, match="00000000"):
        log.record(UUID(int=0))


@pytest.mark.parametrize("name", ["tenant", "purpose"])
def test_a_request_is_refused_before_the_record_would_refuse_it(name: str) -> None:
    from guardrail.audit.events import NAME_LENGTH
    from guardrail.backends.interface import Defaults
    from guardrail.errors import ConfigurationError
    from guardrail.request import MAX_NAME, build_request

    assert MAX_NAME == NAME_LENGTH
    defaults = Defaults(64, 64, 8, 4.0, multiple=8)
    assert build_request("a boat", {name: "x" * 255}, defaults)  # type: ignore[misc]
    with pytest.raises(ConfigurationError, match=f"{name} must be at most 255"):
        build_request("a boat", {name: "x" * 256}, defaults)  # type: ignore[misc]
