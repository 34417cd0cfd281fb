"""Twelve attacks by somebody who owns the database, and what each assurance is worth.

The attacker knows the code: he works behind the triggers, makes hashes, tree, states and nodes fit
again, and erases what would betray him. What he may not have is a checkpoint that somebody else
keeps.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from guardrail.audit import Assurance, AuditLog, Evidence
from guardrail.audit.events import PROJECTED, canonical
from guardrail.audit.keys import LogKey
from guardrail.audit.merkle import Frontier, Node, leaf_hash
from guardrail.audit.notes import SignedCheckpoint
from guardrail.errors import VerificationFailed
from guardrail.identifiers import new_id
from tests.audit.samples import ALLOW, MODEL, Behind, make_request

EVENTS = 300
Body = dict[str, Any]


@dataclass
class Attacker:
    """Owns the database, and in the last attack the key."""

    url: str
    behind: Behind
    key: LogKey
    backup: list[tuple[str, list[tuple[Any, ...]]]]

    def bodies(self) -> list[Body]:
        """Every event, in order."""
        rows = self.behind.run("SELECT body FROM audit_event ORDER BY seq")
        return [json.loads(body) for (body,) in rows]

    def rewrite(self, bodies: list[Body]) -> None:
        """Replace the log by these events, with everything made to fit."""
        tree, nodes, rows = Frontier(), list[Node](), []
        for seq, body in enumerate(bodies):
            text = canonical(body | {"seq": seq})
            leaf = leaf_hash(text)
            tree = tree.append(leaf, nodes)
            columns = {column: (body | {"seq": seq}).get(key) for column, key in PROJECTED.items()}
            rows.append({**columns, "leaf_hash": leaf, "body": text.decode()})
        with self.behind.unprotected(), self.behind.at_once():
            for table in ("audit_event", "tree_state", "tree_node"):
                self.behind.run(f"DELETE FROM {table}")
            self.insert("audit_event", rows)
            self.insert("tree_node", [asdict(node) for node in nodes])
            state = {"size": tree.size, "frontier": tree.packed(), "root": tree.root}
            self.insert("tree_state", [state])
            known = {digest for body in bodies for digest in body.get("personal", {}).values()}
            for (digest,) in self.behind.run("SELECT commitment FROM personal"):
                if digest not in known:
                    self.behind.run("DELETE FROM personal WHERE commitment = ?", digest)

    def insert(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Insert rows."""
        for row in rows:
            marks = ", ".join("?" * len(row))
            sql = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})"
            self.behind.run(sql, *row.values())

    def edited(self) -> list[Body]:
        """The events, one of them changed."""
        bodies = self.bodies()
        bodies[100]["tenant"] = "somebody else"
        return bodies


def edit(attacker: Attacker) -> None:
    """Change an event's text."""
    attacker.behind.tamper(
        "UPDATE audit_event SET body = replace(body, 'acme', 'evil'), tenant = 'evil' "
        "WHERE seq = 100"
    )


def edit_and_fix_its_hash(attacker: Attacker) -> None:
    """Change an event's text, columns and leaf hash."""
    text = canonical(attacker.edited()[100])
    attacker.behind.tamper(
        "UPDATE audit_event SET body = ?, tenant = ?, leaf_hash = ? WHERE seq = 100",
        text.decode(),
        "somebody else",
        leaf_hash(text),
    )


def edit_and_rebuild(attacker: Attacker) -> None:
    """Change an event and everything that follows from it."""
    attacker.rewrite(attacker.edited())


def edit_rebuild_and_delete_checkpoints(attacker: Attacker) -> None:
    """The same, and no checkpoint is left in the database."""
    attacker.rewrite(attacker.edited())
    attacker.behind.tamper("DELETE FROM checkpoint")


def truncate(attacker: Attacker) -> None:
    """Forget the newest events."""
    attacker.rewrite(attacker.bodies()[:250])


def truncate_and_drop_the_last_checkpoint(attacker: Attacker) -> None:
    """Forget the newest events and the checkpoint that covers them."""
    attacker.rewrite(attacker.bodies()[:250])
    attacker.behind.tamper("DELETE FROM checkpoint WHERE size > 250")


def delete_and_renumber(attacker: Attacker) -> None:
    """Take one event out, and close the gap."""
    bodies = attacker.bodies()
    attacker.rewrite(bodies[:100] + bodies[102:])


def swap(attacker: Attacker) -> None:
    """Let one thing have happened before another."""
    bodies = attacker.bodies()
    bodies[100], bodies[110] = bodies[110], bodies[100]
    bodies[101], bodies[111] = bodies[111], bodies[101]
    attacker.rewrite(bodies)


def insert_back_dated(attacker: Attacker) -> None:
    """Put an event where none was."""
    bodies = attacker.bodies()
    forged = {**bodies[101], "type": "generation.rerun", "id": str(new_id()), "data": {}}
    attacker.rewrite([*bodies[:102], forged, *bodies[102:]])


def restore_a_backup(attacker: Attacker) -> None:
    """Put the whole database back to where it was before the last fifty events."""
    with attacker.behind.unprotected(), attacker.behind.at_once():
        for table, _ in attacker.backup:
            attacker.behind.run(f"DELETE FROM {table}")
        for table, rows in attacker.backup:
            for row in rows:
                marks = ", ".join("?" * len(row))
                attacker.behind.run(f"INSERT INTO {table} VALUES ({marks})", *row)


