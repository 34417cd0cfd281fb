"""House rules that no linter has: lengths, stage independence, public names, true documents.

Run with ``python -m tests.house``; ``make check`` does. The same rules run as tests.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from tests import docs

ROOT = Path(__file__).resolve().parent.parent
MAX_MODULE = 400
MAX_FUNCTION = 50
STAGES = ("policy", "people", "backends", "checks", "provenance", "audit")
SHARED_STAGE = {"policy": {"people"}}
"""The policy reads the register of people; no other stage knows another."""


def modules() -> list[Path]:
    """Return every module of the package."""
    return sorted((ROOT / "guardrail").rglob("*.py"))


def long_modules() -> Iterator[str]:
    """Yield modules over the limit."""
    for path in modules():
        lines = len(path.read_text("utf-8").splitlines())
        if lines > MAX_MODULE:
            yield f"{path.relative_to(ROOT)}: {lines} lines (at most {MAX_MODULE})"


def long_functions() -> Iterator[str]:
    """Yield functions over the limit, docstring not counted."""
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                first = body[0].lineno if body else node.lineno
                lines = (node.end_lineno or first) - first + 1
                if lines > MAX_FUNCTION:
                    where = f"{path.relative_to(ROOT)}:{node.lineno}"
                    yield f"{where}: {node.name} has {lines} lines (at most {MAX_FUNCTION})"


def stages_that_know_each_other() -> Iterator[str]:
    """Yield imports from one stage into another."""
    for stage in STAGES:
        allowed = SHARED_STAGE.get(stage, set()) | {stage}
        for path in (ROOT / "guardrail" / stage).rglob("*.py"):
            for name in _imports(path):
                parts = name.split(".")
                if parts[0] == "guardrail" and len(parts) > 1:
                    other = parts[1]
                    if (other in STAGES and other not in allowed) or other == "pipeline":
                        yield f"{path.relative_to(ROOT)} imports {name}"


def utils_modules() -> Iterator[str]:
    """Yield attics: a helper lives in the package that owns its noun."""
    for path in modules():
        if path.stem in {"utils", "util", "helpers", "misc", "common"}:
            yield f"{path.relative_to(ROOT)} is an attic"


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def public_surface() -> Iterator[str]:
    """Yield packages whose ``__all__`` is not exactly what they offer."""
    for path in sorted((ROOT / "guardrail").rglob("__init__.py")):
        name = ".".join(path.parent.relative_to(ROOT).parts)
        package = importlib.import_module(name)
        declared = set(getattr(package, "__all__", ()))
        for missing in sorted(n for n in declared if not hasattr(package, n)):
            yield f"{name}.__all__ names {missing}, which cannot be imported"
        if name == "guardrail":  # its names are imported on first use
            offered = set(dir(package))
        else:
            offered = {n for n, value in vars(package).items() if _is_public(n, value)}
        for extra in sorted(offered - declared):
            yield f"{name} offers {extra}, which is not in its __all__"


def _is_public(name: str, value: object) -> bool:
    ours = getattr(value, "__module__", "guardrail").startswith("guardrail")
    return not name.startswith("_") and not isinstance(value, ModuleType) and ours


RULES = (
    long_modules,
    long_functions,
    stages_that_know_each_other,
    utils_modules,
    public_surface,
    docs.problems,
)

if __name__ == "__main__":
    broken = [fault for rule in RULES for fault in rule()]
    print("\n".join(broken) or f"house rules hold in {len(modules())} modules")
    sys.exit(bool(broken))
