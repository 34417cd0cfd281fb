"""The C2PA asset rubrics, evaluated: does a file's manifest meet the conformance programme?

The rubrics are written in json-formula, for which no Python package is published; this is the
subset they use, with a test for each construct.
"""

from guardrail.provenance.rubric.document import NAMES, load_rubric
from guardrail.provenance.rubric.evaluate import (
    Outcome,
    RubricCheck,
    RubricReport,
    check_rubric,
    evaluate_rubric,
)

__all__ = [
    "NAMES",
    "Outcome",
    "RubricCheck",
    "RubricReport",
    "check_rubric",
    "evaluate_rubric",
    "load_rubric",
]
