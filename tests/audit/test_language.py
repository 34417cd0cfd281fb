"""The small language for picking records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrail.audit import AuditLog, Filters, State
from guardrail.audit.language import parse_query
from guardrail.contracts import Verdict
from guardrail.errors import ConfigurationError
from tests.audit.samples import generate, make_request, refusal

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "filters"),
    [
        ("", Filters()),
        ("  ", Filters()),
        ("lake", Filters(words=("lake",))),
        ('"red boat" lake', Filters(words=("red boat", "lake"))),
        ("tenant:acme", Filters(tenant="acme")),
        ('actor:"Ada L"  seed:7', Filters(actor="Ada L", seed="7")),
        ('tenant:""', Filters(tenant="")),
        ("verdict:block state:in-progress", Filters(verdict="block", state=State.IN_PROGRESS)),
        ("since:7d", Filters(since=NOW - timedelta(7))),
        ("until:2026-11-24", Filters(until=NOW.replace(day=24, hour=0))),
        ("since:2026-11-25T10:00:00+02:00", Filters(since=NOW.replace(hour=8))),
        ("rule:default.real-person reason:X", Filters(rule="default.real-person", reason="X")),
        ("12:30", Filters(words=("12:30",))),
    ],
)
def test_queries_mean_filters(text: str, filters: Filters) -> None:
    assert parse_query(text, NOW) == filters


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("colour:red", "knows no 'colour'"),
        ("http://x", "knows no 'http'"),
        ("words:x", "knows no 'words'"),
        ('lake "red', "from character 5 on: '\"red'"),
        ('a"b"', "from character 1 on"),
        ("tenant:", "from character 1 on"),
        ("tenant:a tenant:b", "says tenant twice"),
        ("verdict:maybe", "write one of allow, review, error, block"),
        ("state:gone", "write one of in-progress, interrupted"),
        ("since:yesterday", "is no time"),
        ("since:99999999999d", "is no time"),
    ],
)
def test_what_is_not_understood_is_named(text: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_query(text, NOW)
    assert sentence in caught.value.message


@given(st.text())
def test_any_text_is_a_query_or_a_sentence(text: str) -> None:
    try:
        parse_query(text, NOW)
    except ConfigurationError as error:
        assert error.message.startswith("The query ")


@given(st.lists(st.text(st.characters(exclude_characters='"')).filter(str.strip), max_size=4))
def test_quoted_words_come_back(words: list[str]) -> None:
    text = " ".join(f'"{word}"' for word in words)
    assert parse_query(text, NOW).words == (tuple(words) or None)


def test_a_log_answers_queries(log: AuditLog) -> None:
    generate(log, "a red boat on a lake")
    log.refuse(make_request("a blue boat"), refusal(Verdict.REVIEW, "children"))
    assert [r.prompt for r in log.query("boat lake since:1d").records] == ["a red boat on a lake"]
    assert [r.prompt for r in log.query("verdict:review rule:children").records] == ["a blue boat"]
    assert log.query("tenant:other").records == ()
    assert log.query("boat", limit=1).next is not None
