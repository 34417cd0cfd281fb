"""Where the bundled files are: the only module that looks up policies, migrations and weights.

A wheel carries them inside the package (``guardrail/_policies``, ``guardrail/_migrations``); a
checkout has them at its root. The package's own folder wins, which is why nobody else may
look: an editable install leaves stale copies in site-packages.
"""

from __future__ import annotations

from pathlib import Path

from guardrail.errors import ConfigurationError

MODEL_REGISTER = "models.yaml"
"""The one file among the policies that is none."""

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent


def policies_dir() -> Path:
    """Return the folder of the bundled policy documents."""
    return _bundled("policies")


def model_register() -> Path:
    """Return the register of models."""
    return policies_dir() / MODEL_REGISTER


def migrations_dir() -> Path:
    """Return Alembic's script folder."""
    return _bundled("migrations")


def embedded_model_dir() -> Path:
    """Return the folder of the embedded diffusion model (a ``StableDiffusionPipeline``)."""
    return _PACKAGE / "embedded"


def _bundled(name: str) -> Path:
    for candidate in (_PACKAGE / f"_{name}", _CHECKOUT / name):
        if candidate.is_dir():
            return candidate
    raise ConfigurationError(
        f"The bundled folder {name!r} is missing from this installation.",
        hint="Reinstall the package: pip install --force-reinstall guardrail",
    )
