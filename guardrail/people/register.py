"""The register of public figures: tab-separated text, written from public facts, reviewable."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from guardrail.errors import ConfigurationError

FOLDER = Path(__file__).parent / "data" / "public_figures"
COLUMNS = ("name", "aliases", "scripts", "roles", "category", "country", "living", "died")
_CATEGORIES = (
    "politics business film music sport science religion royalty internet history media arts"
)
CATEGORIES = frozenset(_CATEGORIES.split(" "))


@dataclass(frozen=True, slots=True)
class Person:
    """A public figure: names, roles and public facts only."""

    name: str
    aliases: tuple[str, ...]
    """Other Latin forms; a trailing ``*`` marks one that needs context."""
    scripts: tuple[str, ...]
    """Names in other scripts."""
    roles: tuple[str, ...]
    """Descriptions that single the person out."""
    category: str
    country: str
    living: bool
    died: int | None
    """Year of death; negative before Christ."""

    def recent(self, year: int, years: int) -> bool:
        """Return whether the person lives, or died at most ``years`` before ``year``."""
        return self.living or (self.died is not None and year - self.died <= years)


def load_register(folder: Path = FOLDER) -> tuple[Person, ...]:
    """Read all files of the register. Raises :class:`ConfigurationError` with file and line."""
    people: list[Person] = []
    for path in sorted(folder.glob("*.tsv")):
        lines = path.read_text("utf-8").splitlines()
        if not lines or tuple(lines[0].split("\t")) != COLUMNS:
            raise ConfigurationError(f"{path.name}:1: the header must be {' '.join(COLUMNS)}.")
        for number, line in enumerate(lines[1:], 2):
            if line:
                people.append(parse_line(line, f"{path.name}:{number}"))
    return tuple(people)


def digest(folder: Path = FOLDER) -> str:
    """Return the SHA-256 over all files of the register, hexadecimal."""
    total = hashlib.sha256()
    for path in sorted(folder.glob("*.tsv")):
        total.update(f"{path.name}\0".encode() + path.read_bytes())
    return total.hexdigest()


def write_line(person: Person) -> str:
    """Return the person as one line of the register."""
    return "\t".join(
        (
            person.name,
            "|".join(person.aliases),
            "|".join(person.scripts),
            "|".join(person.roles),
            person.category,
            person.country,
            "yes" if person.living else "no",
            "" if person.died is None else str(person.died),
        )
    )


def parse_line(line: str, where: str) -> Person:
    """Read one line of the register. Raises :class:`ConfigurationError` that names ``where``."""
    cells = line.split("\t")
    if len(cells) != len(COLUMNS):
        raise ConfigurationError(f"{where}: {len(cells)} columns instead of {len(COLUMNS)}.")
    name, aliases, scripts, roles, category, country, living, died = cells
    if not name or category not in CATEGORIES or living not in ("yes", "no"):
        raise ConfigurationError(f"{where}: name, category or living is not valid.")
    try:
        year = int(died) if died else None
    except ValueError as error:
        raise ConfigurationError(f"{where}: died must be a year or empty.") from error
    return Person(
        name, _list(aliases), _list(scripts), _list(roles), category, country, living == "yes", year
    )


def _list(cell: str) -> tuple[str, ...]:
    return tuple(item for item in cell.split("|") if item)
