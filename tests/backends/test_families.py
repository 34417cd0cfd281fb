"""Every family of models: saved, loaded from disk, governed, and honest about what it ignores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw

from guardrail import Pipeline
from guardrail.backends import load_backend
from guardrail.contracts import GeneratedImage
from guardrail.errors import ConfigurationError
from guardrail.request import build_request
from guardrail.rerun import ReplayVerdict, rerun
from tests.backends.families import FAMILIES, save, save_controlnet
from tests.backends.requests import largest_difference, pixels

CLASSES = {
    "Stable Diffusion 1": "StableDiffusionPipeline",
    "Stable Diffusion 2": "StableDiffusionPipeline",
    "LCM": "LatentConsistencyModelPipeline",
    "SDXL": "StableDiffusionXLPipeline",
    "Stable Diffusion 3": "StableDiffusion3Pipeline",
    "Flux": "FluxPipeline",
    "Flux schnell": "FluxPipeline",
    "PixArt": "PixArtSigmaPipeline",
    "Sana": "SanaPipeline",
    "Qwen-Image": "QwenImagePipeline",
    "Z-Image": "ZImagePipeline",
    "Kandinsky 2": "KandinskyV22CombinedPipeline",
}
IGNORED = {
    "LCM": {"negative_prompt"},
    "Flux": {"negative_prompt"},
    "Flux schnell": {"negative_prompt", "guidance_scale"},
}
"""What each family does not heed, of a negative prompt and guidance at 3."""
NO_PICTURES = {"PixArt", "Sana"}
"""Families for which diffusers has no image-to-image pipeline."""
NO_MASKS = {"LCM", "PixArt", "Sana", "Kandinsky 2"}
"""Families for which it has no inpainting pipeline, or one for weights of its own only."""
GUIDED_AT_1 = {"Z-Image", "Kandinsky 2"}
"""Families in which a guidance of 1 still guides, or a part of the model has its own."""


class Family:
    """A family's model on disk, loaded once."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = save(name, folder)
        self.backend = load_backend(self.folder, device="cpu")

    def draw(self, **options: Any) -> tuple[GeneratedImage, ...]:
        """Draw as small as the family can."""
        side = self.backend.defaults.multiple if self.name == "Kandinsky 2" else 32
        size = {} if "image" in options else {"width": side, "height": side}
        given: Any = {"steps": 2, "seed": 7, "guidance_scale": 3.0} | size | options
        request = build_request("a red house", given, self.backend.defaults)
        return self.backend.generate(request)

    def pixels(self, **options: Any) -> str:
        """The digest of the first picture."""
        return pixels(self.draw(**options)[0])


@pytest.fixture(scope="module", params=FAMILIES)
def family(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Family]:
    yield Family(request.param, tmp_path_factory.mktemp("family"))


def drawing() -> Image.Image:
    picture = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(picture).ellipse((8, 8, 40, 40), fill="red")
    return picture


def mask() -> Image.Image:
    made = Image.new("L", (64, 64))
    made.paste(255, (32, 0, 64, 64))
    return made


def test_it_is_loaded_from_disk_by_its_own_class(family: Family) -> None:
    assert family.backend.identity.pipeline_class == CLASSES[family.name]
    digested = {name.split("/")[0] for name in family.backend.identity.weights}
    with_weights = {path.parent.name for path in family.folder.glob("*/*.safetensors")}
    assert digested == with_weights
    assert len(digested) >= 3


def test_the_seed_decides_and_the_batch_does_not(family: Family) -> None:
    first = family.draw()[0]
    assert pixels(first) == family.pixels()
    assert pixels(first) != family.pixels(seed=8)
    batch = family.draw(count=2, seed=6)
    assert largest_difference(batch[1].image, first.image) <= 1


