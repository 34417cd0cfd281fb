"""Many requests: drawn together, isolated from each other, resumable, and nothing twice."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from guardrail import Pipeline, PolicyBlocked
from guardrail.audit import AuditLog, Filters, State
from guardrail.backends.diffusers import DiffusersBackend
from guardrail.cli.errors import run as run_command
from guardrail.cli.root import cli
from guardrail.errors import BackendError, ConfigurationError
from guardrail.journal import read_items
from guardrail.rerun import ReplayVerdict, rerun
from tests.backends.requests import largest_difference
from tests.drawn import DrawnBackend
from tests.policy.writing import load, rule

NAMED = "a photo of Taylor Swift giving a speech"


def plain(how_many: int, **options: Any) -> list[dict[str, Any]]:
    return [
        {"prompt": f"house number {n}", "seed": n, "steps": 2} | options for n in range(how_many)
    ]


class Counting:
    """The small model, counting its calls and failing where it is told to."""

    def __init__(self, backend: DiffusersBackend, *, fail_on: str = "") -> None:
        self.backend, self.fail_on = backend, fail_on
        self.calls: list[int] = []
        self.identity, self.defaults = backend.identity, backend.defaults

    def generate(self, request: Any, *, on_progress: Any = None) -> Any:
        return self.generate_batch([request], on_progress=on_progress)[0]

    def generate_batch(self, requests: Any, *, on_progress: Any = None) -> Any:
        self.calls.append(sum(request.count for request in requests))
        if self.fail_on and any(self.fail_on in request.prompt for request in requests):
            raise BackendError("The model failed while generating (RuntimeError).")
        return self.backend.generate_batch(requests, on_progress=on_progress)


@pytest.fixture
def counting(backend: Any) -> Counting:
    return Counting(backend)


@pytest.fixture
def many(counting: Counting, home: Path) -> Iterator[Pipeline]:
    pipe = Pipeline.from_pretrained(counting, home=home)
    yield pipe
    pipe.close()


def test_equal_shapes_share_a_call_and_every_request_has_its_record(
    many: Pipeline, counting: Counting
) -> None:
    outcomes = list(many.generate_many(plain(10), batch_size=4))
    assert counting.calls == [4, 4, 2]
    assert [outcome.index for outcome in outcomes] == list(range(10))
    for outcome in outcomes:
        assert outcome.result is not None
        record = many.audit.record(outcome.result.record_id)
        assert record.state is State.RELEASED
        assert record.prompt == f"house number {outcome.index}"
        assert record.seed == str(outcome.index)
        assert outcome.record_ids == (record.record_id,)
    assert many.audit.verify().ok


def test_another_shape_starts_another_batch(many: Pipeline, counting: Counting) -> None:
    requests = [*plain(2), *plain(3, width=32), *plain(1, negative_prompt="snow"), *plain(1)]
    outcomes = list(many.generate_many(requests, batch_size=8))
    assert counting.calls == [2, 3, 1, 1]
    assert [o.result.image.width for o in outcomes if o.result] == [64, 64, 32, 32, 32, 64, 64]


def test_an_image_is_the_one_made_alone_within_a_grey_level(many: Pipeline) -> None:
    outcomes = list(many.generate_many(plain(4), batch_size=4))
    for number, outcome in enumerate(outcomes):
        alone = many.generate(f"house number {number}", seed=number, steps=2)
        assert outcome.result is not None
        assert largest_difference(outcome.result.image, alone.image) <= 1


def test_an_image_of_a_shared_batch_is_reproduced_with_its_neighbours(many: Pipeline) -> None:
    outcomes = list(many.generate_many([*plain(2), *plain(1, count=2)], batch_size=8))
    for outcome in outcomes:
        for record_id in outcome.record_ids:
            replay = rerun(many, many.audit.record(record_id))
            assert replay.verdict is ReplayVerdict.BIT_EXACT, replay.reasons


def test_a_neighbour_that_todays_policy_refuses_refuses_the_rerun(
    many: Pipeline, counting: Counting, home: Path, tmp_path: Path
) -> None:
    outcomes = list(many.generate_many(plain(2)))
    strict = Pipeline.from_pretrained(
        counting, policy=load(tmp_path, rule("mine.one", "1")), home=home
    )
    with pytest.raises(PolicyBlocked):
        rerun(strict, strict.audit.record(outcomes[0].record_ids[0]))
    strict.close()


def test_refusals_and_faults_do_not_stop_the_others(many: Pipeline) -> None:
    requests: list[dict[str, Any]] = [
        *plain(1), {"prompt": NAMED}, {"prompt": "x", "steps": 0}, {"prompt": "x", "typo": 1},
        {"no": "prompt"}, *plain(1), {"prompt": "a house", "scheduler": "turbo9000"},
    ]  # fmt: skip
    outcomes = list(many.generate_many(requests))
    assert [outcome.index for outcome in outcomes] == list(range(7))
    kinds = [type(outcome.error).__name__ for outcome in outcomes]
    assert kinds == [
        "NoneType", "PolicyBlocked", "ConfigurationError", "ConfigurationError",
        "ConfigurationError", "NoneType", "ConfigurationError",
    ]  # fmt: skip
    states = [many.audit.record(i).state for o in outcomes for i in o.record_ids]
    assert states == [State.RELEASED, State.REFUSED, State.RELEASED, State.FAILED]


def test_a_request_that_fails_does_not_take_its_batch_with_it(backend: Any, home: Path) -> None:
    failing = Counting(backend, fail_on="number 2")
    pipe = Pipeline.from_pretrained(failing, home=home)
    outcomes = list(pipe.generate_many(plain(4)))
    assert failing.calls == [4, 1, 1, 1, 1]
    assert [outcome.result is not None for outcome in outcomes] == [True, True, False, True]
    assert pipe.audit.record(outcomes[2].record_ids[0]).state is State.FAILED
    pipe.close()


def test_a_backend_that_draws_singly_is_overlapped_all_the_same(home: Path) -> None:
    drawn = DrawnBackend(step_seconds=0.002)
    pipe = Pipeline.from_pretrained(drawn, home=home)
    outcomes = list(pipe.generate_many(plain(6), batch_size=4))
    assert all(outcome.result for outcome in outcomes)
    assert len(drawn.requests) == 6
    pipe.close()


def test_no_more_than_two_batches_are_held(home: Path) -> None:
    taken: list[int] = []

    def requests() -> Iterator[dict[str, Any]]:
        for number, request in enumerate(plain(40)):
            taken.append(number)
            yield request

    pipe = Pipeline.from_pretrained(DrawnBackend(), home=home)
    ahead = [len(taken) - outcome.index for outcome in pipe.generate_many(requests())]
    assert max(ahead) <= 4  # this backend draws singly: a batch is one request
    pipe.close()


def test_refused_requests_alone_do_not_pile_up(home: Path) -> None:
    pipe = Pipeline.from_pretrained(DrawnBackend(), home=home)
    outcomes = pipe.generate_many({"prompt": NAMED} for _ in range(40))
    assert type(next(outcomes).error).__name__ == "PolicyBlocked"
    assert len(pipe.audit.records(Filters(), limit=100).records) < 40
    assert len(list(outcomes)) == 39
    pipe.close()


def test_stopping_early_records_what_is_under_way_as_cancelled(many: Pipeline) -> None:
    outcomes = many.generate_many(plain(12, steps=20), batch_size=2)
    first = next(outcomes)
    outcomes.close()
    assert first.result is not None
    states = [record.state for record in many.audit.records(Filters()).records]
    assert states.count(State.CANCELLED) == len(states) - states.count(State.RELEASED)
    assert State.CANCELLED in states
    assert many.audit.verify().ok


def test_an_interrupt_while_admitting_cancels_once(many: Pipeline) -> None:
    def interrupt(index: int, _request: Any) -> None:
        if index == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(many.generate_many(plain(6), batch_size=2, on_start=interrupt))
    records = many.audit.records(Filters()).records
    assert records
    for record in records:
        ends = [e.type for e in record.events if e.type != "generation.requested"]
        assert ends in (["generation.cancelled"], ["generation.released"])


def test_a_batch_of_nothing_and_of_no_size(many: Pipeline) -> None:
    assert list(many.generate_many([])) == []
    with pytest.raises(ConfigurationError, match="batch_size"):
        list(many.generate_many(plain(1), batch_size=0))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tiny_model: Path) -> Any:
    def call(*arguments: str | Path) -> tuple[int, str, str]:
        tail = ("--model", tiny_model, "--device", "cpu")
        code = run_command(cli, [str(argument) for argument in (*arguments, *tail)])
        captured = capsys.readouterr()
        return int(code), captured.out, captured.err

    return call


def write_requests(path: Path, requests: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(request) + "\n" for request in requests))
    return path


def test_a_file_of_requests_becomes_pictures_and_results(command: Any, tmp_path: Path) -> None:
    requests = [*plain(3), {"prompt": NAMED, "id": "named"}, *plain(1, count=2)]
    file = write_requests(tmp_path / "requests.jsonl", requests)
    code, out, _ = command("batch", file, "-o", tmp_path / "out")
    assert code == 3
    assert "released  4" in out
    assert "refused   1" in out
    pictures = sorted(path.name for path in (tmp_path / "out").glob("*.png"))
    assert pictures == ["00001.png", "00002.png", "00003.png", "00005-1.png", "00005-2.png"]
    ends = {line["id"]: line for line in lines(tmp_path / "out" / "results.jsonl")}
    assert ends["00001"]["pictures"][0]["seed"] == "0"
    assert ends["named"]["rules"] == ["default.real-person"]


def test_running_again_does_nothing_twice(command: Any, tmp_path: Path, home: Path) -> None:
    file = write_requests(tmp_path / "requests.jsonl", [*plain(2), {"prompt": NAMED}])
    assert command("batch", file, "-o", tmp_path / "out")[0] == 3
    before = (tmp_path / "out" / "results.jsonl").read_bytes()
    code, _, err = command("batch", file, "-o", tmp_path / "out")
    assert code == 3
    assert "3 of 3 are done already" in err
    assert (tmp_path / "out" / "results.jsonl").read_bytes() == before
    with AuditLog.open(home / "audit.db") as log:
        assert len(log.records(Filters()).records) == 3


def test_more_requests_go_on_where_it_ended(command: Any, tmp_path: Path) -> None:
    file = write_requests(tmp_path / "requests.jsonl", plain(2))
    command("batch", file, "-o", tmp_path / "out")
    write_requests(file, plain(4))
    code, _, err = command("batch", file, "-o", tmp_path / "out")
    assert code == 0
    assert "2 of 4 are done already" in err
    assert len(list((tmp_path / "out").glob("*.png"))) == 4


def test_a_request_changed_under_its_id_is_said(command: Any, tmp_path: Path) -> None:
    file = write_requests(tmp_path / "requests.jsonl", plain(1))
    command("batch", file, "-o", tmp_path / "out")
    write_requests(file, plain(1, steps=3))
    code, _, err = command("batch", file, "-o", tmp_path / "out")
    assert code == 2
    assert "is not the one that was done" in err


def test_a_table_is_read_too(command: Any, tmp_path: Path) -> None:
    file = tmp_path / "requests.csv"
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["id", "prompt", "steps", "seed", "guidance_scale"])
        writer.writeheader()
        writer.writerow({"id": "one", "prompt": "a house, red", "steps": 2, "guidance_scale": 2.5})
        writer.writerow({"id": "two", "prompt": "a boat", "steps": 2, "seed": 2**64 - 1})
    assert command("batch", file, "-o", tmp_path / "out", "--ending", ".webp")[0] == 0
    assert {p.name for p in (tmp_path / "out").glob("*.webp")} == {"one.webp", "two.webp"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "holds no requests"),
        ("{\n", ":1: not a JSON object"),
        ("[1]\n", ":1: not a JSON object"),
        ('{"prompt": "a"}\n{"id": 7}\n', ":2: the prompt is missing"),
        ('{"prompt": "a", "output": "b"}\n', "unknown field 'output'"),
        ('{"prompt": "a", "id": "../b"}\n', "cannot be an id"),
        ('{"prompt": "a", "id": ".b"}\n', "cannot be an id"),
        ('{"prompt": "a", "id": "b"}\n{"prompt": "a", "id": "b"}\n', "used twice"),
        ('{"prompt": "a", "steps": "many"}\n', "steps cannot be 'many'"),
    ],
)
def test_a_fault_in_the_file_is_located(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "requests.jsonl"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_items(file)
    assert sentence in caught.value.message


def test_only_one_process_writes_a_journal(command: Any, tmp_path: Path) -> None:
    from guardrail.journal import Journal

    file = write_requests(tmp_path / "requests.jsonl", plain(1))
    with Journal(tmp_path / "out"):
        code, _, err = command("batch", file, "-o", tmp_path / "out")
    assert code == 2
    assert "Another process" in err


def test_a_torn_last_line_is_cut_off(command: Any, tmp_path: Path) -> None:
    file = write_requests(tmp_path / "requests.jsonl", plain(2))
    command("batch", file, "-o", tmp_path / "out")
    journal = tmp_path / "out" / "results.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"id": "00002", "sta')
    assert command("batch", file, "-o", tmp_path / "out")[0] == 0
    assert journal.read_bytes() == whole


CHILD = """
import guardrail.pipeline
from tests.drawn import DrawnBackend
guardrail.pipeline.load_backend = lambda *_, **__: DrawnBackend(step_seconds=0.01)
from guardrail.cli import main
main()
"""
"""The real command on drawn pictures: it starts without torch, so it can be killed often."""


@pytest.mark.slow
def test_killed_at_any_moment_it_is_finished_with_nothing_made_twice(
    tmp_path: Path, home: Path
) -> None:
    count = 24
    requests = plain(count, steps=3)
    requests[5] = {"prompt": NAMED}
    file = write_requests(tmp_path / "requests.jsonl", requests)
    arguments = [sys.executable, "-c", CHILD, "batch", str(file), "-o", str(tmp_path / "out")]
    journal = tmp_path / "out" / "results.jsonl"
    chance, killed = random.Random(7), 0
    for _ in range(5):
        child = subprocess.Popen(arguments, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        size = journal.stat().st_size if journal.exists() else 0
        while child.poll() is None and (not journal.exists() or journal.stat().st_size <= size):
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.2))
        if child.poll() is None:
            os.kill(child.pid, signal.SIGKILL)
            killed += 1
        child.wait()
    assert killed >= 3
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr

    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"results.jsonl"} | {f"{n:05d}.png" for n in range(1, count + 1) if n != 6}
    with AuditLog.open(home / "audit.db") as log:
        records = log.records(Filters(), limit=500).records
        released = [record.seed for record in records if record.state is State.RELEASED]
        assert sorted(map(int, released)) == [n for n in range(count) if n != 5]
        assert sum(record.state is State.REFUSED for record in records) == 1
        assert log.verify().ok
