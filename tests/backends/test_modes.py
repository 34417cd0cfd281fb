"""Every mode on one set of weights: image-to-image, inpainting, outpainting, ControlNet."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from guardrail.backends import load_backend
from guardrail.contracts import GenerationRequest
from guardrail.errors import BackendError, ConfigurationError
from guardrail.request import build_request
from tests.backends.requests import largest_difference, pixels
from tests.models import tiny_controlnet, tiny_stable_diffusion


def drawing(colour: str = "red", size: tuple[int, int] = (64, 48)) -> Image.Image:
    picture = Image.new("RGB", size, "white")
    ImageDraw.Draw(picture).ellipse((8, 8, 40, 40), fill=colour)
    return picture


def half(size: tuple[int, int] = (64, 48)) -> Image.Image:
    """A mask whose right half is white."""
    mask = Image.new("L", size)
    mask.paste(255, (size[0] // 2, 0, *size))
    return mask


def ask(backend: Any, **options: Any) -> GenerationRequest:
    given: Any = {"steps": 4, "seed": 7, "guidance_scale": 3.0} | options
    return build_request("a red house", given, backend.defaults)


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_controlnet(tmp_path_factory.mktemp("network"))


@pytest.fixture(scope="session")
def guided(tiny_model: Path, network: Path) -> Any:
    """The small model with a ControlNet."""
    return load_backend(tiny_model, device="cpu", controlnet=network)


MODES = {
    "image-to-image": {"image": drawing()},
    "inpainting": {"image": drawing(), "mask": half()},
    "outpainting": {"image": drawing(), "outpaint": (0, 8, 16, 0)},
    "text with control": {"control": drawing()},
    "image with control": {"image": drawing(), "control": drawing()},
    "inpainting with control": {"image": drawing(), "mask": half(), "control": drawing()},
}


@pytest.mark.parametrize("name", MODES)
def test_every_mode_draws_repeats_itself_and_follows_its_seed(guided: Any, name: str) -> None:
    first, again = (guided.generate(ask(guided, **MODES[name]))[0] for _ in range(2))
    other = guided.generate(ask(guided, **MODES[name], seed=8))[0]
    assert pixels(first) == pixels(again)
    assert pixels(first) != pixels(other)
    asked = ask(guided, **MODES[name])
    assert first.image.size == (asked.width, asked.height)
    assert first.reproduction["mode"] == asked.mode
    assert [p["role"] for p in first.reproduction["inputs"]] == [str(p.role) for p in asked.inputs]
    assert first.reproduction["ignored"] == []


@pytest.mark.parametrize("name", MODES)
def test_an_image_of_a_batch_is_the_one_made_alone(guided: Any, name: str) -> None:
    batch = guided.generate(ask(guided, **MODES[name], count=3))
    alone = guided.generate(ask(guided, **MODES[name], seed=8))[0]
    assert batch[1].seed == 8
    assert largest_difference(batch[1].image, alone.image) <= 1


@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize("scheduler", ["euler-a", "dpmpp-2m"])
def test_every_mode_takes_another_scheduler_for_one_call(
    guided: Any, name: str, scheduler: str
) -> None:
    before = pixels(guided.generate(ask(guided, **MODES[name]))[0])
    image = guided.generate(ask(guided, **MODES[name], scheduler=scheduler))[0]
    assert image.reproduction["parameters"]["scheduler"] == scheduler
    assert pixels(guided.generate(ask(guided, **MODES[name]))[0]) == before


@pytest.mark.parametrize("name", MODES)
def test_sizes_that_are_no_multiple_are_kept(guided: Any, name: str) -> None:
    options = dict(MODES[name])
    for role in ("image", "mask"):
        if role in options:
            options[role] = options[role].crop((0, 0, 61, 45))
    if "image" not in options:
        options |= {"width": 61, "height": 45}
    asked = ask(guided, **options)
    image = guided.generate(asked)[0]
    assert image.image.size == (asked.width, asked.height)
    assert asked.width % 8
    assert image.reproduction["parameters"]["canvas"]


def test_the_picture_matters(guided: Any) -> None:
    red, blue = (
        pixels(guided.generate(ask(guided, image=drawing(colour), strength=0.5))[0])
        for colour in ("red", "blue")
    )
    assert red != blue


def test_less_strength_stays_closer_to_the_picture(guided: Any) -> None:
    def distance(strength: float) -> float:
        image = guided.generate(ask(guided, image=drawing(), strength=strength, steps=10))[0]
        apart = np.asarray(image.image, dtype=float) - np.asarray(weak, dtype=float)
        return float(np.abs(apart).mean())

    weak = guided.generate(ask(guided, image=drawing(), strength=0.1, steps=10))[0].image
    assert distance(0.2) < distance(1.0)


def test_the_effective_strength_is_recorded(guided: Any) -> None:
    given, default = (
        guided.generate(ask(guided, image=drawing(), strength=s))[0].reproduction["parameters"]
        for s in (0.5, None)
    )
    assert given["strength"] == 0.5
    assert default["strength"] == 0.8  # what StableDiffusionImg2ImgPipeline does by itself


def test_a_strength_that_leaves_no_step_is_said(guided: Any) -> None:
    with pytest.raises(ConfigurationError, match="leaves no step"):
        guided.generate(ask(guided, image=drawing(), strength=0.2, steps=4))


def test_progress_counts_the_steps_that_strength_leaves(guided: Any) -> None:
    seen: list[tuple[int, int]] = []
    guided.generate(
        ask(guided, image=drawing(), strength=0.5, steps=8),
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(n, 4) for n in (1, 2, 3, 4)]


@pytest.mark.parametrize("name", ["inpainting", "outpainting", "inpainting with control"])
def test_pixels_outside_the_mask_are_unchanged_to_the_byte(guided: Any, name: str) -> None:
    image = guided.generate(ask(guided, **MODES[name]))[0].image
    box = (0, 0, 32, 48) if "in" in name[:2] else (0, 0, 64, 48)
    top = 0 if "in" in name[:2] else 8
    kept = image.crop((box[0], box[1] + top, box[2], box[3] + top))
    assert kept.tobytes() == drawing().crop(box).tobytes()


def test_by_option_the_whole_picture_is_the_models(guided: Any) -> None:
    asked = ask(guided, image=drawing(), mask=half(), keep_outside=False)
    image = guided.generate(asked)[0]
    kept = image.image.crop((0, 0, 32, 48))
    assert kept.tobytes() != drawing().crop((0, 0, 32, 48)).tobytes()
    assert image.reproduction["parameters"]["keep_outside"] is False


def test_the_weights_are_shared_and_not_loaded_twice(guided: Any) -> None:
    for options in MODES.values():
        guided.generate(ask(guided, **options))
    made = [variant.pipeline for variant in guided._variants._made.values()]
    assert len({type(pipeline).__name__ for pipeline in made}) == 5
    for part in ("unet", "vae", "text_encoder"):
        assert len({id(getattr(pipeline, part)) for pipeline in made}) == 1
    assert len({id(p.controlnet) for p in made if hasattr(p, "controlnet")}) == 1


def test_control_changes_the_picture_and_its_weight_counts(guided: Any) -> None:
    plain = pixels(guided.generate(ask(guided, width=64, height=48))[0])
    size = {"width": 64, "height": 48}
    full, faint = (
        guided.generate(ask(guided, control=drawing(), control_scale=s, **size))[0]
        for s in (None, 0.1)
    )
    assert len({plain, pixels(full), pixels(faint)}) == 3
    assert full.reproduction["parameters"]["control_scale"] == 1.0
    nothing = guided.generate(ask(guided, control=drawing(), control_scale=0.0, **size))[0]
    assert pixels(nothing) == plain


def test_a_map_is_used_as_it_is(guided: Any) -> None:
    edges, as_is = (
        pixels(guided.generate(ask(guided, control=drawing(), control_kind=kind))[0])
        for kind in ("edges", "map")
    )
    assert edges != as_is


def test_the_controlnet_is_named_by_its_digest_where_it_was_used(
    guided: Any, network: Path
) -> None:
    facts = guided.generate(ask(guided, control=drawing()))[0].reproduction
    assert facts["controlnet"]["id"] == "controlnet"
    assert len(facts["controlnet"]["weights_digest"]) == 64
    assert facts["dtype"]["controlnet"] == "float32"
    assert "controlnet" not in guided.generate(ask(guided))[0].reproduction
    assert not any("controlnet" in name for name in guided.identity.weights)


def test_a_control_picture_without_a_controlnet_is_said(backend: Any) -> None:
    with pytest.raises(ConfigurationError, match="needs a ControlNet") as caught:
        backend.generate(ask(backend, control=drawing()))
    assert "--controlnet" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda d: (d / "diffusion_pytorch_model.safetensors").unlink(), "has no diffusion"),
        (lambda d: (d / "config.json").write_text("{"), "is damaged"),
        (lambda d: (d / "config.json").write_text(json.dumps({"_class_name": "UNet2DModel"})),
         "not a ControlNet"),
        (lambda d: (d / "config.json").write_text(json.dumps({"_class_name": "osControlNetModel"})),
         "not a ControlNet"),
    ],
)  # fmt: skip
def test_an_unfit_controlnet_is_one_sentence(
    tiny_model: Path, network: Path, tmp_path: Path, damage: Any, sentence: str
) -> None:
    copy = Path(shutil.copytree(network, tmp_path / "copy"))
    damage(copy)
    damaged = load_backend(tiny_model, device="cpu", controlnet=copy)
    with pytest.raises(BackendError, match=sentence):
        damaged.generate(ask(damaged, control=drawing()))


def test_a_pipeline_given_as_image_to_image_does_every_mode(tmp_path: Path) -> None:
    from diffusers import AutoPipelineForImage2Image

    given = AutoPipelineForImage2Image.from_pipe(tiny_stable_diffusion(tmp_path))
    wrapped = load_backend(given)
    for options in ({}, MODES["image-to-image"], MODES["inpainting"]):
        asked = ask(wrapped, **options)
        assert wrapped.generate(asked)[0].reproduction["mode"] == asked.mode


def test_a_pipeline_given_with_its_controlnet_uses_that(tmp_path: Path, network: Path) -> None:
    from diffusers import AutoPipelineForText2Image, ControlNetModel

    base = tiny_stable_diffusion(tmp_path)
    given = AutoPipelineForText2Image.from_pipe(
        base, controlnet=ControlNetModel.from_pretrained(network)
    )
    wrapped = load_backend(given)
    assert "controlnet" in wrapped.identity.weights
    plain, controlled = (
        pixels(wrapped.generate(ask(wrapped, **options, width=64, height=48))[0])
        for options in ({}, {"control": drawing()})
    )
    assert plain != controlled


def test_a_mode_that_the_family_lacks_is_said(tmp_path: Path) -> None:
    from diffusers import StableDiffusionSAGPipeline

    part = tiny_stable_diffusion(tmp_path).components
    lacking = load_backend(StableDiffusionSAGPipeline(**part, requires_safety_checker=False))
    with pytest.raises(ConfigurationError, match="does no inpainting"):
        lacking.generate(ask(lacking, image=drawing(), mask=half()))
