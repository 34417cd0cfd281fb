"""The diffusers backend on a small model: seeds, sizes, schedulers, records, failures."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from guardrail.backends import load_backend
from guardrail.backends.diffusers import DiffusersBackend
from guardrail.backends.interface import Defaults
from guardrail.errors import BackendError, ConfigurationError, GenerationCancelled
from tests.backends.requests import largest_difference, pixels, request
from tests.models import tiny_stable_diffusion


def test_the_same_seed_gives_the_same_pixels_and_another_seed_does_not(backend: Any) -> None:
    first, again, other = (
        pixels(backend.generate(request(seeds=(seed,)))[0]) for seed in (7, 7, 8)
    )
    assert first == again
    assert first != other


def test_an_image_starts_from_its_own_noise_whatever_its_batch(backend: Any) -> None:
    alone = backend.generate(request(seeds=(8,)))[0]
    batched = backend.generate(request(seeds=(7, 8, 9)))[1]
    assert largest_difference(alone.image, batched.image) <= 1
    assert batched.seed == 8
    assert batched.reproduction["batch"] == {"size": 3, "seeds": ["7", "8", "9"], "index": 1}


def test_the_largest_seed_is_accepted(backend: Any) -> None:
    assert backend.generate(request(seeds=(2**64 - 1,)))[0].seed == 2**64 - 1


def test_the_record_says_what_really_ran(backend: Any) -> None:
    image = backend.generate(request(scheduler="euler-a", negative_prompt="blue"))[0]
    facts = image.reproduction
    assert facts["scheduler"]["class"] == "EulerAncestralDiscreteScheduler"
    assert facts["scheduler"]["config"]["beta_end"] == 0.012
    assert facts["parameters"]["num_inference_steps"] == 2
    assert facts["dtype"]["unet"] == "float32"
    assert facts["generator_device"] == "cpu"
    assert facts["environment"]["libraries"]["torch"]
    assert facts["ignored"] == []


def test_a_text_no_longer_than_the_tokenizer_takes_is_not_reported(backend: Any) -> None:
    # 75 letters and two special tokens are exactly 77
    image = backend.generate(request(prompt="a" * 75, negative_prompt="b" * 76))[0]
    assert image.reproduction["truncated"] == ["negative_prompt"]


def test_the_part_that_is_cut_off_does_not_reach_the_log(
    backend: Any, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger("diffusers")
    logger.addHandler(caplog.handler)
    try:
        backend.generate(request(prompt="a house " * 60))
        logger.warning("still heard")
    finally:
        logger.removeHandler(caplog.handler)
    assert "house" not in caplog.text
    assert "still heard" in caplog.text


def test_the_pixels_are_those_of_diffusers_itself(tmp_path: Path) -> None:
    import torch

    pipeline = tiny_stable_diffusion(tmp_path)
    plain = pipeline(
        "a red house",
        width=64,
        height=64,
        num_inference_steps=2,
        guidance_scale=3.0,
        generator=torch.Generator("cpu").manual_seed(7),
    ).images[0]
    ours = load_backend(pipeline).generate(request())[0].image
    assert ours.tobytes() == plain.tobytes()


def test_a_negative_prompt_changes_the_picture(backend: Any) -> None:
    plain, guided = (
        pixels(backend.generate(request(negative_prompt=text))[0]) for text in (None, "snow")
    )
    assert plain != guided


@pytest.mark.parametrize("name", ["ddpm", "dpmpp-2m", "euler", "euler-a", "heun", "unipc", "pndm"])
def test_every_scheduler_draws_and_repeats_itself(backend: Any, name: str) -> None:
    first, second = (backend.generate(request(scheduler=name, steps=3))[0] for _ in range(2))
    assert pixels(first) == pixels(second)
    assert first.reproduction["parameters"]["scheduler"] == name


def test_a_scheduler_for_one_call_does_not_stay(backend: Any) -> None:
    before = pixels(backend.generate(request())[0])
    backend.generate(request(scheduler="euler"))
    assert pixels(backend.generate(request())[0]) == before


def test_an_unknown_scheduler_names_those_that_fit(backend: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        backend.generate(request(scheduler="turbo9000"))
    assert "ddim" in str(caught.value.hint)


@pytest.mark.parametrize(("width", "height"), [(63, 64), (64, 41), (1, 1), (70, 66)])
def test_any_size_is_drawn_on_the_next_canvas_and_cut(
    backend: Any, width: int, height: int
) -> None:
    image = backend.generate(request(width=width, height=height))[0]
    assert image.image.size == (width, height)
    canvas = [-(-width // 8) * 8, -(-height // 8) * 8]
    assert image.reproduction["parameters"]["canvas"] == canvas
    whole = backend.generate(request(width=canvas[0], height=canvas[1]))[0]
    assert whole.image.crop((0, 0, width, height)).tobytes() == image.image.tobytes()
    assert "canvas" not in whole.reproduction["parameters"]


def test_a_prompt_longer_than_the_tokenizer_takes_is_reported(backend: Any) -> None:
    image = backend.generate(request(prompt="a house " * 60))[0]
    assert image.reproduction["truncated"] == ["prompt"]


def test_progress_counts_every_step(backend: Any) -> None:
    seen: list[tuple[int, int]] = []
    backend.generate(request(steps=3), on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_progress_never_passes_its_total(backend: Any) -> None:
    seen: list[tuple[int, int]] = []
    backend.generate(
        request(steps=3, scheduler="heun"), on_progress=lambda *at: seen.append((at[0], at[1]))
    )
    assert seen[-1][0] == seen[-1][1]
    assert all(done <= total for done, total in seen)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), GenerationCancelled("stop")])
def test_cancelling_stops_at_once_and_leaves_the_model_as_it_was(
    backend: Any, error: BaseException
) -> None:
    before = pixels(backend.generate(request(steps=4))[0])
    seen: list[int] = []

    def stop(done: int, _total: int) -> None:
        seen.append(done)
        raise error

    with pytest.raises(type(error)):
        backend.generate(request(steps=4, scheduler="dpmpp-2m"), on_progress=stop)
    assert seen == [1]
    assert pixels(backend.generate(request(steps=4))[0]) == before


def test_threads_take_turns_and_get_their_own_picture(backend: Any) -> None:
    seeds = [1, 2, 3, 4]
    alone = [pixels(backend.generate(request(seeds=(seed,)))[0]) for seed in seeds]
    with ThreadPoolExecutor(4) as pool:
        together = list(
            pool.map(
                lambda seed: pixels(
                    backend.generate(
                        request(seeds=(seed,), scheduler=None if seed % 2 else "ddim")
                    )[0]
                ),
                seeds,
            )
        )
    assert together == alone


def test_a_pipeline_wrapped_twice_is_still_used_by_one_thread_at_a_time(tmp_path: Path) -> None:
    pipeline = tiny_stable_diffusion(tmp_path)
    first, second = load_backend(pipeline), load_backend(pipeline)
    inside, outside = threading.Event(), threading.Event()
    order: list[str] = []

    def hold(done: int, _total: int) -> None:
        if done == 1:
            inside.set()
            outside.wait(0.3)
        order.append("first")

    slow = threading.Thread(target=lambda: first.generate(request(), on_progress=hold))
    slow.start()
    inside.wait(10)
    second.generate(request(), on_progress=lambda *_: order.append("second"))
    slow.join()
    assert order == ["first", "first", "second", "second"]


def test_a_progress_callback_that_raises_cancels(backend: Any) -> None:
    def stop(_done: int, _total: int) -> None:
        raise RuntimeError("enough")

    with pytest.raises(GenerationCancelled):
        backend.generate(request(), on_progress=stop)


def test_not_a_number_is_a_failure_and_no_black_picture(tmp_path: Path) -> None:
    import torch

    pipeline = tiny_stable_diffusion(tmp_path)
    with torch.no_grad():
        pipeline.vae.decoder.conv_out.bias.fill_(float("nan"))
    with pytest.raises(BackendError, match="not-a-number") as caught:
        load_backend(pipeline).generate(request())
    assert "float32" in str(caught.value.hint)


class Raising:
    """Stands in for a part of the pipeline that breaks while drawing."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __call__(self, *_: Any, **__: Any) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (MemoryError(), "memory ran out"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "memory ran out"),
        (RuntimeError("a red house"), "failed while generating (RuntimeError)"),
        (KeyError("a red house"), "failed while generating (KeyError)"),
    ],
)
def test_what_the_model_raises_becomes_one_sentence_without_the_prompt(
    tmp_path: Path, error: Exception, sentence: str
) -> None:
    pipeline = tiny_stable_diffusion(tmp_path)
    backend = load_backend(pipeline)
    pipeline.encode_prompt = Raising(error)
    with pytest.raises(BackendError) as caught:
        backend.generate(request())
    assert sentence in caught.value.message
    assert "red house" not in f"{caught.value.message}{caught.value.hint}"
    assert backend.generate  # the lock was released:
    del pipeline.encode_prompt
    assert backend.generate(request())


