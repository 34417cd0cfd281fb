"""From tokens to a tree, by operator precedence (the powers are those of json-formula)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from guardrail.provenance.rubric.lexer import FormulaError, Token, tokenize
from guardrail.provenance.rubric.nodes import (
    Call,
    Chain,
    Compare,
    Current,
    Either,
    Field,
    Filter,
    Flatten,
    Index,
    ListOf,
    Literal,
    Multiply,
    Node,
    Not,
    ObjectOf,
    Variable,
)

_POWER = {
    "|": 1, "||": 2, "&&": 3,
    "==": 5, "!=": 5, ">": 5, ">=": 5, "<": 5, "<=": 5,
    "*": 7, "[]": 9, "[?": 21, ".": 40, "[": 55, "(": 60,
}  # fmt: skip
_NOT_POWER = 30
_ENDS_PROJECTION = 10
"""What binds weaker than this ends what is done for each element."""
_STAR_POWER = 20


@lru_cache(maxsize=256)
def parse(expression: str) -> Node:
    """Return the tree of ``expression``. Raises :class:`FormulaError` naming the position."""
    parser = _Parser(tokenize(expression))
    node = parser.expression(0)
    parser.expect("end")
    return node


class _Parser:
    def __init__(self, tokens: tuple[Token, ...]) -> None:
        self._tokens = tokens
        self._at = 0
        self._first: dict[str, Callable[[Token], Node]] = {
            "json": lambda token: Literal(token.value),
            "string": lambda token: Literal(token.value),
            "number": lambda token: Literal(token.value),
            "name": lambda token: Field(token.value),
            "quoted": lambda token: Field(token.value),
            "variable": lambda token: Variable(token.value),
            "@": lambda _token: Current(),
            "!": lambda _token: Not(self.expression(_NOT_POWER)),
            "(": lambda _token: self._group(),
            "{": lambda _token: self._object(),
            "[": lambda _token: self._bracket(),
            "[]": lambda _token: self._flatten(Current()),
            "[?": lambda _token: self._filter(Current()),
        }
        self._next: dict[str, Callable[[Node, Token], Node]] = {
            "|": lambda left, _token: Chain(left, self.expression(1), stops_at_null=False),
            "||": lambda left, _token: Either(left, self.expression(2), wants=True),
            "&&": lambda left, _token: Either(left, self.expression(3), wants=False),
            "*": lambda left, _token: Multiply(left, self.expression(7)),
            ".": lambda left, _token: Chain(left, self._member(_POWER["."]), stops_at_null=True),
            "[]": lambda left, _token: self._flatten(left),
            "[?": lambda left, _token: self._filter(left),
            "[": lambda left, _token: self._index(left),
            "(": self._call,
        }

    def expression(self, power: int) -> Node:
        token = self._take()
        begin = self._first.get(token.kind)
        if begin is None:
            raise _unexpected(token)
        left = begin(token)
        while power < _POWER.get(self._peek().kind, 0):
            operator = self._take()
            follow = self._next.get(operator.kind)
            left = follow(left, operator) if follow else self._compare(left, operator)
        return left

    def expect(self, kind: str) -> Token:
        token = self._take()
        if token.kind != kind:
            raise _unexpected(token)
        return token

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._tokens[min(self._at, len(self._tokens) - 1)]
        self._at += 1
        return token

    def _accept(self, kind: str) -> bool:
        found = self._peek().kind == kind
        self._at += found
        return found

    def _group(self) -> Node:
        inner = self.expression(0)
        self.expect(")")
        return inner

    def _compare(self, left: Node, operator: Token) -> Node:
        return Compare(operator.kind, left, self.expression(_POWER[operator.kind]))

    def _call(self, left: Node, token: Token) -> Node:
        if not isinstance(left, Field):
            raise _unexpected(token)
        return Call(left.name, self._list_until(")"))

    def _list_until(self, closing: str) -> tuple[Node, ...]:
        items: list[Node] = []
        while not self._accept(closing):
            if items:
                self.expect(",")
            items.append(self.expression(0))
        return tuple(items)

    def _object(self) -> Node:
        members: list[tuple[str, Node]] = []
        while not self._accept("}"):
            if members:
                self.expect(",")
            token = self._take()
            if token.kind not in ("name", "quoted"):
                raise _unexpected(token)
            self.expect(":")
            members.append((token.value, self.expression(0)))
        return ObjectOf(tuple(members))

    def _bracket(self) -> Node:
        """``[0]`` is an index on the current data; ``[a, b]`` makes a list."""
        if self._peek().kind == "number":
            return self._index(Current())
        return ListOf(self._list_until("]"))

    def _index(self, left: Node) -> Node:
        position = self.expect("number").value
        self.expect("]")
        if not isinstance(position, int):
            raise FormulaError("an index is a whole number")
        return Index(left, position)

    def _flatten(self, left: Node) -> Node:
        return Flatten(left, self._each(_POWER["[]"]))

    def _filter(self, left: Node) -> Node:
        condition = self.expression(0)
        self.expect("]")
        return Filter(left, condition, self._each(_POWER["[?"]))

    def _each(self, power: int) -> Node:
        """Return what is done for each element: everything up to the next weak operator."""
        following = self._peek()
        if following.kind == "." and self._accept("."):
            return self._member(power)
        if _POWER.get(following.kind, 0) < _ENDS_PROJECTION:
            return Current()
        return self.expression(power)

    def _member(self, power: int) -> Node:
        if self._peek().kind not in ("name", "quoted"):
            raise _unexpected(self._peek())
        return self.expression(power)


def _unexpected(token: Token) -> FormulaError:
    what = "the end" if token.kind == "end" else repr(token.value)
    return FormulaError(f"unexpected {what} at {token.at}")
