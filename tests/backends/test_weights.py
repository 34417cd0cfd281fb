"""Digests of weights: of the right bytes, cached, and never of stale ones."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrail.backends.weights import combined_digest, digest_files, digest_modules, state_mark
from guardrail.errors import BackendError
from tests.models import tiny_stable_diffusion


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "model" / "unet" / "w.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"one")
    return path


def digest(weights: Path, cache: Path | None = None) -> str:
    model = weights.parent.parent
    return digest_files(model, [weights], cache=cache)["unet/w.safetensors"]


def test_the_identity_names_the_files_that_were_loaded(backend: Any, tiny_model: Path) -> None:
    unet = tiny_model / "unet" / "diffusion_pytorch_model.safetensors"
    assert backend.identity.weights["unet/diffusion_pytorch_model.safetensors"] == (
        hashlib.sha256(unet.read_bytes()).hexdigest()
    )
    assert backend.identity.id == "tiny"
    assert backend.identity.pipeline_class == "StableDiffusionPipeline"
    assert backend.identity.weights_digest == combined_digest(backend.identity.weights)


def test_the_cache_saves_reading_the_file_again(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache.json"
    first = digest(weights, cache)
    monkeypatch.setattr("guardrail.backends.weights.digest_file", lambda _path: "read again")
    assert digest(weights, cache) == first
    assert digest(weights) == "read again"


def test_the_cache_notices_other_bytes_of_the_same_size(weights: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache.json"
    first = digest(weights, cache)
    weights.write_bytes(b"two")
    assert digest(weights, cache) != first


def test_setting_the_time_back_does_not_deceive_the_cache(weights: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache.json"
    first, before = digest(weights, cache), weights.stat()
    weights.write_bytes(b"two")
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert digest(weights, cache) != first


def test_a_damaged_cache_is_done_without(weights: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache.json"
    cache.write_text("not json")
    assert digest(weights, cache) == hashlib.sha256(b"one").hexdigest()


def test_a_cache_that_cannot_be_written_is_done_without(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert digest(weights, tmp_path / "file" / "cache.json")


def test_no_weights_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="No weight files"):
        digest_files(tmp_path, [])
    with pytest.raises(BackendError, match="no torch modules"):
        digest_modules({"tokenizer": object()})


def test_every_bit_of_a_module_counts(tmp_path: Path) -> None:
    import torch

    unet = tiny_stable_diffusion(tmp_path).unet
    before = digest_modules({"unet": unet})
    assert digest_modules({"unet": unet}) == before
    with torch.no_grad():
        unet.conv_in.bias[0] += 1e-7
    assert digest_modules({"unet": unet}) != before


def test_precision_counts(tmp_path: Path) -> None:
    import torch

    unet = tiny_stable_diffusion(tmp_path).unet.to(torch.bfloat16)
    narrow = digest_modules({"unet": unet})
    assert digest_modules({"unet": unet.to(torch.float32)}) != narrow


def test_the_mark_sees_new_layers_and_writes_in_place(tmp_path: Path) -> None:
    import torch

    parts = {"unet": tiny_stable_diffusion(tmp_path).unet}
    marks = [state_mark(parts)]
    assert state_mark(parts) == marks[0]
    with torch.no_grad():
        parts["unet"].conv_in.weight.add_(1)
    marks.append(state_mark(parts))
    parts["unet"].adapter = torch.nn.Linear(2, 2)
    marks.append(state_mark(parts))
    assert len(set(marks)) == 3


@given(
    st.dictionaries(
        st.text("abc/.", min_size=1, max_size=8),
        st.text("0123456789abcdef", min_size=4, max_size=4),
    ),
    st.randoms(),
)
def test_the_combined_digest_depends_on_content_and_not_on_order(
    weights: dict[str, str], random: Any
) -> None:
    shuffled = list(weights.items())
    random.shuffle(shuffled)
    assert combined_digest(dict(shuffled)) == combined_digest(weights)
    assert combined_digest(weights | {"extra": "0000"}) != combined_digest(weights)
