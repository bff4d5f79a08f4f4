"""Near-duplicates: how fast beside datatrove's four MinHash stages, how time and memory grow, and how much is found.

    python benchmarks/dedup.py                # a quarter of an hour on two cores
    python benchmarks/dedup.py --quick        # few documents: it only shows that all runs

**Speed.** The 48,067 Win32 reference pages, 218 MB and heavily templated, lie in four files. Each way is a command of
its own with two worker processes: ``minhash.py`` in datatrove's environment, from files of text to files of what stays;
and ``gristmill run --until dedup`` on documents that are extracted and judged already, from their text to removals. (To
drop the removed rows is a part of `refine`; datatrove's last stage writes what stays.) Each is also run on a handful of
documents: ``ratio_vs_datatrove`` is that of the documents beyond these by the time beyond that, since an archive of a
crawl holds some ten times what is deduplicated here; ``…_whole`` that of the whole time.

**Growth.** The first 1,500 characters of 12,000 pages; then four and sixteen times as many, of which all but these are
copies with one to five words changed. ``time_exponent`` and ``rss_exponent`` say how seconds of processors beyond the
start (which other work on the machine stretches less than wall time), and peak memory, grow: 1 is as the documents.

**Found.** Of 4,000 pages, every twelfth fifty (neighbours are alike), the true Jaccard similarity of every pair is that
of their sets of word 5-grams, as strings. For each threshold: how many of the pairs that reach it share a band
(recall), what the S-curve of the bands predicts for just these pairs, and what part of the pairs that are let through
reach it (precision): unverified, by estimate, and exact. Recall is the mean over ten seeds, since pairs of one template
are found or lost together. ``precision`` is the exact mode's least, ``recall_j90`` the recall at 0.9.

The last line is one JSON object with these figures and what they come from.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from documents import FILES, WORKERS, deal, mill, reference_pages
from inputs import REPOSITORY, require_data
from measure import Cost, command
from peers import DATATROVE, python
from rich import box
from rich.console import Console
from rich.table import Table
from scipy.sparse import csr_array

from gristmill.corpus.words import normalise
from gristmill.pipelines.work_directory import read_ledger
from gristmill.transforms.dedup.buckets import Members
from gristmill.transforms.dedup.dedup_section import DedupSection, Verify
from gristmill.transforms.dedup.greedy import Rule, greedy
from gristmill.transforms.dedup.minhash import MinHasher
from gristmill.transforms.dedup.rank import Ranked
from gristmill.transforms.dedup.shingles import Integers, UInt32s
from gristmill.transforms.dedup.sign import sign, sketch_lengths
from gristmill.transforms.dedup.signature_file import runs

WORK = REPOSITORY / "work" / "bench" / "dedup"
GROWTH_CHARACTERS = 1500
RUN_OF_PAGES = 50
EVERY_RUN = 12
THRESHOLDS = (0.7, 0.8, 0.9)
VERIFY: tuple[Verify, ...] = ("none", "estimate", "exact")

_PRINT = Console(highlight=False, width=120)
_VOCABULARY = 5000
_PAIRS_AT_ONCE = 10_000


class Scale(NamedTuple):
    """How many documents each part looks at, and how often."""

    documents: int
    start: int
    rounds: int
    growth: tuple[int, ...]
    pairs_of: int
    seeds: int


FULL = Scale(48_067, 64, 2, (12_000, 48_000, 192_000), 4000, 10)
QUICK = Scale(400, 0, 1, (400, 1600), 800, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few documents")
    scale = QUICK if parser.parse_args().quick else FULL
    require_data()
    shutil.rmtree(WORK, ignore_errors=True)
    figures = {**_speed(scale), **_growth(scale), **_found(scale)}
    print(json.dumps({name: float(f"{value:.4g}") for name, value in figures.items()}))


# Speed


def _speed(scale: Scale) -> dict[str, float]:
    sizes = {"start": scale.start, "all": scale.documents}
    sizes = {name: count for name, count in sizes.items() if count}
    for name, count in sizes.items():
        deal(islice(reference_pages(), count), WORK / name)
        _judge(name)
    costs: dict[tuple[str, str], list[Cost]] = {}
    for _ in range(scale.rounds):
        for way, run in (("datatrove", _datatrove), ("gristmill", _gristmill)):
            for size in sizes:
                cost = run(size)
                costs.setdefault((way, size), []).append(cost)
                _PRINT.print(f"{way:<12}{size:<8}{cost.seconds:8.1f} s {cost.cpu_seconds:8.1f} s of processors")
    theirs, ours = (_Way.of(way, costs, scale) for way in ("datatrove", "gristmill"))
    kept = read_ledger(str(WORK / "all" / "work"))["stages"][-1]["kept"]
    _PRINT.print(_speed_table({"datatrove": theirs, "gristmill": ours}, scale))
    return {
        "ratio_vs_datatrove": theirs.seconds / ours.seconds,
        "ratio_vs_datatrove_cpu": theirs.cpu_seconds / ours.cpu_seconds,
        "ratio_vs_datatrove_whole": theirs.whole / ours.whole,
        "documents_per_s": 1 / ours.seconds,
        "documents_per_s_datatrove": 1 / theirs.seconds,
        "start_s": ours.start,
        "start_s_datatrove": theirs.start,
        "peak_mb": ours.peak_mb,
        "peak_mb_datatrove": theirs.peak_mb,
        "kept_share": kept / scale.documents,
    }


class _Way(NamedTuple):
    """Medians of the rounds: seconds of a document beyond the start, of the start, of all."""

    seconds: float
    cpu_seconds: float
    start: float
    whole: float
    peak_mb: float

    @classmethod
    def of(cls, way: str, costs: dict[tuple[str, str], list[Cost]], scale: Scale) -> _Way:
        def median(size: str, what: str) -> float:
            return statistics.median(getattr(cost, what) for cost in costs[way, size]) if (way, size) in costs else 0.0

        beyond = scale.documents - scale.start
        seconds, cpu_seconds = (median("all", w) - median("start", w) for w in ("seconds", "cpu_seconds"))
        start, whole = median("start", "seconds"), median("all", "seconds")
        return cls(seconds / beyond, cpu_seconds / beyond, start, whole, median("all", "peak_mb"))


def _speed_table(ways: dict[str, _Way], scale: Scale) -> Table:
    table = Table(title=f"{scale.documents:,} documents, {WORKERS} workers", box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("way", style="bold")
    for head in ("start-up s", "all s", "documents/s", "documents/s of a processor", "peak MB"):
        table.add_column(head, justify="right")
    for name, way in ways.items():
        table.add_row(
            name,
            f"{way.start:.1f}",
            f"{way.whole:.1f}",
            f"{1 / way.seconds:,.0f}",
            f"{1 / way.cpu_seconds:,.0f}",
            f"{way.peak_mb:.0f}",
        )
    return table


def _datatrove(name: str) -> Cost:
    """datatrove's four stages over the files of ``name``, in a fresh folder."""
    out = WORK / "datatrove"
    shutil.rmtree(out, ignore_errors=True)
    words = [str(python("datatrove", DATATROVE)), str(Path(__file__).with_name("minhash.py"))]
    words += [str(WORK / name / "source"), str(out), str(FILES), str(WORKERS)]
    return command(words, {"HF_HUB_OFFLINE": "1"}, WORK / "datatrove.log")


