"""How fast each stage of the mill is, what memory it takes at one and at four times the input, and the bare library.

    python benchmarks/mill.py [--quick] [--workers N]

Every stage runs alone: by the public ``mill.run``, up to and with that stage, in a process of its own (``measure``).
Its seconds are those of ``Done``: planning, Beam's start, the work, manifest and ledger; the import of the mill, told
apart, is not in them. Rates are those of the larger input. The last line is one JSON object, figure → number.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
import raw
from inputs import DATA, REPOSITORY, TIMES, Inputs, build_inputs, have_data, source
from measure import alone
from rich import box
from rich.console import Console
from rich.table import Table

from gristmill.pipelines.recipe import parse_recipe
from gristmill.pipelines.run import Done, run, stages_until
from gristmill.pipelines.work_directory import current, manifests
from gristmill.runners.embedded import EmbeddedStageRunner

WORK = REPOSITORY / "work" / "bench" / "mill"

_PRINT = Console(highlight=False, width=120)
_TEXT_FROM = {"extract": "extract", "signals": "extract", "tokenize": "refine"}
"""Stages that work on all text that there is, and the stage whose books tell its bytes."""


class Scale(NamedTuple):
    """How much is milled. ``pages`` and ``documents`` are those of the larger input."""

    pages: int
    documents: int
    until_1x: str
    """The last stage that the smaller input goes through; starting the trainer twice takes long."""
    sample_bytes: int
    batch_sequences: int
    steps: int
    every: int
    """Of so many documents one goes through datasketch, and of a quarter as many through tokenizers."""


FULL = Scale(1600, 24_000, until_1x="train", sample_bytes=16 * 2**20, batch_sequences=8, steps=12, every=16)
QUICK = Scale(32, 2400, until_1x="mix", sample_bytes=2**20, batch_sequences=2, steps=4, every=16)


class Ran(NamedTuple):
    """A stage that ran alone: what it took in (documents; of the mix, sequences), its seconds, its peak in MB."""

    taken: int
    text_bytes: int
    seconds: float
    peak_mb: float

    @property
    def rate(self) -> float:
        return self.taken / self.seconds

    @property
    def mb_rate(self) -> float:
        return self.text_bytes / 1e6 / self.seconds


Stages = dict[str, Ran]


class Beside(NamedTuple):
    """A stage's speed beside that of the bare library."""

    stage: str
    library: str
    unit: str
    mill: float
    bare: float

    @property
    def ratio(self) -> float:
        return self.mill / self.bare


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small input: under a minute, and rough")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="worker processes of each stage (1)")
    arguments = parser.parse_args()
    if not have_data():
        _PRINT.print(f"[bold red]REAL DATA MISSING:[/] no folder {DATA}; set GRISTMILL_DATA.")
        _PRINT.print("The bundled sample stands in: it is tiny, and these figures only show that the benchmark runs.")
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # a worker is a process
    figures = measure(FULL if have_data() and not arguments.quick else QUICK, arguments.workers)
    print(json.dumps({name: float(f"{value:.4g}") for name, value in figures.items()}))


def measure(scale: Scale, workers: int) -> dict[str, float]:
    """Run everything, print tables, return the figures."""
    shutil.rmtree(WORK, ignore_errors=True)
    inputs, _ = alone(build_inputs, WORK / "input", scale.pages, scale.documents)
    start = _start(workers)
    archives = sorted(map(str, Path(inputs.pages).iterdir()))
    before, _ = alone(raw.extract, archives[::2])  # and the rest after: a machine's moods change slowly
    pages = {times: _mill("pages", times, inputs, "extract", scale, workers) for times in TIMES}
    after, _ = alone(raw.extract, archives[1::2])
    bare_extract = before.and_also(after)
    until = {"1x": scale.until_1x, "4x": "train"}
    documents = {times: _mill("documents", times, inputs, until[times], scale, workers) for times in TIMES}
    milled = str(WORK / "documents-4x")
    bare_sign, _ = alone(raw.sign, milled, scale.every)
    bare_tokenize, _ = alone(raw.tokenize, milled, scale.every // 4)
    _, idle_peak = alone(run_stage, _recipe("documents", "4x", inputs, scale), milled, "train", workers)

    small, large = (_stages(pages[times], documents[times]) for times in TIMES)
    beside = [
        Beside("extract", "FastWARC, trafilatura", "pages/s", large["extract"].rate, bare_extract.rate),
        Beside("signatures", "datasketch", "documents/s", large["signatures"].rate, bare_sign.rate),
        Beside("tokenize", "tokenizers", "MB/s", large["tokenize"].mb_rate, bare_tokenize.mb_rate),
    ]
    _PRINT.print(_stage_table(small, large), _beside_table(beside))
    _PRINT.print(f"{start}; a stage with nothing to do peaks at {idle_peak:.0f} MB")
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
        "train_tokens_per_s": _train_rate(milled),
        **{f"{one.stage}_ratio_vs_raw": one.ratio for one in beside},
        **{f"{stage}_peak_mb_1x": ran.peak_mb for stage, ran in small.items()},
        **{f"{stage}_peak_mb_4x": ran.peak_mb for stage, ran in large.items()},
        "idle_peak_mb": idle_peak,
        "import_s": start.import_s,
        "pipeline_start_s": start.pipeline_s,
    }


