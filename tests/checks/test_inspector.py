"""The inspector fails closed: whatever goes wrong, the picture does not pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from PIL import Image

from guardrail.checks import ImageCheck, Inspector, Observation
from guardrail.checks.inspector import MODEL_SAFETY_RULE
from guardrail.contracts import Action, Mode, Verdict, worst
from guardrail.errors import CheckError
from tests.checks.pictures import drawing, generated, spec


@dataclass
class Scripted:
    """A plug-in check that answers what it was told to, or raises it."""

    answer: Any
    model: dict[str, str] = field(default_factory=lambda: {"id": "scripted"})

    def __call__(self, _options: Any) -> ImageCheck:
        return self

    def observe(self, images: Sequence[Image.Image]) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer(images) if callable(self.answer) else self.answer


@pytest.fixture
def plug_in(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Offer checks as an installed package would."""

    def offer(**checks: Any) -> None:
        monkeypatch.setattr(
            "guardrail.checks.inspector.load_plugins", lambda _group, reserved: checks
        )

    return offer


def verdict(report: Any) -> Verdict:
    return worst(run.verdict for run in report.rules)


def test_a_clean_picture_passes_and_says_which_rules_ran() -> None:
    (report,) = Inspector([spec("picture_integrity")]).inspect(generated(drawing()))
    assert report.findings == ()
    assert [run.rule_id for run in report.rules] == ["test.picture_integrity", MODEL_SAFETY_RULE]
    assert verdict(report) is Verdict.ALLOW
    assert report.scores == {"test.picture_integrity": {"range": 255.0}}


def test_a_blank_picture_is_found_among_others() -> None:
    blank = Image.new("RGB", (64, 64))
    reports = Inspector([spec("picture_integrity")]).inspect(generated(drawing(), blank))
    assert [verdict(report) for report in reports] == [Verdict.ALLOW, Verdict.BLOCK]
    (finding,) = reports[1].findings
    assert finding.reason_code == "PICTURE_BLANK"
    assert finding.rule_id == "test.picture_integrity"


def test_the_models_own_checker_is_a_finding_without_any_rule() -> None:
    (report,) = Inspector([]).inspect(generated(drawing(), flagged=True))
    assert [finding.reason_code for finding in report.findings] == ["MODEL_SAFETY_CHECKER"]
    assert verdict(report) is Verdict.BLOCK


BROKEN = [
    RuntimeError("a red house"),
    CheckError("cannot look"),
    [],
    [Observation(None)] * 3,
    None,
    [None, None],
    ["passed", "passed"],
    [Observation(None, scores={"a": "high"}), Observation(None)],
]


@pytest.mark.parametrize("answer", BROKEN)
def test_a_check_that_cannot_look_is_an_error_for_every_picture(plug_in: Any, answer: Any) -> None:
    plug_in(broken=Scripted(answer))
    reports = Inspector([spec("broken")]).inspect(generated(drawing(), drawing()))
    assert [verdict(report) for report in reports] == [Verdict.ERROR] * 2
    for report in reports:
        (finding,) = report.findings
        assert finding.failed
        assert finding.reason_code == "CHECK_FAILED"
        assert "red house" not in finding.reason


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
@pytest.mark.parametrize("where", ["score", "scores"])
def test_a_score_that_is_no_number_is_an_error_and_not_a_pass(
    plug_in: Any, number: float, where: str
) -> None:
    seen = (
        Observation("SEEN", score=number)
        if where == "score"
        else Observation(None, scores={"a": number})
    )
    plug_in(vague=Scripted([seen, Observation(None, scores={"a": 0.5})]))
    reports = Inspector([spec("vague")]).inspect(generated(drawing(), drawing()))
    assert [verdict(report) for report in reports] == [Verdict.ERROR, Verdict.ALLOW]
    assert reports[0].scores == {}


def test_one_broken_check_does_not_hide_what_another_found(plug_in: Any) -> None:
    plug_in(broken=Scripted(RuntimeError()))
    specs = [spec("broken"), spec("picture_integrity")]
    (report,) = Inspector(specs).inspect(generated(Image.new("RGB", (8, 8))))
    assert verdict(report) is Verdict.BLOCK
    assert {finding.reason_code for finding in report.findings} == {"CHECK_FAILED", "PICTURE_BLANK"}


def test_a_rule_that_is_off_is_not_run_and_not_reported(plug_in: Any) -> None:
    plug_in(broken=Scripted(RuntimeError()))
    (report,) = Inspector([spec("broken", mode=Mode.OFF)]).inspect(generated(drawing()))
    assert [run.rule_id for run in report.rules] == [MODEL_SAFETY_RULE]


def test_a_shadow_rule_is_recorded_and_does_not_count() -> None:
    inspector = Inspector([spec("picture_integrity", mode=Mode.SHADOW)])
    (report,) = inspector.inspect(generated(Image.new("RGB", (8, 8))))
    assert verdict(report) is Verdict.ALLOW
    assert report.findings[0].mode is Mode.SHADOW


def test_the_rules_action_decides() -> None:
    inspector = Inspector([spec("picture_integrity", action=Action.REVIEW)])
    (report,) = inspector.inspect(generated(Image.new("RGB", (8, 8))))
    assert verdict(report) is Verdict.REVIEW


def test_the_rules_own_words_win() -> None:
    inspector = Inspector(
        [spec("picture_integrity", reason="Nothing to see.", remediation="Again.")]
    )
    (report,) = inspector.inspect(generated(Image.new("RGB", (8, 8))))
    assert (report.findings[0].reason, report.findings[0].remediation) == (
        "Nothing to see.",
        "Again.",
    )


def test_the_report_names_the_models_that_looked(plug_in: Any) -> None:
    plug_in(seen=Scripted(lambda images: [Observation(None)] * len(images)))
    (report,) = Inspector([spec("seen")]).inspect(generated(drawing()))
    assert report.models == {"test.seen": {"id": "scripted"}}


def test_a_check_that_is_not_installed_is_said_at_the_start() -> None:
    with pytest.raises(CheckError) as caught:
        Inspector([spec("mind_reading")])
    assert "mind_reading" in caught.value.message
    assert "concepts" in str(caught.value.hint)


def test_a_check_that_cannot_be_set_up_is_said_at_the_start(plug_in: Any) -> None:
    def factory(options: Any) -> Any:
        return options["missing"]

    plug_in(fussy=factory)
    with pytest.raises(CheckError, match=r"test\.fussy.*KeyError"):
        Inspector([spec("fussy")])


def test_no_pictures_give_no_reports() -> None:
    assert Inspector([spec("picture_integrity")]).inspect([]) == ()


def test_time_is_told_for_each_rule() -> None:
    (report,) = Inspector([spec("picture_integrity")]).inspect(generated(drawing()))
    assert all(run.milliseconds >= 0 for run in report.rules)
