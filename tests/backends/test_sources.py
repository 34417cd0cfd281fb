"""Where models come from: what is found, what is missing, and what is never run or unpickled."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guardrail.backends import load_backend
from guardrail.backends.sources import components, locate, weight_files
from guardrail.errors import BackendError
from tests.backends.requests import request

COMMIT = "0123456789abcdef0123456789abcdef01234567"
UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    """An own copy of the small model, to be damaged."""
    return Path(shutil.copytree(tiny_model, tmp_path / "own"))


@pytest.fixture
def hub(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub cache that holds ``someone/tiny``; the folder of its snapshot."""
    repository = tmp_path / "hub" / "models--someone--tiny"
    snapshot = repository / "snapshots" / COMMIT
    shutil.copytree(tiny_model, snapshot)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return snapshot


def change_index(model: Path, change: Callable[[dict[str, Any]], None]) -> None:
    index = json.loads((model / "model_index.json").read_text())
    change(index)
    (model / "model_index.json").write_text(json.dumps(index))


def test_the_embedded_model_is_looked_for_in_the_package() -> None:
    source = locate("embedded", allow_download=False)
    assert source.name == "embedded"
    assert source.directory.parent.name == "guardrail"
    assert source.revision is None


def test_a_directory_is_named_without_its_place(tiny_model: Path) -> None:
    source = locate(tiny_model, allow_download=False)
    assert (source.name, source.directory, source.revision) == ("tiny", tiny_model, None)


def test_a_cached_hub_model_is_loaded_offline_and_named_by_its_commit(hub: Path) -> None:
    backend = load_backend("someone/tiny", device="cpu")
    assert backend.identity.id == "someone/tiny"
    assert backend.identity.revision == COMMIT
    assert backend.generate(request())


@pytest.mark.parametrize("revision", [COMMIT, "main"])
def test_a_hub_model_can_be_pinned(hub: Path, revision: str) -> None:
    assert locate(f"someone/tiny@{revision}", allow_download=False).revision == COMMIT


def test_another_revision_than_the_cached_one_is_missing(hub: Path) -> None:
    with pytest.raises(BackendError, match="not in the local cache"):
        locate(f"someone/tiny@{COMMIT[::-1]}", allow_download=False)


def test_an_offline_miss_names_the_file_and_the_setting() -> None:
    with pytest.raises(BackendError) as caught:
        load_backend("someone/some-model")
    assert "model_index.json" in caught.value.message
    assert "--allow-download" in str(caught.value.hint)
    assert "HF_HOME" in str(caught.value.hint)


def test_a_half_downloaded_model_names_the_missing_file_and_the_setting(hub: Path) -> None:
    (hub / UNET).unlink()
    with pytest.raises(BackendError) as caught:
        load_backend("someone/tiny")
    assert UNET in caught.value.message
    assert "--allow-download" in str(caught.value.hint)


def test_a_download_that_the_environment_forbids_says_so() -> None:
    with pytest.raises(BackendError) as caught:  # the suite runs with HF_HUB_OFFLINE
        load_backend("someone/some-model", allow_download=True)
    assert "cannot be downloaded" in caught.value.message
    assert "HF_HUB_OFFLINE" in str(caught.value.hint)


@pytest.mark.parametrize("model", ["./no/such/place", "nowhere", Path("missing"), "a/b/c", "~/x/y"])
def test_a_missing_directory_is_one_sentence(model: Any) -> None:
    with pytest.raises(BackendError, match="no model directory"):
        load_backend(model)


@pytest.mark.parametrize("index", ["{", "[]", '{"unet": ["diffusers"]}', "\0"])
def test_a_damaged_index_is_one_sentence(tmp_path: Path, index: str) -> None:
    (tmp_path / "model_index.json").write_text(index)
    with pytest.raises(BackendError, match="is damaged"):
        load_backend(tmp_path)


def test_a_directory_without_an_index_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"has no model_index\.json"):
        load_backend(tmp_path)


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        (UNET, UNET),
        ("text_encoder/model.safetensors", "text_encoder/model.safetensors"),
        ("vae/config.json", "vae/config.json"),
    ],
)
def test_the_missing_file_is_named(model: Path, missing: str, named: str) -> None:
    (model / missing).unlink()
    with pytest.raises(BackendError) as caught:
        load_backend(model)
    assert named in caught.value.message


