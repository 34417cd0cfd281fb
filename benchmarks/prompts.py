"""Recall and false positives of the prompt filters by attack class, beside what one would use else.

    python benchmarks/prompts.py [--prompts FILE] [--misses CLASS] [--speed]

Every filter gets the same names: the register's living and recently dead people. Intervals are
Wilson's, 95 %. Presidio and its blank spaCy pipeline run when ``benchmarks/requirements.txt`` is
installed.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from guardrail.contracts import GenerationRequest
from guardrail.people.register import load_register
from guardrail.policy.interface import Text
from guardrail.policy.rules import CHECKS

HERE = Path(__file__).parent
EVALUATION = HERE / "prompts" / "evaluation.jsonl"
HOLDOUTS = sorted((HERE / "prompts").glob("holdout-*.tsv"))
EXPECTED = {"real_person": ("real_person",), "deepfake": ("deepfake", "intimate")}
ALL = ("real_person", "deepfake", "intimate", "language")
RECENT, YEAR = 30, 2026
Row = dict[str, str]
Flags = Callable[[Row], bool]


def wilson(hits: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a proportion."""
    z, p = 1.96, hits / total
    centre = p + z * z / (2 * total)
    spread = z * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    return (centre - spread) / (1 + z * z / total), (centre + spread) / (1 + z * z / total)


class Guardrail:
    """The checks as the default policy runs them."""

    def __init__(self) -> None:
        kinds: Any = CHECKS
        self.checks = {name: kinds[name](kinds[name].Options()) for name in ALL}

    def found(self, prompt: str, names: tuple[str, ...]) -> list[str]:
        """Return the reason codes that the named checks give."""
        request = GenerationRequest(UUID(int=0), prompt, 512, 512, 30, 7.0)
        texts = [Text("prompt", prompt)]
        return [m.reason_code for n in names for m in self.checks[n].examine(texts, request)]

    def flags(self, row: Row) -> bool:
        """Return whether the class's own check fires; for a benign prompt, whether any does."""
        return bool(self.found(row["prompt"], EXPECTED.get(row["expect"], ALL)))


def names() -> list[str]:
    """Return every name and alias that stands for one person alone, in any script."""
    return [
        form
        for person in load_register()
        if person.recent(YEAR, RECENT)
        for form in (person.name, *person.aliases, *person.scripts)
        if not form.endswith("*")
    ]


def substring() -> Flags:
    """A plain list: lower-case substring."""
    known = [name.lower() for name in names() if len(name) > 3]
    return lambda row: any(name in row["prompt"].lower() for name in known)


def regular() -> Flags:
    """One compiled regular expression over all names, on word boundaries."""
    known = sorted(map(re.escape, names()), key=len, reverse=True)
    compiled = re.compile(r"\b(?:" + "|".join(known) + r")\b", re.IGNORECASE)
    return lambda row: bool(compiled.search(row["prompt"]))


def fuzzy() -> Flags:
    """RapidFuzz, partial ratio of at least 90 to any name of at least six letters."""
    from rapidfuzz import fuzz, process

    known = [name.lower() for name in names() if len(name) >= 6]

    def flags(row: Row) -> bool:
        found = process.extractOne(
            row["prompt"].lower(), known, scorer=fuzz.partial_ratio, score_cutoff=90
        )
        return found is not None

    return flags


def presidio() -> Flags | None:
    """Presidio's deny-list recogniser on a blank pipeline; None where it is not installed."""
    try:
        import spacy
        from presidio_analyzer import PatternRecognizer
        from presidio_analyzer.nlp_engine import NlpArtifacts
    except ImportError:
        return None
    blank = spacy.blank("en")
    recogniser = PatternRecognizer(supported_entity="PERSON", deny_list=sorted(set(names())))

    def flags(row: Row) -> bool:
        document = blank(row["prompt"])
        artifacts = NlpArtifacts([], document, [], [], None, "en")  # type: ignore[arg-type]
        return bool(recogniser.analyze(row["prompt"], ["PERSON"], artifacts))

    return flags


