"""A large store for the benchmarks: real events, appended in large commits."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from guardrail.audit import AuditLog, generation
from guardrail.audit.append import append
from guardrail.audit.events import Event
from guardrail.clock import utc_now
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
MODEL = ModelIdentity("embedded", None, "cd" * 32, {"unet.safetensors": "ab" * 32}, "SD")
RULES = tuple(RuleRun(f"rule-{n}", Stage.PROMPT, Verdict.ALLOW, 0.12) for n in range(6))
ALLOW = Decision(Verdict.ALLOW, POLICY, rules=RULES, inspected=("prompt",))
FOUND = Finding(
    "real-people",
    "real_person",
    Stage.PROMPT,
    Action.BLOCK,
    Mode.ENFORCE,
    "REAL_PERSON_NAMED",
    "A living person is named.",
)
BLOCK = Decision(Verdict.BLOCK, POLICY, (FOUND,), RULES, inspected=("prompt",))
SIGNER = SignerInfo("development", "es256", "ef" * 32, "Development", "2027-01-01", True)
PICTURE = Image.new("RGB", (1, 1))
BATCH = 500
"""Requests in one commit."""


def request(number: int) -> GenerationRequest:
    """Return one of a thousand kinds of requests."""
    return GenerationRequest(
        request_id=new_id(),
        record_ids=(new_id(),),
        seeds=(number,),
        prompt=f"a house by a lake at sunset, watercolour, number {number}",
        width=128,
        height=128,
        steps=20,
        guidance_scale=4.0,
        actor=f"person{number % 1000}@example.org",
        tenant=f"tenant{number % 20}",
        purpose="benchmark",
    )


def generation_events(number: int) -> Iterator[Event]:
    """Yield the two events of one request; every tenth is refused."""
    asked = request(number)
    if number % 10 == 0:
        yield from generation.requested(asked, BLOCK, None)
        yield generation.refused(asked, asked.record_ids[0], BLOCK, Stage.PROMPT)
        return
    yield from generation.requested(asked, ALLOW, MODEL)
    yield generation.released(asked, finished(asked, number))


def finished(asked: GenerationRequest, number: int) -> Release:
    """Return what the log keeps of a finished picture: as much as of a real one."""
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    facts = {
        "parameters": {"width": 128, "height": 128, "num_inference_steps": 20},
        "batch": {"index": 0, "seeds": [str(number)]},
        "scheduler": {"class": "DDIMScheduler", "config": dict.fromkeys(map(str, range(20)), 0.5)},
        "libraries": {"torch": "2.9.0", "diffusers": "0.36.0", "transformers": "4.57.0"},
    }
    return Release(
        asked.record_ids[0],
        image=GeneratedImage(PICTURE, number, 0, facts, 700.0),
        report=ImageReport((), RULES, {"nudity": 0.01, "violence": 0.02}),
        decision=ALLOW,
        signed=SignedImage(b"", "image/png", digest, digest, "urn:c2pa:x", SIGNER),
        times=StageTimes((("policy", 1.0), ("generate", 700.0), ("sign", 8.0))),
        staged=True,
    )


def fill(log: AuditLog, events: int) -> float:
    """Append ``events`` events and return the seconds it took."""
    log.store_policy(POLICY, POLICY_TEXT)
    started = time.perf_counter()
    for first in range(0, events // 2, BATCH):
        numbers = range(first, min(first + BATCH, events // 2))
        batch = [event for number in numbers for event in generation_events(number)]
        append(log._store, batch, utc_now)
    return time.perf_counter() - started


def large_store(file: Path, events: int) -> AuditLog:
    """Open a store of ``events`` events, making it if need be."""
    made = file.exists()
    log = AuditLog.open(file)
    if not made:
        print(f"loading {events} events ...", file=sys.stderr)
        print(f"loaded in {fill(log, events):.0f} s", file=sys.stderr)
    return log
