"""How fast each stage is, how much memory it takes on an input and on four times as much, and the bare libraries.

    python -m benchmarks stages [--quick] [--workers N]

Each stage runs alone, by ``pipelines.run.run`` up to that stage, in a process of its own. Its seconds are those of
``CompletedStage``: planning, the start of Beam, the work, the manifest and the ledger. The import of the pipeline is
not included and is reported separately. Rates are those of the larger input. The last line is one JSON object.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
from rich.table import Table

from benchmarks.harness import bare_libraries
from benchmarks.harness.benchmark_main import benchmark_main, empty_work_folder
from benchmarks.harness.process_cost import run_forked
from benchmarks.harness.real_data import DATA, have_data
from benchmarks.harness.result_tables import CONSOLE, result_table
from benchmarks.harness.scaled_inputs import FILES_BY_SIZE, Inputs, build_inputs, recipe_source
from gristmill.pipelines.recipe import parse_recipe
from gristmill.pipelines.run import CompletedStage, run, stages_until
from gristmill.pipelines.stages import stages_of
from gristmill.pipelines.work_directory import current, manifests
from gristmill.runners.embedded_stage_runner import EmbeddedStageRunner

_TEXT_FROM = {"extract": "extract", "signals": "extract", "tokenize": "refine"}
"""Stages that process all text, and the stage whose summary holds the bytes of that text."""


class Scale(NamedTuple):
    """Sizes of a run. ``pages`` and ``documents`` are those of the larger input."""

    pages: int
    documents: int
    until_1x: str
    """The last stage that the smaller input goes through: starting the trainer twice would take long."""
    sample_bytes: int
    batch_sequences: int
    steps: int
    step: int
    """Every ``step``-th document goes through datasketch, and four times as many through tokenizers."""


FULL = Scale(1600, 24_000, until_1x="train", sample_bytes=16 * 2**20, batch_sequences=8, steps=12, step=16)
QUICK = Scale(32, 2400, until_1x="mix", sample_bytes=2**20, batch_sequences=2, steps=4, step=16)


class StageRun(NamedTuple):
    """A stage that ran alone: its input (documents; sequences for `mix`), wall time in seconds, peak memory in MB."""

    records: int
    text_bytes: int
    seconds: float
    peak_mb: float

    @property
    def rate(self) -> float:
        return self.records / self.seconds

    @property
    def mb_rate(self) -> float:
        return self.text_bytes / 1e6 / self.seconds


StageRuns = dict[str, StageRun]


class Comparison(NamedTuple):
    """The speed of a stage and that of the bare library."""

    stage: str
    library: str
    unit: str
    pipeline: float
    bare: float

    @property
    def ratio(self) -> float:
        return self.pipeline / self.bare


class StartUp(NamedTuple):
    """Seconds that pass before the work begins."""

    import_s: float
    pipeline_s: float

    def __str__(self) -> str:
        return f"import of the pipeline: {self.import_s:.2f} s; a Beam pipeline of one element: {self.pipeline_s:.2f} s"


def main() -> None:
    benchmark_main(
        measure, description=__doc__, quick="a small input; rough figures", needs_data=False, add_options=_add_options
    )


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="worker processes of each stage (1)")


def measure(options: Namespace) -> dict[str, float]:
    """Run the stages and the bare libraries, print tables, return the figures."""
    if not have_data():
        CONSOLE.print(f"[bold red]REAL DATA MISSING:[/] no folder {DATA}; set GRISTMILL_DATA.")
        CONSOLE.print("The bundled sample is used instead: it is tiny, and its figures only show that the script runs.")
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one thread for each worker process
    scale = FULL if have_data() and not options.quick else QUICK
    work, workers = empty_work_folder("stages"), options.workers
    inputs, _ = run_forked(build_inputs, work / "input", scale.pages, scale.documents)
    start_up = _start_up(workers)
    archives = sorted(map(str, Path(inputs.pages).iterdir()))
    bare_before, _ = run_forked(bare_libraries.extract, archives[::2])  # half before the pipeline's run, half after it:
    pages = {size: _run_stages(work, "pages", size, inputs, "extract", scale, workers) for size in FILES_BY_SIZE}
    bare_after, _ = run_forked(bare_libraries.extract, archives[1::2])  # a machine that slows down slows both
    until = {"1x": scale.until_1x, "4x": "train"}
    documents = {
        size: _run_stages(work, "documents", size, inputs, until[size], scale, workers) for size in FILES_BY_SIZE
    }
    finished = str(work / "documents-4x")
    bare_sign, _ = run_forked(bare_libraries.sign, finished, scale.step)
    bare_tokenize, _ = run_forked(bare_libraries.tokenize, finished, scale.step // 4)
    _, idle_peak = run_forked(run_stage, _recipe("documents", "4x", inputs, scale), finished, "train", workers)

    small, large = (_merge(pages[size], documents[size]) for size in FILES_BY_SIZE)
    bare_extract = bare_before.plus(bare_after)
    comparisons = [
        Comparison("extract", "FastWARC, trafilatura", "pages/s", large["extract"].rate, bare_extract.rate),
        Comparison("signatures", "datasketch", "documents/s", large["signatures"].rate, bare_sign.rate),
        Comparison("tokenize", "tokenizers", "MB/s", large["tokenize"].mb_rate, bare_tokenize.mb_rate),
    ]
    CONSOLE.print(_stage_table(small, large), _comparison_table(comparisons))
    CONSOLE.print(f"{start_up}; a stage without pending work peaks at {idle_peak:.0f} MB")
    return {
        "extract_pages_per_s": large["extract"].rate,
        "extract_jsonl_documents_per_s": large["extract_jsonl"].rate,
        "judge_pages_per_s": _rate(large, "signals", "judge"),
        "signals_pages_per_s": large["signals"].rate,
        "verdicts_pages_per_s": large["judge"].rate,
        "dedup_documents_per_s": _rate(large, "signatures", "dedup"),
        "signatures_documents_per_s": large["signatures"].rate,
        "removals_documents_per_s": large["dedup"].rate,
        "refine_documents_per_s": large["refine"].rate,
        "tokenize_mb_per_s": large["tokenize"].mb_rate,
        "train_tokens_per_s": _train_rate(finished),
        **{f"{comparison.stage}_ratio_vs_raw": comparison.ratio for comparison in comparisons},
        **{f"{stage}_peak_mb_1x": stage_run.peak_mb for stage, stage_run in small.items()},
        **{f"{stage}_peak_mb_4x": stage_run.peak_mb for stage, stage_run in large.items()},
        "idle_peak_mb": idle_peak,
        "import_s": start_up.import_s,
        "pipeline_start_s": start_up.pipeline_s,
    }


def run_stage(recipe: dict[str, Any], work: str, stage: str, workers: int) -> float:
    """Run a recipe up to ``stage``; return the seconds of that stage. The stages before it are complete already."""
    completed: list[CompletedStage] = []
    with EmbeddedStageRunner(workers) as runner:
        run(parse_recipe(recipe), work, runner, stage, lambda step: nullcontext(), completed.append)
    return completed[-1].seconds


def run_empty_pipeline(workers: int) -> float:
    """Return the seconds of a pipeline that passes on one number for each worker."""
    start = time.monotonic()

    def build(pipeline: beam.Pipeline) -> beam.PCollection:
        return pipeline | beam.Create(range(workers)) | beam.Reshuffle() | beam.Map(abs)

    with EmbeddedStageRunner(workers) as runner:
        runner.run("start", build, workers)
    return time.monotonic() - start


def _start_up(workers: int) -> StartUp:
    start = time.monotonic()
    quiet = "import logging; logging.basicConfig(level=logging.ERROR)"
    subprocess.run([sys.executable, "-c", f"{quiet}; import gristmill.pipelines.run"], check=True)
    import_s = time.monotonic() - start
    return StartUp(import_s, run_forked(run_empty_pipeline, workers)[0])


def _run_stages(
    folder: Path, name: str, size: str, inputs: Inputs, until: str, scale: Scale, workers: int
) -> StageRuns:
    """Run each stage up to ``until`` in a process of its own, all in one work directory."""
    recipe, work = _recipe(name, size, inputs, scale), str(folder / f"{name}-{size}")
    stage_runs = {}
    for stage in (stage.name for stage in stages_until(until, stages_of(parse_recipe(recipe)))):
        seconds, peak_mb = run_forked(run_stage, recipe, work, stage, workers)
        complete = manifests(work)
        with_text = complete[_TEXT_FROM[stage]].receipts if stage in _TEXT_FROM else ()
        text_bytes = sum(receipt.summary["text_bytes"] for receipt in with_text)
        stage_runs[stage] = StageRun(complete[stage].counts.records, text_bytes, seconds, peak_mb)
        records = stage_runs[stage].records
        CONSOLE.print(f"{name} {size}  {stage:<11}{records:>8,} in {seconds:7.2f} s {peak_mb:8.0f} MB")
    return stage_runs


def _recipe(name: str, size: str, inputs: Inputs, scale: Scale) -> dict[str, Any]:
    return {
        "name": f"{name}-{size}",
        "sources": [recipe_source(inputs, name, size)],
        "refine": {"decontaminate": {"benchmarks": [{"name": "tests", "paths": inputs.test_sets}]}},
        "tokenizer": {"sample_bytes": scale.sample_bytes},
        "mix": {"sequence_length": 512},
        "train": {
            "batch_sequences": scale.batch_sequences,
            "micro_batch": scale.batch_sequences,
            "steps": scale.steps,
            "log_every": 1,
        },
    }


def _merge(pages: StageRuns, documents: StageRuns) -> StageRuns:
    """All stages of a size: ``extract`` is that of pages, ``extract_jsonl`` that of documents (reading alone)."""
    rest = {stage: stage_run for stage, stage_run in documents.items() if stage != "extract"}
    return {"extract": pages["extract"], "extract_jsonl": documents["extract"], **rest}


def _rate(stage_runs: StageRuns, *names: str) -> float:
    """Records that go into the first of the stages ``names``, by the seconds of all of them."""
    return stage_runs[names[0]].records / sum(stage_runs[name].seconds for name in names)


def _train_rate(work: str) -> float:
    """The trainer's own measure: the median of its log intervals but the first, which warms up."""
    out = Path(current(work)["train"].url, manifests(work)["train"].summary["out"])
    rates: list[float] = [json.loads(line)["tokens_per_s"] for line in (out / "speed.jsonl").open()]
    return statistics.median(rates[1:])


