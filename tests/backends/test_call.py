"""A request as arguments, and what a family does not heed."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any

import pytest

from guardrail.backends.call import build_call
from guardrail.backends.canvas import canvas_for
from guardrail.backends.modes import Variant
from tests.backends.requests import request


def stable_diffusion(
    *,
    prompt: Any,
    negative_prompt: Any = None,
    width: int = 8,
    height: int = 8,
    num_inference_steps: int = 50,
    guidance_scale: float = 7.5,
    generator: Any = None,
    output_type: str = "pil",
) -> None:
    """The signature of the usual pipeline."""


def flux(
    *,
    prompt: Any,
    negative_prompt: Any = None,
    true_cfg_scale: float = 1.0,
    width: int = 8,
    height: int = 8,
    num_inference_steps: int = 28,
    guidance_scale: float = 3.5,
    generator: Any = None,
    output_type: str = "pil",
) -> None:
    """A distilled model: the negative prompt only counts with true_cfg_scale above 1."""


def qwen(
    *,
    prompt: Any,
    negative_prompt: Any = None,
    true_cfg_scale: float = 4.0,
    width: int = 8,
    height: int = 8,
    num_inference_steps: int = 50,
    guidance_scale: float | None = None,
    generator: Any = None,
    output_type: str = "pil",
) -> None:
    """Classifier-free guidance under another name."""


def bare(prompt: Any, generator: Any = None) -> None:
    """A pipeline that takes hardly anything."""


def call(function: Any, *, unet: Any = None, transformer: Any = None, **changes: Any) -> Any:
    pipeline = SimpleNamespace(unet=unet, transformer=transformer)
    variant = Variant(pipeline, inspect.signature(function).parameters, ())
    asked = request(**changes)
    return build_call([asked], canvas_for(asked, 8), variant)


def part(**config: Any) -> Any:
    return SimpleNamespace(config=config)


def test_the_usual_pipeline_heeds_everything() -> None:
    made = call(stable_diffusion, unet=part(), negative_prompt="snow", seeds=(1, 2))
    assert made.ignored == ()
    assert made.arguments["prompt"] == ["a red house"] * 2
    assert made.arguments["negative_prompt"] == ["snow"] * 2
    assert [g.initial_seed() for g in made.arguments["generator"]] == [1, 2]


def test_generators_are_on_the_cpu_and_take_all_64_bits() -> None:
    made = call(stable_diffusion, unet=part(), seeds=(2**64 - 1,))
    assert made.arguments["generator"].initial_seed() == 2**64 - 1
    assert made.arguments["generator"].device.type == "cpu"


def test_what_the_signature_lacks_is_ignored_by_name() -> None:
    made = call(bare, negative_prompt="snow")
    assert set(made.arguments) == {"prompt", "generator"}
    assert made.ignored == (
        "guidance_scale",
        "height",
        "negative_prompt",
        "num_inference_steps",
        "width",
    )


@pytest.mark.parametrize(
    ("function", "parts", "changes", "ignored"),
    [
        (stable_diffusion, {}, {"guidance_scale": 1.0, "negative_prompt": "x"}, "negative_prompt"),
        (stable_diffusion, {}, {"guidance_scale": 1.0}, ""),
        (flux, {"transformer": part(guidance_embeds=True)}, {"negative_prompt": "x"},
         "negative_prompt"),
        (flux, {"transformer": part(guidance_embeds=True)}, {}, ""),
        (flux, {"transformer": part(guidance_embeds=False)}, {}, "guidance_scale"),
        (qwen, {"transformer": part(guidance_embeds=False)}, {"negative_prompt": "x"}, ""),
        (qwen, {"transformer": part(guidance_embeds=False)}, {}, "guidance_scale"),
    ],
)  # fmt: skip
def test_what_is_accepted_and_has_no_effect_is_ignored_by_name(
    function: Any, parts: dict[str, Any], changes: dict[str, Any], ignored: str
) -> None:
    assert ",".join(call(function, **parts, **changes).ignored) == ignored


def test_guidance_goes_where_the_pipeline_takes_it() -> None:
    arguments = call(qwen, transformer=part(), guidance_scale=2.5).arguments
    assert arguments["true_cfg_scale"] == 2.5
    assert "guidance_scale" not in arguments
