"""Does the log still say what it said? Recomputed from the stored bytes."""

from __future__ import annotations

from dataclasses import dataclass

from guardrail.audit import triggers
from guardrail.audit.assurance import Assurance, Evidence, Judgement
from guardrail.audit.derived import Comparison, Findings, Nodes, Policies, Stories, Texts
from guardrail.audit.store import Store, bad_text_tolerated
from guardrail.audit.walk import Walk

NOTHING = Evidence()


@dataclass(frozen=True, slots=True)
class LogVerification:
    """The outcome of verifying a log."""

    size: int
    """Events in the log."""
    root: str
    """Merkle tree hash over all leaves, hexadecimal."""
    problems: tuple[str, ...]
    """What was found, each with its place; at most the first hundred."""
    assurance: Assurance
    covered: int
    """How many events, from the first on, the assurance beyond self-consistency holds for."""
    erased: int
    """Personal texts that were erased: committed to, and no longer held."""

    @property
    def ok(self) -> bool:
        """True when nothing was found."""
        return not self.problems

    @property
    def summary(self) -> str:
        """One sentence."""
        if self.ok:
            first = f": the first {self.covered}" if 0 < self.covered < self.size else ""
            return f"{self.size} events verify ({self.assurance}{first})"
        more = f" and {len(self.problems) - 1} more" if len(self.problems) > 1 else ""
        return f"{self.size} events, NOT intact: {self.problems[0]}{more}"


def verify_log(
    store: Store, evidence: Evidence = NOTHING, *, full: bool = False
) -> LogVerification:
    """Recompute every leaf, the tree, the query columns, the personal commitments and the
    stored policies, look at the triggers, and hold the log against signed checkpoints.

    ``full`` also proves that every text is canonical and that every record was opened and closed
    in order. Raises :class:`~guardrail.errors.AuditError` only when the store cannot be read.
    """
    texts, nodes = Texts(), Nodes()
    comparisons: list[Comparison] = [texts, nodes, Findings(), Policies()]
    if full:
        comparisons.append(Stories())
    with store.read() as connection, bad_text_tolerated(connection):
        judgement = Judgement.prepare(connection, evidence)
        walk = Walk(connection, comparisons, nodes, judgement.sizes)
        walk.report(triggers.faults(connection))
        walk.run()
        walk.report(judgement.conclude(walk.origin, walk.roots))
    found = tuple(walk.problems)
    assurance, covered = judgement.assurance()
    return LogVerification(
        walk.tree.size,
        walk.tree.root.hex(),
        found,
        Assurance.NONE if found else assurance,
        0 if found else covered,
        erased=len(texts.missing),
    )
