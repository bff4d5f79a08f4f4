"""What a cluster costs compared to the embedded runner: same input, same number of Python workers, same bytes.

    python -m benchmarks runners                # a quarter of an hour on two cores
    python -m benchmarks runners --quick        # a small input, once: it only shows that all engines run

Processes web pages and reference documents up to the shards on the embedded runner, on Flink and on Spark (local
clusters of ``deploy.local``), alternately, and prints the seconds of each stage and the peak of memory by part.
Start-up is separate: the time of an empty pipeline on each engine is subtracted from every stage and reported by
itself.
"""

from __future__ import annotations

import json
import logging
import shutil
import statistics
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from functools import partial
from hashlib import sha256
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam

from benchmarks.harness.benchmark_main import benchmark_main, empty_work_folder
from benchmarks.harness.local_clusters import ENGINES, LocalCluster, PeakMemory, local_cluster, monitor_memory
from benchmarks.harness.real_data import have_data
from benchmarks.harness.result_tables import CONSOLE, result_table
from benchmarks.harness.scaled_inputs import Inputs, build_inputs, recipe_source
from gristmill.pipelines.recipe import parse_recipe
from gristmill.pipelines.run import CompletedStage, run
from gristmill.pipelines.work_directory import current, read_ledger
from gristmill.runners.profile_table import load_profile

MEASURED = ("extract", "signals", "judge", "signatures", "dedup", "mix")
_SPAWN = get_context("spawn")
_EMPTY_RUNS = 3


class Scale(NamedTuple):
    """Sizes of the input and number of rounds."""

    pages: int
    documents: int
    rounds: int


FULL = Scale(1200, 6000, 3)
QUICK = Scale(60, 400, 1)


class Timing(NamedTuple):
    """A run: seconds of the engine's first pipeline, of an empty pipeline after that, and of each stage."""

    start: float
    empty: float
    stages: dict[str, float]
    manifests: dict[str, str]
    records: int

    @property
    def seconds(self) -> float:
        """Seconds of the measured stages without start-up."""
        return sum(max(self.stages[stage] - self.empty, 0.0) for stage in MEASURED)

    @property
    def rate(self) -> float:
        return self.records / self.seconds


class EngineRun(NamedTuple):
    """The timing and the memory of one run."""

    timing: Timing
    peak: PeakMemory


def main() -> None:
    benchmark_main(
        measure, description=__doc__, quick="a small input, once", needs_data=False, add_options=_add_options
    )


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="Python workers of every engine (2)")


def measure(options: Namespace) -> dict[str, float]:
    scale = FULL if have_data() and not options.quick else QUICK
    work = empty_work_folder("runners")
    inputs = build_inputs(work / "input", scale.pages, scale.documents)
    runs: dict[str, list[EngineRun]] = {engine: [] for engine in ENGINES}
    for _ in range(scale.rounds):
        for engine in ENGINES:
            with local_cluster(engine, options.workers) as cluster:
                runs[engine].append(run_once(engine, cluster, inputs, work / "work", options.workers))
            CONSOLE.print(f"{engine:<9} {runs[engine][-1].timing.rate:7.1f} records/s")
    return compare(runs)


def run_once(engine: str, cluster: LocalCluster | None, inputs: Inputs, work: Path, workers: int) -> EngineRun:
    """Process everything in a fresh process and a fresh work directory."""
    shutil.rmtree(work, ignore_errors=True)
    receiver, sender = _SPAWN.Pipe(duplex=False)
    profile = cluster.profile if cluster else engine
    process = _SPAWN.Process(target=_send_timing, args=(sender, profile, _recipe(inputs), str(work), workers))
    process.start()
    sender.close()
    with monitor_memory(process.pid or 0, cluster) as monitor:
        try:
            timing = receiver.recv()
        except EOFError:
            raise SystemExit(f"the run on {engine} failed: see its output above") from None
        process.join()
        return EngineRun(timing, monitor.stop())


