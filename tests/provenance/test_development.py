"""The development chain: made once, safely, labelled, renewed, and never outside its home."""

from __future__ import annotations

import multiprocessing
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from guardrail.errors import ProvenanceError
from guardrail.provenance.preflight import chain_faults, issued_by
from guardrail.provenance.signers import DevelopmentSigner, development_root, load_signer


def leaf(signer: DevelopmentSigner) -> x509.Certificate:
    return x509.load_pem_x509_certificates(signer.chain().encode())[0]


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_naming_it_makes_nothing(tmp_path: Path) -> None:
    load_signer("development", home=tmp_path / "home")
    assert development_root(tmp_path / "home") is None
    assert files(tmp_path) == set()


def test_the_chain_is_sound_and_complete(tmp_path: Path) -> None:
    signer = DevelopmentSigner(tmp_path)
    chain = x509.load_pem_x509_certificates(signer.chain().encode())
    root = x509.load_pem_x509_certificate(str(development_root(tmp_path)).encode())
    assert [issued_by(a, b) for a, b in zip(chain, [*chain[1:], root], strict=True)] == [True, True]
    assert chain_faults(chain, moment=datetime.now(UTC), anchors=[root]) == ()


def test_files_lie_in_home_only_with_narrow_rights(tmp_path: Path) -> None:
    DevelopmentSigner(tmp_path / "home").credential()
    assert files(tmp_path) == {
        "home",
        "home/development",
        "home/development/root.pem",
        "home/development/intermediate.pem",
        "home/development/signer.pem",
    }
    folder = tmp_path / "home" / "development"
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in folder.iterdir()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert modes == {"root.pem": 0o644, "intermediate.pem": 0o600, "signer.pem": 0o600}


def test_the_key_of_the_root_is_kept_nowhere(tmp_path: Path) -> None:
    DevelopmentSigner(tmp_path).credential()
    keys = [p.name for p in tmp_path.rglob("*.pem") if b"PRIVATE KEY" in p.read_bytes()]
    assert sorted(keys) == ["intermediate.pem", "signer.pem"]


def test_it_is_labelled_and_tells_no_secret(tmp_path: Path) -> None:
    signer = DevelopmentSigner(tmp_path)
    assert signer.info.development
    assert signer.info.kind == "development"
    assert "not for production" in signer.info.subject
    secret = (tmp_path / "development" / "signer.pem").read_text().splitlines()[1]
    assert secret not in repr(signer.credential()) + repr(signer) + repr(signer.info)


def test_it_is_made_once(tmp_path: Path) -> None:
    first = DevelopmentSigner(tmp_path).info.certificate_sha256
    assert DevelopmentSigner(tmp_path).info.certificate_sha256 == first


def test_an_expired_leaf_is_issued_again_under_the_same_root(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    moments = [now]
    signer = DevelopmentSigner(tmp_path, clock=lambda: moments[-1])
    old, root = leaf(signer), development_root(tmp_path)
    moments.append(now + timedelta(days=365))
    new = leaf(signer)
    assert new.serial_number != old.serial_number
    assert new.not_valid_after_utc > old.not_valid_after_utc
    assert signer.credential().anchors_pem == root
    assert issued_by(new, x509.load_pem_x509_certificates(signer.chain().encode())[1])


def test_a_clock_in_the_past_does_not_make_an_expired_certificate(tmp_path: Path) -> None:
    signer = DevelopmentSigner(tmp_path, clock=lambda: datetime(2020, 1, 1, tzinfo=UTC))
    assert leaf(signer).not_valid_after_utc > datetime.now(UTC)


def test_after_ten_years_it_says_what_to_do(tmp_path: Path) -> None:
    DevelopmentSigner(tmp_path).credential()
    later = datetime.now(UTC) + timedelta(days=3650)
    with pytest.raises(ProvenanceError, match="ten years") as caught:
        DevelopmentSigner(tmp_path, clock=lambda: later).credential()
    assert "Move the folder away" in str(caught.value.hint)


@pytest.mark.parametrize("name", ["signer.pem", "root.pem"])
@pytest.mark.parametrize("content", [b"", b"garbage", b"-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_a_damaged_file_is_named_without_its_content(
    tmp_path: Path, name: str, content: bytes
) -> None:
    DevelopmentSigner(tmp_path).credential()
    (tmp_path / "development" / name).write_bytes(content)
    with pytest.raises(ProvenanceError, match="damaged") as caught:
        DevelopmentSigner(tmp_path).credential()
    assert "new chain" in str(caught.value.hint)


def test_a_key_of_another_leaf_is_noticed(tmp_path: Path) -> None:
    one, two = DevelopmentSigner(tmp_path / "1"), DevelopmentSigner(tmp_path / "2")
    one.credential(), two.credential()
    marker = b"-----BEGIN CERTIFICATE-----"
    key = (one.folder / "signer.pem").read_bytes().split(marker)[0]
    chain = (two.folder / "signer.pem").read_bytes().split(marker, 1)[1]
    (one.folder / "signer.pem").write_bytes(key + marker + chain)
    with pytest.raises(ProvenanceError, match="damaged"):
        DevelopmentSigner(tmp_path / "1").credential()


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    DevelopmentSigner(tmp_path).credential()
    (tmp_path / "development" / "signer.pem").unlink()
    with pytest.raises(ProvenanceError, match="No such file"):
        DevelopmentSigner(tmp_path).credential()


def test_a_home_that_cannot_be_written_is_told_and_left_clean(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where a folder should be")
    with pytest.raises(ProvenanceError, match="cannot be used") as caught:
        DevelopmentSigner(tmp_path / "home").credential()
    assert "--home" in str(caught.value.hint)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_key_is_told(tmp_path: Path) -> None:
    DevelopmentSigner(tmp_path).credential()
    (tmp_path / "development" / "signer.pem").chmod(0)
    with pytest.raises(ProvenanceError, match="Permission denied"):
        DevelopmentSigner(tmp_path).credential()


def test_threads_that_race_agree_on_one_chain(tmp_path: Path) -> None:
    barrier = threading.Barrier(8)

    def first_use(_number: int) -> str:
        signer = DevelopmentSigner(tmp_path)
        barrier.wait(30)
        return signer.info.certificate_sha256

    with ThreadPoolExecutor(8) as pool:
        seen = set(pool.map(first_use, range(8)))
    assert len(seen) == 1
    assert seen == {DevelopmentSigner(tmp_path).info.certificate_sha256}
    assert not [path for path in tmp_path.iterdir() if path.name != "development"]


def test_threads_that_renew_at_once_leave_key_and_certificate_together(tmp_path: Path) -> None:
    DevelopmentSigner(tmp_path).credential()
    later = datetime.now(UTC) + timedelta(days=365)
    signers = [DevelopmentSigner(tmp_path, clock=lambda: later) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda signer: signer.credential(), signers))
    assert leaf(DevelopmentSigner(tmp_path, clock=lambda: later)).not_valid_after_utc > later
    assert len(files(tmp_path)) == 4


def _first_use(home: Path, start: float) -> str:
    import time

    while time.time() < start:
        pass
    return DevelopmentSigner(home).info.certificate_sha256


def test_processes_that_race_agree_on_one_chain(tmp_path: Path) -> None:
    import time

    with multiprocessing.get_context("spawn").Pool(4) as pool:
        start = time.time() + 2
        seen = pool.starmap(_first_use, [(tmp_path, start)] * 4)
    assert len(set(seen)) == 1
    assert files(tmp_path) == {
        "development",
        "development/root.pem",
        "development/intermediate.pem",
        "development/signer.pem",
    }
