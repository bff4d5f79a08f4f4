"""Units over workers, simulated: when is the last one done?

A unit's cost is in seconds of a worker of speed 1. Three ways in which engines hand out units:

- ``static``: in turns, before work begins (Flink's rebalance);
- ``partitions``: in turns to a few partitions for each worker, and a worker that is free takes the next (Spark);
- ``dynamic``: a worker that is free takes the next unit (Dataflow, the embedded runner).
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from math import expm1
from typing import Literal

import numpy as np

from gristmill.corpus.arrays import Float64s

Assignment = Literal["static", "partitions", "dynamic"]

PARTITIONS_A_WORKER = 4
"""``spark.default.parallelism`` by workers, as the runner sets it."""


def makespan(units: Float64s, speeds: Float64s, assignment: Assignment) -> float:
    """Seconds until the last of ``units`` is done by workers of ``speeds``."""
    match assignment:
        case "static":
            return float((in_turns(units, len(speeds)) / speeds).max())
        case "partitions":
            return dynamic(in_turns(units, PARTITIONS_A_WORKER * len(speeds)), speeds)
        case "dynamic":
            return dynamic(units, speeds)


def in_turns(units: Float64s, bins: int) -> Float64s:
    """Sums of ``units`` dealt out to ``bins``, one after another."""
    sums: Float64s = np.bincount(np.arange(len(units)) % bins, weights=units, minlength=bins)
    return sums


def dynamic(units: Float64s, speeds: Float64s) -> float:
    """Seconds until the last unit is done, each taken in its turn by the worker that is free first."""
    free = [(0.0, number) for number in range(len(speeds))]
    last = 0.0
    for cost in units.tolist():
        since, number = free[0]
        done = since + cost / float(speeds[number])
        heapq.heapreplace(free, (done, number))
        last = max(last, done)
    return last


def unit_costs(total: float, count: int, spread: float, rng: np.random.Generator) -> Float64s:
    """``count`` log-normal costs with so much standard deviation by mean, which sum to ``total``; the largest first."""
    sigma = np.sqrt(np.log1p(spread**2))
    drawn = rng.lognormal(0.0, sigma, count)
    return np.sort(drawn * (total / drawn.sum()))[::-1]


def worker_speeds(count: int, spread: float, rng: np.random.Generator) -> Float64s:
    """Speeds around 1, normally distributed, none below a third."""
    return np.maximum(rng.normal(1.0, spread, count), 1 / 3)


def lanes(runs: Sequence[float], count: int) -> float:
    """Seconds of ``runs`` one after another on ``count`` clusters, each taking the next run when it is free."""
    return dynamic(np.array(runs), np.ones(count))


def longer(losses: float, hours: float, together: int = 1) -> float:
    """How many times as long a unit of ``hours`` takes when a machine is lost ``losses`` times an hour.

    A unit begins anew when its machine is lost, or any of the ``together`` whose work falls with one of them: of
    exponential lifetimes, (e^x - 1) / x at x losses in the unit's time. An upper bound, since units do not all begin at
    once.
    """
    x = losses * hours * together
    return expm1(x) / x if x else 1.0
