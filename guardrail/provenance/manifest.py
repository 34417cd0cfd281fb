"""From facts to a manifest definition: pure functions, no key, no clock, no file.

Every assertion is ``created`` (attributed to the signer): c2pa-rs otherwise files it under
``gathered_assertions``, where nobody answers for it and the conformance rubric finds no actions
(C2PA 2.4 section 10.2.3).
"""

from __future__ import annotations

from typing import Any, Final

from guardrail.contracts import Action, Decision, JsonObject, ManifestFacts, Mode, ModelIdentity
from guardrail.errors import ProvenanceError
from guardrail.provenance.vocabulary import (
    ACTIONS_LABEL,
    DISCLOSURE_LABEL,
    GENERATION_LABEL,
    MODEL_TYPE,
    PROMPT_LABEL,
    SOURCE_OF_MODE,
    SPEC_VERSION,
    TRAINING_LABEL,
    TRAINING_USES,
    Oversight,
    Permission,
    SourceType,
)

GENERATOR: Final = "guardrail"

RECORDED_PARAMETERS: Final = (
    "width", "height", "num_inference_steps", "guidance_scale", "scheduler", "strength"
)  # fmt: skip
"""What may appear of the parameters: a list of what is allowed, so that a parameter that holds
text of the request (a negative prompt, say) can never reach a manifest by being new."""


def generated_manifest(
    facts: ManifestFacts, *, software_version: str, development: bool
) -> dict[str, Any]:
    """Return the manifest definition of a picture that a model has just made.

    ``development`` says that the signing certificate is self-made; the manifest repeats it.
    Raises :class:`ProvenanceError` for a mode whose source type is not known: a guess here
    would be a false statement over a signature.
    """
    assertions = [
        created(ACTIONS_LABEL, actions(_created_action(facts))),
        created(DISCLOSURE_LABEL, disclosure(facts.model)),
        created(TRAINING_LABEL, training()),
        created(GENERATION_LABEL, generation(facts, development=development)),
    ]
    if facts.prompt is not None:
        # Apart from the rest, so that it can be redacted and nothing else with it (2.2 s. 6.8).
        assertions.append(created(PROMPT_LABEL, {"prompt": well_encoded(facts.prompt)}))
    return definition(facts.title, assertions, software_version)


def definition(
    title: str, assertions: list[dict[str, Any]], software_version: str
) -> dict[str, Any]:
    """Return a manifest definition around assertions."""
    generator = {"name": GENERATOR, "version": software_version, "specVersion": SPEC_VERSION}
    return {
        "claim_generator_info": [generator],
        "title": well_encoded(title),
        "assertions": assertions,
    }


def created(label: str, data: JsonObject) -> dict[str, Any]:
    """Return an assertion that the signer answers for."""
    return {"label": label, "created": True, "data": dict(data)}


def actions(*steps: dict[str, Any]) -> dict[str, Any]:
    """Return an actions assertion that claims to be complete (2.4 section 18.15.3)."""
    return {"allActionsIncluded": True, "actions": list(steps)}


def disclosure(
    model: ModelIdentity, oversight: Oversight = Oversight.PROMPT_GUIDED
) -> dict[str, Any]:
    """Return ``c2pa.ai-disclosure`` (2.4 section 18.28): which model, and how far a human led."""
    return {
        "modelType": MODEL_TYPE,
        "modelName": well_encoded(model.id),
        "modelIdentifier": _model_identifier(model),
        "contentProfile": {"humanOversightLevel": oversight.value},
    }


def training(permission: Permission = Permission.NOT_ALLOWED) -> dict[str, Any]:
    """Return ``cawg.training-mining``: may others train on, mine or infer from this picture?"""
    return {"entries": {use: {"use": permission.value} for use in TRAINING_USES}}


def generation(facts: ManifestFacts, *, development: bool) -> dict[str, Any]:
    """Return ``org.guardrail.generation``: what connects the picture with its audit record.

    The seed is text because CBOR integers over 2**63 turn into floats on the way (measured).
    """
    data: dict[str, Any] = {
        "recordId": str(facts.record_id),
        "created": facts.created,
        "mode": facts.mode,
        "model": {
            "id": well_encoded(facts.model.id),
            "weightsSha256": facts.model.weights_digest,
            "pipeline": facts.model.pipeline_class,
        },
        "seed": str(facts.seed),
        "width": facts.width,
        "height": facts.height,
        "policy": {
            "id": facts.decision.policy.id,
            "version": facts.decision.policy.version,
            "sha256": facts.decision.policy.digest,
        },
        "decision": {
            "verdict": facts.decision.verdict.value,
            "warnings": warnings(facts.decision),
        },
        "parameters": _recorded(facts.parameters),
    }
    if facts.model.revision is not None:
        data["model"]["revision"] = facts.model.revision
    if development:
        data["development"] = True
    return data


def warnings(decision: Decision) -> list[str]:
    """Return the ids of the enforced rules that matched without stopping the request."""
    soft = (Action.WARN, Action.REDACT)
    return sorted(
        {f.rule_id for f in decision.findings if f.action in soft and f.mode is Mode.ENFORCE}
    )


def source_type(mode: str) -> SourceType:
    """Return the digital source type of a way of generating. Raises :class:`ProvenanceError`."""
    if mode not in SOURCE_OF_MODE:
        raise ProvenanceError(
            f"It is not defined which digital source type a picture made by {mode!r} has.",
            hint=f"Known: {', '.join(SOURCE_OF_MODE)}.",
        )
    return SOURCE_OF_MODE[mode]


def well_encoded(text: str) -> str:
    """Return ``text`` with lone surrogates replaced: they have no UTF-8, so they cannot be
    signed, and Python strings may hold them."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _created_action(facts: ManifestFacts) -> dict[str, Any]:
    agent = {"name": well_encoded(facts.model.id)}
    if facts.model.revision is not None:
        agent["version"] = facts.model.revision
    return {
        "action": "c2pa.created",
        "when": facts.created,
        "digitalSourceType": source_type(facts.mode).value,
        "softwareAgent": agent,
    }


def _model_identifier(model: ModelIdentity) -> str:
    name = model.id if model.revision is None else f"{model.id}@{model.revision}"
    return f"{well_encoded(name)}#sha256:{model.weights_digest}"


def _recorded(parameters: JsonObject) -> dict[str, Any]:
    return {
        name: parameters[name]
        for name in RECORDED_PARAMETERS
        if isinstance(parameters.get(name), str | int | float)
    }
