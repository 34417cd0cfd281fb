"""Every filter, and paging."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from guardrail.audit import AuditLog, Filters, State
from guardrail.audit.queries import records_of_actor
from guardrail.audit.store import Store
from guardrail.audit.tables import ACTOR_INDEX
from guardrail.contracts import PolicyRef, Stage, Verdict
from tests.audit.samples import (
    ALLOW,
    MODEL,
    REPORT,
    Behind,
    generate,
    make_request,
    refusal,
    release,
)

RELEASED_SHA256 = hashlib.sha256(b"the picture").hexdigest()
START = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def stories(url: str) -> Any:
    """One record of each kind, an hour apart, by name; and the log."""
    now = START

    def clock() -> datetime:
        return now

    log = AuditLog.open(url, clock=clock)
    ids: dict[str, UUID] = {}

    def tell(name: str, **changes: Any) -> Any:
        nonlocal now
        now += timedelta(hours=1)
        request = make_request(f"prompt of {name}", **changes)
        ids[name] = request.record_ids[0]
        return request

    release(log, began(log, tell("released", actor="ada")), content=b"the picture")
    log.refuse(tell("refused", actor="bob", tenant="other"), refusal())
    log.refuse(tell("held"), refusal(Verdict.REVIEW, rule_id="children"))
    log.refuse(tell("error"), refusal(Verdict.ERROR))
    request = began(log, tell("withheld"))
    log.withhold(request, request.record_ids[0], refusal(rule_id="nudity"), REPORT, Stage.OUTPUT)
    request = began(log, tell("cancelled", purpose="test"))
    log.cancel(request, request.record_ids)
    other = PolicyRef("strict", "2", "9" * 64)
    began(log, tell("open", negative_prompt="FOG"), decision=replace(ALLOW, policy=other))
    began(log, tell("sdxl", seeds=(7,)), model=replace(MODEL, id="sdxl"))
    yield log, ids
    log.close()


def began(log: AuditLog, request: Any, decision: Any = ALLOW, model: Any = MODEL) -> Any:
    """Open a record and return its request."""
    log.begin(request, decision, model)
    return request


def at(hours: float) -> datetime:
    """A time after the start."""
    return START + timedelta(hours=hours)


FILTERS: dict[str, tuple[Filters, list[str]]] = {
    "since": (Filters(since=at(7)), ["sdxl", "open"]),
    "until": (Filters(until=at(2)), ["released"]),
    "between": (Filters(since=at(2), until=at(4)), ["held", "refused"]),
    "verdict allow": (
        Filters(verdict="allow"),
        ["sdxl", "open", "cancelled", "released"],
    ),
    "verdict block, at the prompt or the picture": (
        Filters(verdict="block"),
        ["withheld", "refused"],
    ),
    "verdict review": (Filters(verdict="review"), ["held"]),
    "verdict error": (Filters(verdict="error"), ["error"]),
    "state released": (Filters(state=State.RELEASED), ["released"]),
    "state refused": (Filters(state=State.REFUSED), ["withheld", "refused"]),
    "state held": (Filters(state=State.HELD), ["held"]),
    "state failed": (Filters(state=State.FAILED), ["error"]),
    "state cancelled": (Filters(state=State.CANCELLED), ["cancelled"]),
    "state in progress": (Filters(state=State.IN_PROGRESS), ["sdxl", "open"]),
    "state interrupted": (Filters(state=State.INTERRUPTED), []),
    "actor": (Filters(actor="bob"), ["refused"]),
    "actor, exactly": (Filters(actor="Bob"), []),
    "tenant": (Filters(tenant="other"), ["refused"]),
    "model": (Filters(model="sdxl"), ["sdxl"]),
    "policy": (Filters(policy="9" * 64), ["open"]),
    "policy, by its start": (Filters(policy="999"), ["open"]),
    "policy with a wildcard": (Filters(policy="%"), []),
    "rule": (Filters(rule="children"), ["held"]),
    "rule of a picture": (Filters(rule="nudity"), ["withheld"]),
    "a rule that only ran": (Filters(rule="nudity-ran"), []),
    "rule, whole": (Filters(rule="nud"), []),
    "rule, exactly": (Filters(rule="Nudity"), []),
    "rule with a quote": (Filters(rule='nudity","x":"'), []),
    "reason": (
        Filters(reason="REAL_PERSON_NAMED"),
        ["withheld", "error", "held", "refused"],
    ),
    "reason, whole": (Filters(reason="REAL_PERSON"), []),
    "purpose": (Filters(purpose="test"), ["cancelled"]),
    "seed": (Filters(seed="7"), ["sdxl"]),
    "asset": (Filters(asset=RELEASED_SHA256), ["released"]),
    "asset, by its start": (Filters(asset=RELEASED_SHA256[:10]), ["released"]),
    "words": (Filters(words=("OF", "prompt", "held")), ["withheld", "held"]),
    "words, also of the negative prompt": (Filters(words=("open", "fog")), ["open"]),
    "words with a wildcard": (Filters(words=("%",)), []),
    "text": (Filters(text="of CAN"), ["cancelled"]),
    "text with a wildcard": (Filters(text="prompt%held"), []),
    "text with a nul": (Filters(text="\0"), []),
    "actor with a surrogate": (Filters(actor="\udc80"), []),
    "all together": (
        Filters(since=at(2), tenant="acme", verdict="block", rule="nudity", text="prompt"),
        ["withheld"],
    ),
    "all, and nothing fits": (Filters(tenant="other", verdict="allow"), []),
}


@pytest.mark.parametrize("case", FILTERS)
def test_filter(stories: Any, case: str) -> None:
    log, ids = stories
    filters, expected = FILTERS[case]
    page = log.records(filters)
    names = {record_id: name for name, record_id in ids.items()}
    assert [names[record.record_id] for record in page.records] == expected
    assert page.next is None


def test_every_filter_is_tested() -> None:
    used = {name for f, _ in FILTERS.values() for name in f.__slots__ if getattr(f, name)}
    assert used == set(Filters.__slots__)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 9, 100])
def test_pages_join_without_gap_or_overlap(stories: Any, limit: int) -> None:
    log, ids = stories
    seen, before = [], None
    while True:
        page = log.records(limit=limit, before=before)
        assert len(page.records) <= limit
        seen += [record.record_id for record in page.records]
        before = page.next
        if before is None:
            break
    assert seen == list(ids.values())[::-1]


def test_new_records_do_not_shift_the_pages(log: AuditLog) -> None:
    ids = [generate(log) for _ in range(4)]
    first = log.records(limit=2)
    generate(log, "meanwhile")
    second = log.records(limit=2, before=first.next)
    assert [r.record_id for r in first.records + second.records] == ids[::-1]


def test_a_state_that_sql_cannot_tell_fills_its_pages(log: AuditLog) -> None:
    for number in range(7):
        request = make_request(f"open {number}")
        log.begin(request, ALLOW, MODEL)
        generate(log, f"done {number}")
    page = log.records(Filters(state=State.IN_PROGRESS), limit=3)
    assert [r.prompt for r in page.records] == ["open 6", "open 5", "open 4"]
    rest = log.records(Filters(state=State.IN_PROGRESS), limit=100, before=page.next)
    assert [r.prompt for r in rest.records] == [f"open {n}" for n in (3, 2, 1, 0)]
    assert log.records(Filters(state=State.INTERRUPTED), limit=2).records == ()


@pytest.mark.parametrize("limit", [0, -1, 10_001])
def test_pages_have_a_size(log: AuditLog, limit: int) -> None:
    with pytest.raises(ValueError, match="1 to 10000"):
        log.records(limit=limit)


@pytest.mark.parametrize("before", [-(10**30), 0, 10**30])
def test_any_place_may_be_asked_for(log: AuditLog, before: int) -> None:
    generate(log)
    assert len(log.records(before=before).records) == (before > 0)


def test_text_is_found_whatever_its_case(log: AuditLog) -> None:
    generate(log, "ein Bär im GRÜNEN Wald")
    assert log.records(Filters(text="bär")).records
    assert log.records(Filters(text="grünen")).records
    assert not log.records(Filters(text="gr_nen")).records


def test_the_index_of_actors_is_used(url: str, log: AuditLog, behind: Behind) -> None:
    generate(log, actor="ada")
    opened = Store(url)
    explain = "EXPLAIN QUERY PLAN " if behind.dialect == "sqlite" else "EXPLAIN "
    if behind.dialect == "postgresql":
        behind.run("ALTER DATABASE store SET enable_seqscan = off")  # one row is read anyhow
    try:
        with opened.read() as connection:
            query = records_of_actor(connection, "ada").compile(
                connection, compile_kwargs={"literal_binds": True}
            )
            plan = connection.exec_driver_sql(explain + str(query)).all()
        assert ACTOR_INDEX in str(plan)
    finally:
        opened.close()
        if behind.dialect == "postgresql":
            behind.run("ALTER DATABASE store RESET enable_seqscan")
