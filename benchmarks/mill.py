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

from gristmill.pipelines.mill import Done, run, stages_until
from gristmill.pipelines.recipe import parse_recipe
from gristmill.pipelines.runners import run_embedded
from gristmill.pipelines.workdir import current, manifests

WORK = REPOSITORY / "work" / "bench" / "mill"

_PRINT = Console(highlight=False, width=120)
_TEXT_FROM = {"extract": "extract", "signals": "extract", "tokenize": "refine"}
"""Stages that work on all text that there is, and the stage whose books tell its bytes."""


class Scale(NamedTuple):
    """How much is milled. ``pages`` and ``documents`` are those of the larger input."""

    pages: int
    documents: int
    sample_bytes: int
    batch_sequences: int
    steps: int
    every: int
    """Of so many documents one goes through datasketch, and of a quarter as many through tokenizers."""


FULL = Scale(1600, 24_000, sample_bytes=16 * 2**20, batch_sequences=8, steps=12, every=16)
QUICK = Scale(48, 1000, sample_bytes=2**20, batch_sequences=2, steps=4, every=8)


class Ran(NamedTuple):
    """A stage that ran alone: what it took in (documents; of the mix, sequences), its seconds, its peak in MB."""

    taken: int
    text_bytes: int | None
    seconds: float
    peak_mb: float

    @property
    def rate(self) -> float:
        return self.taken / self.seconds

    @property
    def mb_rate(self) -> float | None:
        return None if self.text_bytes is None else self.text_bytes / 1e6 / self.seconds


Stages = dict[str, Ran]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small input: under a minute, and rough")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="worker processes of each stage (1)")
    arguments = parser.parse_args()
    if not have_data():
        _PRINT.print(
            f"[bold red]REAL DATA MISSING:[/] no folder {DATA}; the bundled sample stands in. Set GRISTMILL_DATA"
        )
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # a worker is a process
    figures = measure(QUICK if arguments.quick else FULL, arguments.workers)
    print(json.dumps({name: float(f"{value:.4g}") for name, value in figures.items()}))


