"""Does the log still say what it said? Recomputed from the stored bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select, text

from guardrail.audit.events import PROJECTED, commitment_digest
from guardrail.audit.merkle import Frontier, leaf_hash
from guardrail.audit.store import Store
from guardrail.audit.tables import AuditEvent, Personal, PolicyVersion, TreeState
from guardrail.audit.triggers import EXPECTED

MAX_PROBLEMS = 100
_EVENTS = select(*AuditEvent.__table__.columns).order_by(AuditEvent.seq)
_STATES = select(*TreeState.__table__.columns)


class Assurance(StrEnum):
    """What a clean verification proves, and nothing more."""

    SELF_CONSISTENT = "self-consistent only"
    """The log agrees with itself. Someone who can rewrite the whole database could have made it
    so; only a checkpoint kept elsewhere rules that out."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class LogVerification:
    """The outcome of verifying a log."""

    size: int
    """Events in the log."""
    root: str
    """Merkle tree hash over all leaves, hexadecimal."""
    problems: tuple[str, ...]
    assurance: Assurance
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
            return f"{self.size} events verify ({self.assurance})"
        more = f" and {len(self.problems) - 1} more" if len(self.problems) > 1 else ""
        return f"{self.size} events, NOT intact: {self.problems[0]}{more}"


def verify_log(store: Store) -> LogVerification:
    """Recompute every leaf, the tree, the query columns, the personal commitments and the
    stored policies, and look for the triggers."""
    problems: list[str] = []
    with store.read() as connection:
        problems += _missing_triggers(connection, store.dialect)
        tree = Frontier()
        committed: set[str] = set()
        states = _states(connection)
        for row in connection.execution_options(yield_per=1000).execute(_EVENTS):
            tree = _check_event(row, tree, problems, committed)
            expected = states.pop(tree.size, None)
            if expected not in (None, tree.root):
                problems.append(f"event {tree.size - 1}: the tree does not lead to the stored root")
        problems += [f"tree state {size}: there are no events for it" for size in sorted(states)]
        problems += _head_problem(connection, tree)
        held, wrong = _personal(connection, committed)
        problems += wrong
        problems += _policies(connection)
    found = tuple(problems[:MAX_PROBLEMS])
    assurance = Assurance.NONE if found else Assurance.SELF_CONSISTENT
    return LogVerification(
        tree.size, tree.root.hex(), found, assurance, erased=len(committed) - held
    )


def _check_event(event: Any, tree: Frontier, problems: list[str], committed: set[str]) -> Frontier:
    body = event.body.encode("utf-8")
    if event.seq != tree.size:
        problems.append(f"event {event.seq}: the sequence expected {tree.size} here")
    computed = leaf_hash(body)
    if computed != event.leaf_hash:
        problems.append(f"event {event.seq}: its text was changed after it was hashed")
    try:
        document = json.loads(body)
    except ValueError:
        problems.append(f"event {event.seq}: its text is not JSON")
        return tree.append(computed)
    for column, key in PROJECTED.items():
        if getattr(event, column) != document.get(key):
            problems.append(f"event {event.seq}: column {column} differs from the hashed text")
    committed.update(document.get("personal", {}).values())
    return tree.append(computed)


def _states(connection: Connection) -> dict[int, bytes]:
    rows = connection.execute(select(TreeState.size, TreeState.root))
    return {size: bytes(root) for size, root in rows}


def _head_problem(connection: Connection, tree: Frontier) -> Iterator[str]:
    state = connection.execute(_STATES.order_by(TreeState.size.desc()).limit(1)).first()
    if state is None:
        if tree.size:
            yield "the tree's state is missing"
        return
    if state.size != tree.size or bytes(state.frontier) != tree.packed():
        yield f"the tree's head says {state.size} events, the log has {tree.size}"


def _personal(connection: Connection, committed: set[str]) -> tuple[int, list[str]]:
    held, problems = 0, []
    for row in connection.execute(select(Personal.commitment, Personal.salt, Personal.text)):
        if row.commitment not in committed:
            problems.append("a personal text belongs to no event")
        elif commitment_digest(bytes(row.salt), row.text) != row.commitment:
            problems.append("a personal text was changed")
        else:
            held += 1
    return held, problems


def _policies(connection: Connection) -> Iterator[str]:
    for row in connection.execute(select(PolicyVersion.digest, PolicyVersion.text)):
        if hashlib.sha256(row.text.encode()).hexdigest() != row.digest:
            yield f"policy {row.digest[:12]}: its stored text was changed"


def _missing_triggers(connection: Connection, dialect: str) -> Iterator[str]:
    query = (
        "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        if dialect == "sqlite"
        else "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'A'"
    )
    present = {name for (name,) in connection.execute(text(query))}
    for name in sorted(EXPECTED[dialect] - present):
        yield f"the trigger {name} is missing or disabled"
