"""Repeated lines and spans: how fast beside datatrove's removal of sentences, and beside the suffix array alone.

    python benchmarks/repeats.py              # five minutes on two cores
    python benchmarks/repeats.py --quick      # few documents: it only shows that all runs

**Lines.** 12,000 Win32 reference pages, no two of them the same, lie in four files. Each way is a command of its own
with two worker processes: ``repeated_lines.py`` in datatrove's environment, and ``gristmill run --until refine`` with
``repeats: {lines: …}`` on documents that are deduplicated already; both from files of text to files of what stays.
Each is also run on a handful of documents: ``ratio_lines`` is that of the documents beyond these by the time beyond
that, ``…_whole`` that of the whole time. ``lines_cut`` are lines; each way has its own rule of what a line is and of
when two are equal (datatrove takes short ones too, and words with other figures for equal).

**On one core**, in this process: hashing lines and paragraphs, and finding spans of 200 bytes, by MB of text a second.
``ratio_suffix_array`` is the time of the bare suffix array and common prefixes (pydivsufsort) by that of all of it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from documents import FILES, WORKERS, deal, mill, reference_pages, write_recipe
from inputs import REPOSITORY, require_data
from measure import Cost, command
from peers import DATATROVE, python
from pydivsufsort import divsufsort, kasai
from rich.console import Console

from gristmill.pipelines.work_directory import current
from gristmill.transforms.line_dedup.passages import LINE, PARAGRAPH, find_passages
from gristmill.transforms.line_dedup.spans import repeated_spans

WORK = REPOSITORY / "work" / "bench" / "repeats"
MIN_BYTES = 200

_PRINT = Console(highlight=False, width=120)


class Scale(NamedTuple):
    """How many documents, how many to tell the start by, how often, and megabytes of text for one core."""

    documents: int
    start: int
    rounds: int
    megabytes: int


FULL = Scale(12_000, 64, 2, 32)
QUICK = Scale(400, 0, 1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few documents")
    scale = QUICK if parser.parse_args().quick else FULL
    require_data()
    shutil.rmtree(WORK, ignore_errors=True)
    pages = list(islice(dict.fromkeys(reference_pages()), scale.documents))
    figures = {**_lines(pages, scale), **_one_core(pages, scale)}
    print(json.dumps({name: float(f"{value:.4g}") for name, value in figures.items()}))


def _lines(pages: list[str], scale: Scale) -> dict[str, float]:
    sizes = {"start": scale.start, "all": scale.documents}
    sizes = {name: count for name, count in sizes.items() if count}
    for name, count in sizes.items():
        deal(pages[:count], WORK / name)
        sections = {"dedup": {"threshold": 1.0}, "refine": {"redact": None}}
        write_recipe(WORK / name, **sections)
        mill(WORK / name, "deduplicated", "dedup")
        write_recipe(WORK / name, **sections, repeats={"lines": {}})
    costs: dict[tuple[str, str], list[Cost]] = {}
    for _ in range(scale.rounds):
        for way, run in (("datatrove", _datatrove), ("gristmill", _gristmill)):
            for size in sizes:
                cost = run(WORK / size)
                costs.setdefault((way, size), []).append(cost)
                _PRINT.print(f"{way:<12}{size:<8}{cost.seconds:8.1f} s {cost.cpu_seconds:8.1f} s of processors")

    def seconds(way: str, what: str) -> tuple[float, float]:
        """Beyond the start, and in all."""
        start, whole = (
            statistics.median(getattr(cost, what) for cost in costs.get((way, size), [Cost(0, 0, 0)]))
            for size in ("start", "all")
        )
        return whole - start, whole

    (theirs, their_whole), (ours, our_whole) = seconds("datatrove", "seconds"), seconds("gristmill", "seconds")
    their_cpu, our_cpu = seconds("datatrove", "cpu_seconds")[0], seconds("gristmill", "cpu_seconds")[0]
    receipts = current(str(WORK / "all" / "work"))["repeats"].read_manifest().receipts
    return {
        "ratio_lines": theirs / ours,
        "ratio_lines_cpu": their_cpu / our_cpu,
        "ratio_lines_whole": their_whole / our_whole,
        "documents_per_s": (scale.documents - scale.start) / ours,
        "lines_cut": sum(receipt.summary["cut"].get("repeated_line", 0) for receipt in receipts),
    }


def _datatrove(folder: Path) -> Cost:
    """datatrove's three stages over the files of ``folder``, in a fresh folder."""
    out = WORK / "datatrove"
    shutil.rmtree(out, ignore_errors=True)
    words = [str(python("datatrove", DATATROVE)), str(Path(__file__).with_name("repeated_lines.py"))]
    words += [str(folder / "source"), str(out), str(FILES), str(WORKERS)]
    return command(words, {"HF_HUB_OFFLINE": "1"}, WORK / "datatrove.log")


def _gristmill(folder: Path) -> Cost:
    """``gristmill run --until refine`` on what is deduplicated already, in a fresh copy of the work directory."""
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(folder / "deduplicated", work)
    return mill(folder, "work", "refine")


def _one_core(pages: list[str], scale: Scale) -> dict[str, float]:
    texts = pa.array(pages, pa.large_string())
    sizes = np.array([len(page.encode()) for page in pages]).cumsum()
    texts = texts[: int(np.searchsorted(sizes, scale.megabytes * 1e6)) + 1]
    megabytes = sizes[len(texts) - 1] / 1e6
    data = np.frombuffer(b"\xff".join(text.as_py().encode() for text in texts) + b"\xff", np.uint8).copy()
    spans, bare = _in_turns(lambda: repeated_spans(texts, MIN_BYTES), lambda: kasai(data, divsufsort(data)))
    (passages,) = _in_turns(lambda: find_passages(pa.chunked_array([texts]), {LINE: 10, PARAGRAPH: 10}))
    return {
        "passages_mb_per_s": megabytes / passages,
        "spans_mb_per_s": megabytes / spans,
        "ratio_suffix_array": bare / spans,
    }


def _in_turns(*functions: Callable[[], Any]) -> list[float]:
    """Seconds of a processor that each takes, the median of three."""
    spent: list[list[float]] = [[] for _ in functions]
    for _ in range(3):
        for function, times in zip(functions, spent, strict=True):
            begun = time.process_time()
            function()
            times.append(time.process_time() - begun)
    return [statistics.median(times) for times in spent]


if __name__ == "__main__":
    main()
