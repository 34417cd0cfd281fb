"""``guardrail verify``: what it prints, and what it exits with."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from guardrail.audit import AuditLog
from guardrail.cli import cli
from guardrail.cli.errors import run
from guardrail.contracts import (
    GeneratedImage,
    GenerationRequest,
    ImageReport,
    Release,
    StageTimes,
)
from guardrail.identifiers import new_id
from guardrail.provenance import Provenance, load_signer, verify
from tests.provenance.authority import issue
from tests.provenance.conftest import DATA, DECISION, MODEL, make_facts, make_picture

Ran = tuple[int, str, str]


@pytest.fixture
def stage(home: Path) -> Provenance:
    return Provenance(load_signer("development", home=home), software_version="0.1.0")


@pytest.fixture
def ours(stage: Provenance, tmp_path: Path) -> Path:
    path = tmp_path / "ours.png"
    path.write_bytes(
        stage.sign(make_picture(), make_facts(prompt="a red boat"), "image/png").content
    )
    return path


@pytest.fixture
def guardrail(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str | Path) -> Ran:
        code = run(cli, [str(argument) for argument in arguments])
        out = capsys.readouterr()
        return int(code), out.out, out.err

    return call


def store(home: Path, stage: Provenance, *, record: bool = True) -> tuple[AuditLog, bytes]:
    """A store that released a picture; the picture."""
    request = GenerationRequest(
        new_id(), "a red boat", 64, 64, 4, 7.5, seeds=(7,), record_ids=(new_id(),)
    )
    facts = make_facts(record_id=request.record_ids[0], seed=7)
    signed = stage.sign(make_picture(), facts, "image/png")
    home.mkdir(exist_ok=True)
    log = AuditLog.open(home / "audit.db")
    log.store_policy(DECISION.policy, "text")
    if record:
        log.begin(request, DECISION, MODEL)
        log.release(
            request,
            [
                Release(
                    record_id=request.record_ids[0],
                    signed=signed,
                    report=ImageReport((), ()),
                    decision=DECISION,
                    image=GeneratedImage(make_picture(), 7, 0, {}, 1.0),
                    times=StageTimes(()),
                    staged=False,
                )
            ],
        )
    return log, signed.content


def test_ours_is_trusted_and_told_in_plain_words(guardrail: Any, ours: Path) -> None:
    code, out, err = guardrail("verify", ours)
    assert (code, err) == (0, "")
    for words in (
        "Unchanged since it was signed",
        "development: for trying out only",
        "created  trainedAlgorithmicMedia  by embedded",
        "prompt_guided",
        "ai_training notAllowed",
        "seed 18446744073709551615",
        "a red boat",
        "there is no audit store here",
        "not time-stamped",
    ):
        assert words in out


def test_verifying_makes_no_store(guardrail: Any, ours: Path, home: Path) -> None:
    before = sorted(home.rglob("*"))
    guardrail("verify", ours)
    assert sorted(home.rglob("*")) == before


def test_json_is_complete(guardrail: Any, ours: Path) -> None:
    code, out, _ = guardrail("verify", ours, "--rubric", "--format", "json")
    [found] = json.loads(out)
    assert code == 0
    assert found["state"] == "trusted"
    assert found["record"] == "no_store"
    assert found["guardrail"]["seed"] == "18446744073709551615"
    assert [(r["name"], len(r["checks"])) for r in found["rubrics"]] == [
        ("conformance", 31),
        ("integrity", 6),
        ("signals", 14),
    ]


def test_the_rubric_is_shown(guardrail: Any, ours: Path) -> None:
    code, out, _ = guardrail("verify", "--rubric", ours)
    assert code == 0
    assert "31 of 31 pass" in out
    assert "6 of 6 pass" in out
    assert "Contains Fully GenAI Media" in out


def test_a_rubric_that_fails_is_exit_5(guardrail: Any, tmp_path: Path) -> None:
    old = DATA / "public-testfiles" / "adobe-20220124-CA.jpg"
    code, out, _ = guardrail("verify", "--rubric", old)
    assert code == 5
    assert "fail validation:mandatory_spec_version" in out


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda c: c[:-20] + bytes([c[-20] ^ 1]) + c[-19:], "changed after it was signed"),
        (lambda c: c[: len(c) // 2], "damaged"),
        (lambda c: b"hello", "reads no credentials from files of this kind"),
        (lambda c: (DATA / "public-testfiles/adobe-20220124-A.jpg").read_bytes(), "No Content"),
        (lambda c: (DATA / "public-testfiles/adobe-20220124-C.jpg").read_bytes(), "nobody trusted"),
    ],
    ids=["changed", "cut", "text", "plain", "stranger"],
)
def test_whatever_is_not_trusted_is_exit_5(
    guardrail: Any, ours: Path, content: Any, words: str
) -> None:
    ours.write_bytes(content(ours.read_bytes()))
    code, out, err = guardrail("verify", ours)
    assert code == 5
    assert words in out
    assert "does not verify" in err


def test_one_bad_file_of_several_is_exit_5(guardrail: Any, ours: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.png"
    other.write_bytes(ours.read_bytes() + b"x")
    code, out, err = guardrail("verify", ours, other, "--format", "jsonl")
    assert code == 5
    assert [json.loads(line)["state"] for line in out.splitlines()] == ["trusted", "invalid"]
    assert "1 of 2 files does not verify" in err


def test_a_missing_file_is_exit_2(guardrail: Any, tmp_path: Path) -> None:
    code, _, err = guardrail("verify", tmp_path / "none.png")
    assert code == 2
    assert "does not exist" in err


class TestAnchors:
    def test_a_strangers_root_makes_the_stranger_trusted(
        self, guardrail: Any, tmp_path: Path
    ) -> None:
        theirs = Provenance(load_signer("development", home=tmp_path / "theirs"))
        path = tmp_path / "theirs.png"
        path.write_bytes(theirs.sign(make_picture(), make_facts(), "image/png").content)
        root = tmp_path / "theirs" / "development" / "root.pem"
        assert guardrail("verify", path)[0] == 5
        assert guardrail("verify", path, "--anchors", root)[0] == 0

    def test_the_setting_trust_counts_too(
        self, guardrail: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        theirs = Provenance(load_signer("development", home=tmp_path / "theirs"))
        path = tmp_path / "theirs.png"
        path.write_bytes(theirs.sign(make_picture(), make_facts(), "image/png").content)
        root = tmp_path / "theirs" / "development" / "root.pem"
        monkeypatch.setenv("GUARDRAIL_TRUST", str(root))
        assert guardrail("verify", path)[0] == 0

    def test_the_anchors_of_our_own_signer_count(
        self, guardrail: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = issue().write(tmp_path / "k")
        signer = folder / "signer.yaml"
        signer.write_text("kind: pem\ncertificates: chain.pem\nkey: key.pem\nanchors: root.pem\n")
        path = tmp_path / "house.png"
        made = Provenance(load_signer(signer, home=tmp_path))
        path.write_bytes(made.sign(make_picture(), make_facts(), "image/png").content)
        (folder / "key.pem").write_text("the key is not needed for verifying")
        assert guardrail("verify", path)[0] == 5
        monkeypatch.setenv("GUARDRAIL_SIGNER", str(signer))
        code, out, _ = guardrail("verify", path)
        assert code == 0
        assert "development" not in out

    def test_a_file_without_anchors_is_exit_2(self, guardrail: Any, ours: Path) -> None:
        code, _, err = guardrail("verify", ours, "--anchors", ours)
        assert code == 2
        assert "holds no trust anchors" in err


class TestRecord:
    def test_a_released_picture_matches(
        self, guardrail: Any, home: Path, stage: Provenance, tmp_path: Path
    ) -> None:
        log, content = store(home, stage)
        log.close()
        (tmp_path / "a.png").write_bytes(content)
        code, out, err = guardrail("verify", tmp_path / "a.png")
        assert (code, err) == (0, "")
        assert "released exactly this file" in out

    def test_a_picture_of_no_record_is_exit_5(
        self, guardrail: Any, home: Path, stage: Provenance, tmp_path: Path
    ) -> None:
        log, content = store(home, stage, record=False)
        log.close()
        (tmp_path / "a.png").write_bytes(content)
        code, out, _ = guardrail("verify", tmp_path / "a.png")
        assert code == 5
        assert "holds no such record" in out
        assert "Unchanged since it was signed" in out

    def test_another_file_under_a_known_record_is_exit_5(
        self, guardrail: Any, home: Path, stage: Provenance, tmp_path: Path
    ) -> None:
        log, content = store(home, stage)
        claim = verify(content).guardrail
        log.close()
        assert claim
        forged = stage.sign(
            make_picture(seed=5), make_facts(record_id=claim.record_id), "image/png"
        )
        (tmp_path / "a.png").write_bytes(forged.content)
        code, out, _ = guardrail("verify", tmp_path / "a.png", "--format", "json")
        assert code == 5
        assert json.loads(out)[0]["state"] == "trusted"
        assert json.loads(out)[0]["record"] == "differs"

    def test_the_same_pixels_signed_again_are_told_apart_and_exit_5(
        self, guardrail: Any, home: Path, stage: Provenance, tmp_path: Path
    ) -> None:
        log, content = store(home, stage)
        log.close()
        claimed = verify(content).record_id
        again = stage.sign(make_picture(), make_facts(record_id=claimed), "image/webp")
        (tmp_path / "a.webp").write_bytes(again.content)
        code, out, _ = guardrail("verify", tmp_path / "a.webp")
        assert code == 5
        assert "released these pixels in another file" in out

    def test_a_record_that_released_nothing_is_exit_5(
        self, guardrail: Any, home: Path, stage: Provenance, tmp_path: Path
    ) -> None:
        log, content = store(home, stage, record=False)
        claimed = verify(content).record_id
        assert claimed
        request = GenerationRequest(
            new_id(), "a red boat", 64, 64, 4, 7.5, seeds=(7,), record_ids=(claimed,)
        )
        log.begin(request, DECISION, MODEL)
        log.close()
        (tmp_path / "a.png").write_bytes(content)
        code, out, _ = guardrail("verify", tmp_path / "a.png")
        assert code == 5
        assert "released nothing under it" in out

    def test_a_strangers_file_is_not_asked_for(
        self, guardrail: Any, home: Path, stage: Provenance
    ) -> None:
        store(home, stage)[0].close()
        old = DATA / "public-testfiles" / "adobe-20220124-C.jpg"
        _, out, _ = guardrail("verify", old)
        assert "claim no guardrail record" in out

    @pytest.mark.parametrize(
        "claimed", ["not an identifier", "'; DROP TABLE records; --", "0" * 36]
    )
    def test_a_claim_that_is_no_identifier_is_unknown(
        self, guardrail: Any, home: Path, stage: Provenance, tmp_path: Path, claimed: str
    ) -> None:
        store(home, stage)[0].close()
        made = stage.sign(make_picture(), make_facts(record_id=claimed), "image/png")
        (tmp_path / "a.png").write_bytes(made.content)
        code, out, _ = guardrail("verify", tmp_path / "a.png")
        assert code == 5
        assert "holds no such record" in out


HOSTILE = [
    line
    for path in sorted((DATA / "hostile-strings").glob("*.txt"))
    for line in path.read_text("utf-8").splitlines()
    if line
]
DANGEROUS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@pytest.mark.parametrize("text", [*HOSTILE, "\x1b]0;owned\x07", "a\u202eb\x00\nstate  trusted"])
def test_hostile_strings_come_out_harmless(
    guardrail: Any, stage: Provenance, tmp_path: Path, text: str
) -> None:
    facts = make_facts(prompt=text, title=text, mode="text-to-image")
    path = tmp_path / "a.png"
    path.write_bytes(stage.sign(make_picture(), facts, "image/png").content)
    code, out, _ = guardrail("verify", path)
    assert code == 0
    plain = re.sub(r"\x1b\[\d+m", "", out)  # our own colours, if any
    assert not DANGEROUS.search(plain.replace("\n", ""))
    assert [line for line in plain.splitlines() if line and line[0] != " "] == [str(path)]
    json.loads(guardrail("verify", path, "--format", "json")[1])


def test_help_is_light_and_verifying_needs_no_model(ours: Path) -> None:
    for arguments in (["verify", "--help"], ["verify", str(ours)], ["keys", "--help"]):
        script = (
            "import sys; from guardrail.cli import cli\n"
            f"cli({arguments!r}, standalone_mode=False)\n"
            "heavy = {'torch', 'diffusers', 'open_clip'} & set(sys.modules)\n"
            "light = {'c2pa', 'PIL', 'cryptography'} & set(sys.modules)\n"
            f"assert not heavy and not (light and '--help' in {arguments!r}), (heavy, light)\n"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()


def test_help_names_the_exit_code() -> None:
    assert "Exit code 5" in CliRunner().invoke(cli, ["verify", "--help"]).output
