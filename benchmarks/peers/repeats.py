"""Repeated lines and spans: speed relative to datatrove's sentence deduplication, and to the bare suffix array.

    python -m benchmarks repeats              # five minutes on two cores
    python -m benchmarks repeats --quick      # few documents: it only shows that everything runs

**Lines.** 12,000 Win32 reference pages, no two of them equal, are in four files. Each tool is a command of its own with
two worker processes: ``run_sentence_dedup.py`` in datatrove's environment, and ``gristmill run --until refine`` with
``repeats: {lines: …}`` on deduplicated documents; both read texts and write the kept ones. See ``side_by_side`` for
start-up runs and ratios: ``ratio_lines`` is by wall time without start-up. ``lines_cut`` counts lines; each tool has
its own definition of a line and of equal lines (datatrove also removes short lines, and ignores figures in words).

**On one core**, in this process: hashing lines and paragraphs, and finding spans of 200 bytes, in MB of text per
second. ``ratio_suffix_array`` is the time of the bare suffix array and common prefixes (pydivsufsort) divided by that
of finding spans, which includes them.
"""

from __future__ import annotations

import shutil
import statistics
from argparse import Namespace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from pydivsufsort import divsufsort, kasai

from benchmarks.harness.benchmark_main import benchmark_main, empty_work_folder
from benchmarks.harness.peer_environments import run_datatrove
from benchmarks.harness.pipeline_command import (
    FILES,
    WORKERS,
    documents_recipe,
    reference_pages,
    run_pipeline,
    write_documents,
)
from benchmarks.harness.process_cost import Cost
from benchmarks.harness.processor_time import seconds_in_turns
from benchmarks.harness.result_tables import CONSOLE
from benchmarks.harness.side_by_side import Workload, ratios, run_in_turns, side_table
from gristmill.pipelines.work_directory import current
from gristmill.transforms.line_dedup.passage_hashes import LINE, PARAGRAPH, find_passages
from gristmill.transforms.line_dedup.repeated_spans import repeated_spans

MIN_BYTES = 200

_SECTIONS = {"dedup": {"threshold": 1.0}, "refine": {"redact": None}}


class Scale(NamedTuple):
    """The documents of the two tools, and megabytes of text for one core."""

    lines: Workload
    megabytes: int


FULL = Scale(Workload(12_000, 64, 2), 32)
QUICK = Scale(Workload(400, 0, 1), 2)


def main() -> None:
    benchmark_main(measure, description=__doc__, quick="few documents")


def measure(options: Namespace) -> dict[str, float]:
    scale = QUICK if options.quick else FULL
    pages = list(islice(dict.fromkeys(reference_pages()), scale.lines.items))
    return {**_lines(empty_work_folder("repeats"), pages, scale.lines), **_one_core(pages, scale.megabytes)}


def _lines(work: Path, pages: list[str], workload: Workload) -> dict[str, float]:
    for size, count in workload.sizes.items():
        documents = work / size / "documents"
        write_documents(pages[:count], documents)
        run_pipeline(documents_recipe(documents, **_SECTIONS), work / size / "deduplicated", "dedup")

    def datatrove(size: str) -> Cost:
        out = work / "datatrove"
        shutil.rmtree(out, ignore_errors=True)
        documents = work / size / "documents"
        return run_datatrove("run_sentence_dedup.py", documents, out, FILES, WORKERS, log=work / "datatrove.log")

    def gristmill(size: str) -> Cost:
        copy = work / size / "work"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(work / size / "deduplicated", copy)
        recipe = documents_recipe(work / size / "documents", **_SECTIONS, repeats={"lines": {}})
        return run_pipeline(recipe, copy, "refine")

    sides = run_in_turns({"datatrove": datatrove, "gristmill": gristmill}, workload)
    CONSOLE.print(side_table(f"{workload.items:,} documents, {WORKERS} workers", sides, "documents"))
    receipts = current(str(work / "all" / "work"))["repeats"].read_manifest().receipts
    return {
        **ratios("ratio_lines", sides["datatrove"], sides["gristmill"]),
        "documents_per_s": 1 / sides["gristmill"].seconds,
        "lines_cut": sum(receipt.summary["cut"].get("repeated_line", 0) for receipt in receipts),
    }


def _one_core(pages: list[str], megabytes: int) -> dict[str, float]:
    texts = pa.array(pages, pa.large_string())
    sizes = np.array([len(page.encode()) for page in pages]).cumsum()
    texts = texts[: int(np.searchsorted(sizes, megabytes * 1e6)) + 1]
    size = sizes[len(texts) - 1] / 1e6
    data = np.frombuffer(b"\xff".join(text.as_py().encode() for text in texts) + b"\xff", np.uint8).copy()
    seconds = seconds_in_turns(
        {
            "spans": lambda: repeated_spans(texts, MIN_BYTES),
            "bare": lambda: kasai(data, divsufsort(data)),
            "passages": lambda: find_passages(pa.chunked_array([texts]), {LINE: 10, PARAGRAPH: 10}),
        },
        rounds=3,
    )
    median = {name: statistics.median(times) for name, times in seconds.items()}
    return {
        "passages_mb_per_s": size / median["passages"],
        "spans_mb_per_s": size / median["spans"],
        "ratio_suffix_array": median["bare"] / median["spans"],
    }


if __name__ == "__main__":
    main()
