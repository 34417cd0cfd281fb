"""The diffusers backend on a small model: seeds, sizes, schedulers, records, failures."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from guardrail.backends import load_backend
from guardrail.backends.interface import Defaults
from guardrail.contracts import GeneratedImage, GenerationRequest
from guardrail.errors import BackendError, ConfigurationError, GenerationCancelled
from guardrail.identifiers import new_id
from tests.models import tiny_stable_diffusion


def request(**changes: Any) -> GenerationRequest:
    base = GenerationRequest(
        request_id=new_id(),
        record_ids=(new_id(),),
        prompt="a red house",
        width=64,
        height=64,
        steps=2,
        guidance_scale=3.0,
        seeds=(7,),
    )
    return replace(base, **changes)


def pixels(image: GeneratedImage) -> str:
    return hashlib.sha256(image.image.tobytes()).hexdigest()


def test_the_same_seed_gives_the_same_pixels_and_another_seed_does_not(backend: Any) -> None:
    first, again, other = (
        pixels(backend.generate(request(seeds=(seed,)))[0]) for seed in (7, 7, 8)
    )
    assert first == again
    assert first != other


def test_an_image_starts_from_its_own_noise_whatever_its_batch(backend: Any) -> None:
    alone = backend.generate(request(seeds=(8,)))[0]
    batched = backend.generate(request(seeds=(7, 8, 9)))[1]
    largest = max(
        abs(a - b) for a, b in zip(alone.image.tobytes(), batched.image.tobytes(), strict=True)
    )
    assert largest <= 1
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


def test_a_scheduler_for_one_call_does_not_stay(backend: Any) -> None:
    before = pixels(backend.generate(request())[0])
    backend.generate(request(scheduler="euler"))
    assert pixels(backend.generate(request())[0]) == before


def test_an_unknown_scheduler_names_those_that_fit(backend: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        backend.generate(request(scheduler="turbo9000"))
    assert "ddim" in str(caught.value.hint)


def test_a_size_the_model_cannot_take_names_the_nearest(backend: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        backend.generate(request(width=63))
    assert caught.value.hint == "Use 64."


def test_a_prompt_longer_than_the_tokenizer_takes_is_reported(backend: Any) -> None:
    image = backend.generate(request(prompt="a house " * 60))[0]
    assert image.reproduction["truncated"] == ["prompt"]


def test_progress_counts_every_step(backend: Any) -> None:
    seen: list[tuple[int, int]] = []
    backend.generate(request(steps=3), on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_a_progress_callback_that_raises_cancels(backend: Any) -> None:
    def stop(_done: int, _total: int) -> None:
        raise RuntimeError("enough")

    with pytest.raises(GenerationCancelled):
        backend.generate(request(), on_progress=stop)


def test_weights_are_named_by_their_digests(backend: Any, tiny_model: Path) -> None:
    weights = backend.identity.weights
    unet = tiny_model / "unet" / "diffusion_pytorch_model.safetensors"
    assert weights["unet/diffusion_pytorch_model.safetensors"] == (
        hashlib.sha256(unet.read_bytes()).hexdigest()
    )
    assert backend.identity.id == "tiny"
    assert backend.identity.pipeline_class == "StableDiffusionPipeline"


def test_the_digest_cache_notices_changed_weights(tmp_path: Path) -> None:
    from guardrail.backends.weights import digest_files

    weights, cache = tmp_path / "model" / "w.safetensors", tmp_path / "cache.json"
    weights.parent.mkdir()
    weights.write_bytes(b"one")
    first = digest_files(weights.parent, [weights], cache=cache)
    assert digest_files(weights.parent, [weights], cache=cache) == first
    weights.write_bytes(b"two")
    assert digest_files(weights.parent, [weights], cache=cache) != first
    cache.write_text("not json")
    assert digest_files(weights.parent, [weights], cache=cache)["w.safetensors"]


def test_a_built_pipeline_is_accepted_and_hashed_in_memory(tmp_path: Path) -> None:
    first = load_backend(tiny_stable_diffusion(tmp_path / "a", seed=1))
    same = load_backend(tiny_stable_diffusion(tmp_path / "b", seed=1))
    other = load_backend(tiny_stable_diffusion(tmp_path / "c", seed=2))
    assert first.identity.weights_digest == same.identity.weights_digest
    assert first.identity.weights_digest != other.identity.weights_digest
    assert first.defaults == Defaults(64, 64, 50, 7.5, 8)


@pytest.mark.parametrize("model", ["./no/such/place", "nowhere", Path("missing")])
def test_a_missing_directory_is_one_sentence(model: Any) -> None:
    with pytest.raises(BackendError, match="no model directory"):
        load_backend(model)


def test_a_hub_model_is_not_downloaded_unasked() -> None:
    with pytest.raises(BackendError) as caught:
        load_backend("someone/some-model")
    assert "--allow-download" in str(caught.value.hint)


def test_a_directory_that_is_no_model_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text("{")
    with pytest.raises(BackendError, match="cannot be loaded"):
        load_backend(tmp_path)


def test_pickled_weights_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    import shutil

    import torch
    from safetensors.torch import load_file

    copy = tmp_path / "pickled"
    shutil.copytree(tiny_model, copy)
    safe = copy / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(safe), safe.with_suffix(".bin"))
    safe.unlink()
    with pytest.raises(BackendError, match="cannot be loaded"):
        load_backend(copy)


def test_something_that_is_no_pipeline_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="neither a model name"):
        load_backend(object())


def test_an_unknown_dtype_is_refused(tiny_model: Path) -> None:
    with pytest.raises(ConfigurationError, match="not a torch dtype"):
        load_backend(tiny_model, dtype="float99")
