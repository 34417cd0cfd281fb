"""What governance costs: guardrail against bare diffusers, same model, steps and seeds, one run.

    python -m benchmarks.overhead [--count 20]

Two models: the embedded one at its native 128x128, and a small random one at 64x64 and
1024x1024 (its pictures mean nothing; encoding, hashing and signing cost what they cost). Bare
means ``DiffusionPipeline.__call__`` and then ``image.save`` as PNG, which is what a user would
write instead. Governance is every stage but ``generate``.
"""

from __future__ import annotations

import argparse
import io
import json
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from guardrail import Pipeline, resources
from tests.models import tiny_stable_diffusion

PROMPT = "a red boat on a lake at night, flat style"
TARGETS = {64: 40.0, 1024: 150.0}
"""Milliseconds an image that governance may cost, by side length."""


def bare(pipeline: Any, size: int, steps: int, count: int) -> list[float]:
    """Milliseconds an image for diffusers alone, PNG encoding included."""
    times: list[float] = []
    for seed in range(count):
        started = time.perf_counter()
        image = pipeline(
            PROMPT,
            width=size,
            height=size,
            num_inference_steps=steps,
            guidance_scale=3.0,
            generator=torch.Generator().manual_seed(seed),
        ).images[0]
        image.save(io.BytesIO(), "PNG")
        times.append((time.perf_counter() - started) * 1000)
    return times


def governed(
    pipe: Pipeline, size: int, steps: int, count: int, folder: Path
) -> tuple[list[float], dict[str, list[float]]]:
    """Milliseconds an image for the whole flow, and stage by stage."""
    times: list[float] = []
    stages: dict[str, list[float]] = {}
    for seed in range(count):
        started = time.perf_counter()
        result = pipe.generate(
            PROMPT,
            seed=seed,
            width=size,
            height=size,
            steps=steps,
            guidance_scale=3.0,
            output=folder / f"{size}-{seed}.png",
        )
        times.append((time.perf_counter() - started) * 1000)
        for name, milliseconds in result.only.times.entries:
            stages.setdefault(name, []).append(milliseconds)
    return times, stages


def measure(name: str, pipeline: Any, size: int, steps: int, count: int) -> dict[str, Any]:
    """Run both and return medians."""
    pipeline.set_progress_bar_config(disable=True)
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        pipe = Pipeline.from_pretrained(pipeline, home=folder / "home")
        bare(pipeline, size, steps, 2)
        governed(pipe, size, steps, 1, folder)
        folder.joinpath(f"{size}-0.png").unlink()
        alone = bare(pipeline, size, steps, count)
        whole, stages = governed(pipe, size, steps, count, folder)
        pipe.close()
    medians = {stage: round(statistics.median(ms), 2) for stage, ms in stages.items()}
    overhead = [
        sum(ms[i] for stage, ms in stages.items() if stage != "generate") for i in range(count)
    ]
    return {
        "model": name,
        "size": size,
        "steps": steps,
        "bare_ms": round(statistics.median(alone), 1),
        "governed_ms": round(statistics.median(whole), 1),
        "governance_ms": round(statistics.median(overhead), 1),
        "governance_p95_ms": round(sorted(overhead)[int(0.95 * (count - 1))], 1),
        "stages_ms": medians,
        "target_ms": TARGETS.get(size),
    }


def main() -> None:
    """Measure, print a table, and write the figures as JSON with ``--output``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    from diffusers import DiffusionPipeline

    load: Any = DiffusionPipeline.from_pretrained
    embedded = load(str(resources.embedded_model_dir()), dtype=torch.float32, local_files_only=True)
    with tempfile.TemporaryDirectory() as folder:
        tiny = tiny_stable_diffusion(Path(folder), halvings=3)
        rows = [
            measure("embedded", embedded, 128, 20, options.count),
            measure("random, 0.1 M", tiny, 64, 2, options.count),
            measure("random, 0.1 M", tiny, 1024, 1, options.count),
        ]
    machine = f"{platform.machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads"
    print(machine)
    for row in rows:
        print(
            f"{row['model']:<13} {row['size']:>4}x{row['size']:<4} bare {row['bare_ms']:>7.1f} ms  "
            f"governed {row['governed_ms']:>7.1f} ms  governance {row['governance_ms']:>6.1f} ms "
            f"(p95 {row['governance_p95_ms']:.1f}, target {row['target_ms']})"
        )
        print("   " + "  ".join(f"{stage} {ms}" for stage, ms in row["stages_ms"].items()))
    if options.output:
        options.output.write_text(json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
