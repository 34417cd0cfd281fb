"""Values of the stages, as the audit stage gets them, and ways behind its back."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import psycopg
from PIL import Image
from sqlalchemy.engine import make_url

from guardrail.audit import AuditLog
from guardrail.contracts import (
    Action,
    Decision,
    Finding,
    GeneratedImage,
    GenerationRequest,
    ImageReport,
    Mode,
    ModelIdentity,
    PolicyRef,
    Release,
    RuleRun,
    SignedImage,
    SignerInfo,
    Stage,
    StageTimes,
    Verdict,
)
from guardrail.identifiers import new_id

POLICY_TEXT = '{"id":"default"}'
POLICY = PolicyRef("default", "1.0.0", hashlib.sha256(POLICY_TEXT.encode()).hexdigest())
MODEL = ModelIdentity(
    "embedded", None, "cd" * 32, {"unet/model.safetensors": "ab" * 32}, "StableDiffusionPipeline"
)
ALLOW = Decision(Verdict.ALLOW, POLICY, effective_prompt="a red boat", inspected=("prompt",))
SIGNER = SignerInfo("development", "es256", "ef" * 32, "Development", "2027-01-01", True)
REPORT = ImageReport((), (), {"nudity": 0.01})
TABLES = (
    "audit_event",
    "tree_state",
    "tree_node",
    "checkpoint",
    "found_by",
    "policy_version",
    "personal",
)


def make_request(prompt: str = "a red boat", *, count: int = 1, **changes: Any) -> Any:
    """Return a request for ``count`` pictures."""
    request = GenerationRequest(
        request_id=new_id(),
        record_ids=tuple(new_id() for _ in range(count)),
        seeds=tuple(2**64 - 1 - n for n in range(count)),
        prompt=prompt,
        width=64,
        height=64,
        steps=8,
        guidance_scale=4.0,
        actor="ada@example.org",
        tenant="acme",
        purpose="marketing",
    )
    return replace(request, **changes)


def finding(rule_id: str = "real-people", action: Action = Action.BLOCK) -> Finding:
    """Return what a rule found at the prompt."""
    return Finding(
        rule_id,
        "real_person",
        Stage.PROMPT,
        action,
        Mode.ENFORCE,
        "REAL_PERSON_NAMED",
        "A living person is named.",
    )


def refusal(verdict: Verdict = Verdict.BLOCK, rule_id: str = "real-people") -> Decision:
    """Return a decision that does not allow."""
    action = Action.REVIEW if verdict is Verdict.REVIEW else Action.BLOCK
    ran = RuleRun(f"{rule_id}-ran", Stage.PROMPT, verdict, 0.1)
    found = (finding(rule_id, action),)
    return Decision(verdict, POLICY, found, (ran,), inspected=("prompt",))


def make_signed(content: bytes = b"signed bytes") -> SignedImage:
    """Return a signed picture."""
    digest = hashlib.sha256(content).hexdigest()
    return SignedImage(content, "image/png", digest, "aa" * 32, "urn:c2pa:x", SIGNER)


def release(log: AuditLog, request: Any, index: int = 0, content: bytes | None = None) -> UUID:
    """Record the release of one picture of a request."""
    record_id: UUID = request.record_ids[index]
    picture = GeneratedImage(
        Image.new("RGB", (8, 8)),
        request.seeds[index],
        index,
        {
            "parameters": {"width": 64, "guidance_scale": 4.0},
            "batch": {"index": index, "seeds": [str(seed) for seed in request.seeds]},
            "scheduler": {"class": "DDIMScheduler", "config": {}},
        },
        12.5,
    )
    finished = Release(
        record_id,
        image=picture,
        report=REPORT,
        decision=replace(ALLOW, effective_prompt=None),
        signed=make_signed(content or record_id.bytes),
        times=StageTimes((("policy", 1.0), ("generate", 12.5))),
        staged=False,
    )
    log.release(request, [finished])
    return record_id


def generate(log: AuditLog, prompt: str = "a red boat", **changes: Any) -> UUID:
    """Record one whole generation."""
    request = make_request(prompt, **changes)
    log.begin(request, ALLOW, MODEL)
    return release(log, request)


class Behind:
    """Raw SQL on a store, by its owner, around guardrail. ``?`` marks parameters."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        self.dialect = parsed.get_backend_name()
        if self.dialect == "sqlite":
            self.connection: Any = sqlite3.connect(parsed.database or "", isolation_level=None)
        else:
            plain = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
            self.connection = psycopg.connect(plain, autocommit=True)

    def run(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        if self.dialect == "postgresql":
            sql = sql.replace("%", "%%").replace("?", "%s") if parameters else sql
        cursor = (
            self.connection.execute(sql, parameters or None)
            if parameters
            else (self.connection.execute(sql))
        )
        return list(cursor.fetchall()) if cursor.description else []

    @contextmanager
    def unprotected(self) -> Iterator[None]:
        """Take the triggers away, and put them back so that nobody can tell."""
        if self.dialect == "sqlite":
            there = self.run("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            away = [f"DROP TRIGGER {name}" for name, _ in there]
            back = [sql for _, sql in there]
        else:
            there = self.run(
                "SELECT tgname, tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal"
            )
            away = [f"ALTER TABLE {table} DISABLE TRIGGER {name}" for name, table in there]
            back = [f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}" for name, table in there]
        for statement in away:
            self.run(statement)
        yield
        for statement in back:
            self.run(statement)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Run what follows in one transaction."""
        self.run("BEGIN")
        yield
        self.run("COMMIT")

    def tamper(self, sql: str, *parameters: object) -> None:
        """Run a statement that the triggers would refuse."""
        with self.unprotected():
            self.run(sql, *parameters)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()
