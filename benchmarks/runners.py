"""What a cluster costs beside the embedded runner: the same input, the same number of Python workers, the same bytes.

Mills web pages and reference documents up to the shards on the embedded runner, on Flink and on Spark (local clusters
of ``deploy.local``), in turns, and prints seconds of each stage and the peak of memory by part. Start-up is apart: what
an empty pipeline takes on each engine is taken off every stage, and told by itself.

    python benchmarks/runners.py                # a quarter of an hour on two cores
    python benchmarks/runners.py --quick        # a small input, once: it only shows that all runs
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import statistics
import time
from contextlib import nullcontext
from functools import partial
from hashlib import sha256
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
from engines import ENGINES, Cluster, Peak, cluster, watching
from inputs import REPOSITORY, Inputs, build_inputs, have_data, source
from rich import box
from rich.console import Console
from rich.table import Table

from gristmill.pipelines.recipe import parse_recipe
from gristmill.pipelines.run import Done, run
from gristmill.pipelines.work_directory import current, read_ledger
from gristmill.runners.open_runner import open_runner
from gristmill.runners.profile import load_profile

WORK = REPOSITORY / "work" / "bench" / "runners"
MEASURED = ("extract", "signals", "judge", "signatures", "dedup", "mix")
_PRINT = Console(highlight=False, width=150)
_SPAWN = get_context("spawn")
_EMPTY_RUNS = 3


class Scale(NamedTuple):
    """How much is milled, how often."""

    pages: int
    documents: int
    rounds: int


FULL = Scale(1200, 6000, 3)
QUICK = Scale(60, 400, 1)


class Timed(NamedTuple):
    """A run: seconds until the engine took its first pipeline, of an empty one after that, and of each stage."""

    start: float
    empty: float
    stages: dict[str, float]
    manifests: dict[str, str]
    records: int

    @property
    def seconds(self) -> float:
        """Of the measured stages, start-up apart."""
        return sum(max(self.stages[stage] - self.empty, 0.0) for stage in MEASURED)

    @property
    def rate(self) -> float:
        return self.records / self.seconds


class Ran(NamedTuple):
    timed: Timed
    peak: Peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small input, once")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="Python workers of every engine (2)")
    arguments = parser.parse_args()
    scale = FULL if have_data() and not arguments.quick else QUICK
    shutil.rmtree(WORK, ignore_errors=True)
    inputs = build_inputs(WORK / "input", scale.pages, scale.documents)
    runs: dict[str, list[Ran]] = {engine: [] for engine in ENGINES}
    for _ in range(scale.rounds):
        for engine in ENGINES:
            with cluster(engine, arguments.workers) as running:
                runs[engine].append(run_once(engine, running, inputs, arguments.workers))
            _PRINT.print(f"{engine:<9} {runs[engine][-1].timed.rate:7.1f} records/s")
    figures = compare(runs)
    print(json.dumps({name: float(f"{value:.4g}") for name, value in figures.items()}))


def run_once(engine: str, running: Cluster | None, inputs: Inputs, workers: int) -> Ran:
    """Mill everything in a fresh process and a fresh work directory."""
    work = WORK / "work"
    shutil.rmtree(work, ignore_errors=True)
    receiver, sender = _SPAWN.Pipe(duplex=False)
    profile = running.profile if running else engine
    process = _SPAWN.Process(target=_mill, args=(sender, profile, recipe(inputs), str(work), workers))
    process.start()
    sender.close()
    with watching(process.pid or 0, running) as watch:
        try:
            timed = receiver.recv()
        except EOFError:
            raise SystemExit(f"the run on {engine} failed: what it said stands above") from None
        process.join()
        return Ran(timed, watch.stop())


def recipe(inputs: Inputs) -> dict[str, Any]:
    return {
        "name": "runners",
        "unit_size": "2MiB",
        "sources": [source(inputs, "pages", "4x"), source(inputs, "documents", "4x")],
        "tokenizer": {"sample_bytes": "8MiB"},
        "mix": {"sequence_length": 512, "shard_tokens": 2**20},
    }


def _mill(sender: Connection, profile: str, recipe: dict[str, Any], work: str, workers: int) -> None:
    logging.basicConfig(level=logging.ERROR)
    done: list[Done] = []
    with open_runner(load_profile(profile), work, workers) as engine:
        spread = partial(_empty, workers)
        seconds = [_timed(lambda: engine.run("empty", spread, workers)) for _ in range(_EMPTY_RUNS + 1)]
        run(parse_recipe(recipe), work, engine, "mix", lambda step: nullcontext(), done.append)
    stages = {one.step.stage.name: one.seconds for one in done}
    sums = {stage: sha256(Path(d.manifest_url).read_bytes()).hexdigest() for stage, d in current(work).items()}
    records = next(row["in"] for row in read_ledger(work)["stages"] if row["stage"] == "extract")
    sender.send(Timed(seconds[0], statistics.median(seconds[1:]), stages, sums, records))


def _empty(workers: int, pipeline: beam.Pipeline) -> beam.PCollection:
    return pipeline | beam.Create(range(workers)) | beam.Reshuffle() | beam.Map(abs)


def _timed(work: Any) -> float:
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


def compare(runs: dict[str, list[Ran]]) -> dict[str, float]:
    """Print the table; the figures. Raises SystemExit where the engines' bytes differ."""
    if len({json.dumps(one.timed.manifests, sort_keys=True) for ran in runs.values() for one in ran}) != 1:
        raise SystemExit("MANIFESTS DIFFER between runs: what was measured is not the same work")
    table = Table(title="seconds, medians; start-up apart", box=box.SIMPLE_HEAD, title_justify="left")
    for name in ("engine", *MEASURED, "all", "records/s", "start", "a job", "driver MB", "JVMs MB", "Python MB"):
        table.add_column(name, justify="left" if name == "engine" else "right")
    for engine, ran in runs.items():
        stages = [_median(one.timed.stages[stage] - one.timed.empty for one in ran) for stage in MEASURED]
        table.add_row(
            engine,
            *(f"{seconds:.1f}" for seconds in stages),
            f"{_median(one.timed.seconds for one in ran):.1f}",
            f"{_rate(ran):.1f}",
            f"{_median(one.timed.start for one in ran):.1f}",
            f"{_median(one.timed.empty for one in ran):.1f}",
            *(f"{max(getattr(one.peak, part) for one in ran):.0f}" for part in Peak._fields),
        )
    _PRINT.print(table)
    return {
        **{f"{engine}_ratio": _rate(ran) / _rate(runs["embedded"]) for engine, ran in runs.items()},
        **{f"{engine}_records_per_s": _rate(ran) for engine, ran in runs.items()},
        **{f"{engine}_start_s": _median(one.timed.start for one in ran) for engine, ran in runs.items()},
        **{f"{engine}_job_s": _median(one.timed.empty for one in ran) for engine, ran in runs.items()},
        **{
            f"{engine}_{part}_peak_mb": max(getattr(one.peak, part) for one in ran)
            for engine, ran in runs.items()
            for part in Peak._fields
        },
    }


def _rate(ran: list[Ran]) -> float:
    return _median(one.timed.rate for one in ran)


def _median(values: Any) -> float:
    return float(statistics.median(values))


if __name__ == "__main__":
    main()
