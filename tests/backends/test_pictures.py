"""What a model returned, as pictures or as an error, never as black pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from guardrail.backends.pictures import as_pictures
from guardrail.errors import BackendError


def frame(*shape: int, value: float = 0.5) -> Any:
    return np.full(shape, value, dtype=np.float32)


@given(arrays(np.float32, (2, 4, 6, 3), elements=st.floats(0, 1, width=32)))
def test_numbers_become_bytes_as_diffusers_rounds_them(array: Any) -> None:
    from diffusers.image_processor import VaeImageProcessor

    ours = as_pictures(array, (6, 4))
    theirs = VaeImageProcessor.numpy_to_pil(array)
    assert [image.tobytes() for image in ours] == [image.tobytes() for image in theirs]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [(0, 0, 0, 0), (1, 3, 5, 2)])
def test_a_single_number_that_is_none_fails_the_batch(value: float, where: Any) -> None:
    array = frame(2, 4, 6, 3)
    array[where] = value
    with pytest.raises(BackendError, match="not-a-number"):
        as_pictures(array, (6, 4))


@pytest.mark.parametrize(
    "returned",
    [[], [b"png"], [None], frame(4, 6, 3), frame(1, 4, 6, 2), frame(1, 3, 4, 6)],
)
def test_what_is_no_picture_is_an_error(returned: Any) -> None:
    with pytest.raises(BackendError, match="did not return pictures"):
        as_pictures(returned, (6, 4))


def test_another_size_than_asked_for_is_an_error_that_names_both() -> None:
    with pytest.raises(BackendError, match="8x8 pixels instead of 6x4"):
        as_pictures([Image.new("RGB", (8, 8))], (6, 4))


@pytest.mark.parametrize(
    ("mode", "kept"), [("RGB", "RGB"), ("RGBA", "RGBA"), ("L", "L"), ("P", "RGB"), ("1", "RGB")]
)
def test_pictures_keep_their_mode_where_it_can_be_signed(mode: str, kept: str) -> None:
    assert as_pictures([Image.new(mode, (6, 4))], (6, 4))[0].mode == kept


def test_one_channel_is_grey() -> None:
    assert as_pictures(frame(1, 4, 6, 1), (6, 4))[0].mode == "L"
