"""Canny with numpy alone, against the definition and against scikit-image."""

from __future__ import annotations

import time

import numpy as np
import pytest
from PIL import Image, ImageDraw

from guardrail.backends.edges import canny


def square() -> Image.Image:
    picture = Image.new("L", (64, 48), "black")
    ImageDraw.Draw(picture).rectangle((16, 12, 47, 35), fill="white")
    return picture


def lines(picture: Image.Image, **options: float) -> np.ndarray:
    return np.asarray(canny(picture, **options))[..., 0] > 0


def test_the_outline_of_a_square_and_nothing_else() -> None:
    found = lines(square())
    rows, columns = np.nonzero(found)
    inside, outline = np.zeros_like(found), np.zeros_like(found)
    inside[14:34, 18:46] = True
    outline[11:37, 15:49] = True
    assert not found[inside].any()
    assert not found[~outline].any()
    assert {*range(14, 34)} <= set(rows)
    assert {*range(18, 46)} <= set(columns)


def test_lines_are_one_pixel_wide() -> None:
    found = lines(square())
    assert (found[24].sum(), found[:, 32].sum()) == (2, 2)


@pytest.mark.parametrize("colour", ["black", "white", "grey"])
def test_a_flat_picture_has_no_edges(colour: str) -> None:
    assert not lines(Image.new("RGB", (20, 30), colour)).any()


def test_weak_edges_count_only_where_they_touch_strong_ones() -> None:
    levels = np.zeros((64, 64), dtype=np.uint8)
    levels[8:24] = 25  # weak from end to end: its magnitude stays below `high`
    levels[40:] = np.linspace(255, 25, 64)  # strong on the left, as weak as that on the right
    found = lines(Image.fromarray(levels), low=40, high=200)
    assert not found[:30].any()
    assert found[38:42, 60:].any()


def test_it_agrees_with_scikit_image() -> None:
    from skimage import data
    from skimage.feature import canny as reference

    coins = data.coins()
    ours = lines(Image.fromarray(coins))
    theirs = reference(coins / 255, sigma=1.0, low_threshold=60 / 255, high_threshold=140 / 255)
    near = np.zeros_like(theirs)
    for y in (-1, 0, 1):
        for x in (-1, 0, 1):
            near |= np.roll(theirs, (y, x), (0, 1))
    assert near[ours].mean() > 0.95
    assert 0.7 < ours.sum() / theirs.sum() < 1.4


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 2), (3, 3)])
def test_the_smallest_pictures_keep_their_size(size: tuple[int, int]) -> None:
    edges = canny(Image.new("RGB", size, "red"))
    assert (edges.size, edges.mode) == (size, "RGB")


def test_a_megapixel_takes_less_than_two_seconds() -> None:
    noise = np.random.default_rng(7).integers(0, 255, (1024, 1024), dtype=np.uint8)
    started = time.perf_counter()
    canny(Image.fromarray(noise))
    assert time.perf_counter() - started < 2
