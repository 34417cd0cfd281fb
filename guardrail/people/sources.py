"""Reads people from what others publish: Wikidata, OpenSanctions and plain tables, as a stream."""

from __future__ import annotations

import csv
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

from guardrail.errors import ConfigurationError
from guardrail.people.register import CATEGORIES, Person

MAX_FORMS = 64
"""Names of one person that are kept."""
_HUMAN = "Q5"
_YEAR = re.compile(r"^\+?(-?\d{1,4})")
_OCCUPATIONS = {
    "Q82955": "politics", "Q33999": "film", "Q177220": "music", "Q639669": "music",
    "Q937857": "sport", "Q2066131": "sport", "Q901": "science", "Q36180": "arts",
    "Q1028181": "arts", "Q43845": "business", "Q1930187": "media", "Q17125263": "internet",
}  # fmt: skip


class Source(StrEnum):
    """Formats that can be imported."""

    CSV = "csv"
    WIKIDATA = "wikidata"
    OPENSANCTIONS = "opensanctions"


def read_people(path: Path, source: Source, *, category: str = "politics") -> Iterator[Person]:
    """Yield people from ``path``, whoever has no occupation we know under ``category``.

    Raises :class:`ConfigurationError` with the line that cannot be read.
    """
    if category not in CATEGORIES:
        raise ConfigurationError(
            f"{category!r} is no category.", hint=f"Take one of: {' '.join(sorted(CATEGORIES))}."
        )
    reader: Callable[[Path, str], Iterator[Person]] = _READERS[source]
    try:
        yield from reader(path, category)
    except OSError as error:
        raise ConfigurationError(f"{path.name} cannot be read.") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path.name} is not UTF-8 text.") from error


def _person(
    names: Iterable[str], category: str, country: str, died: int | None, roles: Iterable[str] = ()
) -> Person | None:
    known = list(dict.fromkeys(_tidy(name) for name in itertools.islice(names, MAX_FORMS)))
    latin = [name for name in known if name and _latin(name)]
    others = [name for name in known if name and not _latin(name)]
    if not latin and not others:
        return None
    first = (latin or others)[0]
    return Person(
        first,
        tuple(name for name in latin if name != first and " " in name),
        tuple(name for name in others if name != first),
        tuple(filter(None, (_tidy(role) for role in roles))),
        category,
        country[:2].upper() if country[:2].isascii() and len(country) >= 2 else "XX",
        died is None,
        died,
    )


def _tidy(text: str) -> str:
    return " ".join(text.replace("|", " ").replace("*", " ").split())[:100]


def _latin(name: str) -> bool:
    return all(ord(char) < 0x250 or 0x1E00 <= ord(char) < 0x1F00 for char in name if char.isalpha())


def _year(text: str | None) -> int | None:
    found = _YEAR.match(text or "")
    return int(found.group(1)) if found else None


def _csv(path: Path, category: str) -> Iterator[Person]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        if "name" not in (rows.fieldnames or ()):
            raise ConfigurationError(
                f"{path.name}:1: the header has no column 'name'.",
                hint="Columns: name, and if you have them aliases, roles (divided by |), "
                "category, country, died.",
            )
        for row in rows:
            cell = {key: value or "" for key, value in row.items() if isinstance(key, str)}
            person = _person(
                [cell["name"], *cell.get("aliases", "").split("|")],
                cell.get("category") if cell.get("category") in CATEGORIES else category,  # type: ignore[arg-type]
                cell.get("country", ""),
                _year(cell.get("died")),
                cell.get("roles", "").split("|"),
            )
            if person:
                yield person


def _opensanctions(path: Path, category: str) -> Iterator[Person]:
    for record in _json_lines(path):
        if record.get("schema") != "Person":
            continue
        properties = record.get("properties") or {}
        names = itertools.chain(*(properties.get(key, ()) for key in ("name", "alias")))
        died = next(iter(properties.get("deathDate", ())), None)
        country = next(iter(properties.get("country", ())), "")
        person = _person(names, category, country, _year(died), properties.get("position", ()))
        if person:
            yield person


def _wikidata(path: Path, category: str) -> Iterator[Person]:
    with path.open(encoding="utf-8") as file:
        start = file.read(256).lstrip()
    if start.startswith("{") and '"head"' in start:
        yield from _bindings(path, category)
        return
    for entity in _json_lines(path):
        person = _entity(entity, category)
        if person:
            yield person


def _bindings(path: Path, category: str) -> Iterator[Person]:
    """A SPARQL result: variables ``person``, ``personLabel``, and if there ``alias``, ``died``."""
    try:
        rows = json.loads(path.read_text("utf-8"))["results"]["bindings"]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{path.name} is no SPARQL result in JSON.") from error
    for _, group in itertools.groupby(rows, key=lambda row: row.get("person", {}).get("value")):
        members = list(group)
        names = [_value(members[0], "personLabel"), *(_value(row, "alias") for row in members)]
        person = _person(names, category, "", _year(_value(members[0], "died") or None))
        if person:
            yield person


def _value(row: dict[str, Any], name: str) -> str:
    return str(row.get(name, {}).get("value", ""))


def _entity(entity: dict[str, Any], category: str) -> Person | None:
    """One line of a dump: an item that is an instance of human."""
    claims = entity.get("claims") or {}
    if _HUMAN not in _items(claims, "P31"):
        return None
    labels = entity.get("labels") or {}
    first = [labels[lang]["value"] for lang in ("en", "mul") if lang in labels]
    names = itertools.chain(
        first,
        (label["value"] for label in labels.values()),
        (alias["value"] for group in (entity.get("aliases") or {}).values() for alias in group),
    )
    known = (_OCCUPATIONS[item] for item in _items(claims, "P106") if item in _OCCUPATIONS)
    return _person(names, next(known, category), "", _died(claims))


def _items(claims: dict[str, Any], name: str) -> list[str]:
    values = (_claim(claim) for claim in claims.get(name, ()))
    return [str(value["id"]) for value in values if isinstance(value, dict) and "id" in value]


def _died(claims: dict[str, Any]) -> int | None:
    values = [_claim(claim) for claim in claims.get("P570", ())]
    return next((_year(v.get("time")) for v in values if isinstance(v, dict)), None)


def _claim(claim: dict[str, Any]) -> Any:
    return (claim.get("mainsnak") or {}).get("datavalue", {}).get("value")


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            text = line.strip().rstrip(",")
            if text in ("", "[", "]"):
                continue
            try:
                record = json.loads(text)
            except ValueError as error:
                raise ConfigurationError(f"{path.name}:{number}: not JSON.") from error
            if isinstance(record, dict):
                yield record


_READERS: dict[Source, Callable[[Path, str], Iterator[Person]]] = {
    Source.CSV: _csv,
    Source.WIKIDATA: _wikidata,
    Source.OPENSANCTIONS: _opensanctions,
}
