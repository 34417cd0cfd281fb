"""Canonical bytes, commitments, and what may be an event."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrail.audit import events
from guardrail.audit.events import (
    Event,
    body_of,
    canonical,
    commit,
    commitment_digest,
    is_canonical,
    joined,
    members,
    storable,
)
from guardrail.errors import AuditError
from guardrail.identifiers import new_id

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=12,
)


def test_the_types_are_pinned() -> None:
    """Names in old logs never change their meaning; new ones may be added here."""
    pinned = {
        "generation.cancelled",
        "generation.failed",
        "generation.held",
        "generation.interrupted",
        "generation.recovered",
        "generation.refused",
        "generation.released",
        "generation.requested",
        "generation.rerun",
        "policy.activated",
    }
    others = {
        "hold.lifted",
        "hold.placed",
        "personal.erased",
        "personal.expired",
        "policy.activated",
    }
    assert pinned | others <= events.EVENT_TYPES
    going_on = {"generation.recovered", "generation.requested", "generation.rerun"}
    going_on |= {"policy.activated"}
    assert pinned - going_on == events.TERMINAL
    assert events.SCHEMA == "org.guardrail.event/1"


def test_types_follow_the_grammar() -> None:
    for name in events.EVENT_TYPES:
        subject, _, verb = name.partition(".")
        assert subject.isalpha() and verb.replace("_", "").isalpha()


def test_an_unregistered_type_is_refused() -> None:
    with pytest.raises(ValueError, match="unregistered"):
        body_of(Event("generation.forged"), ())


def test_the_body_holds_everything_and_no_nulls() -> None:
    record_id = new_id()
    item = commit("prompt", "a boat")
    event = Event(events.REQUESTED, record_id, tenant="acme", seed="7", data={"a": [1]})
    body = body_of(event, (item,))
    assert body["schema"] == "org.guardrail.event/1"
    assert body["record"] == str(record_id)
    assert body["personal"] == {"prompt": item.digest}
    assert None not in body.values()
    assert set(events.PROJECTED.values()) >= set(body) - {"schema", "data", "personal"}


# Appendix B of RFC 8785, and what json.dumps gets wrong.
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (30.0, "30"),
        (1e-7, "1e-7"),
        (-0.0, "0"),
        (1e21, "1e+21"),
        (333333333.33333329, "333333333.3333333"),
        ('\u20ac$\x0f\nA\'B"\\"/', '"\u20ac$\\u000f\\nA\'B\\"\\\\\\"/"'),
        ({"\ufb33": 1, "\U0001f600": 2}, '{"\U0001f600":2,"\ufb33":1}'),
        ({"b": 1, "a": [True, None]}, '{"a":[true,null],"b":1}'),
    ],
)
def test_bytes_are_rfc_8785(value: Any, text: str) -> None:
    assert canonical({"v": value}) == f'{{"v":{text}}}'.encode()


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 2**53, -(2**53), "\ud800", b"bytes", object(), {1: 2}]
)
def test_what_json_cannot_say_exactly_is_refused(value: Any) -> None:
    with pytest.raises(AuditError, match="canonical JSON"):
        canonical({"v": value})


@settings(max_examples=40)
@given(st.dictionaries(st.text(st.characters(codec="utf-8")), JSON))
def test_canonical_bytes_are_a_fixed_point(document: dict[str, Any]) -> None:
    written = canonical(document)
    assert canonical(json.loads(written, parse_int=float)) == written


@settings(max_examples=40)
@given(st.dictionaries(st.text(st.characters(codec="utf-8")), JSON))
def test_canonical_bytes_are_told_from_others(document: dict[str, Any]) -> None:
    written = canonical(document)
    assert is_canonical(written)
    other = json.dumps(document, sort_keys=True).encode()
    assert is_canonical(other) is (other == written)
    assert not is_canonical(written + b" ")


@settings(max_examples=40)
@given(st.dictionaries(st.from_regex(r"[a-z]{1,6}", fullmatch=True), JSON))
def test_a_document_may_be_written_member_by_member(document: dict[str, Any]) -> None:
    assert joined(members(document)) == canonical(document)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":30.0}',
        b'{"a":1e-07}',
        b'{"a":1E5}',
        b'{"a":-0.0}',
        b'{"a":-0}',
        b'{"a":0.10}',
        b'{"a":1,"a":1}',
        b'{"b":1,"a":1}',
        b'{"a":"\\u0041"}',
        b'{"a":"\\u000A"}',
        b'{"a": 1}',
        b'{"a":NaN}',
        '{"\ufb33":1,"\U0001f600":2}'.encode(),
        b"",
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_what_is_not_canonical_is_told(body: bytes) -> None:
    assert not is_canonical(body)


@given(st.text())
def test_every_text_becomes_storable_once(text: str) -> None:
    stored = storable(text)
    assert "\0" not in stored
    stored.encode("utf-8")
    assert storable(stored) == stored


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_ordinary_texts_stay_as_they_are(text: str) -> None:
    assert storable(text) == text


def test_a_commitment_is_salted_and_recomputable() -> None:
    first, second = commit("prompt", "a boat"), commit("prompt", "a boat")
    assert first.digest != second.digest
    assert len(first.salt) == 32
    assert first.digest == commitment_digest(first.salt, "a boat")
    by_hand = hashlib.sha256(b"guardrail/personal/v1\0" + first.salt + b"a boat").hexdigest()
    assert first.digest == by_hand


@given(st.text(), st.text())
def test_another_text_has_another_commitment(one: str, other: str) -> None:
    salt = bytes(32)
    same = storable(one) == storable(other)
    digests = commitment_digest(salt, storable(one)), commitment_digest(salt, storable(other))
    assert (digests[0] == digests[1]) is same
