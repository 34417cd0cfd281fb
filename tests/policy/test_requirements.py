"""What a policy requires is done, assured by the operator, or the pipeline does not start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from guardrail import Pipeline
from guardrail.doctor import Health, examine
from guardrail.errors import ConfigurationError
from guardrail.policy import Need, Policy
from guardrail.policy.requirements import MEANING, Standing, standing
from guardrail.settings import load_settings
from tests.drawn import DrawnBackend
from tests.policy.writing import load, problems, rule, write

LABEL = {"id": "x.label", "need": "visible_label", "reason": "The law says so."}
LOGS = {"id": "x.logs", "need": "record_retention", "days": 180, "reason": "The law says so."}


def policy(folder: Path, **keys: Any) -> Policy:
    return load(folder, rule("a", "kite"), requirements=[LABEL, LOGS], **keys)


def test_what_is_not_provided_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"x\.label") as caught:
        policy(tmp_path).require({Need.RECORD_RETENTION})
    assert "a label that a viewer can see" in caught.value.message
    assert "x.logs" not in caught.value.message
    assert "assured" in str(caught.value.hint)
    policy(tmp_path).require({Need.RECORD_RETENTION, Need.VISIBLE_LABEL})


def test_the_operator_can_assure_it_and_that_is_part_of_the_digest(tmp_path: Path) -> None:
    plain = policy(tmp_path)
    said = policy(tmp_path, assured=[{"need": "visible_label", "how": "Drawn by the web site."}])
    said.require({Need.RECORD_RETENTION})
    assert "Drawn by the web site." in said.text
    assert said.ref.digest != plain.ref.digest
    label, logs = said.document.requirements
    assert standing(said.document, label, ()) is Standing.ASSURED
    assert standing(said.document, logs, ()) is Standing.UNMET
    assert standing(said.document, logs, {Need.RECORD_RETENTION}) is Standing.ENFORCED


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        (LOGS | {"days": None}, "requirements[0].days: record_retention needs days"),
        (LABEL | {"hours": 3}, "requirements[0].hours: hours is only for takedown"),
        ({**LABEL, "id": "x.down", "need": "takedown"}, "takedown needs hours"),
        (LABEL | {"need": "label"}, "must be one of signed_manifest"),
    ],
)
def test_requirements_that_say_too_little_or_too_much(
    tmp_path: Path, requirement: dict[str, Any], expected: str
) -> None:
    clean = {key: value for key, value in requirement.items() if value is not None}
    found = problems(write(tmp_path, rule("a", "kite"), requirements=[clean]))
    assert any(expected in problem for problem in found), found


def test_a_requirement_is_made_once(tmp_path: Path) -> None:
    found = problems(write(tmp_path, rule("a", "kite"), requirements=[LABEL, LABEL]))
    assert "the requirement 'x.label' exists already" in found[0]


def test_every_need_has_words() -> None:
    assert set(MEANING) == set(Need)


def test_the_pipeline_does_not_start_without(tmp_path: Path, home: Path) -> None:
    unmet = write(tmp_path, requirements=[LABEL], name="unmet")
    with pytest.raises(ConfigurationError, match=r"x\.label"):
        Pipeline.from_pretrained(DrawnBackend(), policy=unmet, home=home)
    said = [{"need": "visible_label", "how": "Drawn by the web site."}]
    assured = write(tmp_path, requirements=[LABEL, LOGS], assured=said, name="assured")
    pipe = Pipeline.from_pretrained(DrawnBackend(), policy=assured, home=home)
    pipe.close()
    doctor = {f.part: f for f in examine(load_settings({"home": str(home), "policy": str(unmet)}))}
    assert doctor["policy"].health is Health.FAILED