def read(path: Path) -> list[Row]:
    """Return the prompts of a file: JSON lines, or class, expectation and prompt with tabs."""
    lines = [line for line in path.read_text("utf-8").splitlines() if line]
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in lines]
    cells = [line.split("\t") for line in lines if not line.startswith("#")]
    return [dict(zip(("class", "expect", "prompt"), row, strict=True)) for row in cells]


def report(rows: list[Row], filters: dict[str, Flags]) -> dict[str, dict[str, float]]:
    """Print one line a class; return the rates."""
    classes: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        classes[row["class"]].append(row)
    print(f"{'class':18} {'n':>5}  " + "  ".join(f"{name:>24}" for name in filters))
    rates: dict[str, dict[str, float]] = {}
    for name, members in classes.items():
        cells = []
        for which, flags in filters.items():
            hits = sum(flags(row) for row in members)
            low, high = wilson(hits, len(members))
            rates.setdefault(name, {})[which] = hits / len(members)
            cells.append(f"{hits / len(members):7.2%} [{low:6.1%},{high:6.1%}]")
        benign = members[0]["expect"] == "none"
        print(f"{name:18} {len(members):5}  " + "  ".join(f"{c:>24}" for c in cells)
              + ("  false positives" if benign else ""))  # fmt: skip
    return rates


def long_prompts(rows: list[Row]) -> list[str]:
    """Return prompts of about sixty words, put together from harmless ones."""
    benign = [row["prompt"] for row in rows if row["expect"] == "none" and row["prompt"].isascii()]
    joined = (" , ".join(benign[at : at + 8]) for at in range(0, len(benign) - 8, 3))
    return [" ".join(text.split()[:60]) for text in joined]


def speed(guardrail: Guardrail, rows: list[Row]) -> None:
    """Print how long one decision takes on prompts of about sixty words, the best of three."""
    prompts = long_prompts(rows)
    for which in (("real_person",), ALL[:3], ALL):
        for prompt in prompts[:50]:
            guardrail.found(prompt, which)
        taken = sorted(
            min(_milliseconds(guardrail, prompt, which) for _ in range(3)) for prompt in prompts
        )
        print(
            f"{'+'.join(which):45} p50 {statistics.median(taken):.3f} ms  "
            f"p95 {taken[int(len(taken) * 0.95)]:.3f} ms  "
            f"{1000 / statistics.mean(taken):.0f} prompts/s  n={len(taken)}"
        )


def others_speed(filters: dict[str, Flags], rows: list[Row]) -> None:
    """Print what one prompt of about sixty words costs the other filters."""
    for name, flags in filters.items():
        if name == "guardrail":
            continue
        taken = []
        for prompt in long_prompts(rows)[::10]:
            started = time.perf_counter()
            flags({"prompt": prompt})
            taken.append((time.perf_counter() - started) * 1000)
        print(f"{name:45} p50 {statistics.median(taken):.3f} ms  n={len(taken)}")


def _milliseconds(guardrail: Guardrail, prompt: str, which: tuple[str, ...]) -> float:
    started = time.perf_counter()
    guardrail.found(prompt, which)
    return (time.perf_counter() - started) * 1000


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=Path, default=EVALUATION)
    parser.add_argument("--misses", help="print what was missed or wrongly found in a class")
    parser.add_argument("--speed", action="store_true", help="time only")
    parser.add_argument("--alone", action="store_true", help="leave the other filters out")
    given = parser.parse_args()
    rows = read(given.prompts)
    guardrail = Guardrail()
    if given.misses:
        for row in rows:
            if row["class"] == given.misses and guardrail.flags(row) == (row["expect"] == "none"):
                why = guardrail.found(row["prompt"], ALL)
                print(row["prompt"], "|", row.get("person", ""), "|", *why)
        return
    if not given.speed:
        filters: dict[str, Flags] = {"guardrail": guardrail.flags}
        if not given.alone:
            filters |= {"substring": substring(), "regex": regular(), "fuzzy": fuzzy()}
            other = presidio()
            filters |= {"presidio": other} if other else {}
        report(rows, filters)
        for path in HOLDOUTS if given.prompts == EVALUATION else ():
            print(f"\n{path.stem}: {path.read_text('utf-8').splitlines()[0].lstrip('# ')}")
            report(read(path), filters)
        print()
        others_speed(filters, rows)
    speed(guardrail, rows)


if __name__ == "__main__":
    main()
