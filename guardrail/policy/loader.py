"""Document to policy: reads, resolves, validates the options of every check, and compiles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from guardrail.contracts import Mode, Stage
from guardrail.errors import GuardrailError, PolicyError
from guardrail.policy.document import ResolvedPolicy
from guardrail.policy.effective import Checks, Effective, effective_rules, resolved
from guardrail.policy.engine import Policy
from guardrail.policy.expressions import compile_condition
from guardrail.policy.files import Written, find, invalid, lineage, read
from guardrail.policy.overlays import loosenings
from guardrail.policy.registry import options_model, prompt_checks
from guardrail.policy.resolve import Merged, merge
from guardrail.policy.rule import CompiledRule

PIN = "@"
"""``default@3f2a91`` is the policy ``default``, and only in the version with that digest."""
MIN_PIN = 12


def load_policy(name: str | Path, *, checks: Checks | None = None) -> Policy:
    """Load a bundled policy by name, or a document by path, with everything it extends.

    ``NAME@DIGEST`` (at least its first 12 digits) also requires that very version. ``checks``
    are the checks that rules of the prompt stage can name; None means guardrail's own and those
    of plugins. Raises :class:`~guardrail.errors.PolicyError` whose ``problems`` locate every
    fault as file:line:column, and :class:`~guardrail.errors.ConfigurationError` when a plugin
    does not load.
    """
    text, pin = _unpinned(name)
    policy = compile_policy(read(find(text)), checks=checks)
    if pin is not None and not (len(pin) >= MIN_PIN and policy.ref.digest.startswith(pin)):
        raise PolicyError(
            f"The policy {policy.ref.id!r} has the digest {policy.ref.digest}, "
            f"and {pin!r} is required.",
            hint=f"See what changed with: guardrail policy diff. A pin has {MIN_PIN} to 64 digits.",
        )
    return policy


def compile_policy(written: Written, *, checks: Checks | None = None) -> Policy:
    """Resolve and compile a document that was read. Raises as :func:`load_policy`."""
    known = prompt_checks() if checks is None else checks
    documents = lineage(written)
    merged = merge(documents)
    rules = effective_rules(merged, known)
    compiled = [c for effective in rules for c in _compiled(merged, effective, known)]
    if not merged.problems:
        merged.problems += loosenings(documents, known)
    if merged.problems:
        raise invalid(written.source.name, merged.problems)
    return _policy(resolved(written.document, merged, rules), compiled)


def restore_policy(text: str, *, checks: Checks | None = None) -> Policy:
    """Make a policy from the canonical text that a record or a store keeps.

    Its rules are those of then, run by the checks of now; the digest tells whether it is the same
    version, lists included. Raises :class:`~guardrail.errors.PolicyError`.
    """
    known = prompt_checks() if checks is None else checks
    try:
        document = ResolvedPolicy.model_validate(json.loads(text))
        compiled = [
            CompiledRule(
                rule,
                known[rule.check](_options(rule.check, rule.options, known)),
                compile_condition(rule.when) if rule.when else None,
                compile_condition(rule.unless) if rule.unless else None,
            )
            for rule in document.rules
            if rule.stage is Stage.PROMPT and rule.mode is not Mode.OFF
        ]
    except (ValidationError, ValueError, KeyError, GuardrailError) as error:
        raise PolicyError(
            f"This version of guardrail cannot run the stored policy ({type(error).__name__}).",
            hint="Its text can still be read: guardrail audit policy DIGEST",
        ) from error
    return _policy(document, compiled)


def _unpinned(name: str | Path) -> tuple[str | Path, str | None]:
    text, separator, pin = str(name).rpartition(PIN)
    if isinstance(name, Path) or not separator or not set(pin) <= set("0123456789abcdef"):
        return name, None
    return text, pin


def _options(check: str, options: dict[str, object], checks: Checks) -> object:
    model = options_model(check, Stage.PROMPT, checks)
    return model.model_validate(options) if model else options


def _policy(document: ResolvedPolicy, compiled: list[CompiledRule]) -> Policy:
    """Note which list data each check decides by, so that the digest tells it."""
    digests = {c.rule.id: getattr(c.check, "data_digest", None) for c in compiled}
    data = {rule: str(digest) for rule, digest in digests.items() if digest}
    return Policy(document.model_copy(update={"data": data}), compiled)


def _compiled(merged: Merged, effective: Effective, checks: Checks) -> Iterator[CompiledRule]:
    """Construct the check of a rule that runs at the prompt stage."""
    placed, rule = effective.placed, effective.rule
    if rule.stage is not Stage.PROMPT or rule.mode is Mode.OFF or not placed.sound:
        return
    try:
        check = checks[rule.check](effective.options)
    except (GuardrailError, ValueError) as error:
        text = error.message if isinstance(error, GuardrailError) else str(error)
        merged.problems.append(placed.problem(("with",), text))
        return
    when = compile_condition(rule.when) if rule.when else None
    unless = compile_condition(rule.unless) if rule.unless else None
    yield CompiledRule(rule, check, when, unless)
