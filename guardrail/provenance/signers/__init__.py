"""Who holds the key: the development chain, a PEM file, or whatever can sign bytes."""

from guardrail.provenance.signers.callback import CallbackSigner
from guardrail.provenance.signers.development import DevelopmentSigner, development_root
from guardrail.provenance.signers.interface import Credential, Signer
from guardrail.provenance.signers.load import load_signer
from guardrail.provenance.signers.pem import PemSigner

__all__ = [
    "CallbackSigner",
    "Credential",
    "DevelopmentSigner",
    "PemSigner",
    "Signer",
    "development_root",
    "load_signer",
]
