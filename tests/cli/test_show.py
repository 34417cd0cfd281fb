"""``guardrail show``: the recipe of a picture, from the record or from the picture itself."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from guardrail.provenance import Provenance, verify
from tests.cli.test_verify import DANGEROUS, guardrail, stage, store
from tests.provenance.conftest import DATA, make_facts, make_picture

__all__ = ["guardrail", "stage"]  # fixtures


@pytest.fixture
def recorded(home: Path, stage: Provenance, tmp_path: Path) -> tuple[Path, UUID]:
    """A picture that the store of this home released, and its record."""
    log, content = store(home, stage)
    log.close()
    path = tmp_path / "recorded.png"
    path.write_bytes(content)
    record_id = verify(content).record_id
    assert record_id
    return path, record_id


def test_the_record_gives_the_recipe(guardrail: Any, recorded: tuple[Path, UUID]) -> None:
    path, record_id = recorded
    code, out, err = guardrail("show", path)
    assert code == 0
    for words in (
        "prompt     a red boat",
        "model      embedded (cdcdcdcdcdcd), seed 7",
        "decision   allow by default 1.0.0 (abababababab)",
        "source     the record",
        "signature  trusted: Unchanged",
        "development certificate",
        f"record     {record_id}",
        "released exactly this file",
    ):
        assert words in out
    assert f"guardrail rerun {path}" in err


def test_a_changed_file_shows_the_record_it_claims_and_that_it_is_changed(
    guardrail: Any, recorded: tuple[Path, UUID]
) -> None:
    path, record_id = recorded
    path.write_bytes(path.read_bytes() + b"x")
    code, out, _ = guardrail("show", path)
    assert code == 0
    assert "signature  invalid: Not valid. The file was changed after it was signed." in out
    assert str(record_id) in out
    assert "released these pixels in another file" in out


def test_without_a_store_the_credentials_give_the_recipe(
    guardrail: Any, stage: Provenance, tmp_path: Path, home: Path
) -> None:
    path = tmp_path / "a.webp"
    path.write_bytes(stage.sign(make_picture(), make_facts(), "image/webp").content)
    before = sorted(home.rglob("*"))
    code, out, _ = guardrail("show", path)
    assert code == 0
    assert "prompt     (not in the credentials)" in out
    assert "seed 18446744073709551615" in out
    assert "width 64, height 64, guidance_scale 7.5" in out
    assert "source     the credentials" in out
    assert sorted(home.rglob("*")) == before


def test_json_holds_the_same(guardrail: Any, recorded: tuple[Path, UUID]) -> None:
    path, record_id = recorded
    shown = json.loads(guardrail("show", path, "--format", "json")[1])
    assert shown["record_id"] == str(record_id)
    assert shown["record"] == "matches"
    assert shown["recipe"]["prompt"] == "a red boat"
    assert shown["recipe"]["seed"] == "7"
    assert shown["recipe"]["source"] == "record"
    assert shown["signature"]["state"] == "trusted"
    assert shown["signature"]["development"] is True


def test_a_record_tells_its_story(guardrail: Any, recorded: tuple[Path, UUID]) -> None:
    _, record_id = recorded
    shown, told = guardrail("show", record_id), guardrail("audit", "show", record_id)
    assert shown == told
    assert shown[0] == 0
    assert "a red boat" in shown[1]


def test_a_strangers_picture_shows_what_it_says_itself(guardrail: Any) -> None:
    code, out, err = guardrail("show", DATA / "public-testfiles" / "adobe-20220124-CA.jpg")
    assert code == 0
    assert "done       opened" in out
    assert "signature  valid_untrusted" in out
    assert "record " not in out
    assert "rerun" not in err


def test_a_picture_that_says_nothing(guardrail: Any) -> None:
    code, out, _ = guardrail("show", DATA / "public-testfiles" / "adobe-20220124-A.jpg")
    assert code == 0
    assert "recipe     unknown" in out
    assert "No Content Credentials" in out


@pytest.mark.parametrize(
    ("what", "words"),
    [("neither", "neither a record's id nor a file"), ("0" * 32, "")],
)
def test_what_does_not_exist_is_exit_2(guardrail: Any, home: Path, what: str, words: str) -> None:
    code, _, err = guardrail("show", what)
    assert code in (2, 6)
    assert words in err


def test_hostile_claims_come_out_harmless(
    guardrail: Any, stage: Provenance, tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    text = "\x1b]0;owned\x07\u202e\nsignature  trusted"
    made = stage.sign(make_picture(), make_facts(prompt=text, title=text), "image/png")
    path.write_bytes(made.content)
    plain = re.sub(r"\x1b\[\d+m", "", guardrail("show", path)[1])
    assert not DANGEROUS.search(plain.replace("\n", ""))
    assert [line for line in plain.splitlines() if line and line[0] != " "] == [str(path)]


def test_it_is_light(recorded: tuple[Path, UUID]) -> None:
    script = (
        "import sys; from guardrail.cli import cli\n"
        f"cli(['show', {str(recorded[0])!r}], standalone_mode=False)\n"
        "assert not {'torch', 'diffusers', 'open_clip'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
