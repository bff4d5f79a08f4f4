"""The launcher's own work, and the limits of scaling: the largest input for which each one holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gristmill.pipelines.cost_model import Figures, Settings, Size, Step, steps

SINGLE_TASK_MEMORY = 64e9
"""Memory of the process that runs a step with a single task."""


def launcher_seconds(figures: Figures, settings: Settings) -> float:
    """Return the seconds that the launcher alone is busy over all stages: planning, keys, receipts."""
    size, storage = Size.of(figures, settings), figures["storage"]
    planning = 4 * settings.files * storage["latency"] / storage["threads"]
    if size.units > settings.files:  # the beginning of each archive is read, one after another
        planning += settings.files * (2 * storage["latency"] + storage["block"] / storage["bandwidth"])
    receipts = 8 * (size.units + size.shards) * storage["latency"] / storage["threads"]
    return float(planning + receipts)


class Limit(NamedTuple):
    """A quantity that grows with the input: its value for settings, and its maximum."""

    quantity: str
    maximum: float
    unit: str
    scale: float
    remedy: str
    value: Callable[[Settings], float]


def limits(figures: Figures) -> list[Limit]:
    """Return the limits, in the order of a run."""
    memory = figures["machines"]["worker_memory"]

    def named(settings: Settings, stage: str, name: str = "") -> Step:
        return next(step for step in steps(figures, settings) if (step.stage, step.name) == (stage, name))

    def by_extract(stage: str, name: str = "") -> Callable[[Settings], float]:
        return lambda s: named(s, stage, name).seconds / named(s, "extract").seconds

    def size(settings: Settings) -> Size:
        return Size.of(figures, settings)

    return [
        Limit(
            "memory of a dedup task (shared buckets): the rows of a partition",
            memory,
            "GB",
            1e9,
            "`dedup.partitions`: one for every four million documents that `judge` keeps",
            lambda s: named(s, "dedup", "shared buckets").memory,
        ),
        Limit(
            "dedup (decide): worker time relative to extract (reads whole row groups for single documents)",
            1.0,
            "×",
            1,
            "parallel requests; smaller row groups, or shingles stored with the bands",
            by_extract("dedup", "decide"),
        ),
        Limit(
            "tokenizer: hours of its single task, which reads the ids of every row group",
            2.0,
            "h",
            1,
            "pin a tokenizer (`tokenizer.path`), or sample from the first units only",
            lambda s: named(s, "tokenizer", "one task").seconds / 3600,
        ),
        Limit(
            "memory of a mix worker: eight buckets of the source",
            memory,
            "GB",
            1e9,
            "`tokenize.buckets`: at most a million documents in each",
            lambda s: named(s, "mix").memory,
        ),
        Limit(
            "mix: worker time relative to extract (opens the index and payload of every unit for each shard)",
            1.0,
            "×",
            1,
            "parallel payload requests, as for indices; token files of many units",
            by_extract("mix"),
        ),
        Limit(
            "hours of the launcher's own work",
            2.0,
            "h",
            1,
            "`unit_size: 1GiB`, which does not split archives",
            lambda s: launcher_seconds(figures, s) / 3600,
        ),
        Limit(
            "memory of the launcher: a manifest",
            4e9,
            "GB",
            1e9,
            "`unit_size: 1GiB`",
            lambda s: size(s).units * figures["bytes"]["manifest_memory"],
        ),
    ]


def largest(limit: Limit, settings: Settings, most: int = 10_000_000) -> int:
    """Return the largest number of archives within a limit; ``most`` if all are, 0 if none is."""
    low, high = 0, most
    if limit.value(settings._replace(files=most)) <= limit.maximum:
        return most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if limit.value(settings._replace(files=middle)) <= limit.maximum else (low, middle)
    return low