class Start(NamedTuple):
    """Seconds that pass before work begins."""

    import_s: float
    pipeline_s: float

    def __str__(self) -> str:
        return f"import of the mill: {self.import_s:.2f} s; a Beam pipeline of one element: {self.pipeline_s:.2f} s"


def run_stage(recipe: dict[str, Any], work: str, stage: str, workers: int) -> float:
    """Mill up to ``stage``; the seconds of that stage. Those before it stand already."""
    done: list[Done] = []
    with EmbeddedStageRunner(workers) as engine:
        run(parse_recipe(recipe), work, engine, stage, lambda step: nullcontext(), done.append)
    return done[-1].seconds


def empty_pipeline(workers: int) -> float:
    """Seconds of a pipeline that passes on one number for each worker."""
    begun = time.monotonic()

    def spread(pipeline: beam.Pipeline) -> beam.PCollection:
        return pipeline | beam.Create(range(workers)) | beam.Reshuffle() | beam.Map(abs)

    with EmbeddedStageRunner(workers) as engine:
        engine.run("start", spread, workers)
    return time.monotonic() - begun


def _start(workers: int) -> Start:
    begun = time.monotonic()
    quiet = "import logging; logging.basicConfig(level=logging.ERROR)"
    subprocess.run([sys.executable, "-c", f"{quiet}; import gristmill.pipelines.run"], check=True)
    import_s = time.monotonic() - begun
    return Start(import_s, alone(empty_pipeline, workers)[0])


def _mill(name: str, times: str, inputs: Inputs, until: str, scale: Scale, workers: int) -> Stages:
    """Each stage up to ``until`` alone, in a work directory of its own."""
    recipe, work = _recipe(name, times, inputs, scale), str(WORK / f"{name}-{times}")
    ran = {}
    for stage in (stage.name for stage in stages_until(until)):
        seconds, peak_mb = alone(run_stage, recipe, work, stage, workers)
        done = manifests(work)
        texts = done[_TEXT_FROM[stage]].receipts if stage in _TEXT_FROM else ()
        size = sum(receipt.summary["text_bytes"] for receipt in texts)
        ran[stage] = Ran(done[stage].counts.records, size, seconds, peak_mb)
        _PRINT.print(f"{name} {times}  {stage:<11}{ran[stage].taken:>8,} in {seconds:7.2f} s {peak_mb:8.0f} MB")
    return ran


def _recipe(name: str, times: str, inputs: Inputs, scale: Scale) -> dict[str, Any]:
    return {
        "name": f"{name}-{times}",
        "sources": [source(inputs, name, times)],
        "refine": {"decontaminate": {"benchmarks": [{"name": "tests", "paths": inputs.benchmarks}]}},
        "tokenizer": {"sample_bytes": scale.sample_bytes},
        "mix": {"sequence_length": 512},
        "train": {
            "batch_sequences": scale.batch_sequences,
            "micro_batch": scale.batch_sequences,
            "steps": scale.steps,
            "log_every": 1,
        },
    }


def _stages(pages: Stages, documents: Stages) -> Stages:
    """All stages of a size. ``extract`` is that of pages; what it makes of JSONL, which is to read it, comes second."""
    rest = {stage: ran for stage, ran in documents.items() if stage != "extract"}
    return {"extract": pages["extract"], "extract_jsonl": documents["extract"], **rest}


def _rate(stages: Stages, *names: str) -> float:
    """What went in, by the seconds of all of the stages ``names``."""
    return stages[names[0]].taken / sum(stages[name].seconds for name in names)


def _train_rate(work: str) -> float:
    """The trainer's own measure: the median of its laps, without the first, in which it warms up."""
    out = Path(current(work)["train"].url, manifests(work)["train"].summary["out"])
    laps: list[float] = [json.loads(line)["tokens_per_s"] for line in (out / "speed.jsonl").open()]
    return statistics.median(laps[1:])


def _stage_table(small: Stages, large: Stages) -> Table:
    table = Table(title="stages", box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("stage", style="bold")
    for name in ("in, 1x", "in, 4x", "s, 1x", "s, 4x", "in/s", "MB/s of text", "peak MB, 1x", "peak MB, 4x", "4x : 1x"):
        table.add_column(name, justify="right")
    for stage, ran in large.items():
        both = (small.get(stage), ran)
        table.add_row(
            stage,
            *(f"{one.taken:,}" if one else "" for one in both),
            *(f"{one.seconds:.2f}" if one else "" for one in both),
            f"{ran.rate:,.1f}",
            f"{ran.mb_rate:.2f}" if ran.text_bytes else "",
            *(f"{one.peak_mb:.0f}" if one else "" for one in both),
            f"{ran.peak_mb / small[stage].peak_mb:.2f}" if stage in small else "",
        )
    return table


def _beside_table(rows: list[Beside]) -> Table:
    table = Table(title="beside the bare library in one process", box=box.SIMPLE_HEAD, title_justify="left")
    for name in ("stage", "library", "unit"):
        table.add_column(name)
    for name in ("mill", "bare", "mill : bare"):
        table.add_column(name, justify="right")
    for row in rows:
        numbers = (f"{row.mill:,.1f}", f"{row.bare:,.1f}", f"{row.ratio:.2f}")
        table.add_row(row.stage, row.library, row.unit, *numbers)
    return table


if __name__ == "__main__":
    main()
