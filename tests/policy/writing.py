"""Writes and loads small policies, with checks small enough to reason about."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from guardrail.contracts import Decision, GenerationRequest, Span
from guardrail.errors import PolicyError
from guardrail.policy import Policy, load_policy
from guardrail.policy.interface import CheckOptions, Match, Text
from guardrail.policy.probe import probe
from guardrail.policy.rules import CHECKS


class WordsOptions(CheckOptions):
    words: tuple[str, ...]
    anywhere: bool = True


class Words:
    """Finds each word as written, once a place."""

    Options = WordsOptions

    def __init__(self, options: WordsOptions) -> None:
        if "" in options.words:
            raise ValueError("words: an empty word is everywhere")
        self._options = options

    def examine(self, texts: Sequence[Text], request: GenerationRequest) -> Iterable[Match]:
        for text in texts:
            for word in self._options.words:
                start = text.text.find(word)
                while start >= 0:
                    span = Span(start, start + len(word), text.field)
                    yield Match("WORD_FOUND", "A word was found.", span=span, matched=word)
                    start = text.text.find(word, start + 1)


class NoOptions(CheckOptions):
    pass


class Broken:
    """Cannot look at anything."""

    Options = NoOptions

    def __init__(self, options: NoOptions) -> None: ...

    def examine(self, texts: Sequence[Text], request: GenerationRequest) -> Iterable[Match]:
        raise RuntimeError(f"secret {texts[0].text}")


class HalfBroken(Broken):
    """Finds something, and then cannot go on."""

    def examine(self, texts: Sequence[Text], request: GenerationRequest) -> Iterable[Match]:
        yield Match("HALF", "Half a look.", span=Span(0, 1))
        raise RuntimeError("the rest")


class Lost(Broken):
    """Reports a place that the text does not have."""

    def examine(self, texts: Sequence[Text], request: GenerationRequest) -> Iterable[Match]:
        yield Match("LOST", "Somewhere.", span=Span(3, 9_999))


class Spanless(Broken):
    """Finds something that has no place."""

    def examine(self, texts: Sequence[Text], request: GenerationRequest) -> Iterable[Match]:
        yield Match("SPANLESS", "Somewhere.")


SMALL = {
    "words": Words,
    "broken": Broken,
    "half_broken": HalfBroken,
    "lost": Lost,
    "spanless": Spanless,
}
ALL: Any = {**CHECKS, **SMALL}


def rule(name: str, *words: str, action: str = "block", **more: Any) -> dict[str, Any]:
    """Return a rule that finds words."""
    made: dict[str, Any] = {"id": name, "check": "words", "stage": "prompt", "action": action}
    return made | {"with": {"words": list(words)}} | more


def failing(name: str, check: str, **more: Any) -> dict[str, Any]:
    """Return a rule without options."""
    return {"id": name, "check": check, "stage": "prompt", "action": "block"} | more


def write(folder: Path, *rules: dict[str, Any], name: str = "mine", **keys: Any) -> Path:
    """Write a policy document and return its path."""
    document = {"schema_version": 1, "id": name, "version": "1", "description": "A test."}
    path = folder / f"{name}.yaml"
    data = json.loads(json.dumps(document | {"rules": list(rules)} | keys))  # no aliases
    text = yaml.safe_dump(data, sort_keys=False)
    path.write_text(text, "utf-8")
    return path


def load(folder: Path, *rules: dict[str, Any], **keys: Any) -> Policy:
    """Write a policy and load it with the small checks."""
    return load_policy(write(folder, *rules, **keys), checks=ALL)


def decide(policy: Policy, prompt: str, **fields: Any) -> Decision:
    """Ask the policy about a prompt."""
    return policy.decide(probe(prompt, **fields))


def problems(path: Path) -> list[str]:
    """Return what is wrong with a document, each as line:column: text."""
    with pytest.raises(PolicyError) as caught:
        load_policy(path, checks=ALL)
    assert caught.value.problems, caught.value.message
    return [problem.removeprefix(f"{path}:") for problem in caught.value.problems]
