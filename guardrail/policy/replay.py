"""What would another policy have decided? Asked again of requests that were logged.

A request is replayed as the log keeps it. What it does not keep (consents of that day, the model of
a request that was refused) is absent on both sides, so that both are asked the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from guardrail.contracts import Decision, GenerationRequest, ModelIdentity, Verdict
from guardrail.policy.engine import Policy


@dataclass(frozen=True, slots=True)
class Logged:
    """One request of the log, ready to be asked again."""

    name: str
    """The record's id."""
    time: str
    request: GenerationRequest
    model: ModelIdentity | None = None
    """Which model it was for; None where it was refused before one was loaded."""


@dataclass(frozen=True, slots=True)
class Flip:
    """A request on which two policies differ."""

    record_id: str
    time: str
    tenant: str | None
    actor: str | None
    before: Verdict
    after: Verdict
    rules: tuple[str, ...]
    """The rules that made the difference: those that decide on the harder side."""

    @property
    def harder(self) -> bool:
        """True when the second policy is the stricter one."""
        return self.after.severity > self.before.severity


@dataclass(slots=True)
class Tally:
    """Counts over a replay, filled while its flips are read."""

    requests: int = 0
    harder: int = 0
    softer: int = 0
    changes: Counter[str] = field(default_factory=Counter)
    """By ``allow -> block`` and so on."""
    rules: Counter[str] = field(default_factory=Counter)
    tenants: Counter[str] = field(default_factory=Counter)
    actors: Counter[str] = field(default_factory=Counter)

    def add(self, flip: Flip) -> None:
        """Count one flip."""
        if flip.harder:
            self.harder += 1
        else:
            self.softer += 1
        self.changes[f"{flip.before} -> {flip.after}"] += 1
        self.rules.update(flip.rules)
        self.tenants[flip.tenant or "(none)"] += 1
        self.actors[flip.actor or "(none)"] += 1


def replay(before: Policy, after: Policy, logged: Iterable[Logged], tally: Tally) -> Iterator[Flip]:
    """Ask both policies about every request, and yield those they answer differently."""
    for item in logged:
        tally.requests += 1
        old = before.decide(item.request, model=item.model)
        new = after.decide(item.request, model=item.model)
        if old.verdict is not new.verdict:
            flip = _flip(item, old, new)
            tally.add(flip)
            yield flip


def _flip(item: Logged, old: Decision, new: Decision) -> Flip:
    harder = new if new.verdict.severity > old.verdict.severity else old
    rules = dict.fromkeys(finding.rule_id for finding in harder.deciding)
    return Flip(
        record_id=item.name,
        time=item.time,
        tenant=item.request.tenant,
        actor=item.request.actor,
        before=old.verdict,
        after=new.verdict,
        rules=tuple(rules),
    )
