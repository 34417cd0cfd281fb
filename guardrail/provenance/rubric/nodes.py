"""The parts of a json-formula expression; each knows how to evaluate itself.

The semantics are those of json-formula 2 (a successor of JMESPath that keeps nulls in
projections and converts types more freely); each class is covered by a test of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from guardrail.provenance.rubric.lexer import FormulaError

_MAX_DEPTH = 40


class Node(Protocol):
    """A part of an expression."""

    def evaluate(self, data: Any, scope: Scope) -> Any:
        """Return the value on ``data`` (what ``@`` is)."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression can name: variables, functions, and named expressions."""

    variables: Mapping[str, Any]
    functions: Mapping[str, Callable[..., Any]]
    expressions: Mapping[str, Node]
    depth: int = field(default=0)

    def inside(self, arguments: list[Any]) -> Scope:
        """Return the scope of a named expression that was called with ``arguments``."""
        if self.depth >= _MAX_DEPTH:
            raise FormulaError("named expressions call each other without end")
        inner = {**self.variables, "$args": arguments} if arguments else self.variables
        return replace(self, variables=inner, depth=self.depth + 1)


def truthy(value: Any) -> bool:
    """Say whether a value counts as true: null, false, 0 and everything empty do not."""
    return bool(value)


def same(left: Any, right: Any) -> bool:
    """Compare deeply, without converting: ``1`` is not ``true`` and not ``"1"``."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left == right
    if type(left) is not type(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    return bool(left == right)


def number(value: Any) -> float:
    """Convert to a number as json-formula does; what is none becomes 0."""
    if isinstance(value, bool | int | float):
        return float(value)
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0


@dataclass(frozen=True, slots=True)
class Current:
    """``@``: the data at hand."""

    def evaluate(self, data: Any, scope: Scope) -> Any:
        """Return the data itself."""
        return data


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, a number or JSON between backticks."""

    value: Any

    def evaluate(self, data: Any, scope: Scope) -> Any:
        """Return the literal."""
        return self.value


@dataclass(frozen=True, slots=True)
class Variable:
    """``$name``; null when it is not defined."""

    name: str

    def evaluate(self, data: Any, scope: Scope) -> Any:
        """Return the variable's value."""
        return scope.variables.get(self.name)


@dataclass(frozen=True, slots=True)
class Field:
    """``name``: a member of an object; null for anything else."""

    name: str

    def evaluate(self, data: Any, scope: Scope) -> Any:
        """Return the member."""
        return data.get(self.name) if isinstance(data, dict) else None


@dataclass(frozen=True, slots=True)
class Chain:
    """``left.right`` and ``left | right``: the right side sees the left's value."""

    left: Node
    right: Node
    stops_at_null: bool
    """A dot does; a pipe does not."""

    def evaluate(self, data: Any, scope: Scope) -> Any:
        """Evaluate the right side on the left side's value."""
        value = self.left.evaluate(data, scope)
        if value is None and self.stops_at_null and not isinstance(self.right, Call):
            return None
        return self.right.evaluate(value, scope)


@dataclass(frozen=True, slots=True)
class Index:
    """``left[2]``: an element of a list; null outside it."""

    left: Node
    position: int

    def evaluate(self, data: Any, scope: Scope) -> Any:
        """Return the element."""
        value = self.left.evaluate(data, scope)
        if not isinstance(value, list) or self.position >= len(value):
            return None
        return value[self.position]


@dataclass(frozen=True, slots=True)
class Flatten:
    """``left[]``: one level of lists in a list undone, then the rest for each element."""

    left: Node
    each: Node

    def evaluate(self, data: Any, scope: Scope) -> Any:
        """Return the projection; null when the left side is no list."""
        value = self.left.evaluate(data, scope)
        if not isinstance(value, list):
            return None
        flat = [e for item in value for e in (item if isinstance(item, list) else [item])]
        return [self.each.evaluate(item, scope) for item in flat]


