"""Does the log still say what it said? Recomputed from the stored bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, LargeBinary, cast, func, select

from guardrail.audit import triggers
from guardrail.audit.assurance import Assurance, Evidence, Judgement
from guardrail.audit.events import (
    ERASED,
    EXPIRED,
    PROJECTED,
    REQUESTED,
    TERMINAL,
    commitment_digest,
    is_canonical,
)
from guardrail.audit.merkle import Frontier, Node, leaf_hash
from guardrail.audit.store import Store, bad_text_tolerated
from guardrail.audit.tables import AuditEvent, Personal, PolicyVersion, TreeNode, TreeState

MAX_PROBLEMS = 100
CHUNK = 1000
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
    with store.read() as connection, bad_text_tolerated(connection):
        judgement = Judgement.prepare(connection, evidence)
        walk = _Walk(connection, wanted=judgement.sizes, full=full)
        walk.report(triggers.faults(connection))
        walk.events()
        walk.states()
        walk.nodes()
        walk.texts()
        walk.policies()
        walk.report(judgement.conclude(walk.origin, walk.roots))
    found = tuple(walk.problems)
    assurance, covered = judgement.assurance()
    return LogVerification(
        walk.tree.size,
        walk.tree.root.hex(),
        found,
        Assurance.NONE if found else assurance,
        0 if found else covered,
        erased=len(walk.missing),
    )


@dataclass(slots=True)
class _Walk:
    """One pass over a log, in constant memory."""

    connection: Connection
    wanted: frozenset[int] = frozenset()
    full: bool = False
    origin: str | None = None
    roots: dict[int, bytes] = field(default_factory=dict)
    """The tree's roots at the wanted sizes."""
    open_records: set[str] = field(default_factory=set)
    completed: list[Node] = field(default_factory=list)
    seen_nodes: int = 0
    problems: list[str] = field(default_factory=list)
    tree: Frontier = field(default_factory=Frontier)
    next_seq: int = 0
    led_astray: bool = False
    """Whether a stored root was missed already: every later one is, too."""
    last_match: int = 0
    seen_states: int = 0
    held: int = 0
    missing: dict[str, str] = field(default_factory=dict)
    """Where the texts belong that are committed to and no longer held, by commitment."""
    erased: set[str] = field(default_factory=set)
    """Commitments whose erasure was recorded."""
    policy_refs: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    """Id and version that the events give each policy, by digest."""

    def report(self, found: Iterable[str]) -> None:
        """Keep problems, up to the limit."""
        for problem in found:
            if len(self.problems) < MAX_PROBLEMS:
                self.problems.append(problem)

    def events(self) -> None:
        """Walk the events in order, and the texts they commit to."""
        rows = _stream(
            self.connection,
            select(
                *(c for c in AuditEvent.__table__.columns if c.name != "body"),
                cast(AuditEvent.body, LargeBinary).label("body")
                if self.connection.dialect.name == "sqlite"
                else func.convert_to(AuditEvent.body, "UTF8").label("body"),
                TreeState.root,
            )
            .outerjoin(TreeState, TreeState.size == AuditEvent.seq + 1)
            .order_by(AuditEvent.seq),
        )
        for chunk in rows.partitions(CHUNK):
            commitments: dict[str, tuple[Any, str]] = {}
            for row in chunk:
                self._event(row, commitments)
            self._check_texts(commitments)
            self._check_nodes()

    def _event(self, row: Any, commitments: dict[str, tuple[Any, str]]) -> None:
        if row.seq == 0:
            self.origin = f"guardrail/{row.event_id}"
        if row.seq != self.next_seq:
            self.report([_gap(self.next_seq, row.seq)])
        self.next_seq = row.seq + 1
        body = row.body if isinstance(row.body, bytes) else b""
        leaf = leaf_hash(body)
        if leaf != row.leaf_hash:
            self.report([f"event {row.seq}: its text was changed after it was hashed"])
        self.tree = self.tree.append(leaf, self.completed)
        self._root(row)
        document = _document(body)
        if document is None:
            self.report([f"event {row.seq}: its text is not a JSON object"])
            return
        if self.full:
            self._thorough(row.seq, body, document)
        self.report(
            f"event {row.seq}: column {column} differs from the hashed text"
            for column, key in PROJECTED.items()
            if getattr(row, column) != document.get(key)
        )
        for name, digest in _items(document.get("personal")):
            commitments[str(digest)] = (document.get("record"), name)
        if document.get("type") in (ERASED, EXPIRED):
            self.erased.update(map(str, _get(document, "data", "commitments") or ()))
        decision = _items(_get(document, "data", "decision", "policy"))
        self._policy(document.get("policy"), dict(decision))

    def _thorough(self, seq: int, body: bytes, document: dict[str, Any]) -> None:
        if not is_canonical(body):
            self.report([f"event {seq}: its text is not canonical JSON"])
        record_id, kind = str(document.get("record")), document.get("type")
        if kind == REQUESTED:
            if record_id in self.open_records:
                self.report([f"event {seq}: it opens record {record_id} again"])
            self.open_records.add(record_id)
        elif kind in TERMINAL:
            if record_id not in self.open_records:
                self.report([f"event {seq}: it closes record {record_id}, which is not open"])
            self.open_records.discard(record_id)

    def _root(self, row: Any) -> None:
        if self.tree.size in self.wanted:
            self.roots[self.tree.size] = self.tree.root
        if row.root is None:
            return
        self.seen_states += 1
        if row.root == self.tree.root:
            self.last_match = row.seq + 1
        elif not self.led_astray:
            self.led_astray = True
            self.report(
                [
                    f"event {row.seq}: the tree does not lead to the stored root; the first fault "
                    f"is between events {self.last_match} and {row.seq}"
                ]
            )

    def _policy(self, digest: Any, decision: dict[str, Any]) -> None:
        if isinstance(digest, str):
            known = self.policy_refs.get(digest, (None, None))
            given = (decision.get("id"), decision.get("version"))
            self.policy_refs[digest] = given if known == (None, None) else known

    def states(self) -> None:
        """Look at the stored states of the tree: none missing at the head, none left over."""
        stored = self.connection.scalar(select(func.count()).select_from(TreeState)) or 0
        head = self.connection.execute(
            select(TreeState.size, TreeState.frontier).order_by(TreeState.size.desc()).limit(1)
        ).first()
        size = head.size if head else 0
        if size != self.next_seq:
            self.report([f"the tree's head says {size} events, the log ends at {self.next_seq}"])
        elif head and head.frontier != self.tree.packed() and not self.led_astray:
            self.report(["the tree's head does not fit the log"])
        if stored != self.seen_states:
            extra = stored - self.seen_states
            self.report([f"{extra} states of the tree belong to no event"])

    def _check_nodes(self) -> None:
        """Compare the stored nodes with those that the walk completed since the last time."""
        for level in sorted({node.level for node in self.completed}):
            found = {n.position: n.hash for n in self.completed if n.level == level}
            stored = self.connection.execute(
                select(TreeNode.position, TreeNode.hash).where(
                    TreeNode.level == level, TreeNode.position.in_(found)
                )
            ).all()
            self.seen_nodes += len(stored)
            known = {row.position: row.hash for row in stored}
            self.report(
                f"node {position} of level {level}: it is not what its leaves lead to"
                for position, computed in found.items()
                if known.get(position) != computed and not self.led_astray
            )
        self.completed.clear()

    def nodes(self) -> None:
        """Look for stored nodes that stand over no leaves."""
        stored = self.connection.scalar(select(func.count()).select_from(TreeNode)) or 0
        if stored > self.seen_nodes:
            self.report([f"{stored - self.seen_nodes} nodes of the tree stand over no events"])

    def _check_texts(self, commitments: dict[str, tuple[Any, str]]) -> None:
        found = self.connection.execute(
            select(*Personal.__table__.columns).where(Personal.commitment.in_(commitments))
        ).all()
        self.held += len(found)
        for digest in commitments.keys() - {row.commitment for row in found}:
            record_id, name = commitments[digest]
            self.missing[digest] = f"record {record_id}: its {name}"
        for row in found:
            record_id, name = commitments[row.commitment]
            if commitment_digest(row.salt, row.text) != row.commitment:
                self.report([f"record {record_id}: its {name} was changed"])
            elif (row.record_id, row.field) != (record_id, name):
                self.report([f"record {record_id}: its {name} is filed elsewhere"])

    def texts(self) -> None:
        """Look for personal texts that no event commits to, that went without an erasure, or
        that came back after one."""
        stored = self.connection.scalar(select(func.count()).select_from(Personal)) or 0
        if stored > self.held:
            self.report([f"{stored - self.held} personal texts belong to no event"])
        self.report(
            f"{what} is gone, and no erasure was recorded"
            for digest, what in self.missing.items()
            if digest not in self.erased
        )
        back = self.erased - self.missing.keys()
        if back:
            self.report([f"{len(back)} personal texts were erased and are back"])

    def policies(self) -> None:
        """Look at the stored policies: those that decided are there, and say what they said."""
        stored = set()
        for row in self.connection.execute(select(*PolicyVersion.__table__.columns)):
            stored.add(row.digest)
            if _sha256(row.text) != row.digest:
                self.report([f"policy {row.digest[:12]}: its stored text was changed"])
            used = self.policy_refs.get(row.digest, (None, None))
            if used not in ((None, None), (row.policy_id, row.version)):
                self.report([f"policy {row.digest[:12]}: its id or version was changed"])
        self.report(
            f"policy {str(digest)[:12]}: it decided, and its text is missing"
            for digest in sorted(self.policy_refs.keys() - stored)
        )


def _stream(connection: Connection, query: Any) -> Any:
    return connection.execution_options(yield_per=CHUNK).execute(query)


def _gap(expected: int, found: int) -> str:
    if found < expected:
        return f"event {found}: it stands twice"
    if found == expected + 1:
        return f"event {expected}: it is missing"
    return f"events {expected} to {found - 1}: they are missing"


def _document(body: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(body)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _get(document: dict[str, Any], *path: str) -> Any:
    found: Any = document
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    yield from value.items() if isinstance(value, dict) else ()


def _sha256(text: Any) -> str:
    return hashlib.sha256(text.encode() if isinstance(text, str) else b"").hexdigest()
