"""Every error guardrail raises on purpose, and the exit code the command line gives it.

    GuardrailError                 1  unexpected
    ├── ConfigurationError         2  usage or configuration
    │   ├── MissingExtra           2  an optional dependency is not installed
    │   └── PolicyError            2  a policy document is not valid
    ├── PolicyBlocked              3  the policy refused the request
    ├── ReviewRequired             4  the policy holds the request for a person
    ├── VerificationFailed         5  a signature, a record or the log does not verify
    ├── GenerationCancelled        6  the caller stopped it
    └── StageFailed                6  a stage failed closed: nothing was released
        ├── DecisionFailed             a rule could not be evaluated
        ├── BackendError               the diffusion model
        ├── CheckError                 the image checks
        ├── ProvenanceError            the manifest or the signature
        ├── DeliveryError              the finished file could not be written
        └── AuditError                 the record

A refusal is raised only by :meth:`guardrail.Pipeline.generate`; everything below it returns
the :class:`~guardrail.contracts.Decision` as a value.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from guardrail.contracts import Decision


class ExitCode(IntEnum):
    """What a ``guardrail`` process ends with. Frozen: scripts branch on these numbers."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    BLOCKED = 3
    REVIEW = 4
    VERIFICATION_FAILED = 5
    STAGE_FAILED = 6


class GuardrailError(Exception):
    """Root of all errors raised on purpose.

    ``message`` is one sentence that says what is wrong and where; ``hint`` says what to do.
    Neither ever holds a prompt, a key or personal data.
    """

    exit_code = ExitCode.UNEXPECTED

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigurationError(GuardrailError):
    """A setting, an argument or an input file is not usable as given."""

    exit_code = ExitCode.USAGE


class MissingExtra(ConfigurationError):
    """An optional dependency is needed and not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs an optional dependency that is not installed.",
            hint=f"Install it with: pip install 'guardrail[{extra}]'",
        )


class PolicyError(ConfigurationError):
    """A policy document is not valid. ``problems`` locates each fault as file:line:column."""

    def __init__(self, message: str, *, problems: tuple[str, ...] = (), hint: str | None = None):
        super().__init__(message, hint=hint)
        self.problems = problems


class _Refusal(GuardrailError):
    """Shared by the two ways a policy withholds a picture."""

    def __init__(self, message: str, decision: Decision, record_id: UUID | None) -> None:
        super().__init__(message, hint=decision.remediation)
        self.decision = decision
        self.record_id = record_id


class PolicyBlocked(_Refusal):
    """The policy refused the request; ``decision`` says which rule, where and what to change."""

    exit_code = ExitCode.BLOCKED


class ReviewRequired(_Refusal):
    """The policy wants a person to decide first; nothing was released."""

    exit_code = ExitCode.REVIEW


class VerificationFailed(GuardrailError):
    """A signature, a record or the log does not verify."""

    exit_code = ExitCode.VERIFICATION_FAILED


class GenerationCancelled(GuardrailError):
    """The caller stopped the generation; the record says cancelled and nothing was released."""

    exit_code = ExitCode.STAGE_FAILED


class StageFailed(GuardrailError):
    """A stage could not do its work, so nothing was released (promise 2: fail closed).

    ``stage`` is the stage's name; ``record_id`` is set where the store could still record it.
    """

    exit_code = ExitCode.STAGE_FAILED
    stage = "pipeline"

    def __init__(
        self, message: str, *, hint: str | None = None, record_id: UUID | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.record_id = record_id


class DecisionFailed(StageFailed):
    """A rule could not be evaluated: the verdict is ``error``. Carries the decision."""

    stage = "policy"

    def __init__(
        self,
        message: str,
        decision: Decision,
        *,
        hint: str | None = None,
        record_id: UUID | None = None,
    ) -> None:
        super().__init__(message, hint=hint, record_id=record_id)
        self.decision = decision


class BackendError(StageFailed):
    """The diffusion backend could not load or run."""

    stage = "backend"


class CheckError(StageFailed):
    """An image check could not run."""

    stage = "checks"


class ProvenanceError(StageFailed):
    """The manifest could not be built, signed or verified after signing."""

    stage = "provenance"


class DeliveryError(StageFailed):
    """The signed picture could not be written where the caller asked for it."""

    stage = "delivery"


class AuditError(StageFailed):
    """The audit store could not be reached, or refused to record."""

    stage = "audit"