def test_a_real_shortage_of_accelerator_memory_is_recognised(tmp_path: Path) -> None:
    import torch

    pipeline = tiny_stable_diffusion(tmp_path)
    backend = load_backend(pipeline)
    pipeline.encode_prompt = Raising(torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(BackendError, match="memory ran out"):
        backend.generate(request())


def test_the_models_own_safety_checker_becomes_a_flag(tmp_path: Path) -> None:
    pipeline = tiny_stable_diffusion(tmp_path)
    backend = load_backend(pipeline)
    pipeline.run_safety_checker = lambda image, *_: (image, [True, False])
    flags = [image.flagged_by_model for image in backend.generate(request(seeds=(1, 2)))]
    assert flags == [True, False]


def test_a_built_pipeline_is_accepted_and_hashed_in_memory(tmp_path: Path) -> None:
    first, same, other = (
        load_backend(tiny_stable_diffusion(tmp_path / str(n), seed=seed))
        for n, seed in enumerate((1, 1, 2))
    )
    assert first.identity.weights_digest == same.identity.weights_digest
    assert first.identity.weights_digest != other.identity.weights_digest
    assert set(first.identity.weights) == {"text_encoder", "unet", "vae"}
    assert first.defaults == Defaults(64, 64, 50, 7.5, 8)


def test_weights_changed_after_the_handover_are_refused(tmp_path: Path) -> None:
    import torch

    pipeline = tiny_stable_diffusion(tmp_path)
    backend = load_backend(pipeline)
    assert backend.generate(request())
    with torch.no_grad():
        pipeline.unet.conv_in.weight.mul_(2)
    with pytest.raises(BackendError, match="changed after it was handed over"):
        backend.generate(request())


def test_a_part_swapped_after_the_handover_is_refused(tmp_path: Path) -> None:
    pipeline = tiny_stable_diffusion(tmp_path)
    backend = load_backend(pipeline)
    pipeline.vae = tiny_stable_diffusion(tmp_path, seed=9).vae
    with pytest.raises(BackendError, match="changed after it was handed over"):
        backend.generate(request())


@pytest.mark.parametrize("thing", [object(), 7, None, lambda: None])
def test_something_that_is_no_pipeline_is_refused(thing: Any) -> None:
    with pytest.raises(ConfigurationError, match="neither a model name"):
        load_backend(thing)


def test_a_backend_is_taken_as_it_is(backend: Any) -> None:
    assert load_backend(backend) is backend


@pytest.mark.parametrize("dtype", ["float99", "int8", "nn", ""])
def test_an_unknown_dtype_is_refused(tiny_model: Path, dtype: str) -> None:
    with pytest.raises(ConfigurationError, match="not a torch dtype"):
        load_backend(tiny_model, dtype=dtype)


@pytest.mark.parametrize("device", ["cuda:99", "toaster", "cuda"])
def test_a_device_that_is_not_there_is_refused(tiny_model: Path, device: str) -> None:
    import torch

    if torch.cuda.is_available() and device == "cuda":
        pytest.skip("this machine has the device")
    with pytest.raises(ConfigurationError, match="not there"):
        load_backend(tiny_model, device=device)


def test_every_part_gets_the_named_dtype(tiny_model: Path) -> None:
    image = DiffusersBackend.from_pretrained(tiny_model, dtype="bfloat16").generate(request())[0]
    assert set(image.reproduction["dtype"].values()) == {"bfloat16"}
    assert image.reproduction["device"] == "cpu"