def _recipe(inputs: Inputs) -> dict[str, Any]:
    return {
        "name": "runners",
        "unit_size": "2MiB",
        "sources": [recipe_source(inputs, "pages", "4x"), recipe_source(inputs, "documents", "4x")],
        "tokenizer": {"sample_bytes": "8MiB"},
        "mix": {"sequence_length": 512, "shard_tokens": 2**20},
    }


def _send_timing(sender: Connection, profile: str, recipe: dict[str, Any], work: str, workers: int) -> None:
    logging.basicConfig(level=logging.ERROR)
    completed: list[CompletedStage] = []
    with load_profile(profile).open_runner(work, workers) as runner:
        build = partial(_empty_pipeline, workers)
        seconds = [_seconds(lambda: runner.run("empty", build, workers)) for _ in range(_EMPTY_RUNS + 1)]
        run(parse_recipe(recipe), work, runner, "mix", lambda step: nullcontext(), completed.append)
    stages = {stage.step.stage.name: stage.seconds for stage in completed}
    hashes = {stage: sha256(Path(d.manifest_url).read_bytes()).hexdigest() for stage, d in current(work).items()}
    records = next(row["in"] for row in read_ledger(work)["stages"] if row["stage"] == "extract")
    sender.send(Timing(seconds[0], statistics.median(seconds[1:]), stages, hashes, records))


def _empty_pipeline(workers: int, pipeline: beam.Pipeline) -> beam.PCollection:
    return pipeline | beam.Create(range(workers)) | beam.Reshuffle() | beam.Map(abs)


def _seconds(work: Callable[[], object]) -> float:
    start = time.monotonic()
    work()
    return time.monotonic() - start


def compare(runs: dict[str, list[EngineRun]]) -> dict[str, float]:
    """Print the table and return the figures. Raises SystemExit if the engines' bytes differ."""
    if len({json.dumps(one.timing.manifests, sort_keys=True) for all_of in runs.values() for one in all_of}) != 1:
        raise SystemExit("MANIFESTS DIFFER between runs: the engines did not do the same work")
    columns = ("engine", *MEASURED, "all", "records/s", "start", "a job", "driver MB", "JVMs MB", "Python MB")
    table = result_table("seconds, medians, without start-up", columns)
    for engine, of_engine in runs.items():
        stages = [_median(one.timing.stages[stage] - one.timing.empty for one in of_engine) for stage in MEASURED]
        table.add_row(
            engine,
            *(f"{seconds:.1f}" for seconds in stages),
            f"{_median(one.timing.seconds for one in of_engine):.1f}",
            f"{_rate(of_engine):.1f}",
            f"{_median(one.timing.start for one in of_engine):.1f}",
            f"{_median(one.timing.empty for one in of_engine):.1f}",
            *(f"{max(getattr(one.peak, part) for one in of_engine):.0f}" for part in PeakMemory._fields),
        )
    CONSOLE.print(table)
    return {
        **{f"{engine}_ratio": _rate(of_engine) / _rate(runs["embedded"]) for engine, of_engine in runs.items()},
        **{f"{engine}_records_per_s": _rate(of_engine) for engine, of_engine in runs.items()},
        **{f"{engine}_start_s": _median(one.timing.start for one in of_engine) for engine, of_engine in runs.items()},
        **{f"{engine}_job_s": _median(one.timing.empty for one in of_engine) for engine, of_engine in runs.items()},
        **{
            f"{engine}_{part}_peak_mb": max(getattr(one.peak, part) for one in of_engine)
            for engine, of_engine in runs.items()
            for part in PeakMemory._fields
        },
    }


def _rate(runs: list[EngineRun]) -> float:
    return _median(one.timing.rate for one in runs)


def _median(values: Iterable[float]) -> float:
    return float(statistics.median(values))


if __name__ == "__main__":
    main()
