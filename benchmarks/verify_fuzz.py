"""Does verifying hold against files changed at random?

    python -m benchmarks.verify_fuzz [--files 5000] [--seed 0]

Takes signed pictures of ours in three formats and C2PA's public test files, changes each in one to
three ways, and verifies it as ``guardrail verify`` does. Counts: crashes of the verifying program,
children that were ended by a crash or a limit, files slower than a second, and changed pictures
or statements that were reported as valid. All but the children must be none.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from guardrail.provenance import Provenance, Verification, load_signer, verify
from tests.provenance.conftest import DATA, make_facts, make_picture
from tests.provenance.mutation import lenient_pixels, mutate

PUBLIC = ("C", "CA", "CACA", "CAICA", "E-sig-CA", "XCA")
VALID = ("trusted", "valid_untrusted")


@dataclass
class Tally:
    """What came out."""

    states: Counter[str] = field(default_factory=Counter)
    children: Counter[str] = field(default_factory=Counter)
    slow: int = 0
    crashes: list[str] = field(default_factory=list)
    fooled: list[str] = field(default_factory=list)


def sources() -> tuple[dict[str, bytes], str]:
    """Return files to change, and what vouches for ours."""
    with tempfile.TemporaryDirectory() as folder:
        provenance = Provenance(load_signer("development", home=Path(folder)))
        files = {
            f"ours.{kind}": provenance.sign(
                make_picture(seed=number), make_facts(prompt="a red boat"), f"image/{kind}"
            ).content
            for number, kind in enumerate(("png", "jpeg", "webp"))
        }
        anchors = provenance.anchors_pem
    for name in PUBLIC:
        path = DATA / "public-testfiles" / f"adobe-20220124-{name}.jpg"
        files[path.name] = path.read_bytes()
    return files, anchors


def statements(found: Verification) -> tuple[object, ...]:
    """What a file says, as far as a reader is told."""
    return (
        found.guardrail,
        found.actions,
        found.ai_disclosure,
        found.training,
        found.signature and found.signature.serial,
    )


def fuzz(files: int, seed: int) -> Tally:
    """Change and verify so many files."""
    chance, tally = random.Random(seed), Tally()
    originals, anchors = sources()
    told = {name: verify(content, anchors=anchors) for name, content in originals.items()}
    shown = {name: lenient_pixels(content) for name, content in originals.items()}
    names = sorted(originals)
    for number in range(files):
        name, other = names[number % len(names)], chance.choice(names)
        changed = mutate(chance, originals[name], originals[other])
        started = time.perf_counter()
        try:
            found = verify(changed, anchors=anchors)
        except Exception as error:  # noqa: BLE001 (that is what is counted)
            tally.crashes.append(f"{number} of {name}: {type(error).__name__}: {error}")
            continue
        tally.slow += time.perf_counter() - started > 1
        tally.states[found.state] += 1
        tally.children.update(
            f.code for f in found.failures if f.code in ("guardrail.limits", "guardrail.crashed")
        )
        if found.state in VALID:
            same = statements(found) == statements(told[name]) or (
                statements(found) == statements(told[other])
            )
            pixels = lenient_pixels(changed)
            if not same or pixels not in (None, shown[name], shown[other]):
                tally.fooled.append(f"{number} of {name}")
    return tally


def main() -> None:
    """Fuzz, print, and fail if anything was fooled or crashed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    started = time.perf_counter()
    tally = fuzz(arguments.files, arguments.seed)
    took = time.perf_counter() - started
    print(f"{arguments.files} changed files in {took:.0f} s, seed {arguments.seed}")
    print("states:", ", ".join(f"{state} {count}" for state, count in sorted(tally.states.items())))
    print("children ended by a crash or a limit:", dict(tally.children) or "none")
    print("slower than a second:", tally.slow)
    print("crashes of the verifying program:", tally.crashes or "none")
    print("changed pictures or statements reported as valid:", tally.fooled or "none")
    sys.exit(bool(tally.crashes or tally.fooled or tally.slow))


if __name__ == "__main__":
    main()
