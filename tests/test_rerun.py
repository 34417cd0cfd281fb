"""Does the record reproduce its picture? Every verdict, on real generations."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from guardrail import Pipeline, PolicyBlocked
from guardrail.audit import Filters, Record, State
from guardrail.backends import load_backend
from guardrail.backends.reproduction import threads
from guardrail.cli.errors import run as run_command
from guardrail.cli.root import cli
from guardrail.errors import VerificationFailed
from guardrail.provenance import pixels_sha256
from guardrail.rerun import Replay, ReplayVerdict, require_bit_exact, rerun
from tests.models import tiny_stable_diffusion
from tests.policy.writing import load, rule

PLAIN = "a red house"


def made(pipe: Pipeline, **options: Any) -> tuple[Record, Image.Image]:
    """Generate one picture; its record and pixels."""
    result = pipe.generate(PLAIN, steps=2, **options)
    return pipe.audit.record(result.record_id), result.image


@pytest.mark.parametrize(
    "options",
    [
        {"seed": 7},
        {"seed": 2**64 - 1, "negative_prompt": "snow", "guidance_scale": 5.0},
        {"seed": 7, "scheduler": "euler-a"},
        {"seed": 7, "scheduler": "dpmpp-2m-sde"},
        {"width": 64, "height": 96},
        {"media_type": "image/jpeg"},
    ],
)
def test_the_record_alone_reproduces_the_picture(pipe: Pipeline, options: dict[str, Any]) -> None:
    record, _ = made(pipe, **options)
    replay = rerun(pipe, record)
    assert replay == Replay(ReplayVerdict.BIT_EXACT, record.record_id)
    require_bit_exact(replay)


def test_a_picture_of_a_batch_is_reproduced_within_its_batch(pipe: Pipeline) -> None:
    result = pipe.generate(PLAIN, steps=2, count=3, seed=5)
    for image in result.images:
        assert rerun(pipe, pipe.audit.record(image.record_id)).verdict is ReplayVerdict.BIT_EXACT


def test_the_recorded_number_of_threads_is_used(pipe: Pipeline) -> None:
    import torch

    before = torch.get_num_threads()
    with threads(1):
        record, _ = made(pipe, seed=7)
    with threads(2):
        replay = rerun(pipe, record)
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == before
    assert replay == Replay(ReplayVerdict.BIT_EXACT, record.record_id)


def test_a_rerun_is_recorded_and_changes_nothing_else(pipe: Pipeline) -> None:
    record, _ = made(pipe, seed=7)
    rerun(pipe, record)
    again = pipe.audit.record(record.record_id)
    assert [event.type for event in again.events][-1] == "generation.rerun"
    assert again.events[-1].body["data"]["verdict"] == "bit_exact"
    assert again.state is State.RELEASED
    assert len(pipe.audit.records(Filters()).records) == 1
    assert pipe.audit.verify().ok


def test_another_precision_differs_and_is_never_called_near(
    pipe: Pipeline, tiny_model: Path, home: Path
) -> None:
    record, reference = made(pipe, seed=7)
    narrow = load_backend(tiny_model, device="cpu", dtype="bfloat16")
    other = Pipeline.from_pretrained(narrow, home=home)
    replay = rerun(other, record, reference)
    other.close()
    assert replay.verdict is ReplayVerdict.ENVIRONMENT_DIFFERS
    assert "dtype.unet: recorded float32, now bfloat16" in replay.reasons
    assert replay.largest_difference
    assert replay.psnr
    with pytest.raises(VerificationFailed, match="environment_differs"):
        require_bit_exact(replay)


def test_a_recorded_version_that_is_not_installed_is_named(pipe: Pipeline) -> None:
    record, _ = made(pipe, seed=7)
    facts = json.loads(json.dumps(dict(record.reproduction or {})))
    facts["environment"]["libraries"]["torch"] = "1.0"
    replay = rerun(pipe, replace(record, reproduction=facts))
    assert replay.verdict is ReplayVerdict.BIT_EXACT  # the pixels are what counts
    (reason,) = replay.reasons
    assert reason.startswith("environment.libraries.torch: recorded 1.0, now ")


def shifted(record: Record, picture: Image.Image, by: int) -> tuple[Record, Image.Image]:
    """The record as if its picture had been another one, ``by`` grey levels away."""
    pixels = np.asarray(picture, dtype=np.int16)
    other = Image.fromarray(np.where(pixels < 128, pixels + by, pixels - by).astype(np.uint8))
    return replace(record, pixels_sha256=pixels_sha256(other)), other


def test_a_difference_that_cannot_be_seen_is_near_with_its_size(pipe: Pipeline) -> None:
    replay = rerun(pipe, *shifted(*made(pipe, seed=7), by=1))
    assert replay.verdict is ReplayVerdict.PIXEL_NEAR
    assert replay.largest_difference == 1
    assert replay.psnr == pytest.approx(48.13, abs=0.01)


def test_another_picture_is_not_near(pipe: Pipeline) -> None:
    replay = rerun(pipe, *shifted(*made(pipe, seed=7), by=100))
    assert replay.verdict is ReplayVerdict.UNREPLAYABLE
    assert replay.largest_difference == 100
    assert "another picture" in replay.reasons[0]


def test_without_the_file_a_difference_is_not_called_near(pipe: Pipeline) -> None:
    record, _ = shifted(*made(pipe, seed=7), by=1)
    replay = rerun(pipe, record)
    assert replay.verdict is ReplayVerdict.UNREPLAYABLE
    assert "recorded file" in replay.reasons[0]


def test_other_weights_cannot_replay(pipe: Pipeline, home: Path, tmp_path: Path) -> None:
    record, _ = made(pipe, seed=7)
    other = Pipeline.from_pretrained(tiny_stable_diffusion(tmp_path / "t", seed=1), home=home)
    replay = rerun(other, record)
    other.close()
    assert replay.verdict is ReplayVerdict.UNREPLAYABLE
    assert "weights differ" in replay.reasons[0]


@pytest.mark.parametrize("field", ["prompt", "negative_prompt", "effective_prompt"])
def test_an_erased_text_cannot_be_replayed(pipe: Pipeline, field: str) -> None:
    record, _ = made(pipe, seed=7, negative_prompt="snow")
    replay = rerun(pipe, replace(record, **{field: None}, erased=(field,)))
    assert replay.verdict is ReplayVerdict.UNREPLAYABLE
    assert field in replay.reasons[0]


def test_a_record_without_a_picture_cannot_be_replayed(pipe: Pipeline) -> None:
    with pytest.raises(PolicyBlocked) as refused:
        pipe.generate("a photo of Taylor Swift giving a speech")
    replay = rerun(pipe, pipe.audit.record(refused.value.record_id))
    assert replay.verdict is ReplayVerdict.UNREPLAYABLE
    assert "refused" in replay.reasons[0]


def test_what_the_model_was_given_is_replayed_and_not_what_was_typed(
    backend: Any, home: Path, tmp_path: Path
) -> None:
    redacting = load(tmp_path, rule("mine.red", "red", action="redact"))
    pipe = Pipeline.from_pretrained(backend, policy=redacting, home=home)
    record, _ = made(pipe, seed=7)
    assert record.effective_prompt != record.prompt
    assert rerun(pipe, record).verdict is ReplayVerdict.BIT_EXACT
    pipe.close()


def test_todays_policy_decides_and_its_refusal_is_recorded(
    pipe: Pipeline, backend: Any, home: Path, tmp_path: Path
) -> None:
    record, _ = made(pipe, seed=7)
    strict = Pipeline.from_pretrained(
        backend, policy=load(tmp_path, rule("mine.house", "house")), home=home
    )
    with pytest.raises(PolicyBlocked) as refused:
        rerun(strict, record)
    assert strict.audit.record(refused.value.record_id).state is State.REFUSED
    strict.close()


def test_a_prompt_that_would_be_redacted_today_is_not_replayed(
    pipe: Pipeline, backend: Any, home: Path, tmp_path: Path
) -> None:
    record, _ = made(pipe, seed=7)
    today = load(tmp_path, rule("mine.red", "red", action="redact"))
    redacting = Pipeline.from_pretrained(backend, policy=today, home=home)
    replay = rerun(redacting, record)
    redacting.close()
    assert replay.verdict is ReplayVerdict.UNREPLAYABLE
    assert "redacts" in replay.reasons[0]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command line in this process: exit code, standard output, standard error."""

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = run_command(cli, [str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return int(code), captured.out, captured.err

    return call


@pytest.fixture
def written(tiny_model: Path, home: Path, tmp_path: Path) -> tuple[Path, Any]:
    """A picture on disk, made with a model directory; its record's id."""
    pipe = Pipeline.from_pretrained(tiny_model, device="cpu", home=home)
    result = pipe.generate(PLAIN, steps=2, seed=7, output=tmp_path / "house.png")
    pipe.close()
    return tmp_path / "house.png", result.record_id


def test_the_command_says_that_record_and_file_are_reproduced(
    command: Any, written: tuple[Path, Any], tiny_model: Path
) -> None:
    path, record_id = written
    for named in (path, record_id):
        code, out, _ = command("rerun", named, "--model", tiny_model)
        assert code == 0
        assert f"bit_exact  record {record_id}" in out
        assert "identical" in out


def test_the_command_tells_data_too(
    command: Any, written: tuple[Path, Any], tiny_model: Path
) -> None:
    path, record_id = written
    code, out, _ = command("--format", "json", "rerun", path, "--model", tiny_model)
    assert code == 0
    assert json.loads(out) == {
        "verdict": "bit_exact", "record_id": str(record_id), "reasons": [],
    }  # fmt: skip


def test_another_precision_exits_5_and_names_the_difference(
    command: Any, written: tuple[Path, Any], tiny_model: Path
) -> None:
    path, _ = written
    code, out, err = command("rerun", path, "--model", tiny_model, "--dtype", "bfloat16")
    assert code == 5
    assert out.startswith("environment_differs")
    assert "dtype.unet: recorded float32, now bfloat16" in out
    assert "largest difference" in out
    assert "did not reproduce" in err


def test_a_changed_file_is_compared_with_the_record_it_claims(
    command: Any, written: tuple[Path, Any], tiny_model: Path
) -> None:
    path, record_id = written
    path.write_bytes(path.read_bytes() + b"x")
    code, out, _ = command("rerun", path, "--model", tiny_model)
    assert code == 0
    assert str(record_id) in out


@pytest.mark.parametrize("name", ["nonsense", "no-such-file.png"])
def test_neither_record_nor_file_is_a_usage_error(
    command: Any, written: tuple[Path, Any], name: str
) -> None:
    code, _, err = command("rerun", name)
    assert code == 2
    assert "neither a record's id nor a file" in err


def test_a_stranger_is_a_usage_error(
    command: Any, written: tuple[Path, Any], tmp_path: Path
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "stranger.png")
    code, _, err = command("rerun", tmp_path / "stranger.png")
    assert code == 2
    assert "in no record here" in err
