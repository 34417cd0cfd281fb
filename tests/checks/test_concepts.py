"""``concepts`` on a small open_clip model with random weights, loaded for real."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from guardrail.checks import Inspector, encoder
from guardrail.checks.concepts import Concepts, regions
from guardrail.contracts import Verdict
from guardrail.errors import CheckError
from tests.checks.pictures import drawing, generated, spec
from tests.models import tiny_open_clip

PERSON = {"prompts": ["a portrait", "a face"], "negatives": ["a boat", "a house"]}


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_open_clip(tmp_path_factory.mktemp("clip") / "tiny")


@pytest.fixture
def own(clip: Path, tmp_path: Path) -> Path:
    """An own copy, to be damaged."""
    return Path(shutil.copytree(clip, tmp_path / "own"))


def options(folder: Path, threshold: float = 0.5, **concepts: Any) -> dict[str, Any]:
    chosen = concepts or {"person": PERSON}
    return {
        "model": f"local-dir:{folder}",
        "concepts": {name: {"threshold": threshold} | concept for name, concept in chosen.items()},
    }


def pictures(count: int = 4) -> list[Image.Image]:
    noise = np.random.default_rng(7)
    return [
        Image.fromarray(noise.integers(0, 255, (48, 40, 3), dtype=np.uint8)) for _ in range(count)
    ]


def test_the_score_is_the_probability_mass_of_the_prompts(clip: Path) -> None:
    import open_clip
    import torch

    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{clip}")
    tokens = open_clip.get_tokenizer(f"local-dir:{clip}")(
        [*PERSON["prompts"], *PERSON["negatives"]]
    )
    picture = drawing()
    with torch.inference_mode():
        texts = model.eval().encode_text(tokens, normalize=True)
        image = model.encode_image(transform(picture)[None], normalize=True)
        expected = (model.logit_scale.exp() * image @ texts.T).softmax(-1)[0, :2].sum()
    seen = Concepts(options(clip)).observe([picture])[0]
    assert seen.scores["person"] == pytest.approx(float(expected), abs=1e-5)


def test_each_picture_has_its_own_scores_for_every_concept(clip: Path) -> None:
    boat = {"prompts": ["a boat"], "negatives": ["a face"]}
    seen = Concepts(options(clip, person=PERSON, boat=boat)).observe(pictures())
    assert all(set(observation.scores) == {"person", "boat"} for observation in seen)
    assert len({observation.scores["person"] for observation in seen}) == 4
    assert all(0 <= score <= 1 for observation in seen for score in observation.scores.values())


def test_a_picture_is_scored_the_same_alone_and_in_a_batch(clip: Path) -> None:
    check, batch = Concepts(options(clip)), pictures()
    together = [observation.scores["person"] for observation in check.observe(batch)]
    alone = [check.observe([picture])[0].scores["person"] for picture in batch]
    assert together == pytest.approx(alone, abs=1e-4)


def test_prompts_and_negatives_share_the_whole_mass(clip: Path) -> None:
    swapped = {"prompts": PERSON["negatives"], "negatives": PERSON["prompts"]}
    seen = Concepts(options(clip, person=PERSON, other=swapped)).observe([drawing()])[0]
    assert sum(seen.scores.values()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("threshold", "matches"), [(0.0, True), (1.0, False)])
def test_the_threshold_decides_and_the_score_is_kept_either_way(
    clip: Path, threshold: float, matches: bool
) -> None:
    seen = Concepts(options(clip, threshold)).observe([drawing()])[0]
    assert (seen.reason_code == "CONCEPT_SHOWN") is matches
    assert "person" in seen.scores
    if matches:
        assert (seen.matched, seen.threshold) == ("person", 0.0)


def test_the_highest_of_the_matched_concepts_is_named(clip: Path) -> None:
    concepts = {
        "first": {"prompts": ["a boat"], "negatives": ["a face"]},
        "second": {"prompts": ["a face"], "negatives": ["a boat"]},
    }
    seen = Concepts(options(clip, 0.0, **concepts)).observe([drawing()])[0]
    assert seen.matched == max(seen.scores, key=lambda name: seen.scores[name])


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1"])
def test_pictures_of_any_mode_are_looked_at(clip: Path, mode: str) -> None:
    assert Concepts(options(clip)).observe([drawing().convert(mode)])[0].scores["person"] > 0


def test_through_the_inspector_the_finding_and_the_model_are_reported(clip: Path) -> None:
    rule = spec("concepts", options=options(clip, 0.0))
    (report,) = Inspector([rule]).inspect(generated(drawing()))
    assert report.rules[0].verdict is Verdict.BLOCK
    assert report.findings[0].matched == "person"
    digest = hashlib.sha256((clip / "open_clip_model.safetensors").read_bytes()).hexdigest()
    assert report.models["test.concepts"]["weights_digest"] == digest


def test_a_model_is_loaded_once(clip: Path) -> None:
    first, second = (encoder.load_encoder(f"local-dir:{clip}", None) for _ in range(2))
    assert first is second


def test_threads_get_the_same_scores(clip: Path) -> None:
    check, batch = Concepts(options(clip)), pictures()
    alone = [check.observe([picture])[0].scores for picture in batch]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda picture: check.observe([picture])[0].scores, batch))
    assert together == alone


def test_weights_full_of_nothing_are_an_error_and_not_a_pass(own: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = own / "open_clip_model.safetensors"
    save_file({k: v * math.nan if v.is_floating_point() else v
               for k, v in load_file(weights).items()}, weights)  # fmt: skip
    (report,) = Inspector([spec("concepts", options=options(own))]).inspect(generated(drawing()))
    assert report.rules[0].verdict is Verdict.ERROR


def refuse(chosen: dict[str, Any]) -> CheckError:
    with pytest.raises(CheckError) as caught:
        Inspector([spec("concepts", options=chosen)])
    return caught.value


@pytest.mark.parametrize("missing", ["open_clip_model.safetensors", "open_clip_config.json"])
def test_a_missing_file_is_named_and_random_weights_never_look(own: Path, missing: str) -> None:
    (own / missing).unlink()
    assert missing in refuse(options(own)).message


def test_pickled_weights_are_not_opened(own: Path) -> None:
    safe = own / "open_clip_model.safetensors"
    safe.rename(own / "open_clip_pytorch_model.bin")
    assert "open_clip_model.safetensors" in refuse(options(own)).message


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"model_cfg": {}}'])
def test_a_damaged_configuration_is_one_sentence(own: Path, text: str) -> None:
    (own / "open_clip_config.json").write_text(text)
    assert "is damaged" in refuse(options(own)).message


def test_weights_of_another_shape_are_one_sentence(own: Path) -> None:
    config = json.loads((own / "open_clip_config.json").read_text())
    config["model_cfg"]["embed_dim"] = 8
    (own / "open_clip_config.json").write_text(json.dumps(config))
    assert "cannot be loaded" in refuse(options(own)).message


def test_a_text_tower_from_the_network_is_refused(own: Path) -> None:
    config = json.loads((own / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"]["hf_model_name"] = "someone/some-tower"
    (own / "open_clip_config.json").write_text(json.dumps(config))
    assert "network" in refuse(options(own)).message


@pytest.mark.parametrize(
    ("model", "pretrained", "named"),
    [
        ("local-dir:/no/such/folder", None, "local-dir:/no/such/folder"),
        ("hf-hub:someone/some-clip", None, "not in the local cache"),
        ("ViT-B-32", "laion2b_s34b_b79k", "not in the local cache"),
        ("ViT-B-32", None, "knows no model"),
        ("ViT-B-32", "no-such-tag", "knows no model"),
        ("ViT-Q-99", "laion2b_s34b_b79k", "knows no model"),
        ("ViT-B-16-SigLIP", "webli", "network"),
    ],
)
def test_a_model_that_is_not_here_is_refused_with_the_sentence_that_mends_it(
    model: str, pretrained: str | None, named: str
) -> None:
    chosen = {
        "model": model,
        "pretrained": pretrained,
        "concepts": {"a": PERSON | {"threshold": 1}},
    }
    error = refuse(chosen)
    assert named in error.message
    assert error.hint


def test_a_cached_hub_model_is_loaded_without_network(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "models--someone--tiny"
    shutil.copytree(clip, repository / "snapshots" / ("0" * 40))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    chosen = options(clip) | {"model": "hf-hub:someone/tiny"}
    assert Concepts(chosen).observe([drawing()])[0].scores == (
        Concepts(options(clip)).observe([drawing()])[0].scores
    )


@pytest.mark.parametrize(
    "concept",
    [
        {"prompts": [], "negatives": ["a"], "threshold": 0.5},
        {"prompts": ["a"], "negatives": [], "threshold": 0.5},
        {"prompts": ["a"], "negatives": ["b"], "threshold": 1.5},
        {"prompts": ["a"], "negatives": ["b"], "threshold": math.nan},
    ],
)
def test_a_concept_that_cannot_be_scored_is_refused(clip: Path, concept: dict[str, Any]) -> None:
    assert "cannot be scored" in refuse(options(clip, odd=concept)).message


def test_a_rule_without_concepts_is_refused(clip: Path) -> None:
    assert "no concept" in refuse(options(clip) | {"concepts": {}}).message


def test_with_crops_the_highest_score_of_any_part_counts(clip: Path) -> None:
    whole = pictures(1)[0]
    check = Concepts(options(clip, 0.0) | {"crops": 3})
    (seen,) = check.observe([whole])
    alone = Concepts(options(clip, 0.0))
    parts = [r for r in regions(whole.size, 3) if r is not None]
    boxes = [(r.left, r.top, r.left + r.width, r.top + r.height) for r in parts]
    every = [alone.observe([whole])[0].scores["person"]]
    every += [alone.observe([whole.crop(box)])[0].scores["person"] for box in boxes]
    assert seen.scores["person"] == pytest.approx(max(every), abs=1e-5)
    best = max(range(len(every)), key=every.__getitem__)
    assert seen.region == (parts[best - 1] if best else None)


@given(st.integers(1, 300), st.integers(1, 300), st.integers(2, 4))
def test_the_parts_cover_the_picture_and_stay_inside_it(
    width: int, height: int, crops: int
) -> None:
    parts = list(regions((width, height), crops))
    assert parts[0] is None
    assert len(parts) == 1 + crops**2
    inside = [part for part in parts if part is not None]
    assert all(p.width > 0 and p.height > 0 and p.left >= 0 and p.top >= 0 for p in inside)
    assert max(p.left + p.width for p in inside) == width
    assert max(p.top + p.height for p in inside) == height


def test_each_picture_of_a_batch_gets_its_own_parts(clip: Path) -> None:
    check, batch = Concepts(options(clip) | {"crops": 2}), pictures()
    together = [seen.scores["person"] for seen in check.observe(batch)]
    alone = [check.observe([picture])[0].scores["person"] for picture in batch]
    assert together == pytest.approx(alone, abs=1e-4)
