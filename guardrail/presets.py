"""Aspect ratios and styles by name: data in ``presets.yaml``, not code."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from guardrail.errors import ConfigurationError

_FILE = Path(__file__).with_name("presets.yaml")
_RATIO = re.compile(r"(\d{1,4}(?:\.\d{1,3})?):(\d{1,4}(?:\.\d{1,3})?)")
MOST_ELONGATED = 4.0
"""No model draws anything sensible on a narrower strip."""


@dataclass(frozen=True, slots=True)
class Style:
    """Words that give a picture its look."""

    prompt: str
    """Holds ``{prompt}`` once, where the caller's words go."""
    negative_prompt: str | None = None
    """Added to what the caller does not want."""


def styles() -> Mapping[str, Style]:
    """Return every style preset, by name."""
    return {name: Style(**entry) for name, entry in _document()["styles"].items()}


def aspect_ratios() -> Mapping[str, str]:
    """Return every aspect-ratio preset, by name, as ``W:H``."""
    return dict(_document()["aspect_ratios"])


def styled(name: str | None, prompt: str, negative_prompt: str | None) -> tuple[str, str | None]:
    """Return the prompt and the negative prompt in a style (None: as they are).

    Raises :class:`ConfigurationError` listing the styles there are.
    """
    if name is None:
        return prompt, negative_prompt
    known = styles()
    if name not in known:
        raise ConfigurationError(
            "There is no style preset of that name.", hint=f"There are: {', '.join(known)}."
        )
    style = known[name]
    unwanted = [text for text in (negative_prompt, style.negative_prompt) if text]
    return style.prompt.replace("{prompt}", prompt, 1), ", ".join(unwanted) or None


def aspect_ratio(name: str) -> tuple[float, float]:
    """Return width and height of a ratio: a preset's name, or ``W:H``.

    Raises :class:`ConfigurationError` for anything else, and for strips narrower than 4:1.
    """
    presets = aspect_ratios()
    match = _RATIO.fullmatch(presets.get(name, name))
    if match is None or not (float(match[1]) and float(match[2])):
        raise ConfigurationError(
            "aspect_ratio is neither a preset nor W:H.", hint=f"There are: {', '.join(presets)}."
        )
    width, height = float(match[1]), float(match[2])
    if max(width / height, height / width) > MOST_ELONGATED:
        raise ConfigurationError(f"aspect_ratio may be up to {MOST_ELONGATED:g}:1.")
    return width, height


@functools.cache
def _document() -> Any:
    return yaml.safe_load(_FILE.read_text("utf-8"))
