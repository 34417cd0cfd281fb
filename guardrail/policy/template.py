"""The document that ``guardrail policy new`` writes: complete, commented, and passing its tests."""

from __future__ import annotations

from guardrail.policy.document import Kind

_POLICY = """\
# yaml-language-server: $schema={schema}
schema_version: 1
kind: {kind}
id: {name}
version: "1"
description: {description}
extends: [{base}]

# Rules run in order, and the hardest verdict wins: block, then error, review, allow.
rules:
  - id: {name}.banned-words
    check: phrases
    stage: prompt
    action: block
    # 'shadow' records what the rule would have done. See it with: guardrail policy shadow-report
    mode: enforce
    with:
      phrases: [zeppelin crash]
    # A CEL condition over request, model, actor, tenant, purpose and consent.
    # unless: purpose == 'editorial'
    reason: We make no pictures of disasters.
    remediation: Ask for an airship that flies.
{adjust}
# Tests of this document. Run them with: guardrail policy test FILE --min-coverage 100
cases:
  - name: a banned phrase, however it is spelled
    prompt: a photo of a z3ppelin  crash
    expect: block
    rule: {name}.banned-words
  - name: an ordinary request
    prompt: an airship over a lake at sunset
    expect: allow
"""
_ADJUST = """
# What a policy changes in the rules it extends. Locked core rules cannot be changed.
# adjust:
#   - id: default.real-person
#     action: review
"""
_TIGHTEN = """
# An overlay may tighten what it extends, and nothing else.
# adjust:
#   - id: default.real-person
#     with: {recent_years: 70}
"""


def template(name: str, base: str, kind: Kind, schema: str) -> str:
    """Return a document that validates and whose cases pass.

    ``schema`` is the path or address of the JSON Schema, for editors.
    """
    what = "Tightens" if kind is Kind.OVERLAY else "Extends"
    return _POLICY.format(
        schema=schema,
        kind=kind,
        name=name,
        base=base,
        description=f"{what} the policy {base}.",
        adjust=_TIGHTEN if kind is Kind.OVERLAY else _ADJUST,
    )
