"""Does a policy "no portraits of people" stop the portraits and let the rest pass?

    python -m benchmarks.concepts [--count 500]

The embedded diffusion model draws half the pictures as portraits and half as anything else; the
embedded open_clip model looks at them under the rule of ``tests/checks/portraits.py``. What a
picture *should* show is what it was asked for: a picture that the model failed to draw counts
against the check. Prints precision, recall and AUC, and the threshold that would have been best.
"""

from __future__ import annotations

import argparse
import time

from guardrail.backends.diffusers import DiffusersBackend
from guardrail.checks.calibration import calibrate
from guardrail.checks.concepts import Concepts
from guardrail.request import build_request
from tests.checks.portraits import CONCEPT, OPTIONS, OTHERS, PORTRAITS

BATCH = 10


def scores(
    backend: DiffusersBackend, check: Concepts, prompts: tuple[str, ...], count: int
) -> list[float]:
    """The concept's score of ``count`` pictures of prompts taken in turn."""
    found: list[float] = []
    for start in range(0, count, BATCH):
        requests = [
            build_request(prompts[n % len(prompts)], {"seed": n}, backend.defaults)
            for n in range(start, min(start + BATCH, count))
        ]
        images = [image.image for own in backend.generate_batch(requests) for image in own]
        found += [seen.scores[CONCEPT] for seen in check.observe(images)]
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=500)
    half = parser.parse_args().count // 2
    backend = DiffusersBackend.from_pretrained("embedded")
    check = Concepts(OPTIONS)
    started = time.perf_counter()
    shown, others = (scores(backend, check, prompts, half) for prompts in (PORTRAITS, OTHERS))
    threshold = OPTIONS["concepts"][CONCEPT]["threshold"]
    hits, wrong = (sum(score >= threshold for score in some) for some in (shown, others))
    best = calibrate(shown, others)
    print(f"{2 * half} pictures in {time.perf_counter() - started:.0f} s, threshold {threshold}")
    print(f"  precision {hits / (hits + wrong) if hits + wrong else 1.0:.3f}")
    print(f"  recall    {hits / half:.3f}")
    print(f"  AUC       {best.auc:.4f}")
    print(
        f"  best F1 at {best.threshold}: precision {best.precision:.3f}, recall {best.recall:.3f}"
    )


if __name__ == "__main__":
    main()
