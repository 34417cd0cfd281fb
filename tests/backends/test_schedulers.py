"""Schedulers by name: the right class and settings, and none that cannot sample the model."""

from __future__ import annotations

from typing import Any

import pytest

from guardrail.backends.schedulers import SCHEDULERS, make_scheduler, usable_schedulers
from guardrail.errors import ConfigurationError


def ddim(**config: Any) -> Any:
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", **config
    )


@pytest.mark.parametrize("name", sorted(set(SCHEDULERS) - {"flow-euler", "lcm"}))
def test_a_name_gives_its_class_with_the_models_training(name: str) -> None:
    made = make_scheduler(name, ddim())
    assert type(made).__name__ == SCHEDULERS[name].class_name
    assert made.config["beta_end"] == 0.012
    for key, value in SCHEDULERS[name].config.items():
        assert made.config[key] == value


@pytest.mark.parametrize("name", ["DDIM", "Euler-A", "EulerDiscreteScheduler"])
def test_case_does_not_matter_and_class_names_do(name: str) -> None:
    assert make_scheduler(name, ddim())


@pytest.mark.parametrize("name", ["turbo9000", "", "flow-euler", "os", "DiffusionPipeline"])
def test_a_name_that_does_not_fit_lists_those_that_do(name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_scheduler(name, ddim())
    assert "dpmpp-2m" in str(caught.value.hint)


ZERO_SNR = {
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
}


@pytest.mark.parametrize("name", ["pndm", "heun"])
def test_samplers_without_zero_terminal_snr_are_refused_for_models_trained_with_it(
    name: str,
) -> None:
    assert make_scheduler(name, ddim())
    with pytest.raises(ConfigurationError) as caught:
        make_scheduler(name, ddim(**ZERO_SNR))
    assert name not in str(caught.value.hint)


@pytest.mark.parametrize("name", ["ddim", "ddpm", "dpmpp-2m", "euler", "euler-a", "unipc"])
def test_the_training_settings_reach_the_sampler(name: str) -> None:
    made = make_scheduler(name, ddim(**ZERO_SNR))
    for key, value in ZERO_SNR.items():
        assert made.config[key] == value


def test_a_flow_matching_model_takes_its_own_kind_only() -> None:
    from diffusers import FlowMatchEulerDiscreteScheduler

    flow = FlowMatchEulerDiscreteScheduler(shift=3.0)
    assert make_scheduler("flow-euler", flow).config["shift"] == 3.0
    with pytest.raises(ConfigurationError, match="does not fit"):
        make_scheduler("ddim", flow)


def test_a_solver_of_flow_is_not_swapped_for_one_that_knows_no_flow() -> None:
    from diffusers import DPMSolverMultistepScheduler

    flow = DPMSolverMultistepScheduler(use_flow_sigmas=True, prediction_type="flow_prediction")
    assert "UniPCMultistepScheduler" in usable_schedulers(flow)
    with pytest.raises(ConfigurationError, match="does not fit"):
        make_scheduler("ddim", flow)


def test_a_pipeline_without_a_scheduler_takes_none() -> None:
    with pytest.raises(ConfigurationError, match="does not fit"):
        make_scheduler("ddim", None)