@dataclass(frozen=True, slots=True)
class Filter:
    """``left[?condition]``: the elements that satisfy it, then the rest for each."""

    left: Node
    condition: Node
    each: Node

    def evaluate(self, data: Any, scope: Scope) -> Any:
        """Return the projection; null when the left side is no list."""
        value = self.left.evaluate(data, scope)
        if not isinstance(value, list):
            return None
        kept = [item for item in value if truthy(self.condition.evaluate(item, scope))]
        return [self.each.evaluate(item, scope) for item in kept]


@dataclass(frozen=True, slots=True)
class Not:
    """``!operand``."""

    operand: Node

    def evaluate(self, data: Any, scope: Scope) -> Any:
        """Return the negation."""
        return not truthy(self.operand.evaluate(data, scope))


@dataclass(frozen=True, slots=True)
class Either:
    """``left || right`` and ``left && right``: short-circuit, and the operand's own value."""

    left: Node
    right: Node
    wants: bool
    """The truth of the left side that makes it the result: true for ``||``."""

    def evaluate(self, data: Any, scope: Scope) -> Any:
        """Return the side that decides."""
        value = self.left.evaluate(data, scope)
        return value if truthy(value) is self.wants else self.right.evaluate(data, scope)


@dataclass(frozen=True, slots=True)
class Compare:
    """``==`` and ``!=`` compare deeply; the order operators numbers, or text with text."""

    operator: str
    left: Node
    right: Node

    def evaluate(self, data: Any, scope: Scope) -> Any:
        """Return the comparison's outcome."""
        left, right = self.left.evaluate(data, scope), self.right.evaluate(data, scope)
        if self.operator in ("==", "!="):
            return same(left, right) is (self.operator == "==")
        if isinstance(left, list | dict | None) or isinstance(right, list | dict | None):
            return False
        if not (isinstance(left, str) and isinstance(right, str)):
            left, right = number(left), number(right)
        return _ORDER[self.operator](left, right)


_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
}


@dataclass(frozen=True, slots=True)
class Multiply:
    """``left * right``."""

    left: Node
    right: Node

    def evaluate(self, data: Any, scope: Scope) -> Any:
        """Return the product of what the operands are as numbers."""
        return number(self.left.evaluate(data, scope)) * number(self.right.evaluate(data, scope))


@dataclass(frozen=True, slots=True)
class ListOf:
    """``[a, b]``."""

    items: tuple[Node, ...]

    def evaluate(self, data: Any, scope: Scope) -> Any:
        """Return the list of values."""
        return [item.evaluate(data, scope) for item in self.items]


@dataclass(frozen=True, slots=True)
class ObjectOf:
    """``{name: value}``."""

    members: tuple[tuple[str, Node], ...]

    def evaluate(self, data: Any, scope: Scope) -> Any:
        """Return the object of values."""
        return {name: value.evaluate(data, scope) for name, value in self.members}


@dataclass(frozen=True, slots=True)
class Call:
    """``name(arguments)``: a function, a named expression, or ``if``."""

    name: str
    arguments: tuple[Node, ...]

    def evaluate(self, data: Any, scope: Scope) -> Any:
        """Call it. A named expression sees the caller's ``@`` and its arguments as ``$args``."""
        if self.name == "if":
            return self._branch(data, scope)
        values = [argument.evaluate(data, scope) for argument in self.arguments]
        expression = scope.expressions.get(self.name)
        if expression is not None:
            return expression.evaluate(data, scope.inside(values))
        function = scope.functions.get(self.name)
        if function is None:
            raise FormulaError(f"there is no function {self.name}()")
        try:
            return function(*values)
        except TypeError as error:
            raise FormulaError(f"{self.name}() does not take these arguments") from error

    def _branch(self, data: Any, scope: Scope) -> Any:
        if len(self.arguments) != 3:
            raise FormulaError("if() takes a condition and two values")
        condition, yes, no = self.arguments
        chosen = yes if truthy(condition.evaluate(data, scope)) else no
        return chosen.evaluate(data, scope)
