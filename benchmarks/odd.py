"""What becomes of every record in odd and genuine archives: a table of file → read, kept, dropped and failed by cause.

The archives are those of ``GRISTMILL_DATA/warc/odd``, from the test suites of WARC tools (valid but unusual, or
broken), and of ``warc/common-crawl``. Each goes the way of a unit of ``extract``: read, and every record extracted by
the default recipe. ``unaccounted`` are records that the reader counted and nobody gave out, and stored bytes that no
record and no named gap spans; it must be 0.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from inputs import DATA, require_data
from rich.console import Console
from rich.table import Table

from gristmill.corpus.document import Document
from gristmill.corpus.record import Dropped, Raw, UnitSummary
from gristmill.extraction.extract_record import Tools, extract_record
from gristmill.extraction.extract_section import ExtractSection
from gristmill.transforms.read.reader import Limits, read_unit
from gristmill.transforms.read.source_section import SourceSection
from gristmill.transforms.read.unit_plan import plan_units

FOLDERS = ("odd", "common-crawl")


class Fate(NamedTuple):
    """What became of an archive's records; ``unaccounted`` in records and bytes."""

    read: int
    kept: int
    dropped: Counter[str]
    failed: Counter[str]
    unaccounted: int


def fate(archive: Path, section: ExtractSection, tools: Tools) -> Fate:
    """Read and extract one archive."""
    name = archive.name.replace("[", "[[]")
    source = SourceSection(name="odd", format="warc", root=str(archive.parent), paths=(name,))
    kept = read = uncovered = 0
    dropped: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for unit in plan_units(source, max(archive.stat().st_size, 1)):
        for item in read_unit(unit, source, Limits()):
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
    return Fate(read, kept, dropped, failed, abs(read - kept - dropped.total() - failed.total()) + uncovered)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the same: all of it takes seconds")
    parser.parse_args()
    require_data()
    section = ExtractSection()
    tools = Tools.load(section)
    table = Table("file", "read", "kept", "dropped", "failed")
    fates = []
    for archive in (path for folder in FOLDERS for path in sorted((DATA / "warc" / folder).iterdir())):
        one = fate(archive, section, tools)
        fates.append(one)
        table.add_row(
            archive.name.rpartition("__")[2], str(one.read), str(one.kept), told(one.dropped), told(one.failed)
        )
    Console(width=150).print(table)
    figures = {
        "files": len(fates),
        "records": sum(one.read for one in fates),
        "kept": sum(one.kept for one in fates),
        "dropped": sum(one.dropped.total() for one in fates),
        "failed": sum(one.failed.total() for one in fates),
        "unaccounted": sum(one.unaccounted for one in fates),
    }
    print(json.dumps(figures))


def told(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


if __name__ == "__main__":
    main()
