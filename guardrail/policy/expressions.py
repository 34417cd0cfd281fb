"""CEL in ``when`` and ``unless``: compiled and checked when the policy is loaded.

The Common Expression Language always ends, has no side effects and matches patterns in linear
time, so a document can hold an expression without being trusted like code.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guardrail.contracts import GenerationRequest, ModelIdentity, as_json

VARIABLES = {
    "request": "width, height, steps, guidance_scale, count, mode, scheduler, metadata, "
    "prompt, negative_prompt",
    "model": "id, revision, weights_digest, pipeline_class; licence, commercial (yes, no, "
    "conditional, unknown, unregistered) and weights (pinned, not pinned, not as pinned) by the "
    "register of models; all empty where no model is known",
    "actor": "who asks; empty when not given",
    "tenant": "empty when not given",
    "purpose": "empty when not given; what the caller says, not proof of it",
    "consent": "the verified consents that apply to the request; a list, often empty",
}
"""What an expression can read. Absent texts are ``''``."""

MODEL_TERMS = ("licence", "commercial", "weights")
"""What the register of models adds to ``model``."""

FUNCTIONS = frozenset(
    {
        *("size", "has", "contains", "startsWith", "endsWith", "matches"),
        *("exists", "exists_one", "all", "filter", "map"),
        *("string", "int", "double", "bool", "min", "max"),
    }
)
"""What an expression can call."""

_BOUND = re.compile(r"\.\s*(?:exists|exists_one|all|filter|map)\s*\(\s*(\w+)\s*,")
"""The variables that a macro such as ``consent.exists(c, ...)`` makes for itself."""


class ExpressionError(ValueError):
    """An expression is not valid; the text says why."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled expression."""

    text: str
    program: Any

    def holds(self, variables: Mapping[str, Any]) -> bool:
        """Evaluate it. Raises whatever CEL raises, and ``ExpressionError`` when the result is
        neither true nor false."""
        result = self.program.execute(dict(variables))
        if not isinstance(result, bool):
            raise ExpressionError("the expression is neither true nor false")
        return result


def compile_condition(text: str) -> Condition:
    """Compile an expression, check what it reads and calls, and try it on a plain request.

    Raises :class:`ExpressionError`.
    """
    # Its package brings a terminal program along (90 ms): only for policies with a condition.
    import cel  # noqa: PLC0415

    try:
        program = cel.compile(text)
    except ValueError as error:
        raise ExpressionError(_syntax(str(error))) from error
    _require_known("variable", program.variables(), [*VARIABLES, *_BOUND.findall(text)])
    _require_known("function", program.functions(), sorted(FUNCTIONS))
    condition = Condition(text, program)
    try:
        condition.holds(_PLAIN)
    except KeyError as error:
        raise ExpressionError(
            f"fails for a request without {error.args[0]!r}: test it with has(...) first"
        ) from error
    except (TypeError, RuntimeError) as error:
        raise ExpressionError(f"cannot be evaluated: {str(error).split('.')[0]}") from error
    return condition


def _require_known(kind: str, used: Sequence[str], known: Sequence[str]) -> None:
    # Operators are functions too, named by signs: "_==_", "!_", "@in".
    unknown = next((n for n in used if n not in known and n[:1].isalpha()), None)
    if unknown is not None:
        close = difflib.get_close_matches(unknown, known, n=1)
        meant = f" (did you mean {close[0]!r}?)" if close else ""
        raise ExpressionError(f"unknown {kind} {unknown!r}{meant}; there are: {', '.join(known)}")


def variables_of(
    request: GenerationRequest,
    model: ModelIdentity | None = None,
    consents: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Return what expressions read about one request."""
    return {
        "request": {
            "prompt": request.prompt,
            "negative_prompt": request.negative_prompt or "",
            "width": request.width,
            "height": request.height,
            "steps": request.steps,
            "guidance_scale": request.guidance_scale,
            "scheduler": request.scheduler or "",
            "count": request.count,
            "mode": request.mode,
            "metadata": as_json(request.metadata),
        },
        "model": {
            "id": model.id if model else "",
            "revision": (model.revision or "") if model else "",
            "weights_digest": model.weights_digest if model else "",
            "pipeline_class": model.pipeline_class if model else "",
            **{name: (model.terms.get(name, "") if model else "") for name in MODEL_TERMS},
        },
        "actor": request.actor or "",
        "tenant": request.tenant or "",
        "purpose": request.purpose or "",
        "consent": [as_json(consent) for consent in consents],
    }


def _syntax(message: str) -> str:
    """Keep the first line of CEL's report: the place and what was expected."""
    _, _, report = message.partition("ERROR: <input>:")
    first = report.splitlines()[0] if report else message.splitlines()[0]
    return f"not a CEL expression: {first[:200]}"


_PLAIN: Mapping[str, Any] = {
    "request": {
        "prompt": "a house",
        "negative_prompt": "",
        "width": 512,
        "height": 512,
        "steps": 30,
        "guidance_scale": 7.5,
        "scheduler": "",
        "count": 1,
        "mode": "text-to-image",
        "metadata": {},
    },
    "model": dict.fromkeys(
        ("id", "revision", "weights_digest", "pipeline_class", *MODEL_TERMS), ""
    ),
    "actor": "",
    "tenant": "",
    "purpose": "",
    "consent": [],
}
"""What a request without anything optional looks like to an expression."""
