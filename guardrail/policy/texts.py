"""The texts of a request that reach the model, and those that no rule can be asked about."""

from __future__ import annotations

from collections.abc import Iterator

from guardrail.contracts import Action, Finding, GenerationRequest, Mode, Span, Stage
from guardrail.policy.document import Limits
from guardrail.policy.interface import Text

TEXT_FIELDS = ("prompt", "negative_prompt")
"""The fields of a request whose text reaches the model."""
NOT_READ = frozenset({"scheduler", "actor", "tenant", "purpose", "mode"})
"""Its other text fields: they do not reach the model."""

LENGTH_RULE = "engine.prompt-length"
UNREADABLE_RULE = "engine.unreadable-text"
UNJUDGED_RULE = "engine.no-rule-applied"


def texts_of(request: GenerationRequest) -> tuple[Text, ...]:
    """Return every text of the request that reaches the model."""
    pairs = ((name, getattr(request, name)) for name in TEXT_FIELDS)
    return tuple(Text(name, text) for name, text in pairs if text is not None)


def unfit(text: Text, limits: Limits) -> Finding | None:
    """Return why no rule is asked about ``text``: it is too long, or not writable as Unicode
    text. Such a text is refused, never cut off or cleaned up."""
    most = limits.max_prompt_characters
    if len(text.text) > most:
        return _refused(
            LENGTH_RULE,
            "PROMPT_TOO_LONG",
            f"The {_said(text)} is longer than {most} characters.",
            f"Shorten the {_said(text)} to at most {most} characters.",
            Span(most, len(text.text), text.field),
        )
    broken = next(_unwritable(text.text), None)
    if broken is not None:
        return _refused(
            UNREADABLE_RULE,
            "TEXT_NOT_READABLE",
            f"The {_said(text)} holds a NUL or half of a surrogate pair.",
            "Send text that is valid Unicode, without NUL characters.",
            Span(broken, broken + 1, text.field),
        )
    return None


def nothing_judged() -> Finding:
    """The finding of a request to which no rule applied: not looked at is not allowed."""
    return Finding(
        rule_id=UNJUDGED_RULE,
        check="engine",
        stage=Stage.PROMPT,
        action=Action.BLOCK,
        mode=Mode.ENFORCE,
        reason_code="NO_RULE_APPLIED",
        reason="No rule of the policy applied to the request, so nothing was judged.",
        remediation="Give the policy a rule without a condition.",
        failed=True,
    )


def _unwritable(text: str) -> Iterator[int]:
    if text.isascii() and "\0" not in text:
        return
    for index, char in enumerate(text):
        if char == "\0" or "\ud800" <= char <= "\udfff":
            yield index


def _said(text: Text) -> str:
    return text.field.replace("_", " ")


def _refused(rule: str, code: str, reason: str, remediation: str, span: Span) -> Finding:
    return Finding(
        rule_id=rule,
        check="engine",
        stage=Stage.PROMPT,
        action=Action.BLOCK,
        mode=Mode.ENFORCE,
        reason_code=code,
        reason=reason,
        remediation=remediation,
        span=span,
    )
