"""``guardrail policy calibrate`` on a small open_clip model with random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from guardrail.checks.concepts import Concepts
from guardrail.cli.errors import run
from guardrail.cli.root import cli
from tests.models import tiny_open_clip
from tests.policy.writing import write

OPTIONS: dict[str, Any] = {
    "concepts": {
        "warm": {"prompts": ["a sunset"], "negatives": ["a sea"], "threshold": 0.5},
        "cold": {"prompts": ["a sea"], "negatives": ["a sunset"], "threshold": 0.5},
    }
}


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = run(cli, [str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return int(code), captured.out, captured.err

    return call


@pytest.fixture
def labelled(tmp_path: Path) -> tuple[Path, Path]:
    """A policy, and a folder whose pictures are labelled by what the model itself sees."""
    options = {"model": f"local-dir:{tiny_open_clip(tmp_path / 'clip')}"} | OPTIONS
    rule = {"id": "mine.warm", "check": "concepts", "stage": "output", "action": "block",
            "reason": "It is warm.", "with": options}  # fmt: skip
    noise = np.random.default_rng(7)
    pictures = [
        Image.fromarray(noise.integers(0, 255, (32, 32, 3), dtype=np.uint8)) for _ in range(12)
    ]
    scores = [seen.scores["warm"] for seen in Concepts(options).observe(pictures)]
    middle = sorted(scores)[6]
    for number, (picture, score) in enumerate(zip(pictures, scores, strict=True)):
        folder = tmp_path / "labelled" / ("shown" if score >= middle else "not-shown")
        folder.mkdir(parents=True, exist_ok=True)
        picture.save(folder / f"{number}.png")
    return write(tmp_path, rule, extends=["default"]), tmp_path / "labelled"


def test_the_threshold_separates_what_can_be_separated(
    command: Any, labelled: tuple[Path, Path]
) -> None:
    policy, folder = labelled
    asked = ("policy", "calibrate", policy, folder, "--rule", "mine.warm", "--concept", "warm")
    code, out, err = command(*asked)
    assert code == 0, err
    assert "precision  1.000" in out
    assert "recall     1.000" in out
    assert "6 pictures that show it, 6 that do not" in err
    code, out, _ = command("--format", "json", *asked)
    found = json.loads(out)["calibration"]
    assert 0 < found["threshold"] < 1
    assert found["auc"] == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--rule", "mine.cold"], "no rule 'mine.cold'"),
        (["--rule", "mine.warm"], "Name one of the rule's concepts"),
        (["--rule", "mine.warm", "--concept", "tepid"], "Name one of the rule's concepts"),
    ],
)
def test_what_cannot_be_calibrated_is_said(
    command: Any, labelled: tuple[Path, Path], options: list[str], sentence: str
) -> None:
    policy, folder = labelled
    code, _, err = command("policy", "calibrate", policy, folder, *options)
    assert code == 2
    assert sentence in err


def test_pictures_of_both_kinds_are_needed(command: Any, labelled: tuple[Path, Path]) -> None:
    policy, folder = labelled
    for picture in (folder / "shown").iterdir():
        picture.unlink()
    code, _, err = command(
        "policy", "calibrate", policy, folder, "--rule", "mine.warm", "--concept", "warm"
    )
    assert code == 2
    assert "both kinds" in err
