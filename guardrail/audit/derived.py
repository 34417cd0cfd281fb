"""What the store repeats from the events, or keeps beside them, compared with what they say.

Each comparison sees every event once, in order; after each chunk of events it looks at the rows
that belong to them, and at the end at what no event accounts for. Memory grows with what is
missing or open, not with the log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import Connection, func, select

from guardrail.audit.events import (
    ERASED,
    EXPIRED,
    REQUESTED,
    TERMINAL,
    commitment_digest,
    findings_of,
    is_canonical,
)
from guardrail.audit.merkle import Node
from guardrail.audit.tables import FoundBy, Personal, PolicyVersion, TreeNode


class Comparison(Protocol):
    """Compares one table with the events. Yields a sentence for each fault."""

    def see(self, seq: int, body: bytes, document: Mapping[str, Any]) -> Iterator[str]:
        """Take note of one event."""
        ...

    def compare(self, connection: Connection, first: int, last: int) -> Iterator[str]:
        """Look at the rows of the events ``first .. last``, which were seen since last time."""
        ...

    def finish(self, connection: Connection) -> Iterator[str]:
        """Look for rows of no event."""
        ...


@dataclass(slots=True)
class Texts:
    """The personal texts: those held are what was committed to, those gone were erased."""

    missing: dict[str, str] = field(default_factory=dict)
    """Where the texts belong that are committed to and no longer held, by commitment."""
    _seen: dict[str, tuple[Any, str]] = field(default_factory=dict)
    _erased: set[str] = field(default_factory=set)
    _held: int = 0

    def see(self, _seq: int, _body: bytes, document: Mapping[str, Any]) -> Iterator[str]:
        """Note the commitments of an event, and those it erased."""
        texts = document.get("personal")
        if isinstance(texts, dict):
            for name, digest in texts.items():
                self._seen[str(digest)] = (document.get("record"), name)
        if document.get("type") in (ERASED, EXPIRED):
            gone = document.get("data", {}).get("commitments", ())
            self._erased.update(map(str, gone))
        yield from ()

    def compare(self, connection: Connection, _first: int, _last: int) -> Iterator[str]:
        """Recompute the commitments of the texts that are held."""
        if not self._seen:
            return
        rows = connection.execute(
            select(*Personal.__table__.columns).where(Personal.commitment.in_(self._seen))
        ).all()
        self._held += len(rows)
        for row in rows:
            record_id, name = self._seen.pop(row.commitment)
            if commitment_digest(bytes(row.salt), str(row.text)) != row.commitment:
                yield f"record {record_id}: its {name} was changed"
            elif (row.record_id, row.field) != (record_id, name):
                yield f"record {record_id}: its {name} is filed elsewhere"
        for digest, (record_id, name) in self._seen.items():
            self.missing[digest] = f"record {record_id}: its {name}"
        self._seen.clear()

    def finish(self, connection: Connection) -> Iterator[str]:
        """Look for texts that no event commits to, that went without an erasure, or that came
        back after one."""
        stored = connection.scalar(select(func.count()).select_from(Personal)) or 0
        if stored > self._held:
            yield f"{stored - self._held} personal texts belong to no event"
        for digest, what in self.missing.items():
            if digest not in self._erased:
                yield f"{what} is gone, and no erasure was recorded"
        back = self._erased - self.missing.keys()
        if back:
            yield f"{len(back)} personal texts were erased and are back"


@dataclass(slots=True)
class Nodes:
    """The stored nodes of the tree: what their leaves lead to."""

    completed: list[Node] = field(default_factory=list)
    """Filled by whoever computes the tree."""
    trusted: bool = True
    """False once the tree is known to differ: every later node differs, too."""
    _seen: int = 0

    def see(self, _seq: int, _body: bytes, _document: Mapping[str, Any]) -> Iterator[str]:
        """Nothing in an event is about nodes."""
        yield from ()

    def compare(self, connection: Connection, _first: int, _last: int) -> Iterator[str]:
        """Compare the nodes that were completed."""
        for level in sorted({node.level for node in self.completed}):
            computed = {n.position: n.hash for n in self.completed if n.level == level}
            rows = connection.execute(
                select(TreeNode.position, TreeNode.hash).where(
                    TreeNode.level == level, TreeNode.position.in_(computed)
                )
            ).all()
            self._seen += len(rows)
            stored = {row.position: row.hash for row in rows}
            for position, value in computed.items():
                if stored.get(position) != value and self.trusted:
                    yield f"node {position} of level {level}: it is not what its leaves lead to"
        self.completed.clear()

    def finish(self, connection: Connection) -> Iterator[str]:
        """Look for nodes over no events."""
        stored = connection.scalar(select(func.count()).select_from(TreeNode)) or 0
        if stored > self._seen:
            yield f"{stored - self._seen} nodes of the tree stand over no events"


@dataclass(slots=True)
class Findings:
    """What is stored for queries about rules and reasons."""

    _said: dict[int, set[tuple[str, str, Any]]] = field(default_factory=dict)
    _seen: int = 0

    def see(self, seq: int, _body: bytes, document: Mapping[str, Any]) -> Iterator[str]:
        """Note what rules found, according to an event."""
        pairs = findings_of(document.get("data"))
        if pairs:
            record_id = document.get("record", "")
            self._said[seq] = {(rule, reason, record_id) for rule, reason in pairs}
        yield from ()

    def compare(self, connection: Connection, first: int, last: int) -> Iterator[str]:
        """Compare the findings of the events."""
        stored: dict[int, set[tuple[str, str, Any]]] = {}
        for row in connection.execute(
            select(*FoundBy.__table__.columns).where(FoundBy.seq.between(first, last))
        ):
            self._seen += 1
            stored.setdefault(row.seq, set()).add((row.rule_id, row.reason_code, row.record_id))
        for seq in sorted(self._said.keys() | stored.keys()):
            if self._said.get(seq) != stored.get(seq):
                yield f"event {seq}: what is stored of its findings differs from the hashed text"
        self._said.clear()

    def finish(self, connection: Connection) -> Iterator[str]:
        """Look for findings of no event."""
        stored = connection.scalar(select(func.count()).select_from(FoundBy)) or 0
        if stored > self._seen:
            yield f"{stored - self._seen} stored findings belong to no event"


@dataclass(slots=True)
class Policies:
    """The stored policies: those that decided are there, and say what they said."""

    _used: dict[str, tuple[Any, Any] | None] = field(default_factory=dict)
    """Id and version that the events give each policy, by digest."""

    def see(self, _seq: int, _body: bytes, document: Mapping[str, Any]) -> Iterator[str]:
        """Note which policy decided."""
        digest = document.get("policy")
        if isinstance(digest, str) and self._used.get(digest) is None:
            decision = document.get("data", {}).get("decision", {})
            named = decision.get("policy") if isinstance(decision, dict) else None
            self._used[digest] = None
            if isinstance(named, dict) and named.get("digest") == digest:
                self._used[digest] = (named.get("id"), named.get("version"))
        yield from ()

    def compare(self, _connection: Connection, _first: int, _last: int) -> Iterator[str]:
        """There are few policies: they are looked at in the end."""
        yield from ()

    def finish(self, connection: Connection) -> Iterator[str]:
        """Recompute the digests, and look for policies that are missing."""
        stored = set()
        for row in connection.execute(select(*PolicyVersion.__table__.columns)):
            stored.add(row.digest)
            if hashlib.sha256(str(row.text).encode()).hexdigest() != row.digest:
                yield f"policy {row.digest[:12]}: its stored text was changed"
            used = self._used.get(row.digest)
            if used is not None and used != (row.policy_id, row.version):
                yield f"policy {row.digest[:12]}: its id or version was changed"
        for digest in sorted(self._used.keys() - stored):
            yield f"policy {digest[:12]}: it decided, and its text is missing"


@dataclass(slots=True)
class Stories:
    """The form of every event, and that every record was opened and closed in order."""

    _open: set[str] = field(default_factory=set)

    def see(self, seq: int, body: bytes, document: Mapping[str, Any]) -> Iterator[str]:
        """Look at one event."""
        if not is_canonical(body):
            yield f"event {seq}: its text is not canonical JSON"
        record_id, kind = str(document.get("record")), document.get("type")
        if kind == REQUESTED:
            if record_id in self._open:
                yield f"event {seq}: it opens record {record_id} again"
            self._open.add(record_id)
        elif kind in TERMINAL:
            if record_id not in self._open:
                yield f"event {seq}: it closes record {record_id}, which is not open"
            self._open.discard(record_id)

    def compare(self, _connection: Connection, _first: int, _last: int) -> Iterator[str]:
        """There is no table to compare with."""
        yield from ()

    def finish(self, _connection: Connection) -> Iterator[str]:
        """Records may be open."""
        yield from ()
