"""A crawl, simulated: seconds of a run from the work of its steps; and the check, on a run that was measured."""

from __future__ import annotations

from itertools import groupby
from math import hypot, sqrt
from typing import NamedTuple

import numpy as np

from gristmill.pipelines.cost_model import (
    Figures,
    Settings,
    Size,
    Step,
    item_seconds,
    kept_bytes,
    requests_dollars,
    start_and_item,
    steps,
)
from tools.capacity.scaling_limits import launcher_seconds
from tools.capacity.unit_scheduling import Floats, lanes, makespan, unit_costs, worker_speeds

LANE = 128
"""Workers that mill one slice; larger clusters mill several slices at a time."""


class Outcome(NamedTuple):
    """A crawl, milled: hours until the last slice is done, hours of Python processes that were held, and dollars."""

    hours: float
    process_hours: float
    compute: float
    spot: float | None
    """What machines cost that may be taken away, none of them lost."""
    shuffle: float
    requests: float
    storage: float

    @property
    def dollars(self) -> float:
        return self.compute + self.shuffle + self.requests + self.storage


class Compared(NamedTuple):
    """A stage of the benchmark: its seconds as simulated, and as measured."""

    stage: str
    simulated: float
    measured: float


def check(given: Figures) -> list[Compared]:
    """The stages of another run than the one that rates come from, simulated at its own scale, beside its wall time."""
    run = given["check"]
    speeds = np.ones(run["workers"])
    start = given["runners"]["embedded"]["job_s"]

    def seconds(stage: str) -> float:
        began, _ = start_and_item(given["stages"][stage])
        return start + began + makespan(np.array(_check_units(given, stage)), speeds, "dynamic")

    return [Compared(stage, seconds(stage), measured) for stage, measured in run["seconds"].items()]


def _check_units(given: Figures, stage: str) -> list[float]:
    """Seconds of each unit of the check's run, the largest first."""
    run = given["check"]
    texts = [(source, mb * 1e6) for source, sizes in run["text_mb"].items() for mb in sizes]
    if stage == "extract":
        pages = [pages * item_seconds(given, "extract") for pages in run["pages"]]
        return sorted([*pages, *(size * given["jsonl_seconds_per_text_byte"] for _, size in texts)], reverse=True)
    late = stage in ("refine", "tokenize")
    every = [*texts, *(("web", mb * 1e6) for mb in run["web_mb"])]
    sizes = [size * (run["final_share"][source] if late else 1.0) for source, size in every]
    return sorted((item_seconds(given, stage, size) for size in sizes), reverse=True)


def speed(runner: Figures) -> float:
    """Of processors under a runner, by the embedded one's; a ratio above 1 is noise, or that runner's own overhead."""
    return min(float(runner["ratio"]), 1.0)


def slowdown(compared: list[Compared]) -> float:
    """How much longer the check's stages took, all together, than was simulated: put upon every processor second."""
    return sum(one.measured for one in compared) / sum(one.simulated for one in compared)


def outcome(given: Figures, settings: Settings, runner: str, workers: int, *, runs: int, slower: float) -> Outcome:
    """A crawl in slices of ``settings``, each on a lane of workers; ``runs`` slices are simulated and stand for all."""
    of, prices = given["runners"][runner], given["prices"]
    every = steps(given, settings)
    slices = given["crawl"]["files"] // settings.files
    lane = min(workers, LANE)
    made = [slice_seconds(given, settings, runner, lane, slower, seed) for seed in range(min(runs, slices))]
    clusters = workers // lane
    hours = lanes([made[number % len(made)] for number in range(slices)], clusters) / 3600
    compute = hours * (workers * of["process_hour"] + clusters * of["manager_hour"])
    return Outcome(
        hours,
        hours * workers,
        compute,
        of["spot"] and compute * of["spot"],
        slices * sum(step.shuffled for step in every) / 1e9 * of["shuffle_gb"],
        slices * requests_dollars(given, every),
        slices * kept_bytes(every) / 1e9 * prices["gb_month"] * prices["months"],
    )


def slice_seconds(given: Figures, settings: Settings, runner: str, workers: int, slower: float, seed: int) -> float:
    """Wall time of one run: stage after stage, each a job, and in a stage step after step."""
    of = given["runners"][runner]
    rng = np.random.default_rng(seed)
    speeds = worker_speeds(workers, given["machines"]["speed_spread"], rng)
    seconds = launcher_seconds(given, settings)
    for stage, group in groupby(steps(given, settings), lambda step: step.stage):
        measured = given["stages"].get(stage)
        seconds += of["job_s"] + (start_and_item(measured)[0] if measured else 0.0)
        for step in group:
            seconds += makespan(_costs(given, settings, step, slower / speed(of), rng), speeds, of["assignment"])
    return float(seconds)


def _costs(given: Figures, settings: Settings, step: Step, factor: float, rng: np.random.Generator) -> Floats:
    """Seconds of each task of a step: around their mean as pages differ, and archives."""
    pages = Size.of(given, settings).pages / step.tasks
    spread = hypot(given["extractors"][settings.extractor]["spread"] / sqrt(pages), given["machines"]["file_spread"])
    return unit_costs(step.cpu * factor + step.wait, step.tasks, spread, rng)
