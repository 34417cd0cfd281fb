"""Pixels and facts become a signed file; a file becomes what it says and whether that holds."""

from guardrail.provenance.confined import Limits
from guardrail.provenance.encoding import pixels_sha256
from guardrail.provenance.report import SignatureState, Verification
from guardrail.provenance.rubric import RubricReport, check_rubric
from guardrail.provenance.signers import Credential, Signer, load_signer
from guardrail.provenance.signing import Provenance
from guardrail.provenance.verification import verify

__all__ = [
    "Credential",
    "Limits",
    "Provenance",
    "RubricReport",
    "SignatureState",
    "Signer",
    "Verification",
    "check_rubric",
    "load_signer",
    "pixels_sha256",
    "verify",
]
