"""Extension points: a plugin that does not load is an error, never a warning."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardrail.errors import ConfigurationError
from guardrail.plugins import GROUPS, load_plugins


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A real installed distribution that announces entry points."""
    info = tmp_path / "site" / "extras_for_guardrail-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: extras-for-guardrail\nVersion: 1.0\n"
    )
    (tmp_path / "site" / "extras_module.py").write_text("class Check:\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return info


def announce(package: Path, line: str, group: str = GROUPS[0]) -> None:
    (package / "entry_points.txt").write_text(f"[{group}]\n{line}\n")


def test_a_plugin_is_found_by_its_name(package: Path) -> None:
    announce(package, "mine = extras_module:Check")
    assert load_plugins(GROUPS[0])["mine"].__name__ == "Check"
    assert load_plugins(GROUPS[1]) == {}


@pytest.mark.parametrize("target", ["missing_module:Check", "extras_module:Missing"])
def test_a_plugin_that_does_not_load_names_its_package(package: Path, target: str) -> None:
    announce(package, f"mine = {target}")
    with pytest.raises(ConfigurationError, match="extras-for-guardrail"):
        load_plugins(GROUPS[0])


def test_a_plugin_may_not_replace_ours(package: Path) -> None:
    announce(package, "phrases = extras_module:Check")
    with pytest.raises(ConfigurationError, match="taken"):
        load_plugins(GROUPS[0], reserved={"phrases"})
