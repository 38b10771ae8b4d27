"""SIGTERM and Ctrl-C end a run after the step at hand, with a checkpoint."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

log = logging.getLogger(__name__)


class StopRequest:
    """Whether somebody asked the run to stop, and by which signal."""

    def __init__(self) -> None:
        self.signal = 0
        """Number of the signal, 0 while nobody asked."""

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.signal:  # asked twice: at once, then
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self.signal = number
        log.warning("%s: stopping after this step with a checkpoint; once more stops at once", _name(number))


class Interrupted(Exception):
    """The run was asked to stop and has written a checkpoint."""

    def __init__(self, step: int, number: int) -> None:
        super().__init__(f"{_name(number)}: stopped after step {step}; the same command goes on from there")
        self.step, self.signal = step, number


@contextmanager
def watched() -> Iterator[StopRequest]:
    """Turn SIGTERM and SIGINT into a request; only the main thread of a process can."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.signal(number, request) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _name(number: int) -> str:
    return "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
