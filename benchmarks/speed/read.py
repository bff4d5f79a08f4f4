"""How fast archives are read: Gristmill's reader, which accounts for every stored byte, and bare FastWARC.

Both read the 2,000 real pages in this process, record by record with their payloads, alternately, so that a busy
machine slows both. The figures are those of the fastest round of each, in processor time. Gristmill's reader also
parses HTTP, decodes encodings and gives every record an outcome.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from fastwarc.warc import ArchiveIterator

from benchmarks.harness.benchmark_main import benchmark_main
from benchmarks.harness.processor_time import seconds_in_turns
from benchmarks.harness.real_data import read_pages, real_archives
from benchmarks.harness.result_tables import CONSOLE, result_table


def main() -> None:
    benchmark_main(measure, description=__doc__, quick="one archive, three rounds")


def measure(options: Namespace) -> dict[str, float]:
    archives = real_archives()[: 1 if options.quick else None]

    def read_all(read: Callable[[Path], object]) -> Callable[[], object]:
        return lambda: [read(archive) for archive in archives]

    readers = {"gristmill": read_all(read_with_gristmill), "FastWARC": read_all(read_with_fastwarc)}
    best = {name: min(rounds) for name, rounds in seconds_in_turns(readers, 3 if options.quick else 8).items()}
    pages, size = map(sum, zip(*map(read_with_gristmill, archives), strict=True))
    table = result_table("readers", ("reader", "pages/s", "MB/s, decompressed", "ms/page"))
    for name, seconds in best.items():
        table.add_row(name, f"{pages / seconds:,.0f}", f"{size / 1e6 / seconds:,.0f}", f"{seconds / pages * 1e3:.3f}")
    CONSOLE.print(table)
    return {
        "speed_vs_fastwarc": best["FastWARC"] / best["gristmill"],
        "pages_per_s": pages / best["gristmill"],
        "ms_per_page": best["gristmill"] / pages * 1e3,
    }


def read_with_gristmill(archive: Path) -> tuple[int, int]:
    """Return the number of pages and the bytes of their payloads."""
    sizes = [len(page.payload) for page in read_pages(archive)]
    return len(sizes), sum(sizes)


def read_with_fastwarc(archive: Path) -> tuple[int, int]:
    """Return the number of records and the bytes of their blocks without the HTTP header."""
    with archive.open("rb") as file:
        sizes = [len(record.reader.read()) for record in ArchiveIterator(file)]
    return len(sizes), sum(sizes)


if __name__ == "__main__":
    main()
