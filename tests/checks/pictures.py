"""Pictures to look at, and rules to look under."""

from __future__ import annotations

from typing import Any

from PIL import Image, ImageDraw

from guardrail.contracts import Action, CheckSpec, GeneratedImage, Mode, Stage


def drawing(colour: str = "red") -> Image.Image:
    """A square on white."""
    picture = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(picture).rectangle((16, 16, 47, 47), fill=colour)
    return picture


def generated(*pictures: Image.Image, flagged: bool = False) -> list[GeneratedImage]:
    """The pictures as a backend hands them over."""
    return [
        GeneratedImage(picture, n, n, {}, 1.0, flagged_by_model=flagged)
        for n, picture in enumerate(pictures)
    ]


def spec(check: str, **changes: Any) -> CheckSpec:
    """A rule of the output stage that blocks."""
    fields: dict[str, Any] = {
        "rule_id": f"test.{check}",
        "check": check,
        "stage": Stage.OUTPUT,
        "action": Action.BLOCK,
        "mode": Mode.ENFORCE,
        "options": {},
        "reason": "",
    }
    return CheckSpec(**(fields | changes))
