"""What the pipeline asks of a backend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from guardrail.contracts import GeneratedImage, GenerationRequest, ModelIdentity

Progress = Callable[[int, int], None]
"""Called after each denoising step with (steps done, steps in all). Raising cancels."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the model does when the caller does not say, and what sizes it takes."""

    width: int
    height: int
    steps: int
    guidance_scale: float
    multiple: int
    """Width and height must be multiples of this many pixels."""


class Backend(Protocol):
    """Makes pictures. Implementations are thread-safe and deterministic given a seed."""

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is, by the digests of the weights that really run."""
        ...

    @property
    def defaults(self) -> Defaults:
        """The model's native size, steps and guidance."""
        ...

    def generate(
        self, request: GenerationRequest, *, on_progress: Progress | None = None
    ) -> tuple[GeneratedImage, ...]:
        """Make one image for each of ``request.seeds``, in order.

        Raises :class:`~guardrail.errors.BackendError` when the model fails, and
        :class:`~guardrail.errors.ConfigurationError` for a parameter it cannot take.
        """
        ...
