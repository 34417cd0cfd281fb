"""Many requests through the flow: neighbours of equal shape drawn together, the rest overlapped.

While one batch is drawn in a thread, the batch before it is checked, signed and recorded, and the
batch after it is decided: never more than two batches are held.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from guardrail.contracts import Decision, GeneratedImage, GenerationRequest
from guardrail.errors import (
    AuditError,
    ConfigurationError,
    GenerationCancelled,
    GuardrailError,
    StageFailed,
)
from guardrail.request import build_request
from guardrail.run import Run, as_approved

if TYPE_CHECKING:
    from guardrail.pipeline import Pipeline
    from guardrail.result import Result

OnStart = Callable[[int, GenerationRequest], None]
"""Called with a request's position before anything is recorded about it."""
Drawn = Sequence[GeneratedImage] | Exception
"""A request's images, or why there are none."""
HELD_BACK = 16
"""Refusals that are kept waiting for a request to draw, at most."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request: a result, or the error that a single call would have raised."""

    index: int
    """Its position among the requests."""
    record_ids: tuple[UUID, ...] = ()
    """Empty where nothing was recorded."""
    result: Result | None = None
    error: GuardrailError | None = None


@dataclass(slots=True)
class _Work:
    """One request that was admitted."""

    index: int
    run: Run
    decision: Decision

    @property
    def approved(self) -> GenerationRequest:
        return as_approved(self.run.request, self.decision)


@dataclass(slots=True)
class _Batch:
    """Requests that are drawn together, and the refused ones between them."""

    works: list[_Work]
    refused: list[Outcome]
    drawn: Future[tuple[list[Drawn], float]] | None = None
    taken: int = 0
    """How many of its requests have left it."""


def generate_many(
    pipe: Pipeline,
    requests: Iterable[Mapping[str, Any]],
    *,
    batch_size: int,
    media_type: str,
    on_start: OnStart | None,
) -> Iterator[Outcome]:
    """See :meth:`guardrail.Pipeline.generate_many`."""
    if batch_size < 1:
        raise ConfigurationError("batch_size must be at least 1.")
    stop = threading.Event()
    held: list[_Batch] = []
    batches = _batches(pipe, requests, batch_size, media_type, on_start)
    with ThreadPoolExecutor(1, thread_name_prefix="guardrail-draw") as pool:
        try:
            for batch in batches:
                held.append(batch)
                if batch.works:
                    batch.drawn = pool.submit(_draw, pipe, batch, stop)
                if len(held) > 1:
                    yield from _finish(pipe, held[0])
                    held.pop(0)
            while held:
                yield from _finish(pipe, held[0])
                held.pop(0)
        finally:
            stop.set()
            batches.close()
            _cancel(pipe, held)


def _batches(
    pipe: Pipeline,
    requests: Iterable[Mapping[str, Any]],
    batch_size: int,
    media_type: str,
    on_start: OnStart | None,
) -> Generator[_Batch]:
    """Admit requests one after the other, and hand on a batch when it is full or the shape
    changes. A request that is admitted is always handed on, whatever the next one does."""
    batch, shape = _Batch([], []), None
    try:
        for index, given in enumerate(requests):
            admitted = _admit(pipe, index, given, media_type, on_start)
            if isinstance(admitted, Outcome):
                batch.refused.append(admitted)
                if len(batch.refused) >= HELD_BACK and not batch.works:
                    yield batch
                    batch = _Batch([], [])
                continue
            own = _shape(pipe, admitted.run.request)
            full = sum(work.run.request.count for work in batch.works) >= batch_size
            if batch.works and (own is None or own != shape or full):
                ready, batch = batch, _Batch([admitted], [])
                yield ready
            else:
                batch.works.append(admitted)
            shape = own
    except BaseException:
        _cancel(pipe, [batch])
        raise
    yield batch


def _shape(pipe: Pipeline, request: GenerationRequest) -> tuple[Any, ...] | None:
    """What requests must share to be drawn together; None for a backend that draws them singly."""
    if not hasattr(pipe.backend, "generate_batch"):
        return None
    from guardrail.backends.call import shape_of  # noqa: PLC0415 (torch comes with it)

    return shape_of(request)


def _admit(
    pipe: Pipeline,
    index: int,
    given: Mapping[str, Any],
    media_type: str,
    on_start: OnStart | None,
) -> _Work | Outcome:
    options = dict(given)
    run = None
    try:
        prompt = options.pop("prompt", None)
        request = build_request(prompt, options, pipe.backend.defaults)  # type: ignore[arg-type]
        if on_start:
            on_start(index, request)
        run = Run(request, None, media_type)
        return _Work(index, run, pipe.admit(run))
    except TypeError as error:
        return Outcome(index, error=ConfigurationError(f"{error}."))
    except GuardrailError as error:
        recorded = getattr(error, "record_id", None)
        return Outcome(index, (recorded,) if recorded else (), error=error)


def _draw(pipe: Pipeline, batch: _Batch, stop: threading.Event) -> tuple[list[Drawn], float]:
    """Draw a batch in one call; where that fails, its requests one by one, so that one of them
    does not take the others with it. Returns the images of each, and milliseconds in all."""

    def watch(_done: int = 0, _total: int = 0) -> None:
        if stop.is_set():
            raise GenerationCancelled("The batch was stopped.")

    def alone(request: GenerationRequest) -> Drawn:
        try:
            watch()
            return pipe.backend.generate(request, on_progress=watch)
        except Exception as error:  # noqa: BLE001 (it is raised where the request is finished)
            return error

    started = time.perf_counter()
    requests = [work.approved for work in batch.works]
    drawn: list[Drawn] = []
    if len(requests) > 1:
        with contextlib.suppress(Exception):
            together: Any = pipe.backend
            drawn = list(together.generate_batch(requests, on_progress=watch))
    drawn = drawn or [alone(request) for request in requests]
    return drawn, (time.perf_counter() - started) * 1000


def _finish(pipe: Pipeline, batch: _Batch) -> Iterator[Outcome]:
    """Check, sign, record and publish what was drawn; one outcome a request, in order."""
    outcomes = list(batch.refused)
    while batch.works:
        outcomes.append(_finish_one(pipe, batch, batch.works.pop(0)))
    yield from sorted(outcomes, key=lambda outcome: outcome.index)


def _finish_one(pipe: Pipeline, batch: _Batch, work: _Work) -> Outcome:
    run, ids = work.run, work.run.request.record_ids
    try:
        with pipe.recording_failure(run):
            run.current = "generate"
            images, share = _next(batch)
            run.note("generate", share, images)
            pipe.finish(run, work.decision, images)
        pipe.publish(run)
        return Outcome(work.index, ids, result=run.result(work.decision))
    except GuardrailError as error:
        return Outcome(work.index, ids, error=error)


def _next(batch: _Batch) -> tuple[Sequence[GeneratedImage], float]:
    """The images of the batch's next request, and its share of the time. Raises what drawing
    raised."""
    if batch.drawn is None:
        raise StageFailed("The batch was not drawn.")
    position, batch.taken = batch.taken, batch.taken + 1
    drawn, milliseconds = batch.drawn.result()
    own = drawn[position]
    if isinstance(own, Exception):
        raise own
    return own, milliseconds / len(drawn)


def _cancel(pipe: Pipeline, batches: Iterable[_Batch]) -> None:
    """Record as cancelled what was admitted and is not finished."""
    for batch in batches:
        for work in batch.works:
            with contextlib.suppress(AuditError):
                pipe.audit.cancel(work.run.request, work.run.pending)
