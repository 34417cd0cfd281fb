"""From the library's JSON to a :class:`Verification`: pure, and prepared for anything.

What is signed was still written by somebody else, so nothing here assumes a type, and nothing is
escaped either: that is for whoever displays it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from guardrail.provenance.certificates import DEVELOPMENT_ORGANISATION
from guardrail.provenance.report import (
    ActionTaken,
    AiDisclosure,
    Failure,
    GuardrailClaim,
    Ingredient,
    Signature,
    SignatureState,
    Verification,
)
from guardrail.provenance.untrusted import name, rows, table, text, texts
from guardrail.provenance.vocabulary import (
    DISCLOSURE_LABEL,
    GENERATION_LABEL,
    PROMPT_LABEL,
    TRAINING_LABEL,
)
from guardrail.provenance.words import plain_words

_STATES = {"Trusted": SignatureState.TRUSTED, "Valid": SignatureState.VALID_UNTRUSTED}
_DEPTH = 24
_NO_NAME = "an unnamed signer"


def interpret(
    facts: Verification, state: str, store: Mapping[str, Any], crjson: str
) -> Verification:
    """Return ``facts`` (of the file itself) with everything that its manifests say."""
    label = text(store.get("active_manifest"))
    manifests = table(store.get("manifests"))
    active = table(manifests.get(label)) if label else {}
    failures = tuple(_failures(table(store.get("validation_results")), active))
    assertions = _assertions(active)
    signature = _signature(active, _crjson_manifest(crjson, label), _stamped(store))
    verdict = _STATES.get(state, SignatureState.INVALID)
    development = signature is not None and DEVELOPMENT_ORGANISATION in signature.subject
    return replace(
        facts,
        state=verdict,
        sentence=_sentence(verdict, signature, failures, development=development),
        manifest_label=label,
        title=text(active.get("title")),
        generator=_generator(active),
        signature=signature,
        development=development,
        actions=_actions(assertions),
        all_actions=_actions_assertion(assertions).get("allActionsIncluded") is True,
        ai_disclosure=_disclosure(assertions),
        training=_training(assertions),
        guardrail=_claim(assertions, active),
        failures=failures,
        ingredients=_ingredients(active, manifests, _DEPTH),
        crjson=crjson,
    )


def _assertions(manifest: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for assertion in rows(manifest.get("assertions")):
        label = text(assertion.get("label"))
        if label:
            found.setdefault(label, table(assertion.get("data")))
    return found


def _actions_assertion(assertions: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    return next((d for label, d in assertions.items() if label.startswith("c2pa.actions")), {})


def _actions(assertions: Mapping[str, Mapping[str, Any]]) -> tuple[ActionTaken, ...]:
    return tuple(
        ActionTaken(
            action=text(step.get("action")) or "unknown",
            source_type=_last_part(text(step.get("digitalSourceType"))),
            agent=name(step.get("softwareAgent")),
            when=text(step.get("when")),
            description=text(step.get("description"))
            or text(table(step.get("parameters")).get("description")),
        )
        for label, data in assertions.items()
        if label.startswith("c2pa.actions")
        for step in rows(data.get("actions"))
    )


def _last_part(identifier: str | None) -> str | None:
    return identifier.rsplit("/", 1)[-1] if identifier else None


def _disclosure(assertions: Mapping[str, Mapping[str, Any]]) -> AiDisclosure | None:
    data = assertions.get(DISCLOSURE_LABEL)
    if data is None:
        return None
    return AiDisclosure(
        model_type=text(data.get("modelType")),
        model_name=text(data.get("modelName")),
        model_identifier=text(data.get("modelIdentifier")),
        human_oversight=text(table(data.get("contentProfile")).get("humanOversightLevel")),
    )


def _training(assertions: Mapping[str, Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    data = assertions.get(TRAINING_LABEL) or assertions.get("c2pa.training-mining") or {}
    entries = table(data.get("entries"))
    pairs = ((str(use), text(table(entry).get("use"))) for use, entry in entries.items())
    return tuple((use, permission) for use, permission in pairs if permission)


def _claim(
    assertions: Mapping[str, Mapping[str, Any]], manifest: Mapping[str, Any]
) -> GuardrailClaim | None:
    data = assertions.get(GENERATION_LABEL)
    if data is None:
        return None
    model, policy, decision = (table(data.get(key)) for key in ("model", "policy", "decision"))
    redacted = any(PROMPT_LABEL in uri for uri in texts(manifest.get("redactions")))
    return GuardrailClaim(
        record_id=text(data.get("recordId")),
        model_id=text(model.get("id")),
        model_revision=text(model.get("revision")),
        weights_sha256=text(model.get("weightsSha256")),
        seed=text(data.get("seed")),
        mode=text(data.get("mode")),
        policy_id=text(policy.get("id")),
        policy_version=text(policy.get("version")),
        policy_sha256=text(policy.get("sha256")),
        verdict=text(decision.get("verdict")),
        warnings=texts(decision.get("warnings")),
        created=text(data.get("created")),
        development=data.get("development") is True,
        prompt=text(table(assertions.get(PROMPT_LABEL)).get("prompt")),
        prompt_redacted=redacted,
        parameters=_parameters(data),
    )


def _parameters(data: Mapping[str, Any]) -> dict[str, str | int | float]:
    size = {name: data.get(name) for name in ("width", "height")}
    given = {**size, **table(data.get("parameters"))}
    return {str(k): v for k, v in given.items() if isinstance(v, str | int | float)}


def _generator(manifest: Mapping[str, Any]) -> str | None:
    infos = rows(manifest.get("claim_generator_info"))
    if not infos:
        return text(manifest.get("claim_generator"))
    parts = (name(infos[0]), text(infos[0].get("version")))
    return " ".join(part for part in parts if part) or None


def _stamped(store: Mapping[str, Any]) -> bool:
    results = table(table(store.get("validation_results")).get("activeManifest"))
    return any(entry.get("code") == "timeStamp.trusted" for entry in rows(results.get("success")))


def _signature(
    manifest: Mapping[str, Any], credentials: Mapping[str, Any], stamped: bool
) -> Signature | None:
    info = table(manifest.get("signature_info"))
    if not info:
        return None
    certificate = table(table(credentials.get("signature")).get("certificateInfo"))
    subject = _distinguished(table(certificate.get("subject")))
    fallback = ", ".join(
        part for part in (text(info.get("common_name")), text(info.get("issuer"))) if part
    )
    return Signature(
        subject=subject or fallback or _NO_NAME,
        issuer=_distinguished(table(certificate.get("issuer"))) or "unknown",
        algorithm=text(info.get("alg")),
        serial=text(info.get("cert_serial_number")),
        not_after=text(table(certificate.get("validity")).get("notAfter")),
        time=text(info.get("time")) if stamped else None,
    )


def _distinguished(names: Mapping[str, Any]) -> str:
    order = sorted(names, key=lambda key: ("CN", "OU", "O", "L", "ST", "C").index(key)
                   if key in ("CN", "OU", "O", "L", "ST", "C") else 9)  # fmt: skip
    return ", ".join(f"{key}={names[key]}" for key in order if isinstance(names[key], str))


def _crjson_manifest(crjson: str, label: str | None) -> Mapping[str, Any]:
    try:
        manifests = rows(table(json.loads(crjson)).get("manifests"))
    except (ValueError, RecursionError):
        return {}
    return next((m for m in manifests if m.get("label") == label), {})


def _failures(results: Mapping[str, Any], active: Mapping[str, Any]) -> Iterator[Failure]:
    yield from _coded(table(results.get("activeManifest")), None)
    titles = {text(i.get("label")): text(i.get("title")) for i in rows(active.get("ingredients"))}
    for delta in rows(results.get("ingredientDeltas")):
        uri = text(delta.get("ingredientAssertionURI")) or ""
        title = titles.get(uri.rsplit("/", 1)[-1]) or "a source"
        yield from _coded(table(delta.get("validationDeltas")), title)


def _coded(results: Mapping[str, Any], ingredient: str | None) -> Iterator[Failure]:
    seen: set[str] = set()
    for entry in rows(results.get("failure")):
        code = text(entry.get("code")) or "general.error"
        if code not in seen:
            seen.add(code)
            yield Failure(code, plain_words(code), ingredient)


def _ingredients(
    manifest: Mapping[str, Any], manifests: Mapping[str, Any], depth: int
) -> tuple[Ingredient, ...]:
    if depth == 0:  # a store can be nested as deep as somebody likes, or in a circle
        return ()
    found = []
    for entry in rows(manifest.get("ingredients")):
        label = text(entry.get("active_manifest"))
        parent = table(manifests.get(label)) if label else {}
        recorded = table(entry.get("validation_results"))
        found.append(
            Ingredient(
                title=text(entry.get("title")),
                relationship=text(entry.get("relationship")),
                format=text(entry.get("format")),
                manifest_label=label,
                signer=_signer_name(parent),
                failures=tuple(_coded(table(recorded.get("activeManifest")), None)),
                actions=_actions(_assertions(parent)),
                ingredients=_ingredients(parent, manifests, depth - 1),
            )
        )
    return tuple(found)


def _signer_name(manifest: Mapping[str, Any]) -> str | None:
    info = table(manifest.get("signature_info"))
    return text(info.get("common_name")) or text(info.get("issuer"))


def _sentence(
    state: SignatureState,
    signature: Signature | None,
    failures: tuple[Failure, ...],
    *,
    development: bool,
) -> str:
    signer = signature.subject if signature else _NO_NAME
    if state is SignatureState.TRUSTED:
        sentence = f"Unchanged since it was signed by {signer}, whose certificate is trusted here."
        if development:
            sentence += " It is a development certificate: it proves nothing to anybody else."
        return sentence
    if state is SignatureState.VALID_UNTRUSTED:
        return (
            f"Unchanged since it was signed, but nobody trusted here vouches for the signer: "
            f"{signer}. Anybody can make such a certificate."
        )
    own = [f.sentence for f in failures if f.code != "signingCredential.untrusted"]
    return "Not valid. " + (own[0] if own else "The credentials do not hold.")
