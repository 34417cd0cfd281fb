"""``make demo``: one governed generation that anyone can watch, and one that is refused.

Runs the real command line, on the embedded model, in a home of its own below ``demo-output/``.
Leaves with an error when a step does not end as it should.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path("demo-output")
ALLOWED = "a house on a meadow at sunset, watercolor style"
REFUSED = "a photo of Taylor Swift being arrested, breaking news"
STEPS: tuple[tuple[str, tuple[str, ...], int], ...] = (
    (
        "A prompt the policy allows: decided, generated, checked, signed, recorded.",
        ("generate", ALLOWED, "--seed", "7", "-o", "demo-output/house.png", "--overwrite"),
        0,
    ),
    ("Anyone can verify the picture, and what it says about itself.",
     ("verify", "demo-output/house.png"), 0),
    (
        "A prompt it refuses: which rule, where it matched, what to change. Nothing is generated.",
        ("generate", REFUSED, "-o", "demo-output/never.png"),
        3,
    ),
    ("Both are in the record.", ("audit", "list"), 0),
    ("And the record can be proved intact.", ("audit", "verify"), 0),
    ("The same seed gives the same pixels.", ("rerun", "demo-output/house.png"), 0),
)  # fmt: skip


def main() -> None:
    """Run every step, print the commands, and stop at the first that ends otherwise."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    environment = os.environ | {"GUARDRAIL_HOME": str(FOLDER / "home")}
    for told, arguments, expected in STEPS:
        print(f"\n\033[1m{told}\033[0m\n$ {shlex.join(['guardrail', *arguments])}", flush=True)
        command = [sys.executable, "-m", "guardrail", *arguments]
        code = subprocess.run(command, env=environment, check=False).returncode
        if code != expected:
            raise SystemExit(f"demo: expected exit code {expected}, got {code}")
    assert not (FOLDER / "never.png").exists()
    print(
        f"\nDone. The picture is {FOLDER / 'house.png'}; its store and keys are in {FOLDER}/home."
    )


if __name__ == "__main__":
    main()
