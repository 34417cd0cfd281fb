"""What a policy document says: the models its text is validated against.

Three shapes. :class:`PolicyDocument` is one file as written. :class:`ResolvedPolicy` is what it
means with everything it extends: the locked core first, then its bases, then its own rules, each
option at its effective value; its canonical JSON is what the digest is taken over.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Annotated, Any, Literal

import rfc8785
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StringConstraints

from guardrail.contracts import Action, Mode, PolicyRef, Stage, Verdict

SCHEMA_VERSION = 1
RULE_ID = r"^[a-z][a-z0-9]*([._-][a-z0-9]+)*$"

Sentence = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Name = Annotated[str, StringConstraints(pattern=RULE_ID, max_length=100)]
Expression = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
Prompt = Annotated[str, StringConstraints(max_length=20_000)]
Day = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class OnError(StrEnum):
    """What a rule concludes when it cannot be evaluated. There is no way to say ``allow``."""

    ERROR = "error"
    BLOCK = "block"


class _Part(BaseModel):
    """Unknown keys are refused and nothing can be changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Citation(_Part):
    """The law or the company rule behind a rule or a requirement."""

    law: Sentence
    """E.g. ``Regulation (EU) 2024/1689``."""
    article: Sentence | None = None
    status: Literal["in_force", "upcoming", "voluntary", "proposed", "company"]
    date: Day
    """The day from which it applies, or on which its status was looked up; ISO 8601."""
    url: Sentence | None = None


class Rule(_Part):
    """One rule: what is looked for, where, and what follows."""

    id: Name
    """Stable: findings and records name it. Never reused for another rule."""
    check: Name
    """The kind of check; its options stand under ``with``."""
    stage: Stage
    action: Action
    mode: Mode = Mode.ENFORCE
    options: dict[str, Any] = Field(default_factory=dict, alias="with")
    when: Expression | None = None
    """CEL: the rule applies only where this holds."""
    unless: Expression | None = None
    """CEL: a match does not count where this holds; it is recorded all the same."""
    on_error: OnError = OnError.ERROR
    reason: Sentence | None = None
    """Why, told to whoever is refused. Default: the check's own sentence."""
    remediation: Sentence | None = None
    """What to change, told to whoever is refused."""
    citations: tuple[Citation, ...] = ()


class Adjustment(_Part):
    """A change to one rule of an extended policy; what is not named stays as it is."""

    id: Name
    action: Action | None = None
    mode: Mode | None = None
    options: dict[str, Any] | None = Field(default=None, alias="with")
    """Replaces the options of the same name; the others stay."""
    when: Expression | None = None
    unless: Expression | None = None
    on_error: OnError | None = None
    reason: Sentence | None = None
    remediation: Sentence | None = None
    citations: tuple[Citation, ...] | None = None


class Limits(_Part):
    """Bounds of a request. What is over them is refused, never cut off."""

    max_prompt_characters: Annotated[StrictInt, Field(ge=1, le=20_000)] = 2000
    """Code points of each text that reaches the model, 1..20000."""


class LimitsChange(_Part):
    """Limits as a document writes them; what is not named is inherited."""

    max_prompt_characters: Annotated[StrictInt, Field(ge=1, le=20_000)] | None = None


class Provenance(_Part):
    """What the policy decides about the manifest of a picture."""

    include_prompt: StrictBool = False
    """Whether the manifest carries the prompt (in an assertion that can be redacted)."""


class ProvenanceChange(_Part):
    """Provenance as a document writes it; what is not named is inherited."""

    include_prompt: StrictBool | None = None


class Need(StrEnum):
    """What a policy can require of the rest of the system."""

    SIGNED_MANIFEST = "signed_manifest"
    LATENT_DISCLOSURE = "latent_disclosure"
    TRUSTED_TIMESTAMP = "trusted_timestamp"
    VISIBLE_LABEL = "visible_label"
    WATERMARK = "watermark"
    AIGC_METADATA = "aigc_metadata"
    RECORD_RETENTION = "record_retention"
    DETECTION_TOOL = "detection_tool"
    TAKEDOWN = "takedown"


