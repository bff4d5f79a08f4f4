"""Processor time of functions that take turns, so that a busy machine slows them all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping


def processor_seconds(function: Callable[[], object]) -> float:
    """Return the processor time of one call in this process."""
    start = time.process_time()
    function()
    return time.process_time() - start


def seconds_in_turns(functions: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Call every function once in each round; return the processor time of each call by name of the function."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            seconds[name].append(processor_seconds(function))
    return seconds
