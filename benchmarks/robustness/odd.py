"""What becomes of every record in odd archives: a table of file → read, kept, dropped and failed by cause.

The archives are those of ``GRISTMILL_DATA/warc/odd``, from the test suites of WARC tools (valid but unusual, or
broken), and those of ``warc/common-crawl``. Each is processed like a unit of ``extract``: read, and every record
extracted by the default recipe. ``unaccounted`` is the number of records that the reader counted and nobody returned,
plus the stored bytes that neither a record nor a named gap covers; it must be 0.
"""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from benchmarks.harness.benchmark_main import benchmark_main
from benchmarks.harness.real_data import archives_in, read_items
from benchmarks.harness.result_tables import CONSOLE, result_table
from gristmill.corpus.document import Document
from gristmill.corpus.record import Dropped, Raw, UnitSummary
from gristmill.extraction.extract_record import ExtractionTools, extract_record
from gristmill.extraction.extract_section import ExtractSection

FOLDERS = ("odd", "common-crawl")


class Outcome(NamedTuple):
    """Numbers of an archive's records by what became of them; ``unaccounted`` in records and bytes."""

    read: int
    kept: int
    dropped: Counter[str]
    failed: Counter[str]
    unaccounted: int


def main() -> None:
    benchmark_main(measure, description=__doc__, quick="the same: it always takes seconds only")


def measure(options: Namespace) -> dict[str, float]:
    section = ExtractSection()
    tools = ExtractionTools.load(section)
    table = result_table("archives", ("file", "read", "kept", "dropped", "failed"))
    outcomes = []
    for archive in (path for folder in FOLDERS for path in archives_in(folder)):
        outcome = process_archive(archive, section, tools)
        outcomes.append(outcome)
        name = archive.name.rpartition("__")[2]
        table.add_row(name, str(outcome.read), str(outcome.kept), _listed(outcome.dropped), _listed(outcome.failed))
    CONSOLE.print(table)
    return {
        "files": len(outcomes),
        "records": sum(outcome.read for outcome in outcomes),
        "kept": sum(outcome.kept for outcome in outcomes),
        "dropped": sum(outcome.dropped.total() for outcome in outcomes),
        "failed": sum(outcome.failed.total() for outcome in outcomes),
        "unaccounted": sum(outcome.unaccounted for outcome in outcomes),
    }


def process_archive(archive: Path, section: ExtractSection, tools: ExtractionTools) -> Outcome:
    """Read and extract one archive."""
    kept = read = uncovered = 0
    dropped: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for item in read_items(archive):
        if isinstance(item, UnitSummary):
            read += item.records
            uncovered += abs(item.expected - item.covered)
            continue
        result = extract_record(item, section, tools) if isinstance(item, Raw) else item
        if isinstance(result, Document):
            kept += 1
        elif isinstance(result, Dropped):
            dropped[result.reason] += 1
        else:
            failed[result.cause] += 1
    return Outcome(read, kept, dropped, failed, abs(read - kept - dropped.total() - failed.total()) + uncovered)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


if __name__ == "__main__":
    main()
