"""Promise 8: prompts, keys and personal data stay out of logs, error texts and manifests."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from guardrail import Pipeline
from guardrail.errors import GuardrailError
from tests.drawn import DrawnBackend

PROMPT = "a zebra-striped lighthouse, xyzzy"
NEGATIVE = "plugh fog"
ACTOR = "mallory@example.org"
SECRETS = (PROMPT, "xyzzy", "plugh", ACTOR)


def everything(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text]


def test_nothing_personal_is_logged(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    pipe = Pipeline.from_pretrained(DrawnBackend(), home=home)
    pipe.generate(PROMPT, negative_prompt=NEGATIVE, actor=ACTOR)
    assert everything(caplog.text) == []


def test_nothing_personal_is_in_the_signed_file_by_default(home: Path) -> None:
    pipe = Pipeline.from_pretrained(DrawnBackend(), home=home)
    result = pipe.generate(PROMPT, negative_prompt=NEGATIVE, actor=ACTOR)
    assert everything(result.content.decode("latin-1")) == []


def test_nothing_personal_is_in_the_hashed_log(home: Path) -> None:
    pipe = Pipeline.from_pretrained(DrawnBackend(), home=home)
    result = pipe.generate(PROMPT, negative_prompt=NEGATIVE, actor=ACTOR)
    record = pipe.audit.record(result.record_id)
    assert record.prompt == PROMPT
    assert everything(str([event.body for event in record.events])) == []


@pytest.mark.parametrize("stage", ["generate", "credential", "release"])
def test_nothing_personal_is_in_error_texts(
    home: Path, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def boom(*_args: Any, **_kwargs: Any) -> Any:
        raise RuntimeError(f"model says: {PROMPT} for {ACTOR}")

    pipe = Pipeline.from_pretrained(DrawnBackend(), home=home)
    owner = {"generate": pipe.backend, "credential": pipe.provenance.signer, "release": pipe.audit}
    monkeypatch.setattr(owner[stage], stage, boom)
    with pytest.raises(GuardrailError) as raised:
        pipe.generate(PROMPT, actor=ACTOR)
    assert everything(f"{raised.value} {raised.value.hint}") == []
    (record,) = pipe.audit.records().records
    assert everything(str(record.failure)) == []


def test_the_command_line_does_not_repeat_the_prompt(tiny_model: Path, tmp_path: Path) -> None:
    ended = subprocess.run(
        [
            sys.executable, "-m", "guardrail", "generate", PROMPT, "--model", str(tiny_model),
            "--steps", "1", "--actor", ACTOR, "-n", NEGATIVE, "-o", str(tmp_path / "a.png"),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert everything(ended.stdout + ended.stderr) == []


def test_keys_are_private_and_never_shown(home: Path, tmp_path: Path) -> None:
    pipe = Pipeline.from_pretrained(DrawnBackend(), home=home)
    pipe.generate(PROMPT, output=tmp_path / "a.png")
    keys = [p for p in home.rglob("*") if p.is_file() and b"PRIVATE KEY" in p.read_bytes()]
    assert keys
    for key in keys:
        assert key.stat().st_mode & 0o077 == 0, f"{key.name} can be read by others"
    body = [line for key in keys for line in key.read_text().splitlines() if len(line) == 64]
    for command in (("keys", "show"), ("doctor",), ("verify", str(tmp_path / "a.png"))):
        ended = subprocess.run(
            [sys.executable, "-m", "guardrail", *command],
            capture_output=True,
            text=True,
            check=False,
        )
        assert not [line for line in body if line in ended.stdout + ended.stderr]


def test_the_store_and_its_folder_are_private(home: Path) -> None:
    Pipeline.from_pretrained(DrawnBackend(), home=home).generate(PROMPT)
    assert (home / "audit.db").stat().st_mode & 0o077 == 0
