"""Validation codes of C2PA (2.4 section 15.2) in plain words."""

from __future__ import annotations

from typing import Final

_WORDS: Final = {
    "assertion.dataHash.mismatch": "The file was changed after it was signed.",
    "assertion.bmffHash.mismatch": "The file was changed after it was signed.",
    "assertion.boxesHash.mismatch": "The file was changed after it was signed.",
    "assertion.hashedURI.mismatch": "A statement in the credentials was changed after signing.",
    "assertion.missing": "A statement that was signed is missing from the credentials.",
    "assertion.undeclared": "The credentials hold a statement that was never signed.",
    "assertion.inaccessible": "A statement in the credentials lies elsewhere and was not fetched.",
    "assertion.notRedacted": "A statement that was to be removed is still there.",
    "assertion.selfRedacted": "The credentials remove a statement of their own.",
    "assertion.action.malformed": "The list of what was done is not put together as it must be.",
    "assertion.action.ingredientMismatch": "What was done names a source that is not there.",
    "assertion.action.redactionMismatch": "A removal is not listed in what was done.",
    "assertion.action.redacted": "The list of what was done was removed, which is not allowed.",
    "assertion.ingredient.malformed": "The description of a source is damaged.",
    "assertion.cbor.invalid": "A statement in the credentials is damaged.",
    "assertion.json.invalid": "A statement in the credentials is damaged.",
    "assertion.multipleHardBindings": "The credentials are bound to the file more than once.",
    "claim.missing": "The credentials have lost their claim.",
    "claim.multiple": "The credentials hold more than one claim.",
    "claim.malformed": "The claim is not put together as it must be.",
    "claim.cbor.invalid": "The claim is damaged.",
    "claim.hardBindings.missing": "Nothing ties the credentials to this file.",
    "claimSignature.missing": "The credentials are not signed.",
    "claimSignature.mismatch": "The signature does not fit what it should have signed.",
    "claimSignature.outsideValidity": "It was signed when the certificate was not valid.",
    "signingCredential.untrusted": "The signer's certificate comes from nobody we trust.",
    "signingCredential.invalid": "The signer's certificate may not sign credentials.",
    "signingCredential.expired": "The signer's certificate has expired and no trusted time-stamp "
    "shows that it was valid when it signed.",
    "signingCredential.ocsp.revoked": "The signer's certificate was revoked.",
    "signingCredential.ocsp.unknown": "Whether the signer's certificate was revoked is not known.",
    "timeStamp.mismatch": "The time-stamp belongs to something else.",
    "timeStamp.malformed": "The time-stamp is damaged.",
    "timeStamp.untrusted": "The time-stamp comes from nobody we trust.",
    "timeStamp.outsideValidity": "The time-stamp's certificate was not valid at that time.",
    "ingredient.manifest.missing": "The credentials of a source are missing.",
    "ingredient.manifest.mismatch": "The credentials of a source were changed.",
    "ingredient.claimSignature.missing": "The credentials of a source are not signed.",
    "ingredient.claimSignature.mismatch": "The signature of a source does not hold.",
    "ingredient.unknownProvenance": "Nothing is known about a source.",
    "hashedURI.mismatch": "Something the credentials point to was changed.",
    "hashedURI.missing": "Something the credentials point to is missing.",
    "manifest.inaccessible": "The credentials lie elsewhere and were not fetched.",
    "manifest.multipleParents": "The credentials name more than one parent.",
    "manifest.update.invalid": "An update changes what an update may not change.",
    "manifest.update.wrongParents": "An update does not name exactly one parent.",
    "algorithm.unsupported": "The credentials use an algorithm that is not supported.",
    "algorithm.deprecated": "The credentials use an algorithm that is no longer safe.",
    "general.error": "The credentials could not be checked completely.",
    "cawg.identity.expected_countersigner_missing": "A named person's own signature is missing.",
    "guardrail.unparsable": "The file is damaged or is not what its beginning says.",
    "guardrail.unsupported": "guardrail reads no credentials from files of this kind.",
    "guardrail.limits": "Checking the file took more memory or time than is allowed.",
    "guardrail.crashed": "Checking the file stopped the process that checked it.",
}

_FAMILIES: Final = (
    ("cawg.", "The statement about a named person or organisation does not hold."),
    ("ingredient.", "The credentials of a source do not hold."),
    ("timeStamp.", "The time-stamp does not hold."),
    ("signingCredential.", "The signer's certificate does not hold."),
    ("assertion.", "A statement in the credentials does not hold."),
    ("manifest.", "The credentials are not put together as they must be."),
    ("claim", "The claim does not hold."),
)


def plain_words(code: str) -> str:
    """Return what a validation code means, in one sentence; never raises."""
    if code in _WORDS:
        return _WORDS[code]
    for prefix, words in _FAMILIES:
        if code.startswith(prefix):
            return words
    return "A check of the credentials did not hold."
