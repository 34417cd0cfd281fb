"""How far apart two runs of one request are, when one thing around them changes.

    python -m benchmarks.reproducibility [MODEL]

``MODEL`` is ``embedded``, a directory or a hub id; without one, a small model with random weights.
Prints a Markdown table: for each thing changed, the share of channel values that differ and the
largest difference in grey levels (0-255), over six schedulers and three seeds.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from guardrail.backends import load_backend
from guardrail.backends.reproduction import environment, threads
from guardrail.contracts import GenerationRequest
from guardrail.identifiers import new_id
from tests.models import tiny_stable_diffusion

SCHEDULERS = ("ddim", "ddpm", "dpmpp-2m", "euler", "euler-a", "unipc")
SEEDS = (1, 2, 3)
PROMPT = "a red boat on a lake at night, flat style"


def picture(backend: Any, scheduler: str, seeds: tuple[int, ...], index: int = 0) -> Any:
    """The pixels of one image of a batch, as integers."""
    defaults = backend.defaults
    request = GenerationRequest(
        new_id(),
        PROMPT,
        defaults.width,
        defaults.height,
        15,
        defaults.guidance_scale,
        scheduler=scheduler,
        seeds=seeds,
        record_ids=tuple(new_id() for _ in seeds),
    )
    return np.asarray(backend.generate(request)[index].image, dtype=np.int16)


def every(backend: Any) -> dict[tuple[str, int], Any]:
    """All pictures, made one at a time."""
    return {(s, seed): picture(backend, s, (seed,)) for s in SCHEDULERS for seed in SEEDS}


def in_batches(backend: Any) -> dict[tuple[str, int], Any]:
    """The same pictures, three in a batch."""
    return {
        (s, seed): picture(backend, s, SEEDS, index)
        for s in SCHEDULERS
        for index, seed in enumerate(SEEDS)
    }


def with_threads(backend: Any, count: int) -> dict[tuple[str, int], Any]:
    """The same pictures, with another number of threads."""
    with threads(count):
        return every(backend)


def in_a_new_process(model: str) -> dict[tuple[str, int], Any]:
    """The same pictures, from a fresh interpreter."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "pictures.npz"
        command = [sys.executable, "-m", "benchmarks.reproducibility", model, "--into", str(target)]
        subprocess.run(command, check=True)
        stored = np.load(target)
        return {(s, seed): stored[f"{s}-{seed}"] for s in SCHEDULERS for seed in SEEDS}


def rows(
    model: str, backend: Any
) -> Iterator[tuple[str, Callable[[], dict[tuple[str, int], Any]]]]:
    """What is changed, and the pictures then."""
    yield "nothing (a second run)", lambda: every(backend)
    yield "the process", lambda: in_a_new_process(model)
    yield "1 thread instead of 2", lambda: with_threads(backend, 1)
    yield "a batch of 3 instead of 1", lambda: in_batches(backend)
    yield "bfloat16 instead of float32", lambda: every(load_backend(model, dtype="bfloat16"))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", nargs="?")
    parser.add_argument("--into", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.model or str(Path(folder) / "random")
        if not arguments.model:
            tiny_stable_diffusion(Path(folder) / "tokenizer").save_pretrained(model)
        backend = load_backend(model, device="cpu", dtype="float32")
        with threads(2):
            reference = every(backend)
            if arguments.into:
                np.savez(arguments.into, **{f"{s}-{n}": p for (s, n), p in reference.items()})
                return
            libraries = environment()["libraries"]
            print(f"torch {libraries['torch']}, diffusers {libraries['diffusers']}, CPU\n")
            print("| changed | values that differ | largest difference |\n|---|---|---|")
            for name, make in rows(model, backend):
                made = make()
                apart = np.abs(np.stack([made[k] - reference[k] for k in reference]))
                print(f"| {name} | {np.mean(apart > 0):.4%} | {apart.max()} |", flush=True)


if __name__ == "__main__":
    main()
