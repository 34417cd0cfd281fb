"""Schedulers by name: the names people use, and diffusers' class names."""

from __future__ import annotations

import inspect
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
    "pndm": SchedulerChoice("PNDMScheduler", {"skip_prk_steps": True}),
    "unipc": SchedulerChoice("UniPCMultistepScheduler"),
}


DEFINING = ("prediction_type", "rescale_betas_zero_snr", "trained_betas", "use_flow_sigmas")
"""What a model was trained with. A sampler that cannot be told draws noise or nonsense: PNDM, for
one, has no zero terminal SNR, and diffusers would drop the setting without a word."""


def make_scheduler(name: str, current: Any) -> Any:
    """Build the scheduler ``name`` with the configuration of ``current``.

    ``name`` is a key of :data:`SCHEDULERS` or a diffusers class name. Raises
    :class:`ConfigurationError` when it is unknown, or cannot sample what the model was trained on.
    """
    usable = usable_schedulers(current)
    choice = SCHEDULERS.get(name.lower(), SchedulerChoice(name))
    if choice.class_name not in usable:
        names = sorted(key for key, item in SCHEDULERS.items() if item.class_name in usable)
        raise ConfigurationError(
            f"The scheduler {name!r} is unknown or does not fit this model.",
            hint=f"It takes: {', '.join(names) or ', '.join(sorted(usable)) or 'its own only'}.",
        )
    return usable[choice.class_name].from_config(current.config, **choice.config)


def usable_schedulers(current: Any) -> dict[str, Any]:
    """Return the scheduler classes, by name, that can stand in for ``current``: those diffusers
    calls compatible and that take every setting in :data:`DEFINING` which the model needs."""
    if current is None:
        return {}
    needed = {key for key in DEFINING if current.config.get(key) not in (None, False, "epsilon")}
    candidates = {cls.__name__: cls for cls in (*current.compatibles, type(current))}
    return {
        name: cls
        for name, cls in candidates.items()
        if needed <= set(inspect.signature(cls.__init__).parameters)
    }
