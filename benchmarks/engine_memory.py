"""Does memory stay flat on a cluster? `dedup` and `mix` on Flink and Spark, on an input and on four times as much.

The stages before are milled once, by the embedded runner; then each of the two runs alone on a fresh local cluster with
two Python workers. Of the JVMs it prints the heap (the most that was live after a garbage collection, and the most that
was held before one; from their own logs) and resident memory; of the Python workers resident memory.

    python benchmarks/engine_memory.py            # ten minutes on two cores
    python benchmarks/engine_memory.py --quick    # a small input: it only shows that all runs
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import shutil
from collections.abc import Iterable
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from engines import Peak, cluster, watching
from inputs import REPOSITORY, TIMES, Inputs, build_inputs, have_data, source
from rich import box
from rich.console import Console
from rich.table import Table

from gristmill.pipelines.recipe import parse_recipe
from gristmill.pipelines.run import run, stages_until
from gristmill.pipelines.work_directory import current, manifests
from gristmill.runners.open_runner import open_runner
from gristmill.runners.profile import load_profile

WORK = REPOSITORY / "work" / "bench" / "engine-memory"
ENGINES = ("flink", "spark")
STAGES = ("dedup", "mix")
DOCUMENTS = 40_000
QUICK_DOCUMENTS = 800
_PRINT = Console(highlight=False, width=150)
_SPAWN = get_context("spawn")
_PAUSE = re.compile(r" (\d+)M->(\d+)M\(\d+M\)")


class Heap(NamedTuple):
    """MB of the largest heap: the most that was live after a collection, and that was held before one."""

    live: int
    held: int


class Ran(NamedTuple):
    rows: int
    heap: Heap
    peak: Peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small input")
    arguments = parser.parse_args()
    shutil.rmtree(WORK, ignore_errors=True)
    full = have_data() and not arguments.quick
    inputs = build_inputs(WORK / "input", 0, DOCUMENTS if full else QUICK_DOCUMENTS)
    for times in TIMES:
        _alone("embedded", inputs, times, str(WORK / times), "mix")
    ran = {
        (engine, stage, times): measure(engine, stage, inputs, times)
        for engine in ENGINES
        for stage in STAGES
        for times in TIMES
    }
    print(json.dumps({name: float(f"{value:.4g}") for name, value in tell(ran).items()}))


def measure(engine: str, stage: str, inputs: Inputs, times: str) -> Ran:
    """Run one stage alone on a fresh cluster."""
    work = WORK / f"{engine}-{stage}-{times}"
    before = {one.name for one in stages_until(stage)} - {stage}
    for name, directory in current(str(WORK / times)).items():
        if name in before:
            shutil.copytree(directory.url, work / directory.name, copy_function=os.link)
    with cluster(engine, 2) as running:
        assert running is not None
        peak = _alone(running.profile, inputs, times, str(work), stage, running)
        heap = largest_heap(Path(running.profile).parent.glob("logs/*-gc-*.log"))
    done = manifests(str(work))[stage]
    assert done == manifests(str(WORK / times))[stage], "the bytes differ from the embedded runner's"
    ran = Ran(done.counts.records, heap, peak)
    _PRINT.print(f"{engine} {stage} {times}: {ran}")
    return ran


def largest_heap(logs: Iterable[Path]) -> Heap:
    """Of all JVMs whose collections are in ``logs``."""
    found = [tuple(map(int, pause)) for log in logs for pause in _PAUSE.findall(log.read_text())]
    return Heap(max((after for _, after in found), default=0), max((before for before, _ in found), default=0))


def _alone(profile: str, inputs: Inputs, times: str, work: str, until: str, running: Any = None) -> Peak:
    process = _SPAWN.Process(target=_mill, args=(profile, _recipe(inputs, times), work, until))
    process.start()
    with watching(process.pid or 0, running) as watch:
        process.join()
        if process.exitcode:
            raise SystemExit("the run failed: what it said stands above")
        return watch.stop()


def _mill(profile: str, recipe: dict[str, Any], work: str, until: str) -> None:
    logging.basicConfig(level=logging.ERROR)
    with open_runner(load_profile(profile), work, 2) as engine:
        run(parse_recipe(recipe), work, engine, until, lambda step: nullcontext(), lambda done: None)


def _recipe(inputs: Inputs, times: str) -> dict[str, Any]:
    return {
        "name": times,
        "unit_size": "2MiB",
        "sources": [source(inputs, "documents", times)],
        "tokenizer": {"sample_bytes": "4MiB"},
        "mix": {"sequence_length": 512, "shard_tokens": 2**20},
    }


def tell(ran: dict[tuple[str, str, str], Ran]) -> dict[str, float]:
    """Print the table; the figures."""
    table = Table(title="memory in MB", box=box.SIMPLE_HEAD, title_justify="left")
    for name in ("engine", "stage", "input", "rows", "heap live", "heap held", "JVMs", "Python"):
        table.add_column(name, justify="left" if name in {"engine", "stage", "input"} else "right")
    figures: dict[str, float] = {}
    for (engine, stage, times), one in ran.items():
        cells = (one.rows, one.heap.live, one.heap.held, one.peak.jvms, one.peak.python)
        table.add_row(engine, stage, times, *(f"{cell:,.0f}" for cell in cells))
        name = f"{engine}_{stage}_{times}"
        figures |= {f"{name}_heap_live_mb": one.heap.live, f"{name}_python_mb": one.peak.python}
    _PRINT.print(table)
    return figures


if __name__ == "__main__":
    main()