def _stage_table(small: StageRuns, large: StageRuns) -> Table:
    columns = ("stage", "in, 1x", "in, 4x", "s, 1x", "s, 4x", "in/s", "MB/s of text")
    table = result_table("stages", (*columns, "peak MB, 1x", "peak MB, 4x", "4x : 1x"))
    for stage, stage_run in large.items():
        both = (small.get(stage), stage_run)
        table.add_row(
            stage,
            *(f"{one.records:,}" if one else "" for one in both),
            *(f"{one.seconds:.2f}" if one else "" for one in both),
            f"{stage_run.rate:,.1f}",
            f"{stage_run.mb_rate:.2f}" if stage_run.text_bytes else "",
            *(f"{one.peak_mb:.0f}" if one else "" for one in both),
            f"{stage_run.peak_mb / small[stage].peak_mb:.2f}" if stage in small else "",
        )
    return table


def _comparison_table(comparisons: list[Comparison]) -> Table:
    text = ("stage", "library", "unit")
    table = result_table("the bare library in one process", (*text, "pipeline", "bare", "ratio"), left=text)
    for one in comparisons:
        numbers = (f"{one.pipeline:,.1f}", f"{one.bare:,.1f}", f"{one.ratio:.2f}")
        table.add_row(one.stage, one.library, one.unit, *numbers)
    return table


if __name__ == "__main__":
    main()
