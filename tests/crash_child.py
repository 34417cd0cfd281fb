"""Run by test_crash.py: generates into a folder until something kills it.

python -m tests.crash_child FOLDER STAGE     dies (SIGKILL) when STAGE is done
python -m tests.crash_child FOLDER -         goes on until it is killed from outside
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from pathlib import Path

from guardrail import Pipeline
from guardrail.run import StageEvent
from tests.drawn import DrawnBackend


def main(folder: Path, stage: str) -> None:
    """Generate pictures of one to three images, one request after another."""
    pipe = Pipeline.from_pretrained(DrawnBackend(step_seconds=0.001))

    def die(event: StageEvent) -> None:
        if event.stage == stage:
            os.kill(os.getpid(), signal.SIGKILL)

    print("ready", flush=True)
    for number in itertools.count():
        name = folder / f"{os.getpid()}-{number}.png"
        pipe.generate("a lighthouse", count=1 + number % 3, output=name, on_stage=die)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
