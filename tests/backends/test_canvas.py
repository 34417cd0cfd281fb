"""What the model is given and what comes back: sizes, masks, borders, and untouched pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from guardrail.backends import Defaults
from guardrail.backends.canvas import Canvas, canvas_for
from guardrail.request import build_request

NATIVE = Defaults(64, 64, 20, 7.5, 8)


def noise(width: int, height: int, seed: int = 7) -> Image.Image:
    shape = (height, width, 3)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, shape, dtype=np.uint8))


def canvas(multiple: int = 8, **options: Any) -> Canvas:
    return canvas_for(build_request("a house", options, NATIVE), multiple)  # type: ignore[arg-type]


def test_a_prompt_alone_needs_no_pictures() -> None:
    plain = canvas(width=61)
    assert (plain.size, plain.wanted) == ((64, 64), (61, 64))
    assert (plain.image, plain.mask, plain.control) == (None, None, None)


def test_borders_repeat_the_edge_and_are_cut_off_again() -> None:
    picture = noise(13, 10)
    made = canvas(image=picture)
    assert made.image is not None
    assert made.image.size == (16, 16)
    assert made.image.crop((0, 0, 13, 10)).tobytes() == picture.tobytes()
    assert made.image.getpixel((15, 3)) == picture.getpixel((12, 3))
    assert made.result(made.image).tobytes() == picture.tobytes()


def test_another_size_is_resampled() -> None:
    made = canvas(image=noise(20, 20), width=40, height=24)
    assert made.image is not None
    assert made.image.size == (40, 24)


def test_a_mask_becomes_black_and_white() -> None:
    mask = Image.new("L", (16, 16), 127)
    ImageDraw.Draw(mask).rectangle((0, 0, 7, 15), fill=128)
    made = canvas(image=noise(16, 16), mask=mask)
    assert made.mask is not None
    assert made.mask.getcolors() == [(128, 0), (128, 255)]
    assert made.mask.getpixel((0, 0)) == 255


def test_outpainting_extends_every_side() -> None:
    picture = noise(16, 8)
    made = canvas(image=picture, outpaint=(8, 16, 24, 0))
    assert made.image is not None
    assert made.mask is not None
    assert made.image.size == made.mask.size == (48, 24)
    assert made.image.crop((8, 16, 24, 24)).tobytes() == picture.tobytes()
    assert made.mask.crop((8, 16, 24, 24)).getextrema() == (0, 0)
    assert made.mask.getextrema() == (0, 255)
    assert made.mask.histogram()[0] == 16 * 8
    assert made.image.getpixel((0, 20)) == picture.getpixel((0, 4))


def test_edges_are_found_in_the_size_of_the_result() -> None:
    picture = Image.new("RGB", (100, 100), "black")
    ImageDraw.Draw(picture).rectangle((25, 25, 74, 74), fill="white")
    made = canvas(control=picture, width=60, height=60)
    assert made.control is not None
    assert made.control.size == (64, 64)
    assert {colour for _, colour in made.control.getcolors() or ()} == {
        (0, 0, 0),
        (255, 255, 255),
    }
    assert canvas(control=picture, control_kind="map", width=100, height=100).control is not None


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32), st.sampled_from([8, 16]))
def test_what_the_mask_leaves_out_is_unchanged_to_the_byte(
    width: int, height: int, seed: int, multiple: int
) -> None:
    picture = noise(width, height, seed)
    random = np.random.default_rng(seed)
    mask = Image.fromarray(random.integers(0, 256, (height, width), dtype=np.uint8))
    made = canvas(multiple, image=picture, mask=mask)
    drawn = noise(*made.size, seed=seed + 1)
    result = np.asarray(made.result(drawn))
    redrawn = np.asarray(mask) >= 128
    assert (result[~redrawn] == np.asarray(picture)[~redrawn]).all()
    assert (result[redrawn] == np.asarray(drawn.crop((0, 0, width, height)))[redrawn]).all()


def test_by_option_everything_is_the_models() -> None:
    made = canvas(image=noise(16, 16), mask=Image.new("L", (16, 16)), keep_outside=False)
    drawn = noise(16, 16, seed=1)
    assert made.result(drawn).tobytes() == drawn.tobytes()


@pytest.mark.parametrize("mode", ["L", "RGBA"])
def test_what_is_kept_is_pasted_into_any_colour_mode(mode: str) -> None:
    made = canvas(image=noise(16, 16), mask=Image.new("L", (16, 16)))
    assert made.result(Image.new(mode, (16, 16))).tobytes() == noise(16, 16).tobytes()
