"""A local time-stamp authority: ``openssl ts`` behind a small web server."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from guardrail.provenance.certificates import pem
from tests.provenance.authority import KEYS, key_pem, usage

CONFIG = """
[tsa]
default_tsa = default
[default]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
certs = {folder}/root.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ordering = yes
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


_COUNTING = threading.Lock()


def make_authority(folder: Path) -> Path:
    """Write the certificates and the configuration of an authority; return its root."""
    folder.mkdir()
    now = datetime.now(UTC)
    root_key, key = KEYS["PS256"](), KEYS["PS256"]()
    root = _certificate("time root", root_key, "time root", root_key, now, authority=True)
    leaf = _certificate("time authority", key, "time root", root_key, now, authority=False)
    (folder / "root.pem").write_text(pem(root))
    (folder / "tsa.pem").write_text(pem(leaf))
    (folder / "tsa.key").write_bytes(key_pem(key))
    (folder / "serial").write_text("01\n")
    (folder / "tsa.cnf").write_text(CONFIG.format(folder=folder))
    return folder / "root.pem"


def answer(folder: Path, query: bytes) -> bytes:
    """Answer a request as the authority does; one at a time, for it counts serial numbers."""
    with _COUNTING:
        (folder / "query").write_bytes(query)
        command = ["openssl", "ts", "-reply", "-config", folder / "tsa.cnf", "-queryfile",
                   folder / "query", "-out", folder / "reply"]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)
        return (folder / "reply").read_bytes()


class Behaviour:
    """How the server behaves, to be changed by a test while it runs."""

    def __init__(self) -> None:
        self.status = 200
        self.delay = 0.0
        self.drip = 0.0
        self.replace: Any = None
        """Turns an answer into another one."""
        self.queries: list[bytes] = []


@contextmanager
def serve(folder: Path) -> Iterator[tuple[str, Behaviour]]:
    """Run the authority on a port of this machine; yield its URL and its behaviour."""
    behaviour = Behaviour()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            behaviour.queries.append(query)
            time.sleep(behaviour.delay)
            content = answer(folder, query)
            if behaviour.replace:
                content = behaviour.replace(content)
            self.send_response(behaviour.status)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.end_headers()
            self._write(content)

        def _write(self, content: bytes) -> None:
            try:
                if behaviour.drip:
                    for byte in content:
                        self.wfile.write(bytes([byte]))
                        self.wfile.flush()
                        time.sleep(behaviour.drip)
                else:
                    self.wfile.write(content)
            except OSError:
                pass  # the caller had waited long enough

        def log_message(self, *_arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/stamp?token=hidden", behaviour
        finally:
            server.shutdown()
            thread.join(10)


def _certificate(
    subject: str, key: Any, issuer: str, issuer_key: Any, now: datetime, *, authority: bool
) -> x509.Certificate:
    public = key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=900))
        .add_extension(x509.BasicConstraints(authority, None), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False
        )
    )
    if authority:
        builder = builder.add_extension(usage(key_cert_sign=True, crl_sign=True), True)
    else:
        builder = builder.add_extension(usage(digital_signature=True), True).add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True
        )
    made: x509.Certificate = builder.sign(issuer_key, hashes.SHA256())
    return made


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Time House"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )
