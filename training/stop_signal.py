"""Lets a run save its state when it is asked to stop, as Slurm and Kubernetes do before they kill it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopSignal:
    """The first signal that asked this process to stop; None before."""

    received: signal.Signals | None = None

    def __bool__(self) -> bool:
        return self.received is not None


@contextmanager
def catch_stop_signals() -> Iterator[StopSignal]:
    """Remember SIGTERM and SIGINT instead of ending; the caller looks between steps. Only the main thread can."""
    stop = StopSignal()

    def remember(number: int, frame: FrameType | None) -> None:
        stop.received = stop.received or signal.Signals(number)

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    previous = {number: signal.signal(number, remember) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
