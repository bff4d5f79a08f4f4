"""Whether memory stays flat on a cluster: `dedup` and `mix` on Flink and Spark, on an input and on four times as much.

    python -m benchmarks engine_memory            # ten minutes on two cores
    python -m benchmarks engine_memory --quick    # a small input: it only shows that all engines run

The embedded runner completes the earlier stages once; then each of the two stages runs alone on a fresh local cluster
with two Python workers. For the JVMs the script prints the heap (the most that was live after a garbage collection and
the most that was held before one, from their own logs) and resident memory; for the Python workers resident memory.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
from argparse import Namespace
from collections.abc import Iterable
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.harness.benchmark_main import benchmark_main, empty_work_folder
from benchmarks.harness.local_clusters import LocalCluster, PeakMemory, local_cluster, monitor_memory
from benchmarks.harness.real_data import have_data
from benchmarks.harness.result_tables import CONSOLE, result_table
from benchmarks.harness.scaled_inputs import FILES_BY_SIZE, Inputs, build_inputs, recipe_source
from gristmill.pipelines.recipe import parse_recipe
from gristmill.pipelines.run import run, stages_until
from gristmill.pipelines.stages import stages_of
from gristmill.pipelines.work_directory import current, manifests
from gristmill.runners.profile_table import load_profile

ENGINES = ("flink", "spark")
STAGES = ("dedup", "mix")
DOCUMENTS = 40_000
QUICK_DOCUMENTS = 800
_SPAWN = get_context("spawn")
_COLLECTION = re.compile(r" (\d+)M->(\d+)M\(\d+M\)")


class Heap(NamedTuple):
    """MB of the largest heap: the most that was live after a garbage collection, and the most held before one."""

    live: int
    held: int


class StageMemory(NamedTuple):
    """A stage that ran alone: its input rows and its memory."""

    rows: int
    heap: Heap
    peak: PeakMemory


def main() -> None:
    benchmark_main(measure, description=__doc__, quick="a small input", needs_data=False)


def measure(options: Namespace) -> dict[str, float]:
    work = empty_work_folder("engine-memory")
    full = have_data() and not options.quick
    inputs = build_inputs(work / "input", 0, DOCUMENTS if full else QUICK_DOCUMENTS)
    for size in FILES_BY_SIZE:
        _run_in_process("embedded", _recipe(inputs, size), work / size, "mix")
    memory = {
        (engine, stage, size): measure_stage(engine, stage, _recipe(inputs, size), work, size)
        for engine in ENGINES
        for stage in STAGES
        for size in FILES_BY_SIZE
    }
    return _report(memory)


def measure_stage(engine: str, stage: str, recipe: dict[str, Any], folder: Path, size: str) -> StageMemory:
    """Run one stage alone on a fresh cluster."""
    work = folder / f"{engine}-{stage}-{size}"
    earlier = {one.name for one in stages_until(stage, stages_of(parse_recipe(recipe)))} - {stage}
    for name, directory in current(str(folder / size)).items():
        if name in earlier:
            shutil.copytree(directory.url, work / directory.name, copy_function=os.link)
    with local_cluster(engine, 2) as cluster:
        assert cluster is not None
        peak = _run_in_process(cluster.profile, recipe, work, stage, cluster)
        heap = largest_heap(Path(cluster.profile).parent.glob("logs/*-gc-*.log"))
    manifest = manifests(str(work))[stage]
    assert manifest == manifests(str(folder / size))[stage], "the bytes differ from those of the embedded runner"
    memory = StageMemory(manifest.counts.records, heap, peak)
    CONSOLE.print(f"{engine} {stage} {size}: {memory}")
    return memory


def largest_heap(logs: Iterable[Path]) -> Heap:
    """Return the largest heap of all JVMs whose garbage collections are in ``logs``."""
    collections = [tuple(map(int, match)) for log in logs for match in _COLLECTION.findall(log.read_text())]
    live = max((after for _, after in collections), default=0)
    return Heap(live, max((before for before, _ in collections), default=0))


def _run_in_process(
    profile: str, recipe: dict[str, Any], work: Path, until: str, cluster: LocalCluster | None = None
) -> PeakMemory:
    process = _SPAWN.Process(target=_run, args=(profile, recipe, str(work), until))
    process.start()
    with monitor_memory(process.pid or 0, cluster) as monitor:
        process.join()
        if process.exitcode:
            raise SystemExit("the run failed: see its output above")
        return monitor.stop()


def _run(profile: str, recipe: dict[str, Any], work: str, until: str) -> None:
    logging.basicConfig(level=logging.ERROR)
    with load_profile(profile).open_runner(work, 2) as runner:
        run(parse_recipe(recipe), work, runner, until, lambda step: nullcontext(), lambda completed: None)


def _recipe(inputs: Inputs, size: str) -> dict[str, Any]:
    return {
        "name": size,
        "unit_size": "2MiB",
        "sources": [recipe_source(inputs, "documents", size)],
        "tokenizer": {"sample_bytes": "4MiB"},
        "mix": {"sequence_length": 512, "shard_tokens": 2**20},
    }


def _report(memory: dict[tuple[str, str, str], StageMemory]) -> dict[str, float]:
    """Print the table and return the figures."""
    text = ("engine", "stage", "input")
    table = result_table("memory in MB", (*text, "rows", "heap live", "heap held", "JVMs", "Python"), left=text)
    figures: dict[str, float] = {}
    for (engine, stage, size), one in memory.items():
        cells = (one.rows, one.heap.live, one.heap.held, one.peak.jvms, one.peak.python)
        table.add_row(engine, stage, size, *(f"{cell:,.0f}" for cell in cells))
        name = f"{engine}_{stage}_{size}"
        figures |= {f"{name}_heap_live_mb": one.heap.live, f"{name}_python_mb": one.peak.python}
    CONSOLE.print(table)
    return figures


if __name__ == "__main__":
    main()
