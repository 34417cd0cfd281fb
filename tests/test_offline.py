"""Promise 7: no network unless asked. An audit hook in the interpreter sees every connection."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
tried = []
def watch(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        tried.append(event)
    if event == "socket.connect" and not isinstance(arguments[1], (str, bytes)):
        tried.append(event)
sys.addaudithook(watch)
from guardrail.cli.errors import run
from guardrail.cli.root import cli
code = run(cli, sys.argv[1:])
print("tried:", tried, file=sys.stderr)
sys.exit(code)
"""


def test_a_generation_and_its_verification_use_no_network(tiny_model: Path, tmp_path: Path) -> None:
    picture = str(tmp_path / "a.png")
    for command in (
        ("generate", "a lighthouse", "--model", str(tiny_model), "--steps", "1", "-o", picture),
        ("verify", picture),
        ("audit", "verify"),
    ):
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM, *command], capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
        assert "tried: []" in ended.stderr


def test_a_model_that_is_not_here_is_not_fetched(tmp_path: Path) -> None:
    command = (
        "generate",
        "a lighthouse",
        "--model",
        "someone/something",
        "-o",
        str(tmp_path / "a.png"),
    )
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, *command], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 6
    assert "tried: []" in ended.stderr
    assert "--allow-download" in ended.stderr


def test_the_hook_sees_connections() -> None:
    program = PROGRAM.partition("from guardrail")[0] + (
        "import socket\n"
        "try: socket.create_connection(('127.0.0.1', 9), timeout=0.2)\n"
        "except OSError: pass\n"
        "print(len(tried))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert int(ended.stdout) >= 1
