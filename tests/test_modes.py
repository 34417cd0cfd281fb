"""Pictures that a request brings along, through the whole governed flow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from guardrail import Pipeline, PolicyBlocked, verify
from guardrail.audit import State
from guardrail.cli.errors import run as run_command
from guardrail.cli.root import cli
from guardrail.errors import ConfigurationError, DecisionFailed
from guardrail.inputs import InputRole
from guardrail.pictures import read_picture
from guardrail.rerun import ReplayVerdict, rerun
from tests.models import tiny_controlnet
from tests.policy.writing import write

PLAIN = "a red house"
NO_BLANKS = {
    "id": "mine.input",
    "check": "picture_integrity",
    "stage": "input",
    "action": "block",
    "reason": "The picture you brought is blank.",
}


def drawing() -> Image.Image:
    picture = Image.new("RGB", (64, 48), "white")
    ImageDraw.Draw(picture).ellipse((8, 8, 40, 40), fill="red")
    return picture


def mask() -> Image.Image:
    made = Image.new("L", (64, 48))
    made.paste(255, (32, 0, 64, 48))
    return made


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_controlnet(tmp_path_factory.mktemp("flow-network"))


@pytest.fixture
def guided(tiny_model: Path, network: Path, home: Path) -> Iterator[Pipeline]:
    """A pipeline with a ControlNet and the default policy."""
    pipe = Pipeline.from_pretrained(tiny_model, device="cpu", controlnet=network, home=home)
    yield pipe
    pipe.close()


@pytest.fixture
def strict(backend: Any, home: Path, tmp_path: Path) -> Iterator[Pipeline]:
    """A pipeline whose policy looks at what is brought along."""
    pipe = Pipeline.from_pretrained(
        backend, policy=write(tmp_path, NO_BLANKS, extends=["default"]), home=home
    )
    yield pipe
    pipe.close()


MODES: dict[str, dict[str, Any]] = {
    "image-to-image": {"image": drawing()},
    "inpainting": {"image": drawing(), "mask": mask()},
    "outpainting": {"image": drawing(), "outpaint": (8, 0, 8, 16)},
    "text-to-image": {"control": drawing(), "width": 64, "height": 48},
}


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_is_recorded_signed_and_reproduced(guided: Pipeline, mode: str) -> None:
    result = guided.generate(PLAIN, steps=4, seed=7, **MODES[mode])
    record = guided.audit.record(result.record_id)
    assert record.state is State.RELEASED
    opening = record.events[0].body["data"]
    assert opening["mode"] == mode
    picture = read_picture(drawing(), InputRole.IMAGE)
    assert opening["inputs"][0]["pixels_sha256"] == picture.pixels_sha256

    found = verify(result.content, anchors=guided.provenance.anchors_pem)
    assert found.trusted
    assert found.guardrail is not None
    assert found.guardrail.mode == mode
    source = "trainedAlgorithmicMedia" if mode == "text-to-image" else "compositeWithTrained"
    assert source in str(found.actions[0].source_type)

    given = [
        read_picture(MODES[mode][name], role)
        for name, role in (
            ("image", InputRole.IMAGE),
            ("mask", InputRole.MASK),
            ("control", InputRole.CONTROL_EDGES),
        )
        if name in MODES[mode]
    ]
    assert rerun(guided, record, inputs=given).verdict is ReplayVerdict.BIT_EXACT
    missing = rerun(guided, record)
    assert missing.verdict is ReplayVerdict.UNREPLAYABLE
    assert picture.sha256 in missing.reasons[0]
    assert guided.audit.verify().ok


def test_another_picture_than_the_recorded_one_replays_nothing(guided: Pipeline) -> None:
    result = guided.generate(PLAIN, steps=4, image=drawing())
    other = read_picture(Image.new("RGB", (64, 48)), InputRole.IMAGE)
    replay = rerun(guided, guided.audit.record(result.record_id), inputs=[other])
    assert replay.verdict is ReplayVerdict.UNREPLAYABLE
    assert "not the one" in replay.reasons[0]


def test_a_picture_too_many_replays_nothing(guided: Pipeline) -> None:
    result = guided.generate(PLAIN, steps=2)
    extra = read_picture(drawing(), InputRole.IMAGE)
    replay = rerun(guided, guided.audit.record(result.record_id), inputs=[extra])
    assert replay.verdict is ReplayVerdict.UNREPLAYABLE


def test_a_picture_is_judged_before_anything_is_drawn(strict: Pipeline) -> None:
    with pytest.raises(PolicyBlocked) as refused:
        strict.generate(PLAIN, image=Image.new("RGB", (64, 64), "black"))
    decision = refused.value.decision
    assert [f.rule_id for f in decision.deciding] == ["mine.input"]
    assert decision.inspected == ("prompt", "input")
    assert decision.effective_prompt is None
    record = strict.audit.record(refused.value.record_id)
    assert record.state is State.REFUSED
    assert "reproduction" not in record.events[-1].body["data"]


def test_a_picture_that_passes_is_said_to_be_inspected(strict: Pipeline) -> None:
    decision = strict.check(PLAIN, image=drawing())
    assert decision.allowed
    assert decision.inspected == ("prompt", "input")
    assert "mine.input" in [rule.rule_id for rule in decision.rules]
    assert strict.generate(PLAIN, steps=2, image=drawing(), strength=1.0)


def test_every_picture_is_looked_at_but_a_mask(strict: Pipeline) -> None:
    blank = Image.new("RGB", (64, 48), "black")
    assert not strict.check(PLAIN, image=drawing(), control=blank).allowed
    assert strict.check(PLAIN, image=drawing(), mask=blank).allowed


def test_without_a_rule_for_pictures_they_are_said_not_to_be_inspected(guided: Pipeline) -> None:
    decision = guided.check(PLAIN, image=drawing())
    assert decision.allowed
    assert decision.not_inspected == ("input",)


def test_words_that_are_refused_leave_the_picture_unseen(strict: Pipeline) -> None:
    decision = strict.check("a photo of Taylor Swift at the beach", image=drawing())
    assert not decision.allowed
    assert decision.not_inspected == ("input",)


def test_a_check_that_cannot_look_stops_the_request(
    strict: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guardrail.checks.integrity.PictureIntegrity.observe", lambda *_: [].pop())
    with pytest.raises(DecisionFailed) as failed:
        strict.generate(PLAIN, image=drawing())
    assert strict.audit.record(failed.value.record_id).state is State.FAILED


def test_a_hostile_picture_is_refused_before_anything_is_recorded(guided: Pipeline) -> None:
    with pytest.raises(ConfigurationError, match="not a whole PNG"):
        guided.generate(PLAIN, image=b"GIF89a")
    assert guided.audit.records().records == ()


def test_pictures_are_not_kept_in_the_store(guided: Pipeline, home: Path) -> None:
    guided.generate(PLAIN, steps=4, image=drawing())
    stored = b"".join(path.read_bytes() for path in home.rglob("audit.db*"))
    assert drawing().tobytes()[:64] * 2 not in stored
    assert read_picture(drawing(), InputRole.IMAGE).pixels_sha256.encode() in stored


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tiny_model: Path, network: Path) -> Any:
    """Run the command line on the small model with its ControlNet."""

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        models = ("--model", tiny_model, "--controlnet", network, "--device", "cpu")
        code = run_command(cli, [str(argument) for argument in (*arguments, *models)])
        captured = capsys.readouterr()
        return int(code), captured.out, captured.err

    return call


@pytest.fixture
def files(tmp_path: Path) -> Path:
    drawing().save(tmp_path / "in.png")
    mask().save(tmp_path / "mask.png")
    return tmp_path


@pytest.mark.parametrize(
    ("options", "size", "told"),
    [
        (["--image", "in.png", "--strength", "0.5"], (64, 48), "image-to-image, 64x48"),
        (["--image", "in.png", "--mask", "mask.png"], (64, 48), "inpainting"),
        (["--image", "in.png", "--mask", "mask.png", "--redraw-outside"], (64, 48), "inpainting"),
        (["--image", "in.png", "--outpaint", "0,0,20,0"], (84, 48), "drawn at 88x48 and cut"),
        (["--control", "in.png", "--control-scale", "0.5"], (72, 56), "text-to-image"),
        (["--aspect-ratio", "wide", "--style", "watercolor"], (88, 48), "88x48"),
    ],
)
def test_the_command_does_every_mode(
    command: Any, files: Path, options: list[str], size: tuple[int, int], told: str
) -> None:
    given = [str(files / o) if o.endswith(".png") else o for o in options]
    out_file = files / "out.png"
    code, _, err = command("generate", PLAIN, "-o", out_file, "--steps", "4", *given)
    assert code == 0, err
    assert told in err
    assert Image.open(out_file).size == size
    roles = ("--image", "--mask", "--control")
    flags = [part for pair in pairwise(given) if pair[0] in roles for part in pair]
    code, out, err = command("rerun", out_file, *flags)
    assert code == 0, f"{out}{err}"
    assert out.startswith("bit_exact")


def test_the_command_names_the_picture_that_a_rerun_needs(command: Any, files: Path) -> None:
    out_file = files / "out.png"
    command("generate", PLAIN, "-o", out_file, "--steps", "4", "--image", files / "in.png")
    code, out, _ = command("rerun", out_file)
    assert code == 5
    assert "needs the image it was made from" in out


@pytest.mark.parametrize("borders", ["1,2,3", "a,b,c,d", "1;2;3;4", ""])
def test_borders_that_are_none_are_a_usage_error(command: Any, files: Path, borders: str) -> None:
    code, _, err = command("generate", PLAIN, "--image", files / "in.png", "--outpaint", borders)
    assert code == 2
    assert "four whole numbers" in err


def test_the_result_as_data_names_mode_and_inputs(command: Any, files: Path) -> None:
    out_file = files / "out.png"
    code, out, _ = command(
        "--format", "json", "generate", PLAIN, "-o", out_file, "--steps", "4",
        "--image", files / "in.png",
    )  # fmt: skip
    assert code == 0
    assert json.loads(out)["decision"]["not_inspected"] == ["input"]