def forge_with_the_stolen_key(attacker: Attacker) -> None:
    """Change an event, rebuild, and sign it all again."""
    attacker.rewrite(attacker.edited())
    attacker.behind.tamper("DELETE FROM checkpoint")
    with AuditLog.open(attacker.url) as log:
        log.proofs().checkpoint(attacker.key)


def forge_with_another_key(attacker: Attacker) -> None:
    """The same, without the key: a swapped one."""
    with tempfile.TemporaryDirectory() as folder:
        attacker.key = LogKey.load_or_create(Path(folder) / "key")
    forge_with_the_stolen_key(attacker)


SELF, OWN, EXTERNAL = "self", "own", "external"
CAUGHT: dict[Callable[[Attacker], None], set[str]] = {
    edit: {SELF, OWN, EXTERNAL},
    edit_and_fix_its_hash: {SELF, OWN, EXTERNAL},
    edit_and_rebuild: {SELF, OWN, EXTERNAL},
    edit_rebuild_and_delete_checkpoints: {EXTERNAL},
    truncate: {SELF, OWN, EXTERNAL},
    truncate_and_drop_the_last_checkpoint: {EXTERNAL},
    delete_and_renumber: {SELF, OWN, EXTERNAL},
    swap: {SELF, OWN, EXTERNAL},
    insert_back_dated: {SELF, OWN, EXTERNAL},
    restore_a_backup: {EXTERNAL},
    forge_with_the_stolen_key: {EXTERNAL},
    forge_with_another_key: {OWN, EXTERNAL},
}
"""Self-consistency includes the checkpoints in the database, whoever signed them."""


@dataclass
class Scene:
    """A log of 300 events with a checkpoint at 250 and one at the end, which an auditor has."""

    log: AuditLog
    attacker: Attacker
    auditors_copy: SignedCheckpoint
    kept: Path
    key: LogKey

    def verify(self, level: str) -> Any:
        """Verify as somebody would who has only this much."""
        verifiers = () if level == SELF else (self.key.verifier,)
        external = (self.auditors_copy,) if level == EXTERNAL else ()
        return self.log.verify(Evidence(external=external, verifiers=verifiers))


def record(log: AuditLog, events: int) -> None:
    """Record ``events`` events, in few commits."""
    for _ in range(events // 50):
        request = make_request(count=25)
        log.begin(request, ALLOW, MODEL)
        log.fail(request, request.record_ids, "generate", "BackendError: no.")


@pytest.fixture
def scene(log: AuditLog, url: str, behind: Behind, tmp_path: Path) -> Scene:
    """The log before the attack."""
    key = LogKey.load_or_create(tmp_path / "checkpoint.key")
    kept = tmp_path / "kept"
    record(log, 250)
    log.proofs(kept).checkpoint(key)
    tables = ("audit_event", "tree_state", "tree_node", "checkpoint", "policy_version", "personal")
    order = {"audit_event": "seq", "tree_state": "size"}
    backup = [
        (table, behind.run(f"SELECT * FROM {table} ORDER BY {order.get(table, 1)}"))
        for table in tables
    ]
    record(log, 50)
    last = log.proofs(kept).checkpoint(key)
    assert last.checkpoint.size == EVENTS
    return Scene(log, Attacker(url, behind, key, backup), last, kept, key)


def test_the_untouched_log_passes_at_every_level(scene: Scene) -> None:
    found = {level: scene.verify(level) for level in (SELF, OWN, EXTERNAL)}
    assert [outcome.problems for outcome in found.values()] == [(), (), ()]
    assert found[SELF].assurance is Assurance.SELF_CONSISTENT
    assert found[OWN].assurance is Assurance.OWN_CHECKPOINTS
    assert found[EXTERNAL].assurance is Assurance.EXTERNAL
    assert (found[SELF].covered, found[EXTERNAL].covered) == (0, EVENTS)


@pytest.mark.parametrize("attack", CAUGHT, ids=lambda attack: attack.__name__)
def test_an_attack_is_caught_where_it_can_be(
    scene: Scene, attack: Callable[[Attacker], None]
) -> None:
    """The levels that catch it are exactly those we claim: no more, no less."""
    attack(scene.attacker)
    outcomes = {level: scene.verify(level) for level in (SELF, OWN, EXTERNAL)}
    caught = {level for level, outcome in outcomes.items() if not outcome.ok}
    assert caught == CAUGHT[attack], outcomes
    assert outcomes[EXTERNAL].assurance is Assurance.NONE

    # The checkpoint that we keep ourselves, outside the database, catches it too, as long as
    # the attacker cannot reach the folder it lies in; and nothing is signed that contradicts it.
    kept = scene.log.proofs(scene.kept).kept(scene.auditors_copy.checkpoint.origin)
    evidence = Evidence(kept=tuple(kept), verifiers=(scene.key.verifier,))
    assert not scene.log.verify(evidence).ok
    if attack not in (edit, edit_and_fix_its_hash):  # these leave the tree as it was
        with pytest.raises(VerificationFailed, match="is not signed"):
            scene.log.proofs(scene.kept).checkpoint(scene.key)
