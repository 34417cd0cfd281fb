"""The flow, on a small diffusers model and on drawn pictures: what leaves, and what is kept."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import guardrail
from guardrail import Pipeline, PolicyBlocked, StageFailed, verify
from guardrail.audit import State
from guardrail.contracts import Verdict
from guardrail.errors import ConfigurationError, GenerationCancelled
from guardrail.identifiers import SEED_MAX
from guardrail.run import StageEvent
from tests.drawn import DrawnBackend

NAMED = "a photo of Taylor Swift giving a speech"
PLAIN = "a lighthouse at dusk, watercolor"
ORDER = ["policy", "record", "generate", "check", "sign", "stage", "release", "publish"]


@pytest.fixture
def drawn() -> DrawnBackend:
    return DrawnBackend()


@pytest.fixture
def flow(drawn: DrawnBackend, home: Path) -> Iterator[Pipeline]:
    pipe = Pipeline.from_pretrained(drawn, home=home)
    yield pipe
    pipe.close()


def test_a_picture_leaves_signed_recorded_and_verified(pipe: Pipeline) -> None:
    result = pipe.generate(PLAIN, seed=7, steps=2)

    record = pipe.audit.record(result.record_id)
    assert record.state is State.RELEASED
    assert record.prompt == PLAIN
    assert record.seed == "7"
    assert record.sha256 == hashlib.sha256(result.content).hexdigest()
    found = verify(result.content, anchors=pipe.provenance.anchors_pem)
    assert found.trusted
    assert found.record_id == result.record_id
    with Image.open(io.BytesIO(result.content)) as picture:
        assert picture.size == (64, 64)
    assert pipe.audit.verify().ok


def test_the_record_says_what_really_ran(pipe: Pipeline) -> None:
    result = pipe.generate(
        PLAIN, negative_prompt="people", seed=3, steps=3, guidance_scale=2.5, scheduler="euler",
        width=32, height=48, actor="ann", tenant="acme", purpose="editorial",
        metadata={"campaign": "spring"},
    )  # fmt: skip

    record = pipe.audit.record(result.record_id)
    facts = record.reproduction or {}
    assert facts["scheduler"]["class"] == "EulerDiscreteScheduler"
    assert facts["parameters"]["num_inference_steps"] == 3
    assert (facts["parameters"]["width"], facts["parameters"]["height"]) == (32, 48)
    assert record.model is not None
    assert record.model.weights_digest == pipe.backend.identity.weights_digest
    assert (record.actor, record.tenant, record.purpose) == ("ann", "acme", "editorial")
    assert record.metadata == '{"campaign": "spring"}'
    ran = {rule["rule_id"] for rule in record.decision["rules"]}
    assert ran == {run.rule_id for run in result.decision.rules}
    assert ran
    assert record.decision["policy"]["digest"] == pipe.policy.ref.digest
    assert pipe.audit.policy_text(pipe.policy.ref.digest) == pipe.policy.text


def test_stages_run_in_the_order_of_the_promise(flow: Pipeline, tmp_path: Path) -> None:
    seen: list[str] = []
    existed: dict[str, bool] = {}
    target = tmp_path / "out.png"

    def observe(event: StageEvent) -> None:
        seen.append(event.stage)
        existed[event.stage] = target.exists()

    flow.generate(PLAIN, output=target, on_stage=observe)
    assert seen == ORDER
    assert [stage for stage, there in existed.items() if there] == ["publish"]


def test_a_refusal_is_a_value_with_its_reason_and_its_record(
    flow: Pipeline, drawn: DrawnBackend
) -> None:
    with pytest.raises(PolicyBlocked) as refused:
        flow.generate(NAMED, actor="ann")

    decision = refused.value.decision
    finding = decision.deciding[0]
    assert finding.span is not None
    assert NAMED[finding.span.start : finding.span.end] == "Taylor Swift"
    assert finding.reason
    assert decision.remediation
    assert drawn.requests == []
    assert refused.value.record_id is not None
    record = flow.audit.record(refused.value.record_id)
    assert record.state is State.REFUSED
    assert record.prompt == NAMED
    assert NAMED not in str(refused.value)


def test_check_answers_without_recording(flow: Pipeline) -> None:
    assert flow.check(PLAIN).allowed
    assert flow.check(NAMED).verdict is Verdict.BLOCK
    assert flow.audit.records().records == ()


def test_each_picture_of_a_batch_has_its_own_seed_and_record(flow: Pipeline) -> None:
    result = flow.generate(PLAIN, seed=SEED_MAX, count=3)
    assert [image.seed for image in result.images] == [SEED_MAX, 0, 1]
    assert len({image.record_id for image in result.images}) == 3
    for image in result.images:
        assert flow.audit.record(image.record_id).seed == str(image.seed)
        assert verify(image.content, anchors=flow.provenance.anchors_pem).record_id == (
            image.record_id
        )


def test_seeds_are_drawn_and_recorded_when_none_is_given(flow: Pipeline) -> None:
    first, second = flow.generate(PLAIN), flow.generate(PLAIN)
    assert first.seed != second.seed
    assert flow.audit.record(first.record_id).seed == str(first.seed)


def test_a_blank_picture_of_a_batch_is_withheld_and_the_rest_released(home: Path) -> None:
    pipe = Pipeline.from_pretrained(DrawnBackend(blank=(11,)), home=home)
    result = pipe.generate(PLAIN, seed=10, count=3)
    assert [image.seed for image in result.images] == [10, 12]
    assert [held.seed for held in result.withheld] == [11]
    states = [pipe.audit.record(held.record_id).state for held in result.withheld]
    assert states == [State.REFUSED]


def test_only_blank_pictures_raise_the_refusal(home: Path) -> None:
    pipe = Pipeline.from_pretrained(DrawnBackend(blank=(1,)), home=home)
    with pytest.raises(PolicyBlocked) as refused:
        pipe.generate(PLAIN, seed=1)
    assert refused.value.decision.deciding[0].reason_code == "PICTURE_BLANK"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", -1), ("seed", SEED_MAX + 1), ("seed", True), ("width", 0), ("steps", 0),
        ("steps", 1001), ("guidance_scale", float("nan")), ("guidance_scale", -1), ("count", 0),
        ("count", 65), ("negative_prompt", 7), ("metadata", {"x": float("inf")}),
        ("output", "picture.bmp"), ("output", "no/such/folder/x.png"),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused_before_anything_is_recorded(
    flow: Pipeline, name: str, value: Any
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        flow.generate(PLAIN, **{name: value})
    assert raised.value.message.endswith(".")
    assert flow.audit.records().records == ()


def test_an_unknown_argument_is_a_type_error(flow: Pipeline) -> None:
    with pytest.raises(TypeError, match="stepz"):
        flow.generate(PLAIN, stepz=3)  # type: ignore[call-arg]


def test_an_existing_file_is_not_overwritten_unless_asked(flow: Pipeline, tmp_path: Path) -> None:
    target = tmp_path / "mine.png"
    target.write_bytes(b"precious")
    with pytest.raises(ConfigurationError, match="exists"):
        flow.generate(PLAIN, output=target)
    assert target.read_bytes() == b"precious"
    flow.generate(PLAIN, output=target, overwrite=True)
    assert target.read_bytes() != b"precious"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, GenerationCancelled("stopped")])
def test_a_cancelled_generation_leaves_a_record_that_says_so_and_nothing_else(
    flow: Pipeline, tmp_path: Path, stop: BaseException
) -> None:
    def on_progress(done: int, _total: int) -> None:
        if done == 2:
            raise stop

    with pytest.raises((KeyboardInterrupt, GenerationCancelled)):
        flow.generate(PLAIN, output=tmp_path / "x.png", on_progress=on_progress)
    (record,) = flow.audit.records().records
    assert record.state is State.CANCELLED
    assert list(tmp_path.glob("*.png")) == []


def test_an_observer_that_fails_after_the_release_does_not_undo_it(
    flow: Pipeline, tmp_path: Path
) -> None:
    def observe(event: StageEvent) -> None:
        if event.stage == "release":
            raise RuntimeError("observer")

    with pytest.raises(RuntimeError):
        flow.generate(PLAIN, output=tmp_path / "x.png", on_stage=observe)
    (record,) = flow.audit.records().records
    assert record.state is State.RELEASED
    flow.audit.sweep()
    assert hashlib.sha256((tmp_path / "x.png").read_bytes()).hexdigest() == record.sha256


def test_many_threads_share_one_pipeline(flow: Pipeline) -> None:
    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda s=seed: results.append(flow.generate(PLAIN, seed=s)))
        for seed in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result.seed for result in results) == list(range(8))
    assert flow.audit.verify().ok
    assert len(flow.audit.records().records) == 8


@pytest.mark.parametrize(("ending", "kind"), [(".png", "PNG"), (".jpg", "JPEG"), (".webp", "WEBP")])
def test_the_ending_decides_the_format(
    flow: Pipeline, tmp_path: Path, ending: str, kind: str
) -> None:
    result = flow.generate(PLAIN, output=tmp_path / f"x{ending}")
    with Image.open(tmp_path / f"x{ending}") as picture:
        assert picture.format == kind
    assert (tmp_path / f"x{ending}").read_bytes() == result.content
    with pytest.raises(ConfigurationError, match="format"):
        result.save(tmp_path / ("y.webp" if kind != "WEBP" else "y.png"))


def test_a_result_shows_itself_in_a_notebook(flow: Pipeline) -> None:
    result = flow.generate(PLAIN, seed=1)
    assert result._repr_png_() == result.content
    html = result._repr_html_()
    assert str(result.record_id) in html
    assert "development" in html


def test_a_model_that_returns_too_few_pictures_releases_none(
    flow: Pipeline, drawn: DrawnBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = drawn.generate
    monkeypatch.setattr(drawn, "generate", lambda *a, **k: real(*a, **k)[:1])
    with pytest.raises(StageFailed):
        flow.generate(PLAIN, count=2)
    assert {r.state for r in flow.audit.records().records} == {State.FAILED}


def test_the_public_names_are_what_they_say() -> None:
    for name in guardrail.__all__:
        assert getattr(guardrail, name) is not None
    assert set(guardrail.__all__) == set(dir(guardrail))
