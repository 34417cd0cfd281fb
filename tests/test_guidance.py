"""From options to mode, pictures and size: what goes together, and what does not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from guardrail.backends import Defaults
from guardrail.contracts import GenerationRequest
from guardrail.errors import ConfigurationError
from guardrail.inputs import InputRole
from guardrail.presets import aspect_ratio, aspect_ratios, styled, styles
from guardrail.request import build_request

NATIVE = Defaults(width=512, height=512, steps=20, guidance_scale=7.5, multiple=8)
PICTURE = Image.new("RGB", (60, 40), "red")
WHITE = Image.new("L", (60, 40), "white")


def build(**options: Any) -> GenerationRequest:
    return build_request("a house", options, NATIVE)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "mode", "size"),
    [
        ({}, "text-to-image", (512, 512)),
        ({"width": 100}, "text-to-image", (100, 512)),
        ({"image": PICTURE}, "image-to-image", (60, 40)),
        ({"image": PICTURE, "width": 120}, "image-to-image", (120, 80)),
        ({"image": PICTURE, "height": 20}, "image-to-image", (30, 20)),
        ({"image": PICTURE, "width": 33, "height": 44}, "image-to-image", (33, 44)),
        ({"image": PICTURE, "mask": WHITE}, "inpainting", (60, 40)),
        ({"image": PICTURE, "outpaint": (1, 2, 3, 4)}, "outpainting", (64, 46)),
        ({"control": PICTURE}, "text-to-image", (624, 416)),
        ({"control": PICTURE, "width": 64, "height": 64}, "text-to-image", (64, 64)),
        ({"control": PICTURE, "image": PICTURE}, "image-to-image", (60, 40)),
        ({"aspect_ratio": "wide"}, "text-to-image", (680, 384)),
        ({"aspect_ratio": "2:1"}, "text-to-image", (728, 360)),
    ],
)
def test_the_pictures_decide_mode_and_size(
    options: dict[str, Any], mode: str, size: tuple[int, int]
) -> None:
    request = build(**options)
    assert request.mode == mode
    assert (request.width, request.height) == size


def test_every_picture_comes_in_its_role() -> None:
    request = build(image=PICTURE, mask=WHITE, control=PICTURE, control_kind="map")
    roles = [picture.role for picture in request.inputs]
    assert roles == [InputRole.IMAGE, InputRole.MASK, InputRole.CONTROL_MAP]
    assert build(control=PICTURE).inputs[0].role is InputRole.CONTROL_EDGES


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"mask": WHITE}, "mask needs an image"),
        ({"outpaint": (1, 1, 1, 1)}, "outpaint needs an image"),
        ({"strength": 0.5}, "strength needs an image"),
        ({"control_scale": 1.0}, "needs a control picture"),
        ({"image": PICTURE, "mask": WHITE, "outpaint": (1, 0, 0, 0)}, "not both"),
        ({"image": PICTURE, "mask": Image.new("L", (40, 60))}, "40x60 pixels and the image 60x40"),
        ({"image": PICTURE, "outpaint": (0, 0, 0, 0)}, "adds nothing"),
        ({"image": PICTURE, "outpaint": (1, 2, 3)}, "four whole numbers"),
        ({"image": PICTURE, "outpaint": "1234"}, "four whole numbers"),
        ({"image": PICTURE, "outpaint": (-1, 0, 0, 0)}, "four whole numbers"),
        ({"image": PICTURE, "outpaint": (True, 0, 0, 0)}, "four whole numbers"),
        ({"image": PICTURE, "outpaint": (8000, 0, 8000, 0)}, "width must be"),
        ({"image": PICTURE, "outpaint": (8, 0, 0, 0), "width": 64}, "borders decide"),
        ({"image": PICTURE, "strength": 0}, "strength must be"),
        ({"image": PICTURE, "strength": 1.01}, "strength must be"),
        ({"image": PICTURE, "strength": float("nan")}, "strength must be"),
        ({"image": PICTURE, "strength": "half"}, "strength must be"),
        ({"control": PICTURE, "control_scale": 2.5}, "control_scale must be"),
        ({"control": PICTURE, "control_kind": "smell"}, "control_kind is not known"),
        ({"image": PICTURE, "aspect_ratio": "wide"}, "aspect_ratio excludes"),
        ({"width": 64, "aspect_ratio": "wide"}, "aspect_ratio excludes"),
        ({"aspect_ratio": "enormous"}, "neither a preset nor"),
        ({"aspect_ratio": "5:1"}, "up to 4:1"),
        ({"aspect_ratio": "0:1"}, "neither a preset nor"),
        ({"aspect_ratio": 1.5}, "must be text"),
        ({"style": "nonsense"}, "no style preset"),
        ({"style": 7}, "must be text"),
    ],
)
def test_what_does_not_go_together_is_said(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        build(**options)


@pytest.mark.parametrize("name", sorted(aspect_ratios()))
def test_every_aspect_ratio_preset_keeps_the_native_area(name: str) -> None:
    request = build(aspect_ratio=name)
    width, height = aspect_ratio(name)
    assert request.width % 8 == request.height % 8 == 0
    assert request.width * request.height == pytest.approx(512 * 512, rel=0.03)
    assert request.width / request.height == pytest.approx(width / height, rel=0.03)


@given(st.integers(1, 400), st.integers(1, 400))
def test_any_ratio_is_a_size_or_a_sentence(width: int, height: int) -> None:
    try:
        request = build(aspect_ratio=f"{width}:{height}")
    except ConfigurationError:
        assert max(width / height, height / width) > 4
    else:
        assert min(request.width, request.height) >= 8


@pytest.mark.parametrize("name", sorted(styles()))
def test_every_style_holds_the_prompt_once(name: str) -> None:
    assert styles()[name].prompt.count("{prompt}") == 1
    prompt, _ = styled(name, "a {prompt} house", None)
    assert "a {prompt} house" in prompt


def test_a_style_is_part_of_what_is_judged_and_recorded() -> None:
    request = build(style="photograph", negative_prompt="rain")
    assert request.prompt == "photograph of a house, natural light, sharp focus, 50 mm lens"
    assert request.negative_prompt == "rain, illustration, painting, cartoon, render"
    assert build(style="watercolor").negative_prompt is None
