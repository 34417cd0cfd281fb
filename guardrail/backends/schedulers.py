"""Schedulers by name: the names people use, and diffusers' class names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from guardrail.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class SchedulerChoice:
    """A diffusers scheduler class and the configuration that makes it the named sampler."""

    class_name: str
    config: dict[str, Any] = field(default_factory=dict)


SCHEDULERS = {
    "ddim": SchedulerChoice("DDIMScheduler"),
    "ddpm": SchedulerChoice("DDPMScheduler"),
    "dpmpp-2m": SchedulerChoice("DPMSolverMultistepScheduler"),
    "dpmpp-2m-karras": SchedulerChoice("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    "dpmpp-2m-sde": SchedulerChoice(
        "DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}
    ),
    "euler": SchedulerChoice("EulerDiscreteScheduler"),
    "euler-a": SchedulerChoice("EulerAncestralDiscreteScheduler"),
    "flow-euler": SchedulerChoice("FlowMatchEulerDiscreteScheduler"),
    "heun": SchedulerChoice("HeunDiscreteScheduler"),
    "lcm": SchedulerChoice("LCMScheduler"),
    "pndm": SchedulerChoice("PNDMScheduler"),
    "unipc": SchedulerChoice("UniPCMultistepScheduler"),
}


def make_scheduler(name: str, current: Any) -> Any:
    """Build the scheduler ``name`` with the configuration of ``current``.

    ``name`` is a key of :data:`SCHEDULERS` or a diffusers class name. Raises
    :class:`ConfigurationError` when it is unknown or the model cannot use it.
    """
    import diffusers  # noqa: PLC0415 (already loaded by the backend)

    choice = SCHEDULERS.get(name.lower(), SchedulerChoice(name))
    compatible = {cls.__name__ for cls in getattr(current, "compatibles", [])}
    compatible.add(type(current).__name__)
    if choice.class_name not in compatible:
        usable = sorted(key for key, item in SCHEDULERS.items() if item.class_name in compatible)
        raise ConfigurationError(
            f"The scheduler {name!r} is unknown or does not fit this model.",
            hint=f"It takes: {', '.join(usable) or type(current).__name__}.",
        )
    cls = getattr(diffusers, choice.class_name)
    return cls.from_config(current.config, **choice.config)
