"""The pictures that a request brings along, as the stages see them. See
:mod:`guardrail.pictures` for how they are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image


class InputRole(StrEnum):
    """What a picture that a request brings along is for."""

    IMAGE = "image"
    """What is changed, repainted or extended."""
    MASK = "mask"
    """Where to repaint: white is drawn anew, black is kept."""
    CONTROL_EDGES = "control-edges"
    """A picture whose edges guide the drawing."""
    CONTROL_MAP = "control-map"
    """A finished map (edges, depth, a skeleton) that guides the drawing as it is."""


@dataclass(frozen=True, slots=True)
class InputPicture:
    """A picture that a request brings along: looked through, upright, in one colour mode."""

    role: InputRole
    image: Image
    """RGB, or L for a mask."""
    sha256: str
    """SHA-256 of the file as it was given; of the pixels where there was no file."""
    pixels_sha256: str
    """SHA-256 of mode, size and raw bytes of ``image``."""
    content: bytes | None = field(default=None, repr=False)
    """The file as it was given, with whatever credentials it carries."""
