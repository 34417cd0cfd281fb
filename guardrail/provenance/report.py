"""What verifying a file tells: plain values, nothing of the library's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from guardrail.contracts import as_json

if TYPE_CHECKING:
    from guardrail.provenance.rubric import RubricReport


class SignatureState(StrEnum):
    """What a file's credentials are worth."""

    TRUSTED = "trusted"
    """Unchanged since it was signed, by someone whose certificate we trust."""
    VALID_UNTRUSTED = "valid_untrusted"
    """Unchanged since it was signed, by someone we have no reason to trust."""
    INVALID = "invalid"
    """Changed since it was signed, or signed in a way that does not hold."""
    NONE = "none"
    """No credentials: nothing is known, in either direction."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One check that did not hold."""

    code: str
    """The code of C2PA 2.4 section 15.2, or ``guardrail.*`` for our own."""
    sentence: str
    """The same in plain words."""
    ingredient: str | None = None
    """Title of the ingredient it concerns; None for the file itself."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Who signed, as the certificate says it. Proven only where the state is trusted."""

    subject: str
    issuer: str
    algorithm: str | None
    serial: str | None
    not_after: str | None
    time: str | None = None
    """When, according to a time-stamp authority; None without a trusted time-stamp."""


@dataclass(frozen=True, slots=True)
class ActionTaken:
    """One step of what was done to the picture."""

    action: str
    source_type: str | None = None
    """Last part of the digital source type, e.g. ``trainedAlgorithmicMedia``."""
    agent: str | None = None
    when: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class AiDisclosure:
    """What ``c2pa.ai-disclosure`` says (2.4 section 18.28)."""

    model_type: str | None
    model_name: str | None
    model_identifier: str | None
    human_oversight: str | None


@dataclass(frozen=True, slots=True)
class GuardrailClaim:
    """What guardrail wrote into the manifest: a claim, to be compared with the record."""

    record_id: str | None
    model_id: str | None
    model_revision: str | None
    weights_sha256: str | None
    seed: str | None
    mode: str | None
    policy_id: str | None
    policy_version: str | None
    policy_sha256: str | None
    verdict: str | None
    warnings: tuple[str, ...]
    created: str | None
    development: bool
    prompt: str | None = None
    prompt_redacted: bool = False
    parameters: Mapping[str, str | int | float] = field(default_factory=dict)
    """Size, steps, guidance scale and the like, by name."""


@dataclass(frozen=True, slots=True)
class Ingredient:
    """A picture this one was made from."""

    title: str | None
    relationship: str | None
    format: str | None
    manifest_label: str | None
    """None: it carried no credentials."""
    signer: str | None = None
    failures: tuple[Failure, ...] = ()
    actions: tuple[ActionTaken, ...] = ()
    ingredients: tuple[Ingredient, ...] = ()


@dataclass(frozen=True, slots=True)
class Verification:
    """Everything a file's credentials say, and whether they hold."""

    state: SignatureState
    sentence: str
    """The state in plain words."""
    sha256: str
    """Of the whole file, hexadecimal."""
    media_type: str | None = None
    pixels_sha256: str | None = None
    """Of the decoded pixels; None where the file cannot be decoded."""
    manifest_label: str | None = None
    title: str | None = None
    generator: str | None = None
    """The software that made the manifest."""
    signature: Signature | None = None
    development: bool = False
    """Signed with a self-made certificate, which proves nothing to anybody else."""
    actions: tuple[ActionTaken, ...] = ()
    all_actions: bool = False
    """Whether the signer says that the list of actions is complete."""
    ai_disclosure: AiDisclosure | None = None
    training: tuple[tuple[str, str], ...] = ()
    """Use and permission, e.g. ``("cawg.ai_training", "notAllowed")``."""
    guardrail: GuardrailClaim | None = None
    failures: tuple[Failure, ...] = ()
    ingredients: tuple[Ingredient, ...] = ()
    crjson: str | None = field(default=None, repr=False, compare=False)
    """The manifests as crJSON, for machines and rubrics."""

    @property
    def record_id(self) -> UUID | None:
        """The audit record that the credentials claim; None where they claim none, or something
        that is no identifier. A claim: only the store can confirm it."""
        claimed = self.guardrail.record_id if self.guardrail else None
        try:
            return UUID(claimed) if claimed else None
        except ValueError:
            return None

    @property
    def trusted(self) -> bool:
        """True when the state is ``trusted``."""
        return self.state is SignatureState.TRUSTED

    @property
    def generative(self) -> bool:
        """True when an action says that a model made the picture or a part of it."""
        return any("rainedAlgorithmic" in (a.source_type or "") for a in self.actions)

    def rubric(self, name: str = "conformance") -> RubricReport:
        """Check the credentials against one of the bundled C2PA asset rubrics:
        ``conformance``, ``integrity`` or ``signals``."""
        from guardrail.provenance.rubric import evaluate_rubric  # noqa: PLC0415 (rarely asked)

        return evaluate_rubric(name, self.crjson)

    def as_data(self) -> dict[str, Any]:
        """Return everything but the crJSON as JSON-safe data."""
        data: dict[str, Any] = as_json(self)
        data.pop("crjson", None)
        return data