@pytest.mark.parametrize("text", ["negative_prompt", "guidance_scale"])
def test_what_is_said_to_be_ignored_is_ignored_and_the_rest_is_not(
    family: Family, text: str
) -> None:
    base = {"negative_prompt": "snow"} if family.name == "Qwen-Image" else {}
    changed: dict[str, Any] = {"negative_prompt": "rain, fog"}
    if text == "guidance_scale":
        changed = {"guidance_scale": 6.0}
    image = family.draw(**base | changed)[0]
    ignored = text in image.reproduction["ignored"]
    assert ignored is (text in IGNORED.get(family.name, set()))
    assert (pixels(image) == family.pixels(**base)) is ignored


def test_guidance_off_makes_the_negative_prompt_idle_and_says_so(family: Family) -> None:
    image = family.draw(guidance_scale=1.0, negative_prompt="rain, fog")[0]
    idle = "negative_prompt" in image.reproduction["ignored"]
    assert idle is (family.name not in GUIDED_AT_1)
    assert (pixels(image) == family.pixels(guidance_scale=1.0)) is idle


def test_image_to_image_where_the_family_has_it(family: Family) -> None:
    if family.name in NO_PICTURES:
        with pytest.raises(ConfigurationError, match="does no image-to-image"):
            family.draw(image=drawing())
        return
    image = family.draw(image=drawing(), strength=0.6, steps=4)[0]
    assert image.image.size == (64, 64)
    idle = IGNORED.get(family.name, set()) & {"guidance_scale"}
    idle |= {"guidance_scale"} if family.name == "Qwen-Image" else set()  # without a negative
    assert set(image.reproduction["ignored"]) == idle
    assert pixels(image) == family.pixels(image=drawing(), strength=0.6, steps=4)
    assert pixels(image) != family.pixels(image=drawing().rotate(90), strength=0.6, steps=4)


def test_inpainting_where_the_family_has_it(family: Family) -> None:
    if family.name in NO_MASKS:
        with pytest.raises(ConfigurationError, match="does no inpainting"):
            family.draw(image=drawing(), mask=mask())
        return
    image = family.draw(image=drawing(), mask=mask(), steps=4)[0].image
    kept = (0, 0, 32, 64)
    assert image.crop(kept).tobytes() == drawing().crop(kept).tobytes()
    assert image.tobytes() != drawing().tobytes()


def test_through_the_governed_flow_it_is_recorded_and_reproduced(
    family: Family, home: Path
) -> None:
    pipe = Pipeline.from_pretrained(family.folder, device="cpu", home=home)
    side = family.backend.defaults.multiple if family.name == "Kandinsky 2" else 32
    result = pipe.generate("a red house", steps=2, width=side - 3, height=side, seed=7)
    assert result.image.size == (side - 3, side)
    record = pipe.audit.record(result.record_id)
    assert record.model is not None
    assert record.model.pipeline_class == CLASSES[family.name]
    assert rerun(pipe, record).verdict is ReplayVerdict.BIT_EXACT
    pipe.close()


@pytest.mark.parametrize("name", ["SDXL", "Stable Diffusion 3", "Flux"])
def test_a_controlnet_of_the_familys_own_class(name: str, tmp_path: Path) -> None:
    torch.manual_seed(7)
    pipeline = FAMILIES[name](tmp_path / "tokenizer")
    pipeline.save_pretrained(tmp_path / "model")
    network = save_controlnet(name, pipeline, tmp_path / "network")
    backend = load_backend(tmp_path / "model", device="cpu", controlnet=network)

    def draw(**options: Any) -> GeneratedImage:
        given: Any = {"steps": 2, "seed": 7, "width": 64, "height": 64} | options
        return backend.generate(build_request("a red house", given, backend.defaults))[0]

    plain, guided, turned = (
        draw(**options)
        for options in ({}, {"control": drawing()}, {"control": drawing().rotate(180)})
    )
    assert len({pixels(image) for image in (plain, guided, turned)}) == 3
    assert guided.image.size == (64, 64)
    assert guided.reproduction["controlnet"]["id"] == "network"
    assert "ControlNet" in guided.reproduction["pipeline_class"]
