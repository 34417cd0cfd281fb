"""Extension points: packages announce rules, backends, checks and signers as entry points.

A plugin that fails to load is an error, never a warning: a policy that silently lost one of its
rules would report as passed what was not looked at.
"""

from __future__ import annotations

from collections.abc import Collection
from importlib.metadata import entry_points
from typing import Any

from guardrail.errors import ConfigurationError

GROUPS = ("guardrail.rules", "guardrail.backends", "guardrail.checks", "guardrail.signers")


def load_plugins(group: str, *, reserved: Collection[str] = ()) -> dict[str, Any]:
    """Return what installed packages offer in ``group``, by name.

    ``reserved`` are the names guardrail itself uses; a plugin may not replace them. Raises
    :class:`ConfigurationError` naming the package when one fails to load or takes a taken name.
    """
    loaded: dict[str, Any] = {}
    for point in entry_points(group=group):
        owner = point.dist.name if point.dist else "an unknown package"
        if point.name in reserved or point.name in loaded:
            raise ConfigurationError(
                f"The plugin {point.name!r} of {owner} uses a name that is taken in {group}.",
                hint=f"Uninstall {owner}, or have it choose another name.",
            )
        try:
            loaded[point.name] = point.load()
        except Exception as error:
            raise ConfigurationError(
                f"The plugin {point.name!r} of {owner} does not load ({type(error).__name__}).",
                hint=f"Mend or uninstall {owner}.",
            ) from error
    return loaded
