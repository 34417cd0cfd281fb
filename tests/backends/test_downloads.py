"""Downloads, from a hub that runs here: announced, and only what loading reads."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

COMMIT = "c" * 40
WEIGHTS = {
    "text_encoder/model.safetensors",
    "unet/diffusion_pytorch_model.safetensors",
    "vae/diffusion_pytorch_model.safetensors",
}
STRANGERS = {
    "unet/diffusion_pytorch_model.bin": b"a pickle",
    "unet/diffusion_pytorch_model.fp16.safetensors": b"a variant",
    "unet/extra.py": b"code",
    "pipeline.py": b"code",
    "README.md": b"words",
    "other/model.safetensors": b"another model",
}


class Hub:
    """A hub with the one repository ``someone/tiny``, which remembers what was asked of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                hub.answer(self)

            do_HEAD = do_GET  # noqa: N815

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def files(self) -> dict[str, bytes]:
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file()
        }

    def answer(self, handler: Any) -> None:
        path = handler.path.partition("?")[0]
        self.asked.append(f"{handler.command} {path}")
        files = self.files()
        headers: dict[str, str] = {}
        status, body = 404, b"{}"
        if path.startswith("/api/models/someone/tiny/tree/"):
            rows = [
                {"type": "file", "path": name, "size": len(content),
                 "oid": hashlib.sha1(content).hexdigest()}
                for name, content in files.items()
            ]  # fmt: skip
            status, body = 200, json.dumps(rows).encode()
        elif path.startswith("/api/models/someone/tiny"):
            listed = [{"rfilename": name} for name in files]
            info = {"_id": "1", "id": "someone/tiny", "sha": COMMIT, "siblings": listed}
            status, body = 200, json.dumps(info).encode()
        elif path.startswith("/someone/tiny/resolve/"):
            content = files.get(path.split("/", 5)[5])
            if content is not None:
                status, body = 200, content
                etag = hashlib.sha1(content).hexdigest()
                headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{etag}"'}
        handler.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            handler.send_header(name, value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)

    @property
    def fetched(self) -> set[str]:
        """The files whose content was sent."""
        sent = (line.split("/", 5)[5] for line in self.asked if line.startswith("GET /someone"))
        return set(sent)


@pytest.fixture
def hub(tiny_model: Path, tmp_path: Path) -> Iterator[Hub]:
    folder = Path(shutil.copytree(tiny_model, tmp_path / "repository"))
    for name, content in STRANGERS.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    made = Hub(folder)
    yield made
    made.server.shutdown()
    made.server.server_close()


def run(hub: Hub, cache: Path, code: str, *, offline: bool = False) -> Any:
    """Run code in a process whose hub is ``hub``; return what it printed as JSON."""
    environment = os.environ | {
        "HF_ENDPOINT": f"http://127.0.0.1:{hub.server.server_port}",
        "HF_HUB_OFFLINE": "1" if offline else "0",
        "HF_HOME": str(cache),
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    prologue = "import json\nfrom guardrail.backends.sources import locate, require_complete\n"
    done = subprocess.run(
        [sys.executable, "-c", prologue + code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "%|" not in done.stderr  # no progress bar without a terminal
    return json.loads(done.stdout.splitlines()[-1])


FETCH = """
told = []
source = locate("someone/tiny", allow_download=True, on_download=told.append)
require_complete(source)
print(json.dumps([source.revision, [[d.repository, d.revision, d.files, d.size] for d in told]]))
"""


def test_it_is_announced_and_only_what_loading_reads_is_fetched(hub: Hub, tmp_path: Path) -> None:
    revision, told = run(hub, tmp_path / "cache", FETCH)
    assert revision == COMMIT
    assert hub.fetched >= WEIGHTS
    assert not hub.fetched & set(STRANGERS)
    sizes = {name: len(content) for name, content in hub.files().items()}
    announced = hub.fetched - {"model_index.json"}
    assert told == [
        ["someone/tiny", COMMIT, len(announced), sum(sizes[name] for name in announced)]
    ]

    before = len(hub.asked)
    cached = 'print(json.dumps(locate("someone/tiny", allow_download=False).revision))'
    assert run(hub, tmp_path / "cache", cached, offline=True) == COMMIT
    assert len(hub.asked) == before  # the network was not touched


def test_what_is_here_already_is_neither_announced_nor_fetched_again(
    hub: Hub, tmp_path: Path
) -> None:
    run(hub, tmp_path / "cache", FETCH)
    hub.asked.clear()
    assert run(hub, tmp_path / "cache", FETCH) == [COMMIT, []]
    assert not hub.fetched & WEIGHTS


def test_a_model_with_code_of_its_own_is_refused_before_its_weights(
    hub: Hub, tmp_path: Path
) -> None:
    index = hub.folder / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"unet": ["extra", "Trap"]}))
    code = """
from guardrail.errors import BackendError
try:
    locate("someone/tiny", allow_download=True)
except BackendError as error:
    print(json.dumps(error.message))
"""
    assert "brings code of its own" in run(hub, tmp_path / "cache", code)
    assert hub.fetched == {"model_index.json"}


def test_raising_when_told_stops_the_download(hub: Hub, tmp_path: Path) -> None:
    code = """
from guardrail.errors import ConfigurationError
def too_much(download):
    raise ConfigurationError("too much")
try:
    locate("someone/tiny", allow_download=True, on_download=too_much)
except ConfigurationError as error:
    print(json.dumps(error.message))
"""
    assert run(hub, tmp_path / "cache", code) == "too much"
    assert not hub.fetched & WEIGHTS


def test_a_repository_that_is_not_there_is_one_sentence(hub: Hub, tmp_path: Path) -> None:
    code = """
from guardrail.errors import BackendError
try:
    locate("someone/else", allow_download=True)
except BackendError as error:
    print(json.dumps([error.message, error.hint]))
"""
    message, hint = run(hub, tmp_path / "cache", code)
    assert "'someone/else' cannot be downloaded" in message
    assert "gated" in hint
