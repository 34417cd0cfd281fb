"""Fixtures for the whole suite: an own home, a small model, a pipeline on both."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"  # a test that reaches for the network fails at once
os.environ.setdefault("OMP_NUM_THREADS", "2")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home for the test, its subprocesses included; no setting leaks in from outside."""
    for name in list(os.environ):
        if name.startswith("GUARDRAIL_"):
            monkeypatch.delenv(name)
    folder = tmp_path / "home"
    monkeypatch.setenv("GUARDRAIL_HOME", str(folder))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved diffusers pipeline with random weights."""
    from tests.models import tiny_stable_diffusion

    folder = tmp_path_factory.mktemp("models")
    tiny_stable_diffusion(folder / "tokenizer").save_pretrained(folder / "tiny")
    return folder / "tiny"


@pytest.fixture(scope="session")
def backend(tiny_model: Path) -> Any:
    """The small model, loaded once."""
    from guardrail.backends import load_backend

    return load_backend(tiny_model, device="cpu")


@pytest.fixture
def pipe(backend: Any, home: Path) -> Iterator[Any]:
    """A pipeline with the default policy, a development signer and an own store."""
    from guardrail import Pipeline

    pipeline = Pipeline.from_pretrained(backend, home=home)
    yield pipeline
    pipeline.close()
