"""``picture_integrity``: blank frames are found, faint pictures are not."""

from __future__ import annotations

import pytest
from PIL import Image

from guardrail.checks.integrity import PictureIntegrity
from tests.checks.pictures import drawing

check = PictureIntegrity({})


@pytest.mark.parametrize("colour", ["black", "white", "red", (17, 99, 203)])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_one_flat_colour_is_blank(colour: str, mode: str) -> None:
    seen = check.observe([Image.new("RGB", (8, 8), colour).convert(mode)])[0]
    assert seen.reason_code == "PICTURE_BLANK"
    assert seen.scores == {"range": 0.0}


def test_a_picture_is_not_blank() -> None:
    seen = check.observe([drawing()])[0]
    assert seen.reason_code is None
    assert seen.scores["range"] == 255


@pytest.mark.parametrize(("step", "blank"), [(2, True), (3, False)])
def test_the_tolerance_is_the_largest_range_that_counts_as_blank(step: int, blank: bool) -> None:
    picture = Image.new("RGB", (8, 8), (100, 100, 100))
    picture.putpixel((3, 3), (100, 100 + step, 100))
    assert (check.observe([picture])[0].reason_code is not None) is blank


def test_the_tolerance_is_an_option() -> None:
    picture = Image.new("RGB", (8, 8), (100, 100, 100))
    picture.putpixel((3, 3), (100, 110, 100))
    strict, loose = (PictureIntegrity({"tolerance": t}).observe([picture])[0] for t in (9, 10))
    assert strict.reason_code is None
    assert loose.threshold == 10


def test_every_picture_of_a_batch_is_looked_at() -> None:
    seen = check.observe([drawing(), Image.new("RGB", (8, 8)), drawing("blue")])
    assert [observation.reason_code for observation in seen] == [None, "PICTURE_BLANK", None]
