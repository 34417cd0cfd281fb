"""The flow: prompt -> policy -> backend -> checks -> provenance -> audit.

The only module that knows the order, and the order is the promise (nothing leaves unrecorded or
unsigned): commit the request and its decision, generate, check, sign and verify the signature,
stage the bytes on disk, commit the release with their SHA-256, and only then rename into place
or return. A crash between any two steps leaves a complete picture with its record, or none.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, Self, Unpack
from uuid import UUID

from guardrail._version import __version__
from guardrail.activation import active_policy, named_policy
from guardrail.audit import AuditLog
from guardrail.backends import Backend, OnDownload, Progress, load_backend
from guardrail.batch import OnStart, Outcome, generate_many
from guardrail.checks import Inspector
from guardrail.clock import Clock, rfc3339, utc_now
from guardrail.contracts import (
    Decision,
    GeneratedImage,
    GenerationRequest,
    ImageReport,
    ManifestFacts,
    Release,
    Stage,
)
from guardrail.errors import (
    AuditError,
    BackendError,
    DeliveryError,
    GenerationCancelled,
    GuardrailError,
    StageFailed,
)
from guardrail.files import publish, staged_path, write_durably
from guardrail.inputs import InputRole
from guardrail.models import Register, load_register, terms_of
from guardrail.policy import Policy
from guardrail.provenance import Provenance, Signer, load_signer
from guardrail.provided import PROVIDED
from guardrail.request import Options, build_request
from guardrail.result import Result, Withheld
from guardrail.run import Observer, Run, as_approved, both, refusal
from guardrail.settings import load_settings


class Pipeline:
    """Generates pictures under a policy. Thread-safe; one object serves a whole application."""

    def __init__(
        self,
        *,
        policy: Policy,
        backend: Backend,
        provenance: Provenance,
        audit: AuditLog,
        register: Register | None = None,
        clock: Clock = utc_now,
    ) -> None:
        policy.require(PROVIDED)
        self.policy = policy
        self.backend = backend
        self.model = backend.identity
        if register is not None:
            self.model = replace(self.model, terms=terms_of(register, self.model))
        self.provenance = provenance
        self.audit = audit
        self._clock = clock
        self._checks = Inspector(policy.image_rules(Stage.OUTPUT))
        self._input_checks = Inspector(policy.image_rules(Stage.INPUT))
        audit.store_policy(policy.ref, policy.text)

    @classmethod
    def from_pretrained(  # noqa: PLR0913 (each is a part of the pipeline that can be replaced)
        cls,
        model: Any = None,
        *,
        policy: str | Path | Policy | None = None,
        audit: str | Path | AuditLog | None = None,
        signer: str | Path | Signer | None = None,
        device: str | None = None,
        dtype: str | None = None,
        controlnet: str | Path | None = None,
        allow_download: bool = False,
        on_download: OnDownload | None = None,
        home: str | Path | None = None,
        clock: Clock = utc_now,
    ) -> Self:
        """Load everything a generation needs; what is None comes from the settings.

        ``model``: ``"embedded"``, a local directory, a hub id, or a built diffusers pipeline.
        ``policy``: a bundled policy's name, a document's path (``@DIGEST`` pins either), or
        ``"active"`` for the version last activated in the store. ``audit``: a SQLAlchemy URL or
        a SQLite file. ``signer``: ``"development"`` or a signer file. ``controlnet``: a directory
        or hub id, for requests with a control picture. Nothing is downloaded unless
        ``allow_download``; ``on_download`` is told before how much it will be.

        Raises :class:`~guardrail.errors.ConfigurationError` or
        :class:`~guardrail.errors.StageFailed` naming what is missing and what to do.
        """
        overrides = {
            "home": str(home) if home is not None else None,
            "audit": str(audit) if isinstance(audit, str | Path) else None,
        }
        settings = load_settings(overrides)
        rules = named_policy(policy or settings.policy)
        log = (
            audit if isinstance(audit, AuditLog) else AuditLog.open(settings.audit_url, clock=clock)
        )
        rules = rules or active_policy(log)
        key = (
            load_signer(signer or settings.signer, home=settings.home_dir, clock=clock)
            if signer is None or isinstance(signer, str | Path)
            else signer
        )
        backend = load_backend(
            settings.model if model is None else model,
            device=device,
            dtype=dtype,
            controlnet=controlnet,
            allow_download=allow_download,
            cache=settings.home_dir / "cache" / "weights.json",
            on_download=on_download,
        )
        provenance = Provenance(key, clock=clock, software_version=__version__)
        register = load_register(settings.home_dir)
        return cls(
            policy=rules,
            backend=backend,
            provenance=provenance,
            audit=log,
            register=register,
            clock=clock,
        )

    def check(self, prompt: str, **options: Unpack[Options]) -> Decision:
        """Return what the policy says about a prompt. Records nothing and never raises for a
        refusal. Takes the arguments of :meth:`generate`."""
        return self.decide(build_request(prompt, options, self.backend.defaults))

    def decide(self, request: GenerationRequest) -> Decision:
        """Judge the words of a request, then the pictures it brings along, as one decision. A
        mask is not looked at: the model sees only where it is white."""
        words = self.policy.decide(request, model=self.model)
        pictures = [p.image for p in request.inputs if p.role is not InputRole.MASK]
        if not pictures:
            return words
        if not words.allowed:
            return replace(words, not_inspected=(*words.not_inspected, Stage.INPUT.value))
        reports = self._input_checks.look(pictures)
        findings = [finding for report in reports for finding in report.findings]
        rules = [rule for report in reports for rule in report.rules]
        return both(words, self.policy.conclude(Stage.INPUT, findings, rules))

    def generate(
        self,
        prompt: str,
        *,
        media_type: str = "image/png",
        on_progress: Progress | None = None,
        on_stage: Observer | None = None,
        **options: Unpack[Options],
    ) -> Result:
        """Generate, and return pictures that are signed and recorded.

        Further keyword arguments are those of :class:`guardrail.request.Options`, with their
        ranges: ``negative_prompt``, ``seed``, ``width``, ``height``, ``steps``,
        ``guidance_scale``, ``scheduler``, ``count``, ``actor``, ``tenant``, ``purpose``,
        ``metadata``, ``output`` and ``overwrite``; with pictures ``image``, ``mask``,
        ``outpaint``, ``strength``, ``keep_outside``, ``control``, ``control_kind`` and
        ``control_scale``; ``aspect_ratio`` and ``style``. ``on_progress`` is called after each
        step with (done, total), ``on_stage`` after each stage.

        Raises :class:`PolicyBlocked` or :class:`ReviewRequired` (with ``decision`` and
        ``record_id``) when the policy withholds it, :class:`~guardrail.errors.StageFailed` when
        a stage fails closed, :class:`~guardrail.errors.ConfigurationError` for bad arguments.
        """
        request = build_request(prompt, options, self.backend.defaults)
        run = Run(request, on_stage, media_type)
        decision = self.admit(run)
        with self.recording_failure(run):
            with run.stage("generate"):
                approved = as_approved(request, decision)
                images = run.outcome = self.backend.generate(approved, on_progress=on_progress)
            self.finish(run, decision, images)
        self.publish(run)
        return run.result(decision)

    def generate_many(
        self,
        requests: Iterable[Mapping[str, Any]],
        *,
        batch_size: int = 4,
        media_type: str = "image/png",
        on_start: OnStart | None = None,
    ) -> Iterator[Outcome]:
        """Generate many requests; yield the outcome of each, in order, as they are finished.

        Each request is a mapping of ``prompt`` and the arguments of :meth:`generate`. Up to
        ``batch_size`` neighbours of equal shape are drawn in one call; checks, signatures and
        records of one batch overlap with the drawing of the next. A request that fails does not
        stop the others. ``on_start`` is called with the position and the request before anything
        is recorded about it. Stopping early (``KeyboardInterrupt``, closing the iterator)
        records what is under way as cancelled.
        """
        return generate_many(
            self, requests, batch_size=batch_size, media_type=media_type, on_start=on_start
        )

    def admit(self, run: Run) -> Decision:
        """First step of a run: decide, and commit the request with its decision. Raises the
        refusal, recorded."""
        with run.stage("policy"):
            decision = run.outcome = self.decide(run.request)
        if not decision.allowed:
            self._refuse(run.request, decision)
        with run.stage("record"):
            self.audit.begin(run.request, decision, self.model)
        return decision

    def finish(self, run: Run, decision: Decision, images: Sequence[GeneratedImage]) -> None:
        """Third step: check, sign and stage what was drawn, and commit its release."""
        if len(images) != run.request.count:
            raise BackendError("The model returned another number of pictures.")
        with run.stage("check"):
            reports = run.outcome = self._checks.inspect(images)
        for image, report in zip(images, reports, strict=True):
            self._finish(run, decision, image, report)
        self._release(run)

    def publish(self, run: Run) -> None:
        """Last step: rename the staged files into place. After a crash here, a sweep does it."""
        for record_id, staged in run.staged.items():
            destination = run.destination(record_id) or staged
            with run.stage("publish", record_id), _delivery_errors(destination, record_id):
                publish(staged, destination)

    def close(self) -> None:
        """Release the audit store's connections."""
        self.audit.close()

    def _finish(
        self, run: Run, decision: Decision, image: GeneratedImage, report: ImageReport
    ) -> None:
        """Judge one picture, then sign it and stage its bytes. Nothing leaves yet."""
        record_id = run.request.record_ids[image.index]
        judged = self.policy.conclude(Stage.OUTPUT, report.findings, report.rules)
        if not judged.allowed:
            self.audit.withhold(run.request, record_id, judged, report, Stage.OUTPUT)
            run.withheld.append(Withheld(record_id, image.seed, judged))
            run.pending.remove(record_id)
            return
        with run.stage("sign", record_id):
            facts = self._manifest_facts(run, record_id, decision, image)
            signed = run.outcome = self.provenance.sign(image.image, facts, run.media_type)
        destination = run.destination(record_id)
        if destination is not None:
            with run.stage("stage", record_id), _delivery_errors(destination, record_id):
                run.staged[record_id] = staged_path(destination, record_id)
                write_durably(run.staged[record_id], signed.content)
        times = run.times(record_id)
        run.releases.append(
            Release(record_id, image, report, judged, signed, times, destination is not None)
        )

    def _release(self, run: Run) -> None:
        """Commit what is finished, all pictures of the request in one transaction."""
        if not run.releases:
            return
        with run.stage("release"):
            self.audit.release(run.request, run.releases)
            run.pending.clear()  # from here on each record has its end, whatever happens next

    def _refuse(self, request: GenerationRequest, decision: Decision) -> NoReturn:
        """Record the refusal and raise it. It is raised even when it cannot be recorded."""
        record_id: UUID | None = request.record_ids[0]
        unrecorded: AuditError | None = None
        try:
            self.audit.refuse(request, decision)
        except AuditError as error:
            record_id, unrecorded = None, error
        raise refusal(decision, record_id) from unrecorded

    def _manifest_facts(
        self, run: Run, record_id: UUID, decision: Decision, image: GeneratedImage
    ) -> ManifestFacts:
        request = run.request
        name = run.destination(record_id)
        return ManifestFacts(
            record_id=record_id,
            model=self.model,
            seed=image.seed,
            decision=decision,
            created=rfc3339(self._clock()),
            width=image.image.width,
            height=image.image.height,
            title=name.name if name else str(record_id),
            mode=request.mode,
            prompt=decision.effective_prompt if self.policy.provenance.include_prompt else None,
            parameters=image.reproduction.get("parameters", {}),
        )

    @contextlib.contextmanager
    def recording_failure(self, run: Run) -> Iterator[None]:
        """Turn whatever stops the flow into an event for each picture not yet released."""
        try:
            yield
        except BaseException as error:
            if run.pending:  # a release that was committed stands, and its files with it
                run.forget_staged()
                with contextlib.suppress(AuditError):
                    self._record_failure(run, error)
                if isinstance(error, Exception) and not isinstance(error, GuardrailError):
                    raise StageFailed(
                        f"The stage {run.current!r} failed ({type(error).__name__}).",
                        hint="Nothing was released. The cause is attached to this error.",
                        record_id=run.pending[0],
                    ) from error
            raise

    def _record_failure(self, run: Run, error: BaseException) -> None:
        if isinstance(error, GenerationCancelled | KeyboardInterrupt):
            self.audit.cancel(run.request, run.pending)
            return
        sentence = error.message if isinstance(error, GuardrailError) else "Unexpected error."
        text = f"{type(error).__name__}: {sentence}"
        self.audit.fail(run.request, run.pending, run.current, text)


@contextlib.contextmanager
def _delivery_errors(destination: Path, record_id: UUID) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DeliveryError(
            f"{destination} cannot be written ({error.strerror}).",
            hint="Free some space or choose another folder, then generate again.",
            record_id=record_id,
        ) from error
