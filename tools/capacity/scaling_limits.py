"""What a launcher does alone, and what grows with the input until it breaks: the largest input for which each holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gristmill.pipelines.cost_model import Figures, Settings, Size, Step, steps

ONE_PLACE_MEMORY = 64e9
"""Of the one process that a step of one task runs in."""


def launcher_seconds(given: Figures, settings: Settings) -> float:
    """What a launcher does alone, all stages together: planning, keys, receipts."""
    size, storage = Size.of(given, settings), given["storage"]
    planning = 4 * settings.files * storage["latency"] / storage["threads"]
    if size.units > settings.files:  # each archive's beginning is read, one after another
        planning += settings.files * (2 * storage["latency"] + storage["block"] / storage["bandwidth"])
    receipts = 8 * (size.units + size.shards) * storage["latency"] / storage["threads"]
    return float(planning + receipts)


class Limit(NamedTuple):
    """What grows with the input until it breaks: its value for settings, and the value that it may have."""

    what: str
    most: float
    unit: str
    scale: float
    remedy: str
    value: Callable[[Settings], float]


def limits(given: Figures) -> list[Limit]:
    """What does not scale, in the order of a run."""
    memory = given["machines"]["worker_memory"]

    def named(settings: Settings, stage: str, name: str = "") -> Step:
        return next(step for step in steps(given, settings) if (step.stage, step.name) == (stage, name))

    def by_extract(stage: str, name: str = "") -> Callable[[Settings], float]:
        return lambda s: named(s, stage, name).seconds / named(s, "extract").seconds

    def size(settings: Settings) -> Size:
        return Size.of(given, settings)

    return [
        Limit(
            "memory of a task of dedup, shared buckets: rows of a partition",
            memory,
            "GB",
            1e9,
            "`dedup.partitions`: one for every four million documents that `judge` kept",
            lambda s: named(s, "dedup", "shared buckets").memory,
        ),
        Limit(
            "dedup, decide: worker time by that of extract (whole row groups are read for single documents)",
            1.0,
            "×",
            1,
            "requests side by side; smaller row groups, or shingles beside the bands",
            by_extract("dedup", "decide"),
        ),
        Limit(
            "tokenizer: hours of its one task, which looks at every row group's ids",
            2.0,
            "h",
            1,
            "pin a tokenizer (`tokenizer.path`), or sample from the first units only",
            lambda s: named(s, "tokenizer", "one task").seconds / 3600,
        ),
        Limit(
            "memory of a worker of mix: eight buckets of the source",
            memory,
            "GB",
            1e9,
            "`tokenize.buckets`: at most a million documents each",
            lambda s: named(s, "mix").memory,
        ),
        Limit(
            "mix: worker time by that of extract (every unit's index and payload for each shard)",
            1.0,
            "×",
            1,
            "payloads side by side, as indices are; token files of many units",
            by_extract("mix"),
        ),
        Limit(
            "launcher, all that it does alone: hours",
            2.0,
            "h",
            1,
            "`unit_size: 1GiB`, so that archives are not split",
            lambda s: launcher_seconds(given, s) / 3600,
        ),
        Limit(
            "launcher, memory of a manifest",
            4e9,
            "GB",
            1e9,
            "`unit_size: 1GiB`",
            lambda s: size(s).units * given["bytes"]["manifest_memory"],
        ),
    ]


def largest(limit: Limit, settings: Settings, most: int = 10_000_000) -> int:
    """The largest number of archives for which a limit holds; ``most`` where it always does, 0 where it never does."""
    low, high = 0, most
    if limit.value(settings._replace(files=most)) <= limit.most:
        return most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if limit.value(settings._replace(files=middle)) <= limit.most else (low, middle)
    return low
