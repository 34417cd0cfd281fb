"""Pixels to report: what the picture shows, whatever model made it."""

from guardrail.checks.inspector import Inspector
from guardrail.checks.interface import ImageCheck, Observation

__all__ = ["ImageCheck", "Inspector", "Observation"]
