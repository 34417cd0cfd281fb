"""Files of strangers are parsed in a child: what grows, hangs or crashes there stays there."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from guardrail.provenance import Limits, Provenance, SignatureState, confined, verify
from guardrail.provenance.native import Reading
from guardrail.provenance.worker import parse_here
from tests.provenance.conftest import make_facts, make_picture

MIB = 1024 * 1024
HEAD = (
    "import sys, os, json, struct, time\n"
    "def part():\n"
    "    head = sys.stdin.buffer.read(8)\n"
    "    return sys.stdin.buffer.read(struct.unpack('>Q', head)[0])\n"
    "part(), part()\n"
    "def answer(b):\n"
    "    sys.stdout.buffer.write(struct.pack('>Q', len(b)) + b); sys.stdout.buffer.flush()\n"
)


@pytest.fixture(autouse=True)
def fresh() -> Any:
    """No child of another test."""
    confined._end_all()
    yield
    confined._end_all()


def code(content: bytes, **options: Any) -> str:
    found = verify(content, **options)
    assert found.state is SignatureState.INVALID
    return found.failures[0].code


@pytest.mark.parametrize("kind", ["image/png", "image/jpeg", "image/webp"])
def test_the_child_says_what_this_process_would_say(
    signed: dict[str, bytes], provenance: Provenance, kind: str
) -> None:
    anchors = provenance.anchors_pem
    here = parse_here(signed[kind], kind, anchors)
    there = confined.parse_confined(signed[kind], kind, anchors, Limits())
    assert isinstance(here.outcome, Reading)
    assert isinstance(there.outcome, Reading)
    assert there.pixels_sha256 == here.pixels_sha256
    assert (there.outcome.state, there.outcome.store) == (here.outcome.state, here.outcome.store)
    assert json.loads(there.outcome.crjson).keys() == json.loads(here.outcome.crjson).keys()


def test_one_child_serves_many_files(signed: dict[str, bytes]) -> None:
    for _ in range(3):
        verify(signed["image/png"])
    [child] = confined._idle[os.getpid()]
    before = child._process.pid
    verify(signed["image/png"])
    assert [c._process.pid for c in confined._idle[os.getpid()]] == [before]


def test_a_picture_that_takes_too_much_memory_is_refused_and_the_next_one_is_not(
    signed: dict[str, bytes],
) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (8000, 8000)).save(stream, "PNG")  # 192 MB of pixels in 0.6 MB of file
    assert code(stream.getvalue(), limits=Limits(memory=64 * MIB)) == "guardrail.limits"
    assert verify(signed["image/png"]).state is SignatureState.VALID_UNTRUSTED
    assert verify(stream.getvalue()).pixels_sha256


def test_a_manifest_that_takes_too_much_memory_is_refused(signed: dict[str, bytes]) -> None:
    ours = signed["image/png"]
    chunk = struct.pack(">I", 200 * MIB) + b"caBX" + bytes(200 * MIB) + bytes(4)
    cut = ours.index(b"IDAT") - 4
    assert code(ours[:cut] + chunk + ours[cut:], limits=Limits(memory=300 * MIB)) == (
        "guardrail.limits"
    )


def test_a_file_that_takes_too_long_is_refused_in_time(
    signed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confined, "_PROGRAM", HEAD + "time.sleep(60)")
    started = time.monotonic()
    assert code(signed["image/png"], limits=Limits(seconds=0.5)) == "guardrail.limits"
    assert time.monotonic() - started < 5


def test_a_child_that_never_reads_is_ended_in_time(
    signed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confined, "_PROGRAM", "import time; time.sleep(60)")
    assert code(b"\x89PNG\r\n\x1a\n" + bytes(4 * MIB), limits=Limits(seconds=0.5)) == (
        "guardrail.limits"
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits of processor time are POSIX")
def test_processor_time_is_limited_too(
    signed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = "import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass"
    monkeypatch.setattr(confined, "_PROGRAM", HEAD + busy)
    assert code(signed["image/png"], limits=Limits(seconds=20)) in (
        "guardrail.limits",
        "guardrail.crashed",  # the hard limit kills without a reason
    )


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("os.abort()", "guardrail.crashed"),
        ("sys.exit(3)", "guardrail.crashed"),
        ("answer(b'not json')", "guardrail.unparsable"),
        ("answer(b'[]')", None),
        ("answer(b'{\"state\": \"Trusted\"}')", "guardrail.unparsable"),
        ("answer(b'{\"state\": \"Trusted\", \"store\": \"[[\", \"crjson\": 1}')",
         "guardrail.unparsable"),
        ("answer(json.dumps({'state': 'Trusted', 'store': '[' * 200000, 'crjson': ''}).encode())",
         "guardrail.unparsable"),
        ("sys.stdout.buffer.write(struct.pack('>Q', 2**40))", "guardrail.crashed"),
        ("sys.stdout.buffer.write(b'abc')", "guardrail.crashed"),
    ],
)  # fmt: skip
def test_whatever_a_child_does_the_file_is_not_valid(
    signed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, program: str, expected: str | None
) -> None:
    monkeypatch.setattr(confined, "_PROGRAM", HEAD + program)
    found = verify(signed["image/png"])
    assert found.state in (SignatureState.INVALID, SignatureState.NONE)
    assert [failure.code for failure in found.failures] == ([expected] if expected else [])


def test_a_child_that_died_while_it_waited_is_replaced(signed: dict[str, bytes]) -> None:
    verify(signed["image/png"])
    [child] = confined._idle[os.getpid()]
    child._process.kill()
    child._process.wait()
    assert verify(signed["image/png"]).state is SignatureState.VALID_UNTRUSTED


def test_the_child_may_not_write_a_file(tmp_path: Path) -> None:
    target = tmp_path / "written"
    script = (
        "from guardrail.provenance.worker import _limit; import signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "_limit({'seconds': 5, 'memory': 2**30})\n"
        f"open({str(target)!r}, 'wb').write(bytes(2**20))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode != 0
    assert target.stat().st_size <= 64 * 1024


def test_many_threads_verify_at_once(signed: dict[str, bytes], provenance: Provenance) -> None:
    with ThreadPoolExecutor(6) as pool:
        found = list(
            pool.map(
                lambda kind: verify(signed[kind], anchors=provenance.anchors_pem), [*signed] * 8
            )
        )
    assert all(one.trusted for one in found)
    assert len(confined._idle[os.getpid()]) <= 2


def _verify_in_fork(content: bytes, queue: Any) -> None:
    queue.put(verify(content).state.value)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_has_children_of_its_own(signed: dict[str, bytes]) -> None:
    verify(signed["image/png"])
    context = multiprocessing.get_context("fork")
    queue: Any = context.Queue()
    forks = [
        context.Process(target=_verify_in_fork, args=(signed["image/png"], queue)) for _ in "abc"
    ]
    for fork in forks:
        fork.start()
    states = [verify(signed["image/png"]).state.value, *(queue.get(timeout=60) for _ in forks)]
    for fork in forks:
        fork.join(60)
    assert states == ["valid_untrusted"] * 4


def test_signing_reads_back_without_a_child(provenance: Provenance) -> None:
    provenance.sign(make_picture(), make_facts(), "image/png")
    assert not confined._idle.get(os.getpid())
