"""Simulation of a whole crawl from the work of its steps, and a check of the simulation against a measured run."""

from __future__ import annotations

from itertools import groupby
from math import hypot, sqrt
from typing import NamedTuple

import numpy as np

from gristmill.corpus.arrays import Float64s
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
from tools.capacity.unit_scheduling import clusters_makespan, makespan, unit_costs, worker_speeds

CLUSTER_WORKERS = 128
"""Workers of one cluster, which processes one run; more workers are several clusters, each with a run of its own."""


class CrawlCost(NamedTuple):
    """The cost of a crawl: hours until the last run is complete, hours of reserved Python processes, and dollars."""

    hours: float
    process_hours: float
    compute: float
    spot: float | None
    """The price of spot machines, if none of them is lost."""
    shuffle: float
    requests: float
    storage: float

    @property
    def dollars(self) -> float:
        return self.compute + self.shuffle + self.requests + self.storage


class CheckedStage(NamedTuple):
    """A stage of the measured run: its seconds as simulated and as measured."""

    stage: str
    simulated: float
    measured: float


def check(figures: Figures) -> list[CheckedStage]:
    """Simulate another run than the one that the rates come from, at its own scale; return it with its wall time."""
    run = figures["check"]
    speeds = np.ones(run["workers"])
    job = figures["runners"]["embedded"]["job_s"]

    def seconds(stage: str) -> float:
        startup, _ = start_and_item(figures["stages"][stage])
        return float(job) + startup + makespan(np.array(_check_units(figures, stage)), speeds, "dynamic")

    return [CheckedStage(stage, seconds(stage), measured) for stage, measured in run["seconds"].items()]


def _check_units(figures: Figures, stage: str) -> list[float]:
    """Return the seconds of each unit of the measured run, largest first."""
    run = figures["check"]
    texts = [(source, mb * 1e6) for source, sizes in run["text_mb"].items() for mb in sizes]
    if stage == "extract":
        pages = [pages * item_seconds(figures, "extract") for pages in run["pages"]]
        return sorted([*pages, *(size * figures["jsonl_seconds_per_text_byte"] for _, size in texts)], reverse=True)
    is_final_text = stage in ("refine", "tokenize")
    every = [*texts, *(("web", mb * 1e6) for mb in run["web_mb"])]
    sizes = [size * (run["final_share"][source] if is_final_text else 1.0) for source, size in every]
    return sorted((item_seconds(figures, stage, size) for size in sizes), reverse=True)


def speed(runner: Figures) -> float:
    """Return the speed of processors under a runner relative to the embedded one; a ratio above 1 counts as noise."""
    return min(float(runner["ratio"]), 1.0)


def slowdown(checked: list[CheckedStage]) -> float:
    """Return measured by simulated time of all stages of the check; every processor second is multiplied by it."""
    return sum(one.measured for one in checked) / sum(one.simulated for one in checked)


def simulate_crawl(
    figures: Figures, settings: Settings, runner: str, workers: int, *, runs: int, slower: float
) -> CrawlCost:
    """Simulate a crawl as runs of ``settings``, each on one cluster; only ``runs`` of them are simulated."""
    costs, prices = figures["runners"][runner], figures["prices"]
    run_steps = steps(figures, settings)
    needed = figures["crawl"]["files"] // settings.files
    size = min(workers, CLUSTER_WORKERS)
    simulated = [run_seconds(figures, settings, runner, size, slower, seed) for seed in range(min(runs, needed))]
    clusters = workers // size
    hours = clusters_makespan([simulated[number % len(simulated)] for number in range(needed)], clusters) / 3600
    compute = hours * (workers * costs["process_hour"] + clusters * costs["manager_hour"])
    return CrawlCost(
        hours,
        hours * workers,
        compute,
        costs["spot"] and compute * costs["spot"],
        needed * sum(step.shuffled for step in run_steps) / 1e9 * costs["shuffle_gb"],
        needed * requests_dollars(figures, run_steps),
        needed * kept_bytes(run_steps) / 1e9 * prices["gb_month"] * prices["months"],
    )


def run_seconds(figures: Figures, settings: Settings, runner: str, workers: int, slower: float, seed: int) -> float:
    """Return the wall time of one run: its stages one after another, each a job with its steps one after another."""
    costs = figures["runners"][runner]
    rng = np.random.default_rng(seed)
    speeds = worker_speeds(workers, figures["machines"]["speed_spread"], rng)
    seconds = launcher_seconds(figures, settings)
    for stage, group in groupby(steps(figures, settings), lambda step: step.stage):
        measured = figures["stages"].get(stage)
        seconds += costs["job_s"] + (start_and_item(measured)[0] if measured else 0.0)
        for step in group:
            units = _task_seconds(figures, settings, step, slower / speed(costs), rng)
            seconds += makespan(units, speeds, costs["assignment"])
    return float(seconds)


def _task_seconds(
    figures: Figures, settings: Settings, step: Step, factor: float, rng: np.random.Generator
) -> Float64s:
    """Return the seconds of each task of a step, distributed as the costs of pages and of archives differ."""
    pages = Size.of(figures, settings).pages / step.tasks
    spread = hypot(
        figures["extractors"][settings.extractor]["spread"] / sqrt(pages), figures["machines"]["file_spread"]
    )
    return unit_costs(step.cpu * factor + step.wait, step.tasks, spread, rng)
