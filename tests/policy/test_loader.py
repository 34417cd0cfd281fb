"""Documents become policies, or every fault is told with its place."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from guardrail import resources
from guardrail.contracts import Action, Mode, Stage
from guardrail.errors import PolicyError
from guardrail.policy import load_policy, restore_policy
from tests.policy.writing import ALL, decide, load, problems, rule, write

HEAD = 'schema_version: 1\nid: mine\nversion: "1"\ndescription: A test.\n'


def written(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_every_fault_is_told_at_once_with_line_column_and_what_is_allowed(tmp_path: Path) -> None:
    text = (
        "schema_version: 1\nid: mine\nversion: 1.10\ndescription: x\nlimit: {}\nrules:\n"
        "  - id: Bad Id\n    chek: words\n    check: words\n    stage: prompts\n    action: block\n"
    )
    assert problems(written(tmp_path, text)) == [
        "3:10: version: must be text: put it in quotes",
        "5:1: limit: unknown key (did you mean 'limits'?); allowed here: schema_version, kind, "
        "id, version, description, locked, extends, limits, provenance, rules, adjust, "
        "requirements, assured, cases",
        "7:9: rules[0].id: must match ^[a-z][a-z0-9]*([._-][a-z0-9]+)*$",
        "8:5: rules[0].chek: unknown key (did you mean 'check'?); allowed here: id, check, stage, "
        "action, mode, with, when, unless, on_error, reason, remediation, citations",
        "10:12: rules[0].stage: must be one of prompt, input, output (did you mean 'prompt'?)",
    ]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (
            "  - {id: a, check: wrods, stage: prompt, action: block}\n",
            "6:20: rules[0].check: no check 'wrods' at the stage prompt; there are: broken,",
        ),
        (
            "  - {id: a, check: words, stage: prompt, action: block, with: {wrods: []}}\n",
            "6:64: rules[0].with.wrods: unknown key (did you mean 'words'?); "
            "allowed here: words, anywhere",
        ),
        (
            "  - {id: a, check: words, stage: prompt, action: block}\n",
            "6:5: rules[0].with.words: is missing",
        ),
        (
            "  - {id: a, check: words, stage: prompt, action: block, with: {words: ['']}}\n",
            "6:63: rules[0].with: words: an empty word is everywhere",
        ),
        (
            "  - {id: core.mine, check: words, stage: prompt, action: warn, with: {words: [a]}}\n",
            "6:10: rules[0].id: ids beginning with core. or engine. are guardrail's own",
        ),
        (
            "  - {id: a, check: picture_integrity, stage: output, action: redact}\n",
            "6:62: rules[0].action: the action redact has no meaning at the stage output",
        ),
        (
            "  - {id: a, check: picture_integrity, stage: output, action: block, "
            "with: {tolerance: 256}}\n",
            "6:87: rules[0].with.tolerance: input should be less than or equal to 255",
        ),
        (
            "  - {id: a, check: picture_integrity, stage: output, action: block, "
            "when: \"actor == ''\"}\n",
            "6:75: rules[0].when: when has no meaning at the stage output",
        ),
    ],
)
def test_rules_that_cannot_work_are_refused(tmp_path: Path, rules: str, expected: str) -> None:
    found = problems(written(tmp_path, f"{HEAD}rules:\n{rules}"))
    assert any(problem.startswith(expected) for problem in found), found


def test_errors_never_quote_what_a_plain_text_option_holds(tmp_path: Path) -> None:
    text = f"{HEAD}rules:\n  - [secret words]\n"
    assert problems(written(tmp_path, text)) == [
        "6:5: rules[0]: input should be a valid dictionary or instance of Rule"
    ]


def test_the_core_is_part_of_every_policy_and_comes_first(tmp_path: Path) -> None:
    policy = load(tmp_path, rule("mine.words", "kite"))
    assert [r.id for r in policy.document.rules] == ["core.intimate", "mine.words"]
    assert load_policy("core").document.rules[0].id == "core.intimate"


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "off"},
        {"mode": "shadow"},
        {"action": "warn"},
        {"on_error": "error"},
        {"unless": "purpose == 'art'"},
        {"when": "actor != ''"},
        {"reason": "No."},
    ],
    ids=str,
)
def test_no_document_changes_the_core(tmp_path: Path, change: dict[str, str]) -> None:
    path = write(tmp_path, adjust=[{"id": "core.intimate"} | change])
    assert problems(path)[0].endswith(
        "adjust[0].id: the rule 'core.intimate' is locked: no document can change it"
    )


def test_the_core_cannot_be_replaced_by_a_copy(tmp_path: Path) -> None:
    copy = (resources.policies_dir() / "core.yaml").read_text("utf-8")
    found = problems(written(tmp_path, copy, "core.yaml"))
    assert any("locked: only the bundled core is locked" in problem for problem in found)
    assert any("the rule 'core.intimate' exists already" in problem for problem in found)


def test_a_document_extends_others_by_name_and_by_path(tmp_path: Path) -> None:
    write(tmp_path, rule("base.a", "kite", action="review"), name="base")
    policy = load(
        tmp_path,
        rule("mine.b", "boat"),
        extends=["default", "base.yaml"],
        adjust=[{"id": "base.a", "action": "block", "with": {"words": ["kite", "drone"]}}],
        limits={"max_prompt_characters": 40},
    )
    ids = [r.id for r in policy.document.rules]
    assert ids[0] == "core.intimate"
    assert ids.index("default.deepfake") < ids.index("base.a") < ids.index("mine.b")
    adjusted = next(r for r in policy.document.rules if r.id == "base.a")
    assert adjusted.action is Action.BLOCK
    assert adjusted.options == {"words": ["kite", "drone"], "anywhere": True}
    assert policy.document.limits.max_prompt_characters == 40


def test_a_fault_in_an_adjustment_is_told_where_it_was_written(tmp_path: Path) -> None:
    write(tmp_path, rule("base.a", "kite"), name="base")
    text = f"{HEAD}extends: [base.yaml]\nadjust:\n  - id: base.a\n    with: {{wrods: [x]}}\n"
    assert problems(written(tmp_path, text)) == [
        "8:12: adjust[0].with.wrods: unknown key (did you mean 'words'?); "
        "allowed here: words, anywhere"
    ]


def test_extending_in_a_circle_is_refused(tmp_path: Path) -> None:
    write(tmp_path, name="a", extends=["b.yaml"])
    path = write(tmp_path, name="b", extends=["a.yaml"])
    with pytest.raises(PolicyError) as caught:
        load_policy(path, checks=ALL)
    assert "extends this document" in caught.value.problems[0]


def test_a_base_that_is_missing_is_told_at_its_line(tmp_path: Path) -> None:
    (problem,) = problems(written(tmp_path, f"{HEAD}extends: [defualt]\n"))
    assert problem == "5:11: extends[0]: There is no bundled policy 'defualt'."


def test_a_diamond_is_merged_once(tmp_path: Path) -> None:
    write(tmp_path, rule("root.a", "kite"), name="root")
    write(tmp_path, name="left", extends=["root.yaml"])
    write(tmp_path, name="right", extends=["root.yaml"])
    policy = load(tmp_path, extends=["left.yaml", "right.yaml"])
    assert [r.id for r in policy.document.rules] == ["core.intimate", "root.a"]


def test_a_rule_id_is_taken_once(tmp_path: Path) -> None:
    found = problems(write(tmp_path, rule("a", "kite"), rule("a", "boat")))
    assert "the rule 'a' exists already" in found[0]


def test_unknown_names_say_what_there_is() -> None:
    with pytest.raises(PolicyError, match="no bundled policy 'defualt'") as caught:
        load_policy("defualt")
    assert "default" in str(caught.value.hint)
    with pytest.raises(PolicyError, match="no policy document at"):
        load_policy("missing/policy.yaml")


def test_the_digest_is_that_of_the_text_and_the_text_is_canonical_json(tmp_path: Path) -> None:
    policy = load(tmp_path, rule("mine.words", "kite"))
    assert hashlib.sha256(policy.text.encode()).hexdigest() == policy.ref.digest
    data = json.loads(policy.text)
    assert policy.text == json.dumps(data, sort_keys=True, separators=(",", ":"))
    assert data["rules"][1]["with"] == {"anywhere": True, "words": ["kite"]}  # defaults included


def test_the_digest_is_of_the_content_not_of_how_it_is_written(tmp_path: Path) -> None:
    first = written(
        tmp_path,
        f"{HEAD}rules:\n  - {{id: a, check: words, stage: prompt, action: block, "
        "with: {words: [kite]}}\n",
    )
    second = written(
        tmp_path,
        '# A comment\nrules:\n- action: block\n  with:\n    words:\n    - "kite"\n'
        "    anywhere: true\n  stage: prompt\n  check: words\n  mode: enforce\n  id: a\n"
        'description: A test.\nversion: "1"\nid: mine\nschema_version: 1\n'
        "cases:\n  - {name: n, prompt: kite, expect: block}\n",
        "other.yaml",
    )
    assert load_policy(first, checks=ALL).ref == load_policy(second, checks=ALL).ref


@pytest.mark.parametrize(
    "change",
    [
        {"action": "review"},
        {"mode": "shadow"},
        {"with": {"words": ["kites"]}},
        {"reason": "Because."},
        {"unless": "purpose == 'kites'"},
    ],
    ids=str,
)
def test_every_change_that_decides_changes_the_digest(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    before = load(tmp_path, rule("a", "kite"))
    after = load(tmp_path, rule("a", "kite") | change)
    assert before.ref.digest != after.ref.digest
    assert before.ref.version == after.ref.version


def test_the_digest_does_not_depend_on_the_hash_seed() -> None:
    program = "from guardrail import load_policy; print(load_policy('default').ref.digest)"
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            cwd=resources.policies_dir().parent,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_rules_that_are_off_are_kept_in_the_text_and_do_not_run(tmp_path: Path) -> None:
    policy = load(tmp_path, rule("a", "kite", mode="off"))
    assert '"id":"a"' in policy.text
    assert [c.rule.id for c in policy.rules] == ["core.intimate"]
    assert decide(policy, "a kite").allowed


def test_image_rules_carry_their_effective_options(tmp_path: Path) -> None:
    policy = load(
        tmp_path,
        {"id": "p", "check": "picture_integrity", "stage": "output", "action": "block"},
        {"id": "q", "check": "picture_integrity", "stage": "output", "action": "block"}
        | {"mode": "off"},
    )
    (spec,) = policy.image_rules(Stage.OUTPUT)
    assert (spec.rule_id, dict(spec.options), spec.mode) == ("p", {"tolerance": 2}, Mode.ENFORCE)
    assert policy.image_rules(Stage.INPUT) == ()
    assert policy.image_rules(Stage.PROMPT) == ()


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PolicyError, match="cannot be read"):
        load_policy(path)
    with pytest.raises(PolicyError) as caught:
        load_policy(written(tmp_path, "- a\n- b\n"))
    assert "a policy document is a mapping of keys" in caught.value.problems[0]


def test_a_policy_can_be_pinned_to_a_digest(tmp_path: Path) -> None:
    path = write(tmp_path, rule("a", "kite"))
    digest = load_policy(path, checks=ALL).ref.digest
    assert load_policy(f"{path}@{digest}", checks=ALL).ref.digest == digest
    assert load_policy(f"{path}@{digest[:12]}", checks=ALL).ref.digest == digest
    for pin in (digest[:11], "0" * 64, digest + "0"):
        with pytest.raises(PolicyError, match="is required"):
            load_policy(f"{path}@{pin}", checks=ALL)
    assert load_policy(f"default@{load_policy('default').ref.digest}").ref.id == "default"


def test_a_version_can_be_restored_from_its_text(tmp_path: Path) -> None:
    policy = load(tmp_path, rule("a", "kite", unless="actor == 'ann'"), extends=["default"])
    restored = restore_policy(policy.text, checks=ALL)
    assert restored.ref == policy.ref
    assert restored.text == policy.text
    for prompt, actor in (("a kite", None), ("a kite", "ann"), ("Taylor Swift", None)):
        then, now = decide(policy, prompt, actor=actor), decide(restored, prompt, actor=actor)
        assert (then.verdict, then.findings) == (now.verdict, now.findings)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"rules": 1}'])
def test_a_text_that_is_no_policy_cannot_be_restored(text: str) -> None:
    with pytest.raises(PolicyError, match="cannot run the stored policy"):
        restore_policy(text)


def test_a_version_that_needs_a_missing_check_cannot_be_restored(tmp_path: Path) -> None:
    text = load(tmp_path, rule("a", "kite")).text
    with pytest.raises(PolicyError, match="cannot run the stored policy"):
        restore_policy(text)
