"""Edges of a picture by Canny's detector (IEEE PAMI 8(6), 1986), with numpy alone.

Smoothing by a Gaussian, the gradient by Sobel, thinning to local maxima along the gradient, and
hysteresis: weak edges count where they touch strong ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

SIGMA = 1.0
LOW, HIGH = 60.0, 140.0
"""Thresholds on the Sobel magnitude of a grey picture in 0..255."""
_AROUND = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]


def canny(picture: Image.Image, *, low: float = LOW, high: float = HIGH) -> Image.Image:
    """Return the edges of ``picture``: mode RGB, its size, white lines one pixel wide on black.

    A gradient from ``high`` is an edge, and one from ``low`` is where it continues an edge.
    """
    grey = np.asarray(picture.convert("L"), dtype=np.float32)
    across, down = _sobel(_smooth(grey))
    thin = _thinned(np.hypot(across, down), np.arctan2(down, across))
    edges = _connected(thin >= low, thin >= high)
    return Image.fromarray(edges.astype(np.uint8) * 255).convert("RGB")


def _smooth(grey: Any) -> Any:
    radius = 2
    weights = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * SIGMA**2))
    weights /= weights.sum()
    for axis in (0, 1):
        padded = np.pad(grey, [(radius, radius) if a == axis else (0, 0) for a in (0, 1)], "edge")
        parts = (
            weight * np.take(padded, range(n, n + grey.shape[axis]), axis)
            for n, weight in enumerate(weights)
        )
        grey = sum(parts)
    return grey


def _sobel(grey: Any) -> tuple[Any, Any]:
    p = np.pad(grey, 1, "edge")
    across = (p[:-2, 2:] + 2 * p[1:-1, 2:] + p[2:, 2:]) - (
        p[:-2, :-2] + 2 * p[1:-1, :-2] + p[2:, :-2]
    )
    down = (p[2:, :-2] + 2 * p[2:, 1:-1] + p[2:, 2:]) - (
        p[:-2, :-2] + 2 * p[:-2, 1:-1] + p[:-2, 2:]
    )
    return across, down


def _thinned(magnitude: Any, angle: Any) -> Any:
    """Keep what is largest along its gradient, of four directions; the rest becomes 0."""
    sector = np.round(angle / (np.pi / 4)).astype(int) % 4
    p = np.pad(magnitude, 1)
    height, width = magnitude.shape
    kept = np.zeros_like(magnitude)
    for number, (y, x) in enumerate(((0, 1), (1, 1), (1, 0), (1, -1))):
        ahead = p[1 + y : 1 + y + height, 1 + x : 1 + x + width]
        behind = p[1 - y : 1 - y + height, 1 - x : 1 - x + width]
        # Strict on one side, so that of two equal neighbours one is kept.
        largest = (sector == number) & (magnitude > behind) & (magnitude >= ahead)
        kept[largest] = magnitude[largest]
    return kept


def _connected(weak: Any, strong: Any) -> Any:
    """Grow the strong pixels through neighbouring weak ones."""
    weak = np.pad(weak, 1)  # a border of False, so that neighbours need no bounds check
    found = np.pad(strong, 1)
    front = np.argwhere(found)
    while len(front):
        near = np.concatenate([front + step for step in _AROUND])
        near = near[weak[near[:, 0], near[:, 1]] & ~found[near[:, 0], near[:, 1]]]
        front = np.unique(near, axis=0)
        found[front[:, 0], front[:, 1]] = True
    return found[1:-1, 1:-1]
