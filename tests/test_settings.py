"""Settings: precedence, and errors that name the place."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardrail.errors import ConfigurationError
from guardrail.settings import NAMES, load_settings


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def test_flag_beats_environment_beats_project_beats_default(project: Path) -> None:
    (project / "guardrail.toml").write_text('model = "from-file"\npolicy = "from-file"\n')
    found = load_settings(
        {"model": "from-flag"},
        environ={"GUARDRAIL_POLICY": "from-env", "GUARDRAIL_MODEL": "from-env"},
        directory=project,
    )
    assert (found.model, found.policy, found.signer) == ("from-flag", "from-env", "development")
    assert found.sources["model"] == "--model"
    assert found.sources["policy"] == "GUARDRAIL_POLICY"
    assert found.sources["signer"] == "default"


def test_the_project_file_beats_the_users(project: Path, tmp_path: Path) -> None:
    user = tmp_path / "config" / "guardrail"
    user.mkdir(parents=True)
    (user / "config.toml").write_text('model = "users"\nsigner = "users"\n')
    (project / "guardrail.toml").write_text('model = "projects"\n')
    found = load_settings(environ={}, directory=project)
    assert (found.model, found.signer) == ("projects", "users")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("model = 3\n", "must be text"),
        ('modell = "x"\n', "unknown setting 'modell'"),
        ("model = \n", "cannot be read"),
        ("\xff\xfe", "cannot be read"),
    ],
)
def test_a_bad_file_is_named(project: Path, text: str, says: str) -> None:
    (project / "guardrail.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigurationError, match=says) as raised:
        load_settings(environ={}, directory=project)
    assert "guardrail.toml" in raised.value.message


def test_an_empty_variable_is_no_value(project: Path) -> None:
    found = load_settings(environ={"GUARDRAIL_MODEL": ""}, directory=project)
    assert found.model == "embedded"


@pytest.mark.parametrize(
    ("given", "url"),
    [
        (None, "sqlite:////h/audit.db"),
        ("/x/y.db", "sqlite:////x/y.db"),
        ("postgresql://db/log", "postgresql://db/log"),
    ],
)
def test_the_store_is_a_url_or_a_file(given: str | None, url: str, project: Path) -> None:
    found = load_settings({"home": "/h", "audit": given}, environ={}, directory=project)
    assert found.audit_url == url


def test_the_settings_are_few() -> None:
    assert len(NAMES) <= 10