def measure(scale: Scale, workers: int) -> dict[str, float]:
    """Run everything, print tables, return the figures."""
    shutil.rmtree(WORK, ignore_errors=True)
    inputs, _ = alone(build_inputs, WORK / "input", scale.pages, scale.documents)
    start = _start(workers)
    pages = {times: _mill("pages", times, "judge", inputs, scale, workers) for times in TIMES}
    bare_extract, _ = alone(raw.extract, sorted(map(str, Path(inputs.pages).iterdir())))
    documents = {times: _mill("documents", times, "train", inputs, scale, workers) for times in TIMES}
    milled = str(WORK / "documents-4x")
    bare_sign, _ = alone(raw.sign, milled, scale.every)
    bare_tokenize, _ = alone(raw.tokenize, milled, scale.every // 4)
    _, idle_peak = alone(run_stage, _recipe("documents", "4x", inputs, scale), milled, "train", workers)

    _PRINT.print(_stage_table("pages (WARC)", pages), _stage_table("documents (JSONL)", documents))
    web, text = pages["4x"], documents["4x"]
    against = {
        "extract": (web["extract"].rate, bare_extract.items / bare_extract.seconds, "pages/s", "FastWARC, trafilatura"),
        "signatures": (text["signatures"].rate, bare_sign.items / bare_sign.seconds, "documents/s", "datasketch"),
        "tokenize": (
            text["tokenize"].mb_rate or 0.0,
            bare_tokenize.text_bytes / 1e6 / bare_tokenize.seconds,
            "MB/s",
            "tokenizers",
        ),
    }
    _PRINT.print(_raw_table(against), f"{start}; a stage with nothing to do peaks at {idle_peak:.0f} MB")
    peaks = {times: {**documents[times], "extract": pages[times]["extract"]} for times in TIMES}
    return {
        "extract_pages_per_s": web["extract"].rate,
        "judge_pages_per_s": _rate(web, "signals", "judge"),
        "judge_documents_per_s": _rate(text, "signals", "judge"),
        "signals_documents_per_s": text["signals"].rate,
        "verdicts_documents_per_s": text["judge"].rate,
        "dedup_documents_per_s": _rate(text, "signatures", "dedup"),
        "signatures_documents_per_s": text["signatures"].rate,
        "removals_documents_per_s": text["dedup"].rate,
        "refine_documents_per_s": text["refine"].rate,
        "tokenize_mb_per_s": text["tokenize"].mb_rate or 0.0,
        "train_tokens_per_s": _train_rate(milled),
        **{f"{stage}_ratio_vs_raw": ours / theirs for stage, (ours, theirs, *_) in against.items()},
        **{f"{stage}_peak_mb_{times}": ran.peak_mb for times in TIMES for stage, ran in peaks[times].items()},
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
    run(parse_recipe(recipe), work, workers, stage, lambda step: nullcontext(), done.append)
    return done[-1].seconds


def empty_pipeline(workers: int) -> float:
    """Seconds of a pipeline that passes on one number for each worker."""
    begun = time.monotonic()
    run_embedded(lambda pipeline: pipeline | beam.Create(range(workers)) | beam.Reshuffle() | beam.Map(abs), workers)
    return time.monotonic() - begun


def _start(workers: int) -> Start:
    begun = time.monotonic()
    quiet = "import logging; logging.basicConfig(level=logging.ERROR)"
    subprocess.run([sys.executable, "-c", f"{quiet}; import gristmill.pipelines.mill"], check=True)
    import_s = time.monotonic() - begun
    return Start(import_s, alone(empty_pipeline, workers)[0])


def _mill(name: str, times: str, until: str, inputs: Inputs, scale: Scale, workers: int) -> Stages:
    """Each stage up to ``until`` alone, in a work directory of its own."""
    recipe, work = _recipe(name, times, inputs, scale), str(WORK / f"{name}-{times}")
    ran = {}
    for stage in (stage.name for stage in stages_until(until)):
        seconds, peak_mb = alone(run_stage, recipe, work, stage, workers)
        done = manifests(work)
        text = _TEXT_FROM.get(stage)
        size = sum(receipt.facts["text_bytes"] for receipt in done[text].receipts) if text else None
        ran[stage] = Ran(done[stage].books.records, size, seconds, peak_mb)
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


def _rate(stages: Stages, *names: str) -> float:
    """What went in, by the seconds of all of the stages ``names``."""
    return stages[names[0]].taken / sum(stages[name].seconds for name in names)


def _train_rate(work: str) -> float:
    """The trainer's own measure: the median of its laps, without the first, in which it warms up."""
    out = Path(current(work)["train"].url, manifests(work)["train"].facts["out"])
    laps = [json.loads(line)["tokens_per_s"] for line in (out / "speed.jsonl").read_text().splitlines()]
    return statistics.median(laps[1:])


def _stage_table(title: str, ran: dict[str, Stages]) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("stage", style="bold")
    for name in ("in, 1x", "in, 4x", "s, 1x", "s, 4x", "in/s", "MB/s of text", "peak MB, 1x", "peak MB, 4x", "4x : 1x"):
        table.add_column(name, justify="right")
    for stage, large in ran["4x"].items():
        small = ran["1x"][stage]
        table.add_row(
            stage,
            *(f"{one.taken:,}" for one in (small, large)),
            *(f"{one.seconds:.2f}" for one in (small, large)),
            f"{large.rate:,.1f}",
            f"{large.mb_rate:.2f}" if large.mb_rate else "",
            *(f"{one.peak_mb:.0f}" for one in (small, large)),
            f"{large.peak_mb / small.peak_mb:.2f}",
        )
    return table


def _raw_table(against: dict[str, tuple[float, float, str, str]]) -> Table:
    table = Table(title="beside the bare library, one process", box=box.SIMPLE_HEAD, title_justify="left")
    for name in ("stage", "library", "unit"):
        table.add_column(name)
    for name in ("mill", "bare", "mill : bare"):
        table.add_column(name, justify="right")
    for stage, (ours, theirs, unit, library) in against.items():
        table.add_row(stage, library, unit, f"{ours:,.1f}", f"{theirs:,.1f}", f"{ours / theirs:.2f}")
    return table


if __name__ == "__main__":
    main()
