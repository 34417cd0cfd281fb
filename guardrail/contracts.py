"""The frozen values that pass between the stages.

Stages do not import each other; they take and return what is defined here. Nothing in this
module is a tensor, a C2PA object or a database row, and nothing in it can be changed after it
was made: what the policy decided is what the log records.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from PIL.Image import Image

    from guardrail.inputs import InputPicture, InputRole

JsonObject = Mapping[str, Any]
"""JSON-safe data: strings, booleans, None, integers within ±(2**53 - 1), floats, lists, objects."""


class Verdict(StrEnum):
    """What a policy concludes. Everything except ``ALLOW`` stops the release."""

    ALLOW = "allow"
    REVIEW = "review"
    ERROR = "error"
    BLOCK = "block"

    @property
    def severity(self) -> int:
        """Rank in ``block > error > review > allow``; a higher rank wins."""
        return _SEVERITY[self]


_SEVERITY = {Verdict.ALLOW: 0, Verdict.REVIEW: 1, Verdict.ERROR: 2, Verdict.BLOCK: 3}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Combine verdicts by severity. Raises ``ValueError`` when there are none: nothing judged
    is not the same as nothing found."""
    ranked = sorted(verdicts, key=lambda verdict: verdict.severity)
    if not ranked:
        raise ValueError("no verdict to combine")
    return ranked[-1]


class Stage(StrEnum):
    """Where a rule looks."""

    PROMPT = "prompt"
    INPUT = "input"
    OUTPUT = "output"


class Action(StrEnum):
    """What a rule asks for when it matches."""

    BLOCK = "block"
    REVIEW = "review"
    REDACT = "redact"
    WARN = "warn"


class Mode(StrEnum):
    """Whether a rule counts: ``SHADOW`` rules are evaluated and recorded, and do not count."""

    ENFORCE = "enforce"
    SHADOW = "shadow"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the original text, in code points: ``text[start:end]``."""

    start: int
    end: int
    field: str = "prompt"
    """Which text of the request: ``prompt``, ``negative_prompt``, ..."""


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of a picture, in pixels from the top left corner."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing one rule found."""

    rule_id: str
    check: str
    """The kind of check, e.g. ``real_person`` or ``concepts``."""
    stage: Stage
    action: Action
    mode: Mode
    reason_code: str
    """Stable machine-readable reason, e.g. ``REAL_PERSON_NAMED``. Never reused or renamed."""
    reason: str
    """Why, in one sentence for a person. Never repeats the prompt."""
    remediation: str | None = None
    """What to change so that the request would pass."""
    span: Span | None = None
    region: Region | None = None
    matched: str | None = None
    """The form that matched: a register entry or list entry, not free text of the prompt."""
    view: str | None = None
    """The normalised view in which it matched, e.g. ``skeleton``."""
    score: float | None = None
    threshold: float | None = None
    failed: bool = False
    """True when the check could not be evaluated: the verdict becomes ``error``."""

    @property
    def counts(self) -> Verdict:
        """The verdict this finding asks for by itself."""
        if self.mode is not Mode.ENFORCE:
            return Verdict.ALLOW
        if self.failed:
            return Verdict.ERROR
        return _ACTION_VERDICT[self.action]


_ACTION_VERDICT = {
    Action.BLOCK: Verdict.BLOCK,
    Action.REVIEW: Verdict.REVIEW,
    Action.REDACT: Verdict.ALLOW,
    Action.WARN: Verdict.ALLOW,
}


@dataclass(frozen=True, slots=True)
class PolicyRef:
    """Names one immutable version of a policy."""

    id: str
    version: str
    digest: str
    """SHA-256 of the policy's canonical content, lower-case hexadecimal."""


@dataclass(frozen=True, slots=True)
class RuleRun:
    """A rule that was evaluated, what it concluded and what it cost."""

    rule_id: str
    stage: Stage
    verdict: Verdict
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Decision:
    """What a policy concluded about one request at one stage, and why."""

    verdict: Verdict
    policy: PolicyRef
    findings: tuple[Finding, ...] = ()
    rules: tuple[RuleRun, ...] = ()
    """The rules that really ran, in order."""
    inspected: tuple[str, ...] = ()
    """What was looked at: ``prompt``, ``negative_prompt``, ``output``, ..."""
    not_inspected: tuple[str, ...] = ()
    """What exists in the request and was not looked at, so that nobody takes it for passed."""
    effective_prompt: str | None = None
    """The prompt that may go to the model (redactions applied); None unless allowed."""
    milliseconds: float = 0.0

    @property
    def allowed(self) -> bool:
        """True when the verdict is ``allow``."""
        return self.verdict is Verdict.ALLOW

    @property
    def deciding(self) -> tuple[Finding, ...]:
        """The findings that led to the verdict, in order."""
        return tuple(f for f in self.findings if f.counts is self.verdict and not self.allowed)

    @property
    def remediation(self) -> str | None:
        """What to change, from the first deciding finding that says so."""
        return next((f.remediation for f in self.deciding if f.remediation), None)


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """What a caller asked for, after defaults were filled in. Sizes in pixels."""

    request_id: UUID
    prompt: str
    width: int
    height: int
    steps: int
    guidance_scale: float
    negative_prompt: str | None = None
    scheduler: str | None = None
    seeds: tuple[int, ...] = (0,)
    """One seed an image, each in ``0 .. 2**64 - 1``; its length is the number of images."""
    record_ids: tuple[UUID, ...] = ()
    """One record an image, in the order of ``seeds``."""
    actor: str | None = None
    tenant: str | None = None
    purpose: str | None = None
    metadata: JsonObject = field(default_factory=dict)
    mode: str = "text-to-image"
    """``text-to-image``, ``image-to-image``, ``inpainting`` or ``outpainting``."""
    inputs: tuple[InputPicture, ...] = ()
    """The pictures it brings along, at most one a role (one of the two controls)."""
    strength: float | None = None
    """How much of the input picture is redrawn, above 0 to 1; None is the model's default."""
    outpaint: tuple[int, int, int, int] | None = None
    """Pixels added on the left, top, right and bottom."""
    keep_outside: bool = True
    """Whether pixels outside the mask are those of the input, to the byte."""
    control_scale: float | None = None
    """Weight of the control picture, 0..2; None is the model's default."""
    destinations: tuple[str, ...] = ()
    """Where the pictures will be written, if the caller asked for files."""

    @property
    def count(self) -> int:
        """How many images are asked for."""
        return len(self.seeds)

    def input(self, *roles: InputRole) -> InputPicture | None:
        """The picture it brings along in one of ``roles``, if any."""
        return next((picture for picture in self.inputs if picture.role in roles), None)


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which model really ran."""

    id: str
    """What the caller named: ``embedded``, a hub id, or the directory's name."""
    revision: str | None
    """The resolved commit of a hub download; None for a local directory."""
    weights_digest: str
    """SHA-256 over the sorted list of (file, SHA-256) of all weight files, hexadecimal."""
    weights: JsonObject
    """SHA-256 of each weight file, by path relative to the model."""
    pipeline_class: str
    terms: Mapping[str, str] = field(default_factory=dict)
    """What the register of models says: ``licence``, ``commercial``, ``weights``; empty where it
    was not asked."""


