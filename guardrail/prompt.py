"""A prompt put together from its parts, so that none is forgotten and each can be varied alone."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Prompt:
    """What to draw and how, in separate parts.

    ``pipe.generate(**Prompt("a lighthouse", lighting="at dusk").as_arguments())``. The parts are
    words like any others: the policy judges the whole text.
    """

    subject: str
    """What the picture shows."""
    style: str | None = None
    """E.g. ``watercolor style``."""
    composition: str | None = None
    """E.g. ``centred, seen from below``."""
    lighting: str | None = None
    """E.g. ``at dusk, long shadows``."""
    constraints: tuple[str, ...] = ()
    """What must hold, e.g. ``no text on the sign``; part of the text."""
    without: tuple[str, ...] = ()
    """What the picture should not show: the negative prompt."""

    def __post_init__(self) -> None:
        texts = [getattr(self, field.name) for field in fields(self)]
        for text in (*texts[:4], *self.constraints, *self.without):
            if text is not None and not (isinstance(text, str) and text.strip()):
                raise ValueError("every part of a prompt is text, and none is empty")

    @property
    def text(self) -> str:
        """The whole prompt: the parts in order, separated by commas."""
        parts = (self.subject, self.composition, self.lighting, *self.constraints, self.style)
        return ", ".join(part.strip().rstrip(",.") for part in parts if part)

    @property
    def negative_prompt(self) -> str | None:
        """What the picture should not show; None when nothing was said."""
        return ", ".join(part.strip() for part in self.without) or None

    def as_arguments(self) -> dict[str, str | None]:
        """The arguments of :meth:`guardrail.Pipeline.generate` that it stands for."""
        return {"prompt": self.text, "negative_prompt": self.negative_prompt}
