"""``guardrail policy activate|history|replay|shadow-report``: from a draft to a policy in force."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import click

from guardrail.activation import ACTIVE
from guardrail.cli.moment import Moment
from guardrail.cli.output import Output
from guardrail.policy import load_policy
from guardrail.policy.replay import Flip, Tally
from guardrail.policy.replay import replay as ask_again

# The record's database is imported where it is read: validating a document needs none.


@click.command()
@click.argument("document", metavar="FILE|NAME")
@click.option("--actor", required=True, help="Who puts it in force.")
@click.option("--reason", required=True, help="Why.")
@click.pass_obj
def activate(output: Output, /, document: str, actor: str, reason: str) -> None:
    """Put a policy in force for every pipeline whose policy is 'active'.

    Its text, who, when and why become part of the record. A pipeline takes it up when it starts.
    """
    from guardrail.audit import AuditLog  # noqa: PLC0415

    policy = load_policy(document)
    with AuditLog.open(output.settings.audit_url) as log:
        output.note(f"record store  {log.url_display}", dim=True)
        before = log.policies.active()
        log.store_policy(policy.ref, policy.text)
        log.policies.activate(policy.ref, actor=actor, reason=reason)
    ref = policy.ref
    output.data({"policy": ref, "replaced": before.policy if before else None})
    output.line(f"active  {ref.id} {ref.version} {ref.digest}", fg="green")
    if before:
        output.line(f"before  {before.policy.id} {before.policy.version} {before.policy.digest}")
    if output.settings.policy != ACTIVE:
        output.hint("pipelines follow it where the policy is set to 'active': GUARDRAIL_POLICY")


@click.command()
@click.pass_obj
def history(output: Output, /) -> None:
    """List the policy versions of the record: when they came, what they decided, who activated
    them and why."""
    from guardrail.cli.audit_options import open_log  # noqa: PLC0415

    with open_log(output) as log:
        versions = log.policies.versions()
        activations = log.policies.activations()
    output.data({"versions": versions, "activations": activations})
    for version in versions:
        ref = version.policy
        output.line(
            f"{version.stored[:19]}Z  {ref.id} {ref.version} {ref.digest[:12]}  "
            f"{version.requests} records"
        )
    for number, activation in enumerate(activations):
        ref = activation.policy
        output.line(
            f"{activation.time[:19]}Z  activated {ref.id} {ref.version} {ref.digest[:12]} "
            f"by {activation.actor or '(erased)'}: {activation.reason or '(erased)'}",
            fg="green" if number == 0 else None,
        )
    if versions:
        output.hint("the text of a version: guardrail audit policy DIGEST")


@click.command()
@click.argument("before", metavar="A")
@click.option("--against", "after", metavar="B", required=True, help="The policy to compare.")
@click.option("--since", type=Moment(), help="From this time on, e.g. 2026-11-01 or 30d.")
@click.option("--until", type=Moment(), help="Before this time.")
@click.option("--tenant")
@click.option("--actor", help="Who asked, exactly.")
@click.pass_obj
def replay(output: Output, /, before: str, after: str, **filters: Any) -> None:
    """What would B have decided instead of A? Asked of the logged requests.

    A and B are names, files, 'active', or digests of versions in the record. Every request whose
    verdict differs is listed, then summed up by rule, tenant and actor.
    """
    from guardrail import rollout  # noqa: PLC0415
    from guardrail.audit import Filters  # noqa: PLC0415
    from guardrail.cli.audit_options import open_log  # noqa: PLC0415

    tally = Tally()
    with open_log(output) as log:
        policies = rollout.policy_of(log, before), rollout.policy_of(log, after)
        skipped: Counter[str] = Counter()
        flips = ask_again(*policies, rollout.logged(log, Filters(**filters), skipped), tally)
        if output.human:
            for flip in flips:
                output.line(_flip(flip), fg="red" if flip.harder else "green")
        elif output.format == "jsonl":
            output.rows(flips)
        else:
            listed = list(flips)
            output.data({"flips": listed, "summary": tally, "skipped": dict(skipped)})
    for line in _summary(tally, skipped):
        output.note(line)


def _flip(flip: Flip) -> str:
    who = ", ".join(name for name in (flip.tenant, flip.actor) if name)
    change = f"{flip.before} -> {flip.after}"
    return (
        f"{flip.record_id}  {flip.time[:19]}Z  {change:<16} {', '.join(flip.rules)}  {who}".rstrip()
    )


def _summary(tally: Tally, skipped: Mapping[str, int]) -> Iterator[str]:
    flips = tally.harder + tally.softer
    yield f"{tally.requests} requests, {flips} differ: {tally.harder} harder, {tally.softer} softer"
    for reason, count in skipped.items():
        yield f"{count} could not be asked again: {reason}"
    for title, counts in (
        ("change", tally.changes),
        ("rule", tally.rules),
        ("tenant", tally.tenants),
        ("actor", tally.actors),
    ):
        for name, count in counts.most_common(20):
            yield f"  {title:<7} {count:>6}  {name}"


@click.command("shadow-report")
@click.option("--since", type=Moment(), help="From this time on, e.g. 2026-11-01 or 30d.")
@click.option("--tenant")
@click.pass_obj
def shadow_report(output: Output, /, since: datetime | None, tenant: str | None) -> None:
    """What would the shadow rules have done, had they been enforced?"""
    from guardrail import rollout  # noqa: PLC0415
    from guardrail.audit import Filters  # noqa: PLC0415
    from guardrail.cli.audit_options import open_log  # noqa: PLC0415

    with open_log(output) as log:
        chosen = Filters(since=since, tenant=tenant)
        total, rules = rollout.shadow_rules(rollout.requests(log, chosen))
    output.data({"requests": total, "rules": list(rules.values())})
    for rule in sorted(rules.values(), key=lambda rule: -rule.decisive):
        output.line(
            f"{rule.rule_id}  {rule.action}: found in {rule.requests} of {total} requests, "
            f"would have decided {rule.decisive}"
        )
        for name, count in rule.tenants.most_common(5):
            output.line(f"  tenant {count:>6}  {name}")
        output.line(f"  latest  {rule.latest}")
    if not rules:
        output.note(f"no shadow rule found anything in {total} requests")
