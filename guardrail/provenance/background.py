"""Hashing while something else is computed: at 1024x1024 the hashes would add a third to the cost
of a signed JPEG, and both sides release the interpreter's lock."""

from __future__ import annotations

import threading
from collections.abc import Callable


def meanwhile(work: Callable[[], str], size: int) -> Callable[[], str]:
    """Begin ``work`` on ``size`` bytes in a thread; the returned function waits for its result
    and raises what it raised. Small work is done at once: a thread would cost more."""
    if size < _WORTH_A_THREAD:
        done = work()
        return lambda: done
    outcome: list[str] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001 (raised by whoever waits)
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def wait() -> str:
        thread.join()
        if failure:
            raise failure[0]
        return outcome[0]

    return wait


_WORTH_A_THREAD = 512 * 1024
