"""Near-duplicates: speed relative to datatrove's four MinHash stages, growth of time and memory, recall and precision.

    python -m benchmarks dedup                # a quarter of an hour on two cores
    python -m benchmarks dedup --quick        # few documents: it only shows that everything runs

**Speed.** The 48,067 Win32 reference pages, 218 MB and mostly from templates, are in four files. Each tool is a command
of its own with two worker processes: ``run_minhash.py`` in datatrove's environment reads texts and writes the kept
ones; ``gristmill run --until dedup`` starts from extracted and judged documents and writes removals (dropping the
removed rows is part of `refine`). See ``side_by_side`` for start-up runs and ratios: ``ratio_vs_datatrove`` is by wall
time without start-up.

**Growth.** The first 1,500 characters of 12,000 pages; then four and sixteen times as many, of which all the others are
copies with one to five words changed. ``time_exponent`` and ``rss_exponent`` are the exponents with which processor
time (without start-up; other work on the machine affects it less than wall time) and peak memory grow: 1 is linear.

**Recall and precision.** See ``duplicate_pairs``. For each threshold: the share of the pairs that reach it which share
a band (recall), the recall that the S-curve of the bands predicts for these pairs, and the share of the pairs that pass
verification which reach it (precision), without verification, by estimate, and exactly. Recall is the mean over ten
seeds, since pairs from one template are found or lost together. ``precision`` is the minimum of the exact mode.
"""

from __future__ import annotations

import random
import shutil
from argparse import Namespace
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.harness.benchmark_main import benchmark_main, empty_work_folder
from benchmarks.harness.duplicate_pairs import candidate_pairs, compare_pages, precision, predicted_recall
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
from benchmarks.harness.result_tables import CONSOLE, result_table
from benchmarks.harness.side_by_side import Workload, ratios, run_in_turns, side_table
from gristmill.pipelines.work_directory import read_ledger
from gristmill.transforms.dedup.dedup_section import Verify

GROWTH_CHARACTERS = 1500
RUN_OF_PAGES = 50
RUN_STEP = 12
"""Every twelfth run of fifty pages is compared: neighbouring pages are alike."""
THRESHOLDS = (0.7, 0.8, 0.9)
VERIFY: tuple[Verify, ...] = ("none", "estimate", "exact")

_VOCABULARY = 5000


class Scale(NamedTuple):
    """Sizes of each part."""

    speed: Workload
    growth: tuple[int, ...]
    """Numbers of documents."""
    compared_pages: int
    seeds: int


FULL = Scale(Workload(48_067, 64, 2), (12_000, 48_000, 192_000), 4000, 10)
QUICK = Scale(Workload(400, 0, 1), (400, 1600), 800, 2)


def main() -> None:
    benchmark_main(measure, description=__doc__, quick="few documents")


def measure(options: Namespace) -> dict[str, float]:
    scale = QUICK if options.quick else FULL
    work = empty_work_folder("dedup")
    return {**_speed(work, scale.speed), **_growth(work, scale.growth), **_quality(scale)}


# Speed


def _speed(work: Path, workload: Workload) -> dict[str, float]:
    for size, count in workload.sizes.items():
        _judge(work / size, islice(reference_pages(), count))

    def datatrove(size: str) -> Cost:
        out = work / "datatrove"
        shutil.rmtree(out, ignore_errors=True)
        documents = work / size / "documents"
        return run_datatrove("run_minhash.py", documents, out, FILES, WORKERS, log=work / "datatrove.log")

    tools = {"datatrove": datatrove, "gristmill": lambda size: _deduplicate(work / size)}
    sides = run_in_turns(tools, workload)
    peer, gristmill = sides["datatrove"], sides["gristmill"]
    CONSOLE.print(side_table(f"{workload.items:,} documents, {WORKERS} workers", sides, "documents"))
    return {
        **ratios("ratio_vs_datatrove", peer, gristmill),
        "documents_per_s": 1 / gristmill.seconds,
        "documents_per_s_datatrove": 1 / peer.seconds,
        "start_s": gristmill.startup_seconds,
        "start_s_datatrove": peer.startup_seconds,
        "peak_mb": gristmill.peak_mb,
        "peak_mb_datatrove": peer.peak_mb,
        "kept_share": _kept(work / "all") / workload.items,
    }


