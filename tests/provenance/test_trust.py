"""Who is trusted: the bundled lists, later copies of them, the development root, named files."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from guardrail.errors import ConfigurationError
from guardrail.provenance import Provenance, verify
from guardrail.provenance.signers import DevelopmentSigner, PemSigner
from guardrail.provenance.trust import install_list, trust_anchors, trust_lists
from tests.provenance.authority import Issued, issue, key_pem
from tests.provenance.conftest import make_facts, make_picture

NOW = datetime(2026, 11, 23, 20, 16, 35, tzinfo=UTC)


def at(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment


def count(home: Path) -> int:
    return len(x509.load_pem_x509_certificates(str(trust_anchors(home)).encode()))


def picture_of(issued: Issued, folder: Path) -> bytes:
    issued.write(folder)
    signer = PemSigner(folder / "chain.pem", folder / "key.pem", root=folder / "root.pem")
    return Provenance(signer).sign(make_picture(), make_facts(), "image/png").content


def test_the_lists_of_c2pa_are_bundled_and_dated(tmp_path: Path) -> None:
    found = {entry.name: entry for entry in trust_lists(tmp_path)}
    assert set(found) == {"c2pa-trust-list", "c2pa-tsa-trust-list"}
    assert len(found["c2pa-trust-list"].certificates()) == 30
    assert len(found["c2pa-tsa-trust-list"].certificates()) == 22
    assert all(entry.bundled and entry.since < NOW for entry in found.values())
    assert count(tmp_path) == 52
    assert list(tmp_path.iterdir()) == []


def test_the_development_root_counts_once_it_exists(tmp_path: Path) -> None:
    DevelopmentSigner(tmp_path).credential()
    assert count(tmp_path) == 53


def test_an_organisations_list_makes_its_pictures_trusted(tmp_path: Path) -> None:
    issued = issue()
    content = picture_of(issued, tmp_path / "k")
    home = tmp_path / "home"
    assert not verify(content, anchors=trust_anchors(home)).trusted
    done = install_list(home, tmp_path / "k" / "root.pem", name="our-house")
    assert done.added == ("CN=test root,O=Test House",)
    assert done.removed == ()
    assert verify(content, anchors=trust_anchors(home)).trusted


def test_a_later_copy_replaces_the_bundled_list_and_says_what_changed(tmp_path: Path) -> None:
    bundled = trust_lists(tmp_path)[0]
    first, *rest = bundled.path.read_text().split("Subject\t")[1:]
    newer = tmp_path / "C2PA-TRUST-LIST.pem"
    issue().write(tmp_path / "k")
    newer.write_text("Subject\t".join(["", *rest]) + (tmp_path / "k" / "root.pem").read_text())
    done = install_list(tmp_path / "home", newer, clock=at(NOW))
    assert done.list.name == "c2pa-trust-list"
    assert len(done.added) == len(done.removed) == 1
    assert done.removed[0].split(",")[0] in first.replace("\t", " ")
    assert [entry.bundled for entry in trust_lists(tmp_path / "home")] == [False, True]
    assert count(tmp_path / "home") == 52


def test_the_latest_copy_counts_and_earlier_ones_are_kept(tmp_path: Path) -> None:
    for day, folder in enumerate(("one", "two")):
        issue().write(tmp_path / folder)
        source = tmp_path / folder / "root.pem"
        install_list(tmp_path / "home", source, name="x", clock=at(NOW + timedelta(days=day)))
    in_force = {entry.name: entry for entry in trust_lists(tmp_path / "home")}["x"]
    assert in_force.path.read_text() == (tmp_path / "two" / "root.pem").read_text()
    assert len(list((tmp_path / "home" / "trust").iterdir())) == 2


def test_a_key_beside_the_certificates_is_not_copied(tmp_path: Path) -> None:
    issued = issue()
    folder = issued.write(tmp_path / "k")
    both = tmp_path / "both.pem"
    both.write_bytes(key_pem(issued.key) + (folder / "root.pem").read_bytes())
    done = install_list(tmp_path / "home", both)
    assert b"PRIVATE" not in done.list.path.read_bytes()
    assert "PRIVATE" not in str(trust_anchors(tmp_path, [both]))


@pytest.mark.parametrize("name", ["../x", "A", "a--b", "-a", "a.b", "a/b"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    folder = issue().write(tmp_path / "k")
    with pytest.raises(ConfigurationError, match="cannot name"):
        install_list(tmp_path / "home", folder / "root.pem", name=name)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("content", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAA\n"])
def test_a_file_without_certificates_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pem").write_bytes(content)
    with pytest.raises(ConfigurationError, match="no trust anchors"):
        install_list(tmp_path / "home", tmp_path / "a.pem")
    assert not (tmp_path / "home").exists()


def test_a_list_that_was_damaged_is_an_error_and_not_ignored(tmp_path: Path) -> None:
    folder = issue().write(tmp_path / "k")
    done = install_list(tmp_path / "home", folder / "root.pem")
    done.list.path.write_text("nothing")
    with pytest.raises(ConfigurationError, match="no trust anchors"):
        trust_anchors(tmp_path / "home")