def _judge(name: str) -> None:
    """Extract and judge the files of ``name``: what deduplication starts from."""
    mill(WORK / name, "judged", "judge")


def _gristmill(name: str) -> Cost:
    """``gristmill run --until dedup`` on what is judged already, in a fresh copy of the work directory."""
    work = WORK / name / "work"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(WORK / name / "judged", work)
    return mill(WORK / name, "work", "dedup")


# Growth


def _growth(scale: Scale) -> dict[str, float]:
    """Exponents of time and memory, by least squares on logarithms."""
    base = [text[:GROWTH_CHARACTERS] for text in islice(reference_pages(), scale.growth[0])]
    deal(base[:64], WORK / "first")
    _judge("first")
    start = _gristmill("first").cpu_seconds
    costs = []
    for count in scale.growth:
        name = f"growth-{count}"
        deal(_copies(base, count), WORK / name)
        _judge(name)
        costs.append(_gristmill(name))
        kept = read_ledger(str(WORK / name / "work"))["stages"][-1]["kept"]
        cost = costs[-1]
        _PRINT.print(
            f"{count:>8,} documents {cost.seconds:7.1f} s, {cost.cpu_seconds:7.1f} s of processors ({start:.1f} at the "
            f"start), {cost.peak_mb:8.0f} MB, {kept:>8,} kept"
        )
        shutil.rmtree(WORK / name)
    counts = np.log(scale.growth)
    return {
        "time_exponent": _slope(counts, [max(cost.cpu_seconds - start, 0.05) for cost in costs]),
        "rss_exponent": _slope(counts, [cost.peak_mb for cost in costs]),
        "growth_s": costs[-1].seconds,
        "growth_peak_mb": costs[-1].peak_mb,
    }


def _slope(counts: np.ndarray, values: Sequence[float]) -> float:
    return float(np.polyfit(counts, np.log(values), 1)[0])


def _copies(base: list[str], count: int) -> Iterator[str]:
    yield from base
    chance = random.Random(1)
    for number in range(count - len(base)):
        words = base[number % len(base)].split(" ")
        for _ in range(chance.randint(1, 5)):
            words[chance.randrange(len(words))] = f"edit{chance.randrange(_VOCABULARY)}"
        yield " ".join(words)


# What is found


class _Pages(NamedTuple):
    """Pages that are compared each with each: all pairs whose similarity is not nothing."""

    texts: list[str]
    left: Integers
    right: Integers
    similarity: np.ndarray