def _judge(folder: Path, texts: Iterator[str]) -> None:
    """Write texts, extract and judge them: the input of deduplication."""
    write_documents(texts, folder / "documents")
    run_pipeline(documents_recipe(folder / "documents"), folder / "judged", "judge")


def _deduplicate(folder: Path) -> Cost:
    """Run deduplication on the judged documents of a folder, in a fresh copy of their work directory."""
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(folder / "judged", work)
    return run_pipeline(documents_recipe(folder / "documents"), work, "dedup")


def _kept(folder: Path) -> int:
    kept: int = read_ledger(str(folder / "work"))["stages"][-1]["kept"]
    return kept


# Growth


def _growth(work: Path, sizes: Sequence[int]) -> dict[str, float]:
    """Return the exponents of time and memory, by least squares on logarithms."""
    pages = [text[:GROWTH_CHARACTERS] for text in islice(reference_pages(), sizes[0])]
    _judge(work / "startup", iter(pages[:64]))
    startup = _deduplicate(work / "startup").cpu_seconds
    costs = []
    for count in sizes:
        folder = work / f"growth-{count}"
        _judge(folder, _with_copies(pages, count))
        cost = _deduplicate(folder)
        costs.append(cost)
        CONSOLE.print(
            f"{count:>8,} documents {cost.seconds:7.1f} s, {cost.cpu_seconds:7.1f} s of processors "
            f"(start-up {startup:.1f}), {cost.peak_mb:8.0f} MB, {_kept(folder):>8,} kept"
        )
        shutil.rmtree(folder)
    return {
        "time_exponent": _exponent(sizes, [max(cost.cpu_seconds - startup, 0.05) for cost in costs]),
        "rss_exponent": _exponent(sizes, [cost.peak_mb for cost in costs]),
        "growth_s": costs[-1].seconds,
        "growth_peak_mb": costs[-1].peak_mb,
    }


def _exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def _with_copies(pages: list[str], count: int) -> Iterator[str]:
    """Yield the pages, and edited copies of them until there are ``count`` texts."""
    yield from pages
    rng = random.Random(1)
    for number in range(count - len(pages)):
        words = pages[number % len(pages)].split(" ")
        for _ in range(rng.randint(1, 5)):
            words[rng.randrange(len(words))] = f"edit{rng.randrange(_VOCABULARY)}"
        yield " ".join(words)


# Recall and precision


def _quality(scale: Scale) -> dict[str, float]:
    selected = (text for number, text in enumerate(reference_pages()) if number // RUN_OF_PAGES % RUN_STEP == 0)
    pages = compare_pages(list(islice(selected, scale.compared_pages)))
    columns = ("threshold", "pairs", "recall", "predicted", *(f"precision, {mode}" for mode in VERIFY))
    table = result_table(f"pairs of {scale.compared_pages:,} pages", columns)
    figures: dict[str, float] = {}
    candidates = [candidate_pairs(pages, seed) for seed in range(1, scale.seeds + 1)]
    for threshold in THRESHOLDS:
        similar = pages.similarity >= threshold
        recall = float(np.mean([np.mean(shares_band[similar]) for shares_band in candidates]))
        predicted = predicted_recall(pages.similarity[similar])
        precisions = {mode: precision(pages, candidates[0], threshold, mode) for mode in VERIFY}
        table.add_row(
            str(threshold), f"{similar.sum():,}", *(f"{v:.4f}" for v in (recall, predicted, *precisions.values()))
        )
        name = f"{100 * threshold:.0f}"
        figures |= {f"recall_j{name}": recall, f"predicted_j{name}": predicted}
        figures |= {f"precision_{mode}_j{name}": value for mode, value in precisions.items()}
    CONSOLE.print(table)
    return {"precision": min(figures[f"precision_exact_j{100 * t:.0f}"] for t in THRESHOLDS), **figures}


if __name__ == "__main__":
    main()
