"""Durable writes: whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from guardrail import files
from guardrail.files import publish, read_json, staged_path, write_atomically, write_durably
from guardrail.identifiers import new_id


def test_a_new_file_is_written_and_an_existing_one_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_durably(path, b"one", mode=0o600)
    assert path.read_bytes() == b"one"
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        write_durably(path, b"two")
    assert path.read_bytes() == b"one"


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_durably(tmp_path / "x", b"content")
    assert list(tmp_path.iterdir()) == []


def test_replacing_keeps_the_old_content_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    write_atomically(path, b"old")

    def fails(_staged: Path, _destination: Path) -> None:
        raise OSError("rename")

    monkeypatch.setattr(files, "publish", fails)
    with pytest.raises(OSError, match="rename"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_publishing_renames_within_one_folder(tmp_path: Path) -> None:
    destination = tmp_path / "picture.png"
    staged = staged_path(destination, new_id())
    assert staged.parent == destination.parent
    assert staged.name.startswith(".")
    write_durably(staged, b"signed")
    publish(staged, destination)
    assert destination.read_bytes() == b"signed"
    assert not staged.exists()


@pytest.mark.parametrize("content", [b"", b"\xff", b"[1]", b"{"])
def test_a_damaged_cache_is_an_empty_cache(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cache").write_bytes(content)
    assert read_json(tmp_path / "cache") == {}
    assert read_json(tmp_path / "missing") == {}
