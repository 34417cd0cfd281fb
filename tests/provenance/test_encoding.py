"""From pixels to a file: nothing is lost, nothing comes along."""

from __future__ import annotations

import hashlib
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from guardrail.errors import ProvenanceError
from guardrail.provenance.encoding import encode, pixels_sha256, plain
from tests.provenance.conftest import make_picture


def decode(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["image/png", "image/webp"]),
    st.sampled_from(["RGB", "RGBA"]),
    st.integers(1, 70),
    st.integers(1, 70),
    st.integers(0, 9),
)
def test_png_and_webp_give_back_every_pixel(
    kind: str, mode: str, width: int, height: int, seed: int
) -> None:
    image = make_picture((width, height), mode, seed)
    back = plain(decode(encode(image, kind)))
    if kind == "image/webp" and mode == "RGBA" and back.mode == "RGB":
        back = back.convert("RGBA")  # WebP drops an alpha channel that is opaque throughout
    assert pixels_sha256(back) == pixels_sha256(image)


def test_flat_pictures_stay_small() -> None:
    assert len(encode(Image.new("RGB", (512, 512), "navy"), "image/png")) < 12_000


def test_jpeg_is_close_and_keeps_full_colour_resolution() -> None:
    image = make_picture().resize((128, 128), Image.Resampling.BICUBIC)
    content = encode(image, "image/jpeg")
    worst = max(high for _, high in ImageChops.difference(image, decode(content)).getextrema())
    assert worst < 40
    assert [part[1:3] for part in decode(content).layer] == [(1, 1)] * 3  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["image/png", "image/jpeg", "image/webp"])
def test_metadata_of_the_picture_does_not_come_along(kind: str) -> None:
    image = make_picture()
    image.info.update(
        exif=b"Exif\x00\x00secret", comment=b"secret", icc_profile=b"secret", xmp=b"secret"
    )
    assert b"secret" not in encode(image, kind)
    assert image.info["comment"] == b"secret"  # and the caller's picture is left as it was


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "LA", "I;16"])
def test_other_modes_become_rgb_or_rgba(mode: str) -> None:
    image = plain(Image.new(mode, (8, 8)))
    assert image.mode == ("RGBA" if mode == "LA" else "RGB")
    assert decode(encode(image, "image/png")).size == (8, 8)


@pytest.mark.parametrize(
    ("image", "kind", "words"),
    [
        (make_picture(mode="RGBA"), "image/jpeg", "transparent"),
        (make_picture(), "image/gif", "image/gif"),
        (Image.new("RGB", (16_384, 1)), "image/webp", "does not fit"),
        (Image.new("RGB", (0, 4)), "image/png", "does not fit"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(image: Image.Image, kind: str, words: str) -> None:
    with pytest.raises(ProvenanceError, match=words):
        encode(image, kind)


def test_the_hash_of_pixels_is_over_mode_size_and_bytes() -> None:
    image = Image.new("RGB", (2, 1), (1, 2, 3))
    expected = hashlib.sha256(b"RGB 2x1\n" + bytes([1, 2, 3, 1, 2, 3])).hexdigest()
    assert pixels_sha256(image) == expected
    assert pixels_sha256(image.transpose(Image.Transpose.ROTATE_90)) != expected
