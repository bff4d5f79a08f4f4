"""How fast archives are read: Gristmill's reader, with every stored byte accounted for, and FastWARC bare beside it.

Both read the 2,000 real pages in this process, record by record, payload and all, in turns, so that a busy machine
slows both; of each the fastest turn counts, in seconds of the processor. Gristmill's reader also parses HTTP, decodes
encodings and names the fate of each record.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import gold
from fastwarc.warc import ArchiveIterator
from inputs import real_archives, require_data
from rich.console import Console
from rich.table import Table


def gristmill(archive: Path) -> tuple[int, int]:
    """Pages and bytes of their payloads."""
    sizes = [len(raw.payload) for raw in gold.raw_pages(archive)]
    return len(sizes), sum(sizes)


def fastwarc(archive: Path) -> tuple[int, int]:
    """Records and bytes of their blocks, the HTTP header parsed off."""
    with archive.open("rb") as file:
        sizes = [len(record.reader.read()) for record in ArchiveIterator(file)]
    return len(sizes), sum(sizes)


def seconds(read: Callable[[Path], object], archives: list[Path]) -> float:
    begun = time.process_time()
    for archive in archives:
        read(archive)
    return time.process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one archive, three turns")
    quick = parser.parse_args().quick
    require_data()
    archives = real_archives()[: 1 if quick else None]
    turns = [[seconds(read, archives) for read in (gristmill, fastwarc)] for _ in range(3 if quick else 8)]
    best = [min(column) for column in zip(*turns, strict=True)]
    pages, size = map(sum, zip(*map(gristmill, archives), strict=True))
    table = Table("reader", "pages/s", "MB/s, decompressed", "ms/page")
    for name, spent in zip(("gristmill", "FastWARC"), best, strict=True):
        table.add_row(name, f"{pages / spent:,.0f}", f"{size / 1e6 / spent:,.0f}", f"{spent / pages * 1e3:.3f}")
    Console().print(table)
    figures = {
        "speed_vs_fastwarc": best[1] / best[0],
        "pages_per_s": pages / best[0],
        "ms_per_page": best[0] / pages * 1e3,
    }
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
