"""``guardrail policy explain|diff|schema|new``: why, what changed, and how to begin."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from guardrail import resources
from guardrail.activation import chosen_policy
from guardrail.cli.output import Output
from guardrail.contracts import Finding
from guardrail.errors import ConfigurationError
from guardrail.files import write_atomically
from guardrail.policy import load_policy
from guardrail.policy.compare import Change, Subject, compare
from guardrail.policy.document import RULE_ID, Kind
from guardrail.policy.explain import Explanation, RuleStory, explain_decision
from guardrail.policy.files import SUFFIXES
from guardrail.policy.probe import probe
from guardrail.policy.registry import prompt_checks
from guardrail.policy.schema import schema_text
from guardrail.policy.template import template
from guardrail.policy.tightening import Direction

_COLOURS = {Direction.TIGHTER: "green", Direction.LOOSER: "red", Direction.UNCLEAR: "yellow"}
MAX_SHOWN = 120


@click.command()
@click.argument("prompt")
@click.option("-n", "--negative-prompt", metavar="TEXT", help="What it should not show.")
@click.option("--actor", help="Who asks.")
@click.option("--tenant")
@click.option("--purpose")
@click.pass_obj
def explain(output: Output, /, prompt: str, **fields: Any) -> None:
    """Tell every step of the decision about PROMPT: how it is read, each rule, its time.

    The exit code is 0 whatever the verdict: the explanation was given.
    """
    told = explain_decision(chosen_policy(output.settings), probe(prompt, **fields))
    output.data(told)
    for line, style in _told(told):
        output.line(line, **style)


def _told(told: Explanation) -> Iterator[tuple[str, dict[str, str]]]:
    for reading in told.readings:
        yield f"read  {reading.field} {reading.view}: {reading.text}", {}
    for story in told.rules:
        yield from _told_rule(story)
    decision = told.decision
    ref = decision.policy
    for finding in decision.findings:
        if finding.check == "engine":
            yield f"  {finding.rule_id}  {finding.reason_code}: {finding.reason}", {}
    colour = "green" if decision.allowed else "red"
    yield f"{decision.verdict}  by {ref.id} {ref.version} {ref.digest}", {"fg": colour}
    if decision.effective_prompt is not None:
        yield f"the model gets: {decision.effective_prompt}", {}


def _told_rule(story: RuleStory) -> Iterator[tuple[str, dict[str, str]]]:
    if not story.applied:
        yield f"rule  {story.rule_id} ({story.check}) did not run: {story.why_not}", {}
        return
    count = len(story.findings)
    found = f"{count} finding{'s' if count != 1 else ''}" if count else "nothing found"
    shadow = " [shadow: does not count]" if story.mode == "shadow" else ""
    yield f"rule  {story.rule_id} ({story.check}) {found} in {story.milliseconds} ms{shadow}", {}
    for finding in story.findings:
        yield f"  {finding.action}  {finding.reason_code}  {_place(finding)}", {}


def _place(finding: Finding) -> str:
    parts = []
    if finding.span:
        parts.append(f"{finding.span.field} {finding.span.start}-{finding.span.end}")
    if finding.matched:
        parts.append(f"matched {finding.matched!r}")
    if finding.view:
        parts.append(f"in the view {finding.view}")
    if finding.score is not None:
        parts.append(f"score {finding.score:g}, threshold {finding.threshold or 0:g}")
    return ", ".join(parts) or finding.reason


@click.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.pass_obj
def diff(output: Output, /, before: str, after: str) -> None:
    """Tell what B changes in A: rules, actions, thresholds, lists, and which way each goes."""
    old, new = load_policy(before), load_policy(after)
    changes = compare(old.document, new.document)
    output.data({"before": old.ref, "after": new.ref, "changes": changes})
    for change in changes:
        output.line(_change(change), fg=_COLOURS.get(change.direction))
    counted = Counter(change.direction for change in changes)
    output.note(", ".join(f"{counted[d]} {d}" for d in Direction if counted[d]) or "no change")


def _change(change: Change) -> str:
    subject = [] if change.subject is Subject.POLICY else [str(change.subject)]
    part = [".".join(change.part)] if change.part else []
    what = " ".join([*subject, change.name, *part])
    return f"{change.direction:<8} {what}: {_difference(change)}"


def _difference(change: Change) -> str:
    if change.before is None and not change.part:
        return f"added {_short(change.after)}"
    if change.after is None and not change.part:
        return f"removed {_short(change.before)}"
    if isinstance(change.before, list) and isinstance(change.after, list):
        gone = [item for item in change.before if item not in change.after]
        come = [item for item in change.after if item not in change.before]
        pairs = (("added", come), ("removed", gone))
        return ", ".join(f"{word} {_short(items)}" for word, items in pairs if items)
    return f"{_short(change.before)} -> {_short(change.after)}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


@click.command()
def schema() -> None:
    """Print the JSON Schema of policy documents, for editors."""
    click.echo(schema_text(prompt_checks()), nl=False)


@click.command()
@click.argument("name")
@click.option("-o", "--output", "target", metavar="FILE", help="File to write. [NAME.yaml]")
@click.option("--extends", "base", default="default", show_default=True, help="Policy to extend.")
@click.option("--overlay", is_flag=True, help="A document that may only tighten.")
@click.pass_obj
def new(output: Output, /, name: str, target: str | None, base: str, overlay: bool) -> None:
    """Write a policy document NAME to begin with: it validates, and its cases pass."""
    if not re.fullmatch(RULE_ID, name):
        raise click.BadParameter(f"must match {RULE_ID}", param_hint="NAME")
    path = Path(target or f"{name}.yaml")
    if path.exists():
        raise ConfigurationError(f"{path} exists already.", hint="Choose another name.")
    load_policy(base)
    if base.endswith(SUFFIXES):
        base = os.path.relpath(base, path.parent)
    kind = Kind.OVERLAY if overlay else Kind.POLICY
    text = template(name, base, kind, str(resources.policies_dir() / "schema.json"))
    write_atomically(path, text.encode("utf-8"))
    output.line(str(path))
    output.data({"path": str(path)})
    output.hint(f"guardrail policy test {path} --min-coverage 100")
