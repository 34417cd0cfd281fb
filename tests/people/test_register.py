from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from guardrail.errors import ConfigurationError
from guardrail.people.register import CATEGORIES, COLUMNS, load_register, parse_line, write_line

PEOPLE = load_register()
TRUE_NAMESAKES = {"Brian Cox", "Roberto Carlos"}


def test_it_is_as_wide_as_promised() -> None:
    assert len(PEOPLE) >= 3000
    assert {person.category for person in PEOPLE} == CATEGORIES
    assert all(count >= 50 for count in Counter(p.category for p in PEOPLE).values())
    assert len({person.country for person in PEOPLE}) >= 80


def test_nobody_stands_in_it_twice() -> None:
    twice = {name for name, n in Counter(p.name for p in PEOPLE).items() if n > 1}
    assert twice <= TRUE_NAMESAKES


def test_every_line_is_sound() -> None:
    for person in PEOPLE:
        assert not (person.living and person.died), person.name
        assert person.died is None or person.died <= 2026, person.name
        assert len(person.country) == 2 and person.country.isupper(), person.name
        forms = (person.name, *person.aliases, *person.scripts, *person.roles)
        assert all(form == form.strip() and form for form in forms), person.name
        assert not any("*" in form[:-1] for form in forms), person.name
        assert parse_line(write_line(person), "") == person


def test_a_wrong_line_is_located(tmp_path: Path) -> None:
    header = "\t".join(COLUMNS)
    (tmp_path / "a.tsv").write_text(f"{header}\nX\t\t\t\tnobody\tUS\tyes\t\n", "utf-8")
    with pytest.raises(ConfigurationError, match=r"a\.tsv:2"):
        load_register(tmp_path)