@dataclass(frozen=True, slots=True)
class GeneratedImage:
    """One picture as it left the model, with what reproduces it."""

    image: Image
    seed: int
    index: int
    """Position within its batch."""
    reproduction: JsonObject
    """Model, scheduler, parameters, precision, devices and library versions that really ran."""
    milliseconds: float
    flagged_by_model: bool = False
    """True when the pipeline's own safety checker flagged it: a finding, never a black picture."""


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """An image rule of the policy, as the checks stage needs it."""

    rule_id: str
    check: str
    stage: Stage
    action: Action
    mode: Mode
    options: JsonObject
    reason: str
    remediation: str | None = None


@dataclass(frozen=True, slots=True)
class ImageReport:
    """What the image checks saw in one picture."""

    findings: tuple[Finding, ...]
    rules: tuple[RuleRun, ...]
    scores: JsonObject = field(default_factory=dict)
    """All measured scores by rule, whether or not a rule matched."""
    models: JsonObject = field(default_factory=dict)
    """The models that the checks looked with, by rule: ``id`` and ``weights_digest``."""


@dataclass(frozen=True, slots=True)
class SignerInfo:
    """Who signed, without any secret."""

    kind: str
    algorithm: str
    certificate_sha256: str
    """SHA-256 of the leaf certificate (DER), hexadecimal."""
    subject: str
    not_after: str
    development: bool
    """True for the self-made development chain, which nobody else trusts."""


@dataclass(frozen=True, slots=True)
class TimeStamp:
    """Whether an independent authority vouches for when a picture was signed."""

    status: str
    """``stamped``, or ``skipped`` where the authority was asked for and not had."""
    authority: str
    """Its host."""
    time: str | None = None
    """When, by the authority's clock; RFC 3339, UTC."""
    reason: str | None = None
    """Why it was skipped."""


@dataclass(frozen=True, slots=True)
class SignedImage:
    """A complete picture file with its Content Credentials embedded and verified."""

    content: bytes
    format: str
    """Media type: ``image/png``, ``image/jpeg`` or ``image/webp``."""
    sha256: str
    pixels_sha256: str
    """SHA-256 of mode, size and raw pixel bytes, independent of the encoding."""
    manifest_label: str
    signer: SignerInfo
    time_stamp: TimeStamp | None = None
    """None where no authority was to be asked."""


@dataclass(frozen=True, slots=True)
class ManifestFacts:
    """What the manifest says about a generated picture."""

    record_id: UUID
    model: ModelIdentity
    seed: int
    decision: Decision
    created: str
    """RFC 3339, UTC."""
    width: int
    height: int
    title: str
    mode: str = "text-to-image"
    prompt: str | None = None
    """Only where the policy says that the manifest carries it."""
    parameters: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StageTimes:
    """Milliseconds spent in each stage, by stage name, in order."""

    entries: tuple[tuple[str, float], ...]

    @property
    def governance(self) -> float:
        """Milliseconds of everything but the model itself."""
        return sum(ms for name, ms in self.entries if name != "generate")


@dataclass(frozen=True, slots=True)
class Release:
    """One finished picture, with everything the record keeps of it."""

    record_id: UUID
    image: GeneratedImage
    report: ImageReport
    decision: Decision
    """What the policy concluded from the image checks."""
    signed: SignedImage
    times: StageTimes
    staged: bool
    """True when the signed bytes wait on disk, beside their destination."""


def as_json(value: object) -> Any:
    """Turn a contract value into JSON-safe data: enums and UUIDs as text, tuples as lists,
    dataclasses as objects without their None fields."""
    if hasattr(value, "__dataclass_fields__"):
        pairs = ((name, getattr(value, name)) for name in value.__dataclass_fields__)
        return {name: as_json(item) for name, item in pairs if item is not None}
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, StrEnum | UUID):
        return str(value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [as_json(item) for item in value]
    return value
