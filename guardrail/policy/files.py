"""Finds and reads policy documents, and everything they extend."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from guardrail import resources
from guardrail.errors import PolicyError
from guardrail.policy.document import PolicyDocument
from guardrail.policy.faults import problems_of
from guardrail.policy.source import Problem, Source, read_source

CORE = "core"
SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Written:
    """One policy document as it stands in a file."""

    document: PolicyDocument
    source: Source
    path: Path

    @property
    def bases(self) -> tuple[Path, ...]:
        """The files that it extends. Raises :class:`PolicyError` as :func:`find`."""
        return tuple(find(name, self.path.parent) for name in self.document.extends)

    @property
    def is_core(self) -> bool:
        """True for the bundled core, and for no copy of it."""
        return self.path == core_path()


def core_path() -> Path:
    """Return the file of the locked core."""
    return resources.policies_dir() / f"{CORE}.yaml"


def bundled_names() -> list[str]:
    """Return the names of the bundled policies."""
    found = resources.policies_dir().glob("*.yaml")
    return sorted(path.stem for path in found if path.name != resources.MODEL_REGISTER)


def find(name: str | Path, folder: Path | None = None) -> Path:
    """Return the file that ``name`` means: a path (relative to ``folder``) or a bundled policy.

    Raises :class:`PolicyError` naming what there is.
    """
    text = str(name)
    if isinstance(name, Path) or text.endswith(SUFFIXES) or os.sep in text:
        path = (folder or Path.cwd()) / Path(text).expanduser()
        if not path.is_file():
            raise PolicyError(f"There is no policy document at {path}.")
        return path.resolve()
    if text not in bundled_names():
        raise PolicyError(
            f"There is no bundled policy {text!r}.",
            hint=f"Bundled: {', '.join(bundled_names())}. Or name a .yaml file.",
        )
    return resources.policies_dir() / f"{text}.yaml"


def read(path: Path, shown: str | None = None) -> Written:
    """Read and validate one document. Raises :class:`PolicyError` with every problem in it."""
    shown = shown or _relative(path)
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"{shown} cannot be read ({type(error).__name__}).") from error
    source = read_source(text, shown)
    document: PolicyDocument | None = None
    if not source.problems and not isinstance(source.data, dict):
        source.problems.append(source.problem((), "a policy document is a mapping of keys"))
    if isinstance(source.data, dict):
        try:
            document = PolicyDocument.model_validate(source.data)
        except ValidationError as error:
            source.problems += problems_of(error, PolicyDocument, source.data, source.problem)
    if source.problems or document is None:
        raise invalid(shown, source.problems)
    return Written(document, source, path)


def lineage(written: Written) -> list[Written]:
    """Return the core, everything ``written`` extends, bases first, and itself, each once.

    Raises :class:`PolicyError` for a missing base, a circle, or a fault in one of them.
    """
    found: list[Written] = []
    if not written.is_core:
        found.append(read(core_path()))
    found.extend(_bases(written, (), {core_path()}))
    return found


def _bases(written: Written, above: tuple[Path, ...], seen: set[Path]) -> Iterator[Written]:
    for index, name in enumerate(written.document.extends):
        try:
            path = find(name, written.path.parent)
        except PolicyError as error:
            problem = written.source.problem(("extends", index), error.message)
            raise invalid(written.source.name, [problem], hint=error.hint) from error
        if path in (*above, written.path):
            problem = written.source.problem(("extends", index), f"{name!r} extends this document")
            raise invalid(written.source.name, [problem])
        if path not in seen:
            yield from _bases(read(path), (*above, written.path), seen)
    seen.add(written.path)
    yield written


def invalid(shown: str, problems: list[Problem], *, hint: str | None = None) -> PolicyError:
    """Return the error that carries ``problems``, in the order of the file."""
    lines = tuple(str(problem) for problem in sorted(set(problems)))
    count = "a problem" if len(lines) == 1 else f"{len(lines)} problems"
    return PolicyError(f"The policy document {shown} has {count}.", problems=lines, hint=hint)


def _relative(path: Path) -> str:
    """Show a file as short as it can be opened from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