class Requirement(_Part):
    """Something that must be done beside deciding. The pipeline does it, or refuses to start."""

    id: Name
    need: Need
    reason: Sentence
    """Why, in one sentence."""
    days: Annotated[StrictInt, Field(ge=1, le=36_500)] | None = None
    """Least retention, for ``record_retention``."""
    hours: Annotated[StrictInt, Field(ge=1, le=8_760)] | None = None
    """Longest time, for ``takedown``."""
    citations: tuple[Citation, ...] = ()


class Assurance(_Part):
    """The operator's statement that a need is met outside of guardrail."""

    need: Need
    how: Sentence
    """Who meets it and how; it is part of the policy's text and digest."""


class Case(_Part):
    """A test of the policy: a request and the verdict it must get."""

    name: Sentence
    prompt: Prompt
    negative_prompt: Prompt | None = None
    actor: Sentence | None = None
    tenant: Sentence | None = None
    purpose: Sentence | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    expect: Verdict
    rule: Name | None = None
    """A rule that must be among the findings that decided (for ``allow``: that found something)."""
    effective_prompt: Prompt | None = None
    """The prompt that must go to the model, where a rule redacts."""


class Kind(StrEnum):
    """What a document may do to the policies it extends."""

    POLICY = "policy"
    """It may change every rule that is not locked."""
    OVERLAY = "overlay"
    """It may only tighten: for a tenant's or a department's own document."""


class PolicyDocument(_Part):
    """One policy file."""

    schema_version: Literal[1]
    kind: Kind = Kind.POLICY
    id: Name
    version: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    """Yours to choose, in quotes. The digest, not this, says which content it is."""
    description: Sentence
    locked: Literal[True] | None = None
    """Only in the bundled core: no document may change its rules."""
    extends: tuple[Sentence, ...] = ()
    """Bundled policies by name or documents by path, relative to this one."""
    limits: LimitsChange = LimitsChange()
    provenance: ProvenanceChange = ProvenanceChange()
    rules: tuple[Rule, ...] = ()
    adjust: tuple[Adjustment, ...] = ()
    """Changes to rules of the extended policies. ``null`` removes a ``when`` or ``unless``."""
    requirements: tuple[Requirement, ...] = ()
    """What must be done beside deciding."""
    assured: tuple[Assurance, ...] = ()
    """Needs that are met outside of guardrail, and how."""
    cases: tuple[Case, ...] = ()
    """Its own tests, run by ``guardrail policy test``. They are not part of the digest."""


class ResolvedPolicy(_Part):
    """A policy with everything it extends, at its effective values."""

    schema_version: Literal[1] = 1
    id: Name
    version: str
    description: str
    limits: Limits = Limits()
    provenance: Provenance = Provenance()
    rules: tuple[Rule, ...]
    requirements: tuple[Requirement, ...] = ()
    assured: tuple[Assurance, ...] = ()
    data: dict[str, str] = Field(default_factory=dict)
    """Rule id to SHA-256 of the list data its check decides by, where it has any."""

    @property
    def canonical(self) -> str:
        """The text that the digest is taken over: RFC 8785 JSON.

        What is absent or empty is left out, so that a key this format gains later does not
        change the digest of a policy that does not use it.
        """
        data = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        kept = _present(data) | {"rules": [_present(rule) for rule in data["rules"]]}
        return rfc8785.dumps(kept).decode("utf-8")

    @property
    def ref(self) -> PolicyRef:
        """This version's name."""
        digest = hashlib.sha256(self.canonical.encode("utf-8")).hexdigest()
        return PolicyRef(self.id, self.version, digest)


def _present(part: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in part.items() if value not in ([], {})}
