"""The documents that are written by the program itself, and what else must agree with it.

``python -m tests.docs`` writes ``docs/cli.md`` and ``docs/settings.md``; ``make check`` fails when
they, or the exit codes quoted in the README, differ from the code.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

from guardrail.cli.root import COMMANDS, cli
from guardrail.errors import ExitCode
from guardrail.policy.rules import CHECKS
from guardrail.policy.schema import schema_text
from guardrail.settings import ENV_PREFIX, NAMES, Settings

ROOT = Path(__file__).resolve().parent.parent
NOTE = "<!-- Written by `make docs`; do not edit. -->"


def cli_reference() -> str:
    """Return the help of every command, as Markdown."""
    sections = [f"# Command line\n\n{NOTE}\n", _help([], cli)]
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        sections += _tree([name], command)
    return "\n".join(sections)


def _tree(path: list[str], command: click.Command) -> list[str]:
    sections = [_help(path, command)]
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            sections += _tree([*path, name], command.commands[name])
    return sections


def _help(path: list[str], command: click.Command) -> str:
    name = " ".join(["guardrail", *path])
    context = click.Context(
        command,
        info_name=name,
        max_content_width=100,
        terminal_width=100,
        help_option_names=["-h", "--help"],
    )
    return f"## {name}\n\n```text\n{command.get_help(context)}\n```\n"


def settings_reference() -> str:
    """Return every setting with its variable, default and meaning, as Markdown."""
    source = inspect.getsource(Settings)
    lines = [
        f"# Settings\n\n{NOTE}\n",
        "Precedence: command-line flag, then environment, then `guardrail.toml` in the working",
        "directory, then the user's `config.toml`, then the default. `guardrail doctor` shows",
        "each value and where it came from.\n",
        "| setting | environment | default | meaning |",
        "|---|---|---|---|",
    ]
    defaults = {f.name: f.default for f in dataclasses.fields(Settings)}
    for name in NAMES:
        found = re.search(rf'\n    {name}: [^\n]+\n    """(.+?)"""', source, re.DOTALL)
        assert found, f"the setting {name} has no docstring"
        meaning = " ".join(found[1].split())
        default = defaults[name]
        shown = f"`{default}`" if isinstance(default, str) else "see meaning"
        lines.append(f"| `{name}` | `{ENV_PREFIX}{name.upper()}` | {shown} | {meaning} |")
    return "\n".join(lines) + "\n"


def policy_schema() -> str:
    """Return the JSON Schema of policy documents with the checks that come with guardrail."""
    return schema_text(CHECKS)


WRITTEN = {
    "docs/cli.md": cli_reference,
    "docs/settings.md": settings_reference,
    "policies/schema.json": policy_schema,
}


def exit_code_rows(text: str) -> dict[int, str]:
    """Return the rows of a Markdown table of exit codes."""
    return {int(code): what for code, what in re.findall(r"^\| (\d) \| (.+?) \|", text, re.M)}


def problems() -> Iterator[str]:
    """Yield each document that differs from the code."""
    for name, make in WRITTEN.items():
        path = ROOT / name
        if not path.is_file() or path.read_text("utf-8") != make():
            yield f"{name} is not what the code says: run `make docs`"
    readme = (ROOT / "README.md").read_text("utf-8")
    quoted = set(exit_code_rows(readme))
    if quoted != {int(code) for code in ExitCode}:
        yield f"README.md: the table of exit codes has {sorted(quoted)}"
    quickstart = (ROOT / "examples" / "quickstart.py").read_text("utf-8")
    code = quickstart.partition('"""\n\n')[2]
    if code not in readme:
        yield "README.md: its Python example is not examples/quickstart.py, which the tests run"
    for folder in sorted(p.name for p in (ROOT / "guardrail").iterdir() if _is_package(p)):
        if f"`{folder}/`" not in (ROOT / "docs" / "architecture.md").read_text("utf-8"):
            yield f"docs/architecture.md: has no sentence about guardrail/{folder}/"
    yield from _dead_links()


def _is_package(path: Path) -> bool:
    return path.is_dir() and (path / "__init__.py").is_file()


def _dead_links() -> Iterator[str]:
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", path.read_text("utf-8")):
            if not (path.parent / target).exists():
                yield f"{path.relative_to(ROOT)}: links to {target}, which does not exist"


def main() -> None:
    """Write the written documents."""
    for name, make in WRITTEN.items():
        (ROOT / name).write_text(make(), "utf-8")


if __name__ == "__main__":
    main()