def _found(scale: Scale) -> dict[str, float]:
    runs_of_pages = (text for number, text in enumerate(reference_pages()) if number // RUN_OF_PAGES % EVERY_RUN == 0)
    pages = _compare(list(islice(runs_of_pages, scale.pairs_of)))
    table = Table(title=f"Pairs of {scale.pairs_of:,} pages", box=box.SIMPLE_HEAD, title_justify="left")
    for head in ("threshold", "pairs", "recall", "predicted", *(f"precision, {mode}" for mode in VERIFY)):
        table.add_column(head, justify="right")
    figures: dict[str, float] = {}
    bands, rows = DedupSection().banding
    caught = [_candidates(pages, seed) for seed in range(1, scale.seeds + 1)]
    for threshold in THRESHOLDS:
        true = pages.similarity >= threshold
        recall = float(np.mean([np.mean(found[true]) for found in caught]))
        predicted = float(np.mean(1 - (1 - pages.similarity[true] ** rows) ** bands))
        precision = {mode: _precision(pages, caught[0], true, threshold, mode) for mode in VERIFY}
        shown = (f"{true.sum():,}", *(f"{value:.4f}" for value in (recall, predicted, *precision.values())))
        table.add_row(str(threshold), *shown)
        name = f"{100 * threshold:.0f}"
        figures |= {f"recall_j{name}": recall, f"predicted_j{name}": predicted}
        figures |= {f"precision_{mode}_j{name}": value for mode, value in precision.items()}
    _PRINT.print(table)
    return {"precision": min(figures[f"precision_exact_j{100 * t:.0f}"] for t in THRESHOLDS), **figures}


def _compare(texts: list[str]) -> _Pages:
    """True similarity of every pair that has a word 5-gram in common."""
    sets = [_fivegrams(normalise(text).split(" ")) for text in texts]
    numbers: dict[str, int] = {}
    columns = [numbers.setdefault(gram, len(numbers)) for own in sets for gram in own]
    sizes = np.array([len(own) for own in sets])
    ends = np.concatenate([[0], sizes.cumsum()])
    matrix = csr_array((np.ones(len(columns), np.int32), columns, ends), shape=(len(sets), len(numbers)))
    common = (matrix @ matrix.T).tocoo()
    upper = common.row < common.col
    left, right, count = common.row[upper].astype(np.int64), common.col[upper].astype(np.int64), common.data[upper]
    return _Pages(texts, left, right, np.round(count / (sizes[left] + sizes[right] - count), 4))


def _fivegrams(words: list[str]) -> set[str]:
    return {" ".join(words[at : at + 5]) for at in range(max(len(words) - 4, 1))}


def _candidates(pages: _Pages, seed: int) -> np.ndarray:
    """Which pairs share a band."""
    bands, rows = DedupSection().banding
    signed = sign(_column(pages.texts), MinHasher(bands, rows, seed), 5, "none")
    equal = np.zeros(len(pages.left), bool)
    for band in range(bands):
        equal |= signed.bands[pages.left, band] == signed.bands[pages.right, band]
    return equal


def _precision(pages: _Pages, caught: np.ndarray, true: np.ndarray, threshold: float, mode: Verify) -> float:
    """What part of the pairs that share a band, and pass verification, reach the threshold."""
    section = DedupSection(threshold=threshold, verify=mode)
    hasher = MinHasher.of(section)
    signed = sign(_column(pages.texts), hasher, section.ngram, mode)
    lengths = sketch_lengths(signed.shingles.astype(np.int64), hasher, mode)
    starts = lengths.cumsum() - lengths
    rule = Rule(threshold, mode, hasher.bands)
    passed = []
    for pairs in np.array_split(np.flatnonzero(caught), 1 + caught.sum() // _PAIRS_AT_ONCE):
        documents = np.stack([pages.left[pairs], pages.right[pairs]], axis=1).ravel()
        passed.append(_passing(documents, signed.sketches, starts[documents], lengths[documents], rule))
    let = np.concatenate(passed)
    return float(np.mean(true[caught][let])) if let.any() else 1.0


def _passing(documents: Integers, sketches: UInt32s, starts: Integers, lengths: Integers, rule: Rule) -> np.ndarray:
    """Of which pairs one goes, each pair alone in a bucket; ``documents`` holds the two of each one after the other."""
    nodes = np.arange(len(documents), dtype=np.uint64)
    ranking = Ranked(nodes, np.arange(len(nodes)), lengths, np.zeros(len(nodes), bool))
    members = Members(nodes // np.uint64(2) << np.uint64(12), nodes)

    def own(asked: np.ndarray) -> UInt32s:
        return runs(sketches, starts[asked.astype(np.int64)], lengths[asked.astype(np.int64)])

    goes = np.zeros(len(nodes), bool)
    goes[greedy(ranking, members, own, rule).node.astype(np.int64)] = True
    return goes[1::2]


def _column(texts: list[str]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(texts, pa.large_string())])


if __name__ == "__main__":
    main()
