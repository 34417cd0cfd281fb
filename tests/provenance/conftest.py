"""Fixtures of the provenance tests: pictures, facts, a development signer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from guardrail.contracts import Decision, ManifestFacts, ModelIdentity, PolicyRef, Verdict
from guardrail.identifiers import new_id
from guardrail.provenance import Provenance, load_signer

DATA = Path(__file__).parent / "data"
MODEL = ModelIdentity("embedded", None, "cd" * 32, {}, "StableDiffusionPipeline")
DECISION = Decision(Verdict.ALLOW, PolicyRef("default", "1.0.0", "ab" * 32))

MakeFacts = Callable[..., ManifestFacts]


def make_facts(**changes: Any) -> ManifestFacts:
    """Return facts of a picture, with ``changes``."""
    facts: dict[str, Any] = {
        "record_id": new_id(),
        "model": MODEL,
        "seed": 2**64 - 1,
        "decision": DECISION,
        "created": "2026-11-23T10:00:00.000000Z",
        "width": 64,
        "height": 64,
        "title": "picture.png",
        "parameters": {"width": 64, "guidance_scale": 7.5, "negative_prompt": "a hidden wish"},
    }
    return ManifestFacts(**{**facts, **changes})


def make_picture(size: tuple[int, int] = (64, 64), mode: str = "RGB", seed: int = 0) -> Image.Image:
    """Return a picture of noise."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], channels), np.uint8)
    return Image.fromarray(noise.squeeze(2) if channels == 1 else noise, mode=None)


@pytest.fixture
def facts() -> MakeFacts:
    """A maker of facts."""
    return make_facts


@pytest.fixture
def picture() -> Image.Image:
    """A small picture of noise."""
    return make_picture()


@pytest.fixture(scope="session")
def provenance(tmp_path_factory: pytest.TempPathFactory) -> Provenance:
    """A stage with a development signer that the session shares."""
    signer = load_signer("development", home=tmp_path_factory.mktemp("keys"))
    return Provenance(signer, software_version="0.1.0")


@pytest.fixture(scope="session")
def signed(provenance: Provenance) -> dict[str, bytes]:
    """One signed file of each format, with the prompt in it."""
    return {
        kind: provenance.sign(make_picture(), make_facts(prompt="a red boat"), kind).content
        for kind in ("image/png", "image/jpeg", "image/webp")
    }
