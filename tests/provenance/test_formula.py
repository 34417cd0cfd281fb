"""json-formula, construct by construct."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrail.provenance.rubric.functions import FUNCTIONS
from guardrail.provenance.rubric.lexer import FormulaError, tokenize
from guardrail.provenance.rubric.nodes import Scope, same
from guardrail.provenance.rubric.parser import parse

DATA: dict[str, Any] = {
    "a": {"b.c": {"d": 1}, "e": None},
    "list": [{"n": 1, "t": "x"}, {"n": 2}, {"n": None}],
    "deep": [[1, 2], [3], 4],
    "text": "c2pa.actions.v2",
    "zero": 0,
    "empty": [],
}
NAMED = {"_first": "$args[0][0]", "_ambient": "text", "_pair": "[$args[0], $args[1]]"}


def evaluate(expression: str, data: Any = DATA, **variables: Any) -> Any:
    scope = Scope(
        {f"${name}": value for name, value in variables.items()},
        FUNCTIONS,
        {name: parse(body) for name, body in NAMED.items()},
    )
    return parse(expression).evaluate(data, scope)


CASES: list[tuple[str, Any]] = [
    ("@", DATA),
    ("text", "c2pa.actions.v2"),
    ("missing", None),
    ("text.length", None),
    ("a.'b.c'.d", 1),
    ("a.missing.'b.c'", None),
    ('"a \\"quoted\\" string"', 'a "quoted" string'),
    ('`[1, {"k": null}]`', [1, {"k": None}]),
    ("`true`", True),
    ("7", 7),
    ("2.5", 2.5),
    ("list[0].n", 1),
    ("list[9]", None),
    ("text[0]", None),
    ("list[0]", {"n": 1, "t": "x"}),
    ("deep[]", [1, 2, 3, 4]),
    ("text[]", None),
    ("list[].n", [1, 2, None]),
    ("list[?n == 1].t", ["x"]),
    ("list[?n > 1]", [{"n": 2}]),
    ("list[?t]", [{"n": 1, "t": "x"}]),
    ("list[?t != null][]", [{"n": 1, "t": "x"}]),
    ("text[?n]", None),
    ("list[?n != null].n", [1, 2]),
    ("list[?t == null] | [0].n", 2),
    ("list | [?n == 2] | [0]", {"n": 2}),
    ("missing | [0].url", None),
    ("!text", False),
    ("!missing", True),
    ("!empty && !zero", True),
    ("missing || text", "c2pa.actions.v2"),
    ("empty || zero || `[]`", []),
    ("text && 5", 5),
    ("missing && 5", None),
    ("missing || text && 5", 5),
    ("(missing || 3) == 3", True),
    ("1 == 1.0", True),
    ('1 == "1"', False),
    ("`true` == 1", False),
    ("`[1,[2]]` == `[1,[2]]`", True),
    ('`{"a": 1}` != `{"a": 2}`', True),
    ("missing == null", True),
    ("a.e == missing", True),
    ('"2" > 1', True),
    ('"10" > "9"', False),
    ('"b" >= "a"', True),
    ("1 < 2", True),
    ("2 <= 2", True),
    ("missing < 1", False),
    ("empty >= 0", False),
    ('"2" * 3 == 6', True),
    ('"x" * 3', 0.0),
    ("[text, 1]", ["c2pa.actions.v2", 1]),
    ("{x: text, 'y z': 1}", {"x": "c2pa.actions.v2", "y z": 1}),
    ("{}", {}),
    ('if(text, "yes", "no")', "yes"),
    ('if(missing, nosuch(), "no")', "no"),
    ('contains(text, "actions")', True),
    ('contains(missing, "x")', False),
    ("contains(text, missing)", False),
    ("contains(`[1, 2]`, 2)", True),
    ('contains(`[1, 2]`, "2")', False),
    ('startsWith(text, "c2pa.")', True),
    ('startsWith(missing, "c2pa.")', False),
    ('endsWith(text, ".v2")', True),
    ("length(list)", 3),
    ("length(missing)", 0),
    ("length(text)", 15),
    ("keys(a)", ["b.c", "e"]),
    ("values(a)", [{"d": 1}, None]),
    ('split(text, ".")', ["c2pa", "actions", "v2"]),
    ('split(missing, ".")', [""]),
    ('split("ab", "")', ["a", "b"]),
    ("notNull(missing, a.e, 3)", 3),
    ("notNull(missing)", None),
    ("type(missing)", "null"),
    ("type(list)", "array"),
    ("type(a)", "object"),
    ("type(`true`)", "boolean"),
    ("type(text)", "string"),
    ("type(1)", "number"),
    ("_first(list).n", 1),
    ("list[0]._ambient()", None),
    ("_ambient()", "c2pa.actions.v2"),
    ("_pair(1, text)", [1, "c2pa.actions.v2"]),
    ("list[?contains($known, n)].n", [2]),
    ("$unknown", None),
    ('list[?n != null] | [].keys(@)[] | [? @ != "n"]', ["t"]),
    ("values(@)[?n == null] | length(@)", 6),
]


@pytest.mark.parametrize(("expression", "value"), CASES, ids=[c[0] for c in CASES])
def test_an_expression_has_its_value(expression: str, value: Any) -> None:
    found = evaluate(expression, known=[2])
    assert same(found, value), found


@pytest.mark.parametrize(
    "expression",
    ["", "a.", "a[", "a[?b", "(a", "a ==", "a b", "[1", "{a 1}", "{1: a}", "a[1.5]", "#", "`{`",
     '"open', "f(a b)", "a.[b]", "1(2)", "a[b]", ")", "a..b"],
)  # fmt: skip
def test_what_is_no_expression_is_refused(expression: str) -> None:
    with pytest.raises(FormulaError):
        parse(expression)


@pytest.mark.parametrize(
    "expression",
    ["nosuch(1)", "keys(text)", "values(list)", 'contains(5, "x")', "startsWith(list, 1)",
     "length()", "split(text)", "if(1, 2)"],
)  # fmt: skip
def test_what_cannot_be_evaluated_is_an_error(expression: str) -> None:
    with pytest.raises(FormulaError):
        evaluate(expression)


def test_expressions_that_call_each_other_without_end_are_an_error() -> None:
    endless = Scope({}, FUNCTIONS, {"_a": parse("_b(1)"), "_b": parse("_a(1)")})
    with pytest.raises(FormulaError, match="without end"):
        parse("_a(1)").evaluate({}, endless)


def test_arguments_of_a_call_do_not_leak() -> None:
    assert evaluate("[_pair(1, 2), $args]") == [[1, 2], None]


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text)
    except (FormulaError, RecursionError):
        return


PARTS = st.sampled_from([*"[](){}.,:|!<>@*", "[?", "[]", "==", "&&", "||", "a", "$b", "'c'", '"d"',
                         "`1`", "2", "length", "if"])  # fmt: skip


DATA = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.sampled_from("acd"), x),
    max_leaves=8,
)


@given(st.lists(PARTS, max_size=14), DATA)
def test_any_expression_on_any_data_has_a_value_or_is_an_error(parts: list[str], data: Any) -> None:
    try:
        evaluate(" ".join(parts), data)
    except FormulaError:
        return


@given(st.lists(PARTS, max_size=14))
def test_tokens_come_in_order_and_end(parts: list[str]) -> None:
    tokens = tokenize(" ".join(parts))
    assert tokens[-1].kind == "end"
    assert [t.at for t in tokens] == sorted(t.at for t in tokens)
    assert len(tokens) == len(parts) + 1
