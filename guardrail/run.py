"""One request on its way through the stages: what is done, what is pending, what it cost."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

from guardrail.contracts import Decision, GenerationRequest, Release, StageTimes, Verdict, worst
from guardrail.errors import DecisionFailed, GuardrailError, PolicyBlocked, ReviewRequired
from guardrail.request import media_type_of
from guardrail.result import ReleasedImage, Result, Withheld


@dataclass(frozen=True, slots=True)
class StageEvent:
    """Tells an observer that a stage is done: ``policy``, ``record``, ``generate``, ``check``,
    ``sign``, ``stage``, ``release`` or ``publish``."""

    stage: str
    request: GenerationRequest
    outcome: object = None


Observer = Callable[[StageEvent], None]
"""Called after each stage, on the thread that generates. Raising stops the request."""


@dataclass(slots=True)
class Run:
    """The bookkeeping of one request on its way through the stages."""

    request: GenerationRequest
    observer: Observer | None
    requested_media_type: str
    current: str = "policy"
    outcome: object = None
    entries: list[tuple[str, float, UUID | None]] = field(default_factory=list)
    pending: list[UUID] = field(default_factory=list)
    """Records that have no end yet."""
    staged: dict[UUID, Path] = field(default_factory=dict)
    """Signed files that wait for their release."""
    releases: list[Release] = field(default_factory=list)
    withheld: list[Withheld] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pending = list(self.request.record_ids)

    @contextlib.contextmanager
    def stage(self, name: str, record_id: UUID | None = None) -> Iterator[None]:
        """Time a stage, of one picture or of all, and tell the observer when it is done."""
        self.current, self.outcome = name, None
        started = time.perf_counter()
        yield
        self.entries.append((name, (time.perf_counter() - started) * 1000, record_id))
        if self.observer:
            self.observer(StageEvent(name, self.request, self.outcome))

    def note(self, name: str, milliseconds: float, outcome: object) -> None:
        """Enter a stage that several requests went through together, with this one's share."""
        self.current, self.outcome = name, outcome
        self.entries.append((name, milliseconds, None))
        if self.observer:
            self.observer(StageEvent(name, self.request, outcome))

    @property
    def media_type(self) -> str:
        """The format to sign in: the destination's ending wins."""
        paths = self.request.destinations
        return media_type_of(paths[0]) if paths else self.requested_media_type

    def destination(self, record_id: UUID) -> Path | None:
        """Where the picture of a record goes, if the caller asked for files."""
        paths = self.request.destinations
        return Path(paths[self.request.record_ids.index(record_id)]) if paths else None

    def times(self, record_id: UUID) -> StageTimes:
        """One picture's share: of what the batch did together, and what was done for it alone."""
        count = self.request.count
        return StageTimes(
            tuple(
                (name, round(ms / (count if whose is None else 1), 3))
                for name, ms, whose in self.entries
                if whose in (None, record_id)
            )
        )

    def forget_staged(self) -> None:
        """Remove signed files whose release was never committed."""
        for path in self.staged.values():
            with contextlib.suppress(OSError):  # what cannot be removed now, a sweep removes
                path.unlink(missing_ok=True)
        self.staged.clear()

    def result(self, decision: Decision) -> Result:
        """The result, or the refusal when the checks let no picture through."""
        if not self.releases:
            hardest = max(self.withheld, key=lambda held: held.decision.verdict.severity)
            raise refusal(hardest.decision, hardest.record_id)
        images = tuple(
            ReleasedImage(
                release.record_id,
                release.image.seed,
                release.signed,
                release.report,
                self.times(release.record_id),
                self.destination(release.record_id),
            )
            for release in self.releases
        )
        return Result(self.request.request_id, decision, images, tuple(self.withheld))


def as_approved(request: GenerationRequest, decision: Decision) -> GenerationRequest:
    """Return the request that may go to the model: with its redactions applied."""
    return replace(request, prompt=decision.effective_prompt or request.prompt)


def both(words: Decision, pictures: Decision) -> Decision:
    """Return the one decision of two stages: the harder verdict, everything that was found."""
    verdict = worst((words.verdict, pictures.verdict))
    return replace(
        words,
        verdict=verdict,
        findings=words.findings + pictures.findings,
        rules=words.rules + pictures.rules,
        inspected=words.inspected + pictures.inspected,
        not_inspected=words.not_inspected + pictures.not_inspected,
        effective_prompt=words.effective_prompt if verdict is Verdict.ALLOW else None,
        milliseconds=round(words.milliseconds + sum(r.milliseconds for r in pictures.rules), 3),
    )


def refusal(decision: Decision, record_id: UUID | None) -> GuardrailError:
    """Return the error that carries a decision which is not ``allow``."""
    finding = next(iter(decision.deciding), None)
    why = finding.reason if finding else "No rule allowed it."
    if record_id is None:
        why += " (The refusal could not be recorded.)"
    if decision.verdict is Verdict.BLOCK:
        return PolicyBlocked(f"Refused by policy {decision.policy.id}: {why}", decision, record_id)
    if decision.verdict is Verdict.REVIEW:
        return ReviewRequired(
            f"Held for review by policy {decision.policy.id}: {why}", decision, record_id
        )
    return DecisionFailed(
        f"The policy {decision.policy.id} could not be evaluated: {why}",
        decision,
        record_id=record_id,
    )
