"""Pictures a second: guardrail's batches against bare diffusers with the same batching.

    python -m benchmarks.throughput [MODEL] [--count 32] [--batch-size 8] [--size PIXELS]
                                    [--steps N] [--memory 1000]

Bare means ``DiffusionPipeline.__call__`` on the same prompts, seeds and batches, and
``image.save`` as PNG: what a user would write instead. Governed means ``generate_many`` writing
files: decided, checked, signed and recorded. The two take turns, three times, and the best of each
counts. ``--memory N`` instead generates N pictures and prints the process's memory as it goes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import torch

from guardrail import Pipeline
from guardrail.backends.diffusers import DiffusersBackend

PROMPT = "a red boat on a lake at night, flat style"
ROUNDS = 3


def requests(arguments: argparse.Namespace, folder: Path | None) -> Iterator[dict[str, Any]]:
    """The same request with one seed after another."""
    for seed in range(arguments.count):
        yield {
            "prompt": PROMPT,
            "seed": seed,
            "steps": arguments.steps,
            "width": arguments.size,
            "height": arguments.size,
            "guidance_scale": arguments.guidance,
        } | ({"output": folder / f"{seed}.png"} if folder else {})


def bare(pipeline: Any, arguments: argparse.Namespace, folder: Path) -> float:
    """Pictures a second of diffusers alone."""
    started = time.perf_counter()
    every = range(0, arguments.count, arguments.batch_size)
    for seeds in (range(n, min(n + arguments.batch_size, arguments.count)) for n in every):
        images = pipeline(
            [PROMPT] * len(seeds),
            width=arguments.size,
            height=arguments.size,
            num_inference_steps=arguments.steps,
            guidance_scale=arguments.guidance,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
        ).images
        for seed, image in zip(seeds, images, strict=True):
            image.save(folder / f"{seed}.png")
    return arguments.count / (time.perf_counter() - started)


def governed(pipe: Pipeline, arguments: argparse.Namespace, folder: Path) -> float:
    """Pictures a second of the whole flow."""
    started = time.perf_counter()
    outcomes = pipe.generate_many(requests(arguments, folder), batch_size=arguments.batch_size)
    if not all(outcome.result for outcome in outcomes):
        raise SystemExit("a request failed")
    return arguments.count / (time.perf_counter() - started)


def memory(pipe: Pipeline, arguments: argparse.Namespace) -> None:
    """Print the resident memory while many pictures are made."""
    process = psutil.Process()
    arguments.count = arguments.memory
    every = max(1, arguments.count // 10)
    for outcome in pipe.generate_many(requests(arguments, None), batch_size=arguments.batch_size):
        if (outcome.index + 1) % every == 0:
            print(f"{outcome.index + 1:6} pictures  {process.memory_info().rss / 2**20:8.1f} MiB")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", nargs="?", default="embedded")
    parser.add_argument("--count", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--size", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--guidance", type=float)
    parser.add_argument("--memory", type=int)
    arguments = parser.parse_args()
    backend = DiffusersBackend.from_pretrained(arguments.model)
    arguments.size = arguments.size or backend.defaults.width
    arguments.steps = arguments.steps or backend.defaults.steps
    arguments.guidance = arguments.guidance or backend.defaults.guidance_scale
    with tempfile.TemporaryDirectory() as home:
        pipe = Pipeline.from_pretrained(backend, home=home)
        if arguments.memory:
            memory(pipe, arguments)
            return
        pipeline = backend._pipeline
        speeds: dict[str, list[float]] = {"bare": [], "governed": []}
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory() as folder:
                speeds["bare"].append(bare(pipeline, arguments, Path(folder)))
            with tempfile.TemporaryDirectory() as folder:
                speeds["governed"].append(governed(pipe, arguments, Path(folder)))
        pipe.close()
    best = {name: max(values) for name, values in speeds.items()}
    print(
        f"{arguments.model}, {arguments.size}x{arguments.size}, {arguments.steps} steps, ", end=""
    )
    print(f"{arguments.count} pictures in batches of {arguments.batch_size}")
    for name, value in best.items():
        print(f"  {name:<9} {value:7.2f} pictures/s")
    print(f"  ratio     {best['governed'] / best['bare']:7.3f}")


if __name__ == "__main__":
    main()
