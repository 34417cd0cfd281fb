"""Rendered pictures on disk: drawn once by all cores, read as a memory map."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.scenes import Scene, random_scene
from training.world import SIZE, draw

WORK = Path(__file__).parent / ".work"
TRAIN_SEED = 1_000_000
"""Pictures to train on are seeds from here upwards."""
PROBE_SEED = 5_000_000
"""The judge is trained on these, which the generator never sees."""
HELD_OUT_SEED = 9_000_000
"""Evaluation uses these, which nothing was trained on."""
COUNT = 40_000
PICTURES = WORK / "pictures.npy"
_CHUNK = 500


def _render(first: int) -> npt.NDArray[np.uint8]:
    return np.stack([np.asarray(draw(random_scene(first + i))) for i in range(_CHUNK)])


def render(path: Path = PICTURES, *, first: int = TRAIN_SEED, count: int = COUNT) -> None:
    """Draw ``count`` pictures into a (count, 128, 128, 3) uint8 file, unless it is there."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.npy")
    shape = (count, SIZE, SIZE, 3)
    pictures = np.lib.format.open_memmap(partial, "w+", np.uint8, shape)
    starts = range(first, first + count, _CHUNK)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for number, chunk in enumerate(pool.map(_render, starts)):
            pictures[number * _CHUNK : (number + 1) * _CHUNK] = chunk
    pictures.flush()
    partial.rename(path)


def pictures() -> npt.NDArray[np.uint8]:
    """Return the training pictures, (count, 128, 128, 3) uint8, memory-mapped."""
    loaded: npt.NDArray[np.uint8] = np.load(PICTURES, mmap_mode="r")
    return loaded


def scenes(count: int = COUNT, first: int = TRAIN_SEED) -> list[Scene]:
    """Return the descriptions of the pictures, in order."""
    return [random_scene(first + i) for i in range(count)]
