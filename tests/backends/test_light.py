"""Importing the backends costs nothing: torch comes with a model, not with the package."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "diffusers", "transformers", "open_clip", "numpy")


@pytest.mark.parametrize("module", ["guardrail.backends", "guardrail.checks", "guardrail.rerun"])
def test_importing_does_not_bring_the_heavy_libraries(module: str) -> None:
    code = f"import sys, {module}; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
