"""``guardrail trust``: what is trusted, and what an update changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from guardrail.provenance import Provenance
from guardrail.provenance.signers import PemSigner
from tests.cli.test_verify import guardrail
from tests.provenance.authority import issue
from tests.provenance.conftest import make_facts, make_picture

__all__ = ["guardrail"]  # a fixture


def test_it_lists_everything_that_is_trusted(
    guardrail: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guardrail("keys", "dev")
    folder = issue().write(tmp_path / "k")
    monkeypatch.setenv("GUARDRAIL_TRUST", str(folder / "root.pem"))
    rows = json.loads(guardrail("trust", "list", "--format", "json")[1])
    assert [(row["name"], row["certificates"]) for row in rows] == [
        ("c2pa-trust-list", 30),
        ("c2pa-tsa-trust-list", 22),
        ("development", 1),
        ("setting trust", 1),
    ]
    out = guardrail("trust", "list")[1]
    assert "30 certificates  since 2026-08-21\n    bundled" in out


def test_listing_makes_nothing(guardrail: Any, home: Path) -> None:
    assert guardrail("trust", "list")[0] == 0
    assert not home.exists()


def test_an_update_is_told_and_counts_from_then_on(guardrail: Any, tmp_path: Path) -> None:
    folder = issue().write(tmp_path / "k")
    signer = PemSigner(folder / "chain.pem", folder / "key.pem", root=folder / "root.pem")
    path = tmp_path / "a.png"
    path.write_bytes(Provenance(signer).sign(make_picture(), make_facts(), "image/png").content)
    assert guardrail("verify", path)[0] == 5
    code, out, err = guardrail("trust", "update", folder / "root.pem", "--name", "our-house")
    assert code == 0
    assert "our-house: 1 certificates\n  new      " in out
    assert "written to" in err
    assert guardrail("verify", path)[0] == 0
    again = json.loads(
        guardrail("trust", "update", folder / "root.pem", "--name", "other", "--format", "json")[1]
    )
    assert (again["name"], again["certificates"], again["removed"]) == ("other", 1, [])


def test_what_holds_no_certificates_is_exit_2(guardrail: Any, tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_text("hello")
    code, _, err = guardrail("trust", "update", tmp_path / "a.pem")
    assert code == 2
    assert "no trust anchors" in err
