"""The wheel: built, installed into an empty environment, and run from another directory.

The environment holds nothing but the wheel; the dependencies, gigabytes of them, are lent to it
from the environment of the tests by path. The checkout is not on that path.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command without anything of ours in its environment."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("GUARDRAIL_", "PYTHON"))}
    clean |= {"GUARDRAIL_HOME": str(cwd / "home"), "XDG_CONFIG_HOME": str(cwd)}
    return subprocess.run(
        [str(c) for c in command], cwd=cwd, capture_output=True, text=True, check=False, env=clean
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the ``bin`` folder of an environment that has the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    built = run(
        sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", ROOT,
        cwd=folder,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = (folder / "dist").glob("*.whl")
    venv.create(folder / "env", with_pip=False, symlinks=True)
    python = folder / "env" / "bin" / "python"
    pip = run(
        sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index",
        wheel,
        cwd=folder,
    )  # fmt: skip
    assert pip.returncode == 0, pip.stderr
    (site,) = (folder / "env" / "lib").glob("python*/site-packages")
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "env" / "bin"


def test_the_package_is_the_installed_one(installed: Path, tmp_path: Path) -> None:
    code = "import guardrail, guardrail.resources as r; print(guardrail.__file__, r.policies_dir())"
    told = run(installed / "python", "-c", code, cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    package, policies = told.stdout.split()
    assert Path(package).is_relative_to(installed.parent)
    assert Path(policies).is_relative_to(installed.parent)
    assert str(ROOT) not in told.stdout


def test_it_generates_verifies_and_audits(installed: Path, tmp_path: Path) -> None:
    guardrail = installed / "guardrail"
    for arguments, expected in (
        (("doctor",), 0),
        (("generate", "a red boat on a lake", "--seed", "1", "--steps", "4", "-o", "a.png"), 0),
        (("verify", "--rubric", "a.png"), 0),
        (("generate", "a photo of Taylor Swift", "-o", "b.png"), 3),
        (("audit", "list"), 0),
        (("audit", "verify"), 0),
        (("db", "check"), 0),
        (("policy", "test", "default"), 0),
    ):
        told = run(guardrail, *arguments, cwd=tmp_path)
        assert told.returncode == expected, (arguments, told.stdout, told.stderr)
    assert (tmp_path / "a.png").exists()
    assert not (tmp_path / "b.png").exists()


def test_training_and_tests_are_not_in_it(installed: Path, tmp_path: Path) -> None:
    told = run(installed / "python", "-c", "import training", cwd=tmp_path)
    assert told.returncode != 0
    (site,) = installed.parent.glob("lib/python*/site-packages")
    assert not (site / "cli.py").exists()
    assert not (site / "tests").exists()
