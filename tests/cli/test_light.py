"""Promise 6: the light commands import neither torch nor diffusers nor open_clip."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from guardrail import Pipeline
from tests.drawn import DrawnBackend

HEAVY = ("torch", "diffusers", "open_clip", "transformers", "torchvision")
PROGRAM = f"""
import sys
from guardrail.cli.errors import run
from guardrail.cli.root import cli
code = run(cli, sys.argv[1:])
print("heavy:", [name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
sys.exit(code)
"""
COMMANDS = (
    ("--help",),
    ("generate", "--help"),
    ("check", "a lighthouse"),
    ("check", "a photo of Taylor Swift"),
    ("policy", "validate", "default"),
    ("policy", "test", "default"),
    ("audit", "list"),
    ("audit", "verify"),
    ("verify", "picture.png"),
    ("db", "current"),
    ("doctor",),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_light_commands_import_nothing_heavy(
    command: tuple[str, ...], home: Path, tmp_path: Path
) -> None:
    pipe = Pipeline.from_pretrained(DrawnBackend(), home=home)
    pipe.generate("a lighthouse", output=tmp_path / "picture.png")
    pipe.close()
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode in (0, 3), ended.stderr
    assert "heavy: []" in ended.stderr


def test_importing_the_package_is_light() -> None:
    heavy = ("sqlalchemy", "torch", "PIL", "pydantic", "yaml")
    program = f"import sys, guardrail; print([n for n in {heavy!r} if n in sys.modules])"
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout == "[]\n"
