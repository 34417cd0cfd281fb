"""One pass over a log: order, hashes, tree, columns; and every comparison with what lies beside."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, LargeBinary, Select, cast, func, select

from guardrail.audit.derived import Comparison, Nodes
from guardrail.audit.events import PROJECTED
from guardrail.audit.merkle import Frontier, leaf_hash
from guardrail.audit.tables import AuditEvent, TreeState

MAX_PROBLEMS = 100
CHUNK = 1000
_COLUMNS = tuple(PROJECTED)
_KEYS = tuple(PROJECTED.values())
_stored = attrgetter(*_COLUMNS)


@dataclass(slots=True)
class Walk:
    """Walks the events of a log in order, and keeps the problems it meets."""

    connection: Connection
    comparisons: Sequence[Comparison]
    nodes: Nodes
    wanted: frozenset[int]
    """Sizes at which the root is to be kept."""
    problems: list[str] = field(default_factory=list)
    roots: dict[int, bytes] = field(default_factory=dict)
    """The tree's roots at the wanted sizes."""
    origin: str | None = None
    """The log's identity, by its first event."""
    tree: Frontier = field(default_factory=Frontier)
    next_seq: int = 0
    last_match: int = 0
    """Size at which a stored root was met last."""
    seen_states: int = 0

    def report(self, found: Iterable[str]) -> None:
        """Keep problems, up to the limit."""
        for problem in found:
            if len(self.problems) < MAX_PROBLEMS:
                self.problems.append(problem)

    def run(self) -> None:
        """Walk from the first event to the last."""
        rows = self.connection.execution_options(yield_per=CHUNK).execute(_events(self.connection))
        for chunk in rows.partitions(CHUNK):
            for row in chunk:
                self._event(row)
            self.nodes.trusted = self.last_match >= 0
            for comparison in self.comparisons:
                self.report(comparison.compare(self.connection, chunk[0].seq, chunk[-1].seq))
        self.report(self._states())
        for comparison in self.comparisons:
            self.report(comparison.finish(self.connection))

    def _event(self, row: Any) -> None:
        seq = row.seq
        if seq == 0:
            self.origin = f"guardrail/{row.event_id}"
        if seq != self.next_seq:
            self.report([_gap(self.next_seq, seq)])
        self.next_seq = seq + 1
        body = row.body if isinstance(row.body, bytes) else b""
        leaf = leaf_hash(body)
        if leaf != row.leaf_hash:
            self.report([f"event {seq}: its text was changed after it was hashed"])
        self.tree = self.tree.append(leaf, self.nodes.completed)
        if row.root is not None or self.tree.size in self.wanted:
            self._root(row)
        document = _document(body)
        if document is None:
            self.report([f"event {seq}: its text is not a JSON object"])
            return
        self.report(_columns(row, document))
        try:
            for comparison in self.comparisons:
                self.report(comparison.see(seq, body, document))
        except (AttributeError, TypeError):
            self.report([f"event {seq}: it is not as guardrail writes events"])

    def _root(self, row: Any) -> None:
        root = self.tree.root
        if self.tree.size in self.wanted:
            self.roots[self.tree.size] = root
        if row.root is None:
            return
        self.seen_states += 1
        if self.last_match < 0:
            return  # the tree went astray earlier: every later root is missed, too
        if row.root == root:
            self.last_match = row.seq + 1
            return
        self.report(
            [
                f"event {row.seq}: the tree does not lead to the stored root; the first fault is "
                f"between events {self.last_match} and {row.seq}"
            ]
        )
        self.last_match = -1

    def _states(self) -> Iterator[str]:
        """The stored states of the tree: none missing at the head, none left over."""
        stored = self.connection.scalar(select(func.count()).select_from(TreeState)) or 0
        head = self.connection.execute(
            select(TreeState.size, TreeState.frontier).order_by(TreeState.size.desc()).limit(1)
        ).first()
        size = head.size if head else 0
        if size != self.next_seq:
            yield f"the tree's head says {size} events, the log ends at {self.next_seq}"
        elif head and head.frontier != self.tree.packed() and self.last_match >= 0:
            yield "the tree's head does not fit the log"
        if stored != self.seen_states:
            yield f"{stored - self.seen_states} states of the tree belong to no event"


def _events(connection: Connection) -> Select[Any]:
    """Every event with its text as bytes, and the root that was stored after it, if any."""
    body = (
        cast(AuditEvent.body, LargeBinary)
        if connection.dialect.name == "sqlite"
        else func.convert_to(AuditEvent.body, "UTF8")
    )
    columns = (c for c in AuditEvent.__table__.columns if c.name != "body")
    return (
        select(*columns, body.label("body"), TreeState.root)
        .outerjoin(TreeState, TreeState.size == AuditEvent.seq + 1)
        .order_by(AuditEvent.seq)
    )


def _columns(row: Any, document: dict[str, Any]) -> Iterator[str]:
    stored, said = _stored(row), tuple(map(document.get, _KEYS))
    if stored != said:
        for column, one, other in zip(_COLUMNS, stored, said, strict=True):
            if one != other:
                yield f"event {row.seq}: column {column} differs from the hashed text"


def _gap(expected: int, found: int) -> str:
    if found < expected:
        return f"event {found}: it stands twice"
    if found == expected + 1:
        return f"event {expected}: it is missing"
    return f"events {expected} to {found - 1}: they are missing"


def _document(body: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
