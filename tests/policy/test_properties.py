"""What must hold of every policy and every prompt, however it is built."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from guardrail.contracts import Verdict
from guardrail.policy import Policy, load_policy
from tests.policy.writing import decide, failing, load, rule

WORDS = ("kite", "boat", "red", "t a")
MODES = st.sampled_from(["enforce", "shadow", "off"])
ACTIONS = st.sampled_from(["block", "review", "redact", "warn"])
prompts = st.lists(st.sampled_from([*WORDS, "a", "house", "x"]), max_size=8).map(" ".join)


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    words = draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=3, unique=True))
    made = rule("r", *words, action=draw(ACTIONS), mode=draw(MODES))
    condition = draw(st.sampled_from([None, "unless", "when"]))
    return made | ({condition: "purpose == 'test'"} if condition else {})


def numbered(some: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [made | {"id": f"r{number}"} for number, made in enumerate(some)]


@cache
def folder() -> Path:
    return Path(mkdtemp(prefix="guardrail-policies-"))


def policy(some: list[dict[str, Any]]) -> Policy:
    return load(folder(), *numbered(some))


@given(st.lists(rules(), max_size=3), rules(), prompts, st.sampled_from([None, "test"]))
@settings(max_examples=150, deadline=None)
def test_a_further_rule_never_weakens_a_verdict(
    some: list[dict[str, Any]], another: dict[str, Any], prompt: str, purpose: str | None
) -> None:
    before = decide(policy(some), prompt, purpose=purpose).verdict
    after = decide(policy([*some, another]), prompt, purpose=purpose).verdict
    assert after.severity >= before.severity


@given(st.lists(rules(), max_size=3), prompts, st.sampled_from(["broken", "half_broken", "lost"]))
@settings(max_examples=80, deadline=None)
def test_an_exception_in_any_rule_is_never_allowed(
    some: list[dict[str, Any]], prompt: str, check: str
) -> None:
    made = load(folder(), *numbered(some), failing("bad", check))
    assert decide(made, prompt).verdict in (Verdict.ERROR, Verdict.BLOCK)


@given(st.lists(rules(), max_size=3), prompts)
@settings(max_examples=80, deadline=None)
def test_only_what_is_allowed_has_a_prompt_for_the_model(
    some: list[dict[str, Any]], prompt: str
) -> None:
    made = policy(some)
    decision = decide(made, prompt)
    assert (decision.effective_prompt is not None) == decision.allowed
    if decision.allowed and decision.effective_prompt != prompt:
        again = decide(made, decision.effective_prompt or "")
        assert again.allowed  # what goes to the model would pass by itself
        assert again.effective_prompt == decision.effective_prompt


@cache
def default() -> Policy:
    return load_policy("default")


REFUSED = (
    "a photo of Taylor Swift at the beach",
    "swap my face onto Tom Hanks",
    "Taylor Swift naked",
)
IGNORABLE = ["\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u202e", "\u0301"]


@given(st.sampled_from(REFUSED), st.data())
@settings(max_examples=150, deadline=None)
def test_an_ignorable_character_never_weakens_a_verdict(prompt: str, data: st.DataObject) -> None:
    text = prompt
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(st.sampled_from(IGNORABLE)) + text[at:]
    assert decide(default(), text).verdict is Verdict.BLOCK


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_text_gets_a_decision(prompt: str) -> None:
    decision = decide(default(), prompt)
    assert decision.verdict is not Verdict.ERROR
    for finding in decision.findings:
        assert finding.span is None or 0 <= finding.span.start < finding.span.end <= len(prompt)
