"""Pictures that people bring in: hostile until proven otherwise."""

from __future__ import annotations

import contextlib
import hashlib
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from guardrail.errors import ConfigurationError
from guardrail.inputs import InputRole
from guardrail.pictures import MAX_BYTES, read_picture
from guardrail.provenance import pixels_sha256

IMAGE, MASK = InputRole.IMAGE, InputRole.MASK


def corners() -> Image.Image:
    """A 6x4 picture whose corners tell which way is up."""
    picture = Image.new("RGB", (6, 4), "white")
    picture.putpixel((0, 0), (255, 0, 0))
    picture.putpixel((5, 3), (0, 0, 255))
    return picture


def encoded(picture: Image.Image, format_: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format_, **options)
    return stream.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header promises ``width`` x ``height`` pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("source", ["path", "text", "bytes", "pillow"])
def test_the_same_picture_however_it_is_given(tmp_path: Path, source: str) -> None:
    path = tmp_path / "corners.png"
    path.write_bytes(encoded(corners()))
    given: Any = {"path": path, "text": str(path), "bytes": path.read_bytes(), "pillow": corners()}
    read = read_picture(given[source], IMAGE)
    assert read.image.tobytes() == corners().tobytes()
    assert read.pixels_sha256 == pixels_sha256(corners())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert read.sha256 == (read.pixels_sha256 if source == "pillow" else digest)
    assert read.content == (None if source == "pillow" else path.read_bytes())


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP"])
def test_three_formats_are_read(format_: str) -> None:
    assert read_picture(encoded(corners(), format_), IMAGE).image.size == (6, 4)


@pytest.mark.parametrize("format_", ["GIF", "BMP", "TIFF", "PPM", "ICO"])
def test_other_formats_are_not(format_: str) -> None:
    with pytest.raises(ConfigurationError, match="not a whole PNG, JPEG or WebP"):
        read_picture(encoded(corners(), format_), IMAGE)


@pytest.mark.parametrize("size", [(9000, 10), (8000, 8000), (20000, 20000), (60000, 60000)])
def test_a_bomb_is_refused_before_it_is_decoded(size: tuple[int, int]) -> None:
    with pytest.raises(ConfigurationError, match="may have up to"):
        read_picture(bomb(*size), IMAGE)


def test_a_large_picture_object_is_refused_too() -> None:
    with pytest.raises(ConfigurationError, match="9000x1 pixels"):
        read_picture(Image.new("L", (9000, 1)), IMAGE)


def test_a_large_file_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    with path.open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    with pytest.raises(ConfigurationError, match="larger than 64 MiB"):
        read_picture(path, IMAGE)


@pytest.mark.parametrize(
    ("orientation", "red", "blue", "size"),
    [
        (1, (0, 0), (5, 3), (6, 4)),
        (2, (5, 0), (0, 3), (6, 4)),
        (3, (5, 3), (0, 0), (6, 4)),
        (6, (3, 0), (0, 5), (4, 6)),
        (8, (0, 5), (3, 0), (4, 6)),
    ],
)
def test_the_orientation_is_applied(
    orientation: int, red: tuple[int, int], blue: tuple[int, int], size: tuple[int, int]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    read = read_picture(encoded(corners(), exif=exif.tobytes()), IMAGE).image
    assert read.size == size
    assert read.getpixel(red) == (255, 0, 0)
    assert read.getpixel(blue) == (0, 0, 255)


def test_transparency_is_laid_over_white() -> None:
    clear = Image.new("RGBA", (2, 2), (255, 0, 0, 0))
    assert read_picture(encoded(clear), IMAGE).image.getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_a_mask_is_grey_and_an_image_has_colours(mode: str) -> None:
    content = encoded(corners().convert(mode))
    assert read_picture(content, MASK).image.mode == "L"
    assert read_picture(content, IMAGE).image.mode == "RGB"


def test_sixteen_bits_are_refused_rather_than_clipped() -> None:
    deep = Image.fromarray(np.full((2, 2), 40000, dtype=np.uint16))
    with pytest.raises(ConfigurationError, match="8 bits a channel"):
        read_picture(encoded(deep), IMAGE)


def test_an_animation_is_refused() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    moving = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    with pytest.raises(ConfigurationError, match="animation"):
        read_picture(moving, IMAGE)


@pytest.mark.parametrize("keep", [10, 40, 60])
def test_a_torn_file_is_refused(keep: int) -> None:
    with pytest.raises(ConfigurationError, match="not a whole"):
        read_picture(encoded(corners())[:keep], IMAGE)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_in_one_sentence(content: bytes) -> None:
    for start in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF\x00\x00\x00\x00WEBPVP8 "):
        with pytest.raises(ConfigurationError):
            read_picture(start + content, IMAGE)


@given(st.data())
def test_a_damaged_picture_is_read_or_refused_and_nothing_else(data: st.DataObject) -> None:
    content = bytearray(encoded(corners(), data.draw(st.sampled_from(["PNG", "JPEG", "WEBP"]))))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ConfigurationError):
        assert read_picture(bytes(content), IMAGE).image.mode == "RGB"


@pytest.mark.parametrize("source", ["/no/such/file.png", Path("/"), 7, None, ["a"]])
def test_what_is_no_picture_is_a_usage_error(source: Any) -> None:
    with pytest.raises(ConfigurationError):
        read_picture(source, IMAGE)