def test_a_missing_shard_is_named(model: Path) -> None:
    weights = model / UNET
    shard = "diffusion_pytorch_model-00001-of-00002.safetensors"
    weights.rename(weights.with_name(shard))
    index = {"weight_map": {"a": shard, "b": shard.replace("00001", "00002", 1)}}
    (weights.parent / "diffusion_pytorch_model.safetensors.index.json").write_text(
        json.dumps(index)
    )
    with pytest.raises(BackendError, match=r"00002-of-00002\.safetensors is missing"):
        load_backend(model)


def test_shards_are_loaded_and_all_of_them_digested(model: Path) -> None:
    from diffusers import UNet2DConditionModel

    unet = UNet2DConditionModel.from_pretrained(model / "unet")
    (model / UNET).unlink()
    unet.save_pretrained(model / "unet", max_shard_size="100KB")
    shards = [path.name for path in weight_files(model) if path.parent.name == "unet"]
    assert len(shards) > 1
    backend = load_backend(model)
    assert len([name for name in backend.identity.weights if name.startswith("unet/")]) == (
        len(shards)
    )
    assert backend.generate(request())


@pytest.mark.parametrize("folder", ["unet", "text_encoder"])
def test_pickled_weights_are_refused_by_name(model: Path, folder: str) -> None:
    import torch
    from safetensors.torch import load_file

    safe = next((model / folder).glob("*.safetensors"))
    torch.save(load_file(safe), safe.with_suffix(".bin"))
    safe.unlink()
    with pytest.raises(BackendError, match=f"{folder}/{safe.stem}.bin is a pickle"):
        load_backend(model)


def test_a_pickle_beside_safetensors_is_neither_loaded_nor_digested(model: Path) -> None:
    trap = model / "unet" / "diffusion_pytorch_model.bin"
    trap.write_bytes(b"not even a pickle")
    assert trap.relative_to(model).as_posix() not in load_backend(model).identity.weights


def test_variants_and_strangers_are_not_digested(model: Path) -> None:
    before = load_backend(model).identity.weights_digest
    shutil.copy(model / UNET, model / "unet" / "diffusion_pytorch_model.fp16.safetensors")
    (model / "open_clip").mkdir()
    shutil.copy(model / UNET, model / "open_clip" / "open_clip_model.safetensors")
    assert load_backend(model).identity.weights_digest == before


def test_damaged_weights_are_one_sentence(model: Path) -> None:
    (model / UNET).write_bytes(b"\0" * 64)
    with pytest.raises(BackendError, match="cannot be loaded"):
        load_backend(model)


def plant(model: Path, name: str) -> Path:
    """Write a module that leaves a mark when it is executed."""
    mark = model / "executed"
    (model / name).write_text(f"open({str(mark)!r}, 'w').close()\nclass Trap: pass\n")
    return mark


def test_a_pipeline_class_of_the_models_own_is_not_run(model: Path) -> None:
    mark = plant(model, "trap.py")
    change_index(model, lambda index: index.update(_class_name=["trap", "Trap"]))
    with pytest.raises(BackendError, match="brings code of its own"):
        load_backend(model)
    assert not mark.exists()


def test_a_component_of_the_models_own_is_not_run(model: Path) -> None:
    mark = plant(model, "unet/trap.py")
    change_index(model, lambda index: index.update(unet=["trap", "Trap"]))
    with pytest.raises(BackendError, match="brings code of its own"):
        load_backend(model)
    assert not mark.exists()


def test_a_module_that_poses_as_a_library_is_not_run(model: Path) -> None:
    mark = plant(model, "unet/diffusers.py")
    with pytest.raises(BackendError, match="brings code of its own"):
        load_backend(model)
    assert not mark.exists()


def test_a_library_of_elsewhere_is_not_imported(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = plant(model, "elsewhere.py")
    monkeypatch.syspath_prepend(str(model))
    change_index(model, lambda index: index.update(unet=["elsewhere", "Trap"]))
    with pytest.raises(BackendError, match="brings code of its own"):
        load_backend(model)
    assert not mark.exists()


def test_absent_components_are_left_out(model: Path) -> None:
    assert set(components(model)) == {"scheduler", "text_encoder", "tokenizer", "unet", "vae"}
