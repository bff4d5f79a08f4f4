"""``gristmill contamination``: the test items that a corpus contained, and the documents that contained them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import click
import pyarrow as pa
import pyarrow.parquet as pq
from rich import box
from rich.table import Table

from gristmill.errors import InputError
from gristmill.pipelines.cli.console import STDOUT, handle_errors, print_lines
from gristmill.pipelines.work_directory import current
from gristmill.store import storage
from gristmill.store.stage_directory import StageDirectory

_SHOWN_DOCUMENTS = 5


class FoundItem(NamedTuple):
    """A test item found in ``documents`` documents, of which ``kept`` are kept.

    ``share`` is the largest share of the item's n-grams, or of its question's, in one document, and ``ngrams`` their
    number. ``first`` are the ids of the first documents.
    """

    benchmark: str
    item: int
    documents: int
    kept: int
    ngrams: int
    share: float
    first: list[str]


def found_items(work: str) -> list[FoundItem]:
    """The test items found in the documents of a work directory, in the order of the recipe's test sets.

    Documents count as ``refine`` read them; those that it cut or labelled count as kept. Raises InputError if
    ``refine`` did not search for test items.
    """
    found: dict[tuple[str, int], FoundItem] = {}
    for document, row in _contaminated(work):
        for hit in row["hits"]:
            name = hit["benchmark"], hit["item"]
            one = found.get(name, FoundItem(*name, 0, 0, 0, 0.0, []))
            most = max((one.share, one.ngrams), (hit["share"], hit["ngrams"]))
            found[name] = one._replace(
                documents=one.documents + 1,
                kept=one.kept + row["kept"],
                share=most[0],
                ngrams=most[1],
                first=[*one.first, document][:_SHOWN_DOCUMENTS],
            )
    order = {counts["name"]: place for place, counts in enumerate(_benchmarks(work))}
    return sorted(found.values(), key=lambda one: (order[one.benchmark], one.item))


def summary_table(benchmarks: Iterable[Mapping[str, Any]], found: Iterable[FoundItem]) -> Table:
    """One row per test set: its items, those that cannot be searched for, and those found."""
    counts = Counter(one.benchmark for one in found)
    table = Table(title="test items in the corpus", box=box.SIMPLE_HEAD, title_justify="left")
    for column in ("test set", "items", "not searched", "found", "share"):
        table.add_column(column, justify="left" if column == "test set" else "right")
    for one in benchmarks:
        there = counts[one["name"]]
        unseen = one["short"] + one["frames_only"]
        share = f"{there / one['items']:.2%}" if one["items"] else "–"
        table.add_row(one["name"], f"{one['items']:,}", f"{unseen:,}", f"{there:,}", share)
    return table


def items_table(found: Iterable[FoundItem], count: int) -> Table:
    """The ``count`` items found in most documents."""
    table = Table(title="items in most documents", box=box.SIMPLE_HEAD, title_justify="left")
    for column in ("item", "documents", "kept", "n-grams", "share", "first"):
        table.add_column(column, justify="left" if column in ("item", "first") else "right")
    for one in sorted(found, key=lambda one: (-one.documents, -one.share))[:count]:
        name = f"{one.benchmark}:{one.item}"
        table.add_row(name, f"{one.documents:,}", f"{one.kept:,}", f"{one.ngrams:,}", f"{one.share:.0%}", one.first[0])
    return table


@click.command()
@click.argument("work", metavar="DIR")
@click.option(
    "-n", "count", default=20, show_default=True, type=click.IntRange(1), help="Maximum number of items to show."
)
@click.option("--json", "as_json", is_flag=True, help="Print every item found, one JSON object per line.")
@handle_errors
def contamination(work: str, count: int, as_json: bool) -> None:
    """Show the test items that the corpus contained, how much of each, and in which documents."""
    found = found_items(work)
    if as_json:
        print_lines(one._asdict() for one in found)
        return
    STDOUT.print(summary_table(_benchmarks(work), found))
    if found:
        STDOUT.print(items_table(found, count))


def _contaminated(work: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the id and the sidecar row of each document with hits, in the order of the units."""
    directories = current(work)
    extracted = {receipt.unit: receipt for receipt in directories["extract"].read_manifest().receipts}
    for receipt in _refine(work).read_manifest().receipts:
        rows = _read(directories["refine"].file_url(receipt.file("edits")), ["kept", "hits"])
        documents = extracted[str(receipt.input["documents"])].file("documents")
        ids = _read(directories["extract"].file_url(documents), ["id"])["id"]
        for document, row in zip(ids, rows.to_pylist(), strict=True):
            if row["hits"]:
                yield document.as_py().hex(), row


def _refine(work: str) -> StageDirectory:
    directory = current(work).get("refine")
    if directory is None or "benchmarks" not in directory.read_manifest().summary:
        raise InputError(
            f"{work} was not searched for test items: add test sets under refine.decontaminate and run again"
        )
    return directory


def _benchmarks(work: str) -> list[Mapping[str, Any]]:
    return list(_refine(work).read_manifest().summary["benchmarks"])


def _read(url: str, columns: list[str]) -> pa.Table:
    with storage.open_input(url) as file:
        return pq.read_table(file, columns=columns)
