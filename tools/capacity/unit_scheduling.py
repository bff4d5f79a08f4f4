"""Simulation of units on workers: when the last unit is complete.

The cost of a unit is in seconds of a worker with speed 1. Engines assign units in three ways:

- ``static``: round-robin, before the work begins (Flink's rebalance);
- ``partitions``: round-robin to a few partitions for each worker; a free worker takes the next partition (Spark);
- ``dynamic``: a free worker takes the next unit (Dataflow, the embedded runner).
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from math import expm1
from typing import Literal

import numpy as np

from gristmill.corpus.arrays import Float64s

Assignment = Literal["static", "partitions", "dynamic"]

PARTITIONS_PER_WORKER = 4
"""``spark.default.parallelism`` divided by the number of workers, as the runner sets it."""


def makespan(units: Float64s, speeds: Float64s, assignment: Assignment) -> float:
    """Return the seconds until the last of ``units`` is complete on workers of the given speeds."""
    match assignment:
        case "static":
            return float((round_robin(units, len(speeds)) / speeds).max())
        case "partitions":
            return dynamic_makespan(round_robin(units, PARTITIONS_PER_WORKER * len(speeds)), speeds)
        case "dynamic":
            return dynamic_makespan(units, speeds)


def round_robin(units: Float64s, bins: int) -> Float64s:
    """Return the sums of ``units`` assigned to ``bins`` in turn."""
    return np.bincount(np.arange(len(units)) % bins, weights=units, minlength=bins).astype(np.float64)


def dynamic_makespan(units: Float64s, speeds: Float64s) -> float:
    """Return the seconds until the last unit is complete, if each goes to the worker that is free first."""
    free = [(0.0, number) for number in range(len(speeds))]
    last = 0.0
    for cost in units.tolist():
        since, number = free[0]
        done = since + cost / float(speeds[number])
        heapq.heapreplace(free, (done, number))
        last = max(last, done)
    return last


def unit_costs(total: float, count: int, spread: float, rng: np.random.Generator) -> Float64s:
    """Return ``count`` log-normal costs that sum to ``total``, largest first; ``spread`` is deviation by mean."""
    sigma = np.sqrt(np.log1p(spread**2))
    drawn = rng.lognormal(0.0, sigma, count)
    return np.sort(drawn * (total / drawn.sum()))[::-1]


def worker_speeds(count: int, spread: float, rng: np.random.Generator) -> Float64s:
    """Return normally distributed speeds around 1, none below a third."""
    return np.maximum(rng.normal(1.0, spread, count), 1 / 3)


def clusters_makespan(runs: Sequence[float], clusters: int) -> float:
    """Return the seconds of ``runs`` on a number of clusters, each of which takes the next run when it is free."""
    return dynamic_makespan(np.array(runs), np.ones(clusters))


def loss_factor(losses: float, hours: float, machines: int = 1) -> float:
    """Return how many times as long a unit of ``hours`` takes if a machine is lost ``losses`` times an hour.

    A unit is restarted if its machine is lost, or any of the ``machines`` that are restarted together. With exponential
    lifetimes that is (e^x - 1) / x at x losses during the unit: an upper bound, since units do not all start at once.
    """
    x = losses * hours * machines
    return expm1(x) / x if x else 1.0
