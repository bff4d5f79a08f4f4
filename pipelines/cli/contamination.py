"""``gristmill contamination``: which items of which test sets a corpus had, and in which documents they stood."""

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

_NAMED = 5


class FoundItem(NamedTuple):
    """An item that documents have: in how many, how many of these stay, and the document that has most of it.

    ``share``: of the item's n-grams, or of its question's, in that document. ``first``: ids of the first documents.
    """

    benchmark: str
    item: int
    documents: int
    kept: int
    ngrams: int
    share: float
    first: list[str]


def found_items(work: str) -> list[FoundItem]:
    """The test items found in a work directory's documents, by test set in the recipe's order, and number.

    A document counts as it came to ``refine``: ``kept`` tells how many were left, cut or labelled.
    Raises InputError where ``refine`` has not searched for test items.
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
                first=[*one.first, document][:_NAMED],
            )
    order = {counts["name"]: place for place, counts in enumerate(_benchmarks(work))}
    return sorted(found.values(), key=lambda one: (order[one.benchmark], one.item))


def summary_table(benchmarks: Iterable[Mapping[str, Any]], found: Iterable[FoundItem]) -> Table:
    """Items of each test set: all, those that cannot be looked for, those found."""
    counts = Counter(one.benchmark for one in found)
    table = Table(title="test items in the corpus", box=box.SIMPLE_HEAD, title_justify="left")
    for column in ("test set", "items", "not looked for", "found", "share"):
        table.add_column(column, justify="left" if column == "test set" else "right")
    for one in benchmarks:
        there = counts[one["name"]]
        unseen = one["short"] + one["frames_only"]
        share = f"{there / one['items']:.2%}" if one["items"] else "–"
        table.add_row(one["name"], f"{one['items']:,}", f"{unseen:,}", f"{there:,}", share)
    return table


def items_table(found: Iterable[FoundItem], count: int) -> Table:
    """The ``count`` items that most documents have."""
    table = Table(title="in most documents", box=box.SIMPLE_HEAD, title_justify="left")
    for column in ("item", "documents", "kept", "n-grams", "share", "first"):
        table.add_column(column, justify="left" if column in ("item", "first") else "right")
    for one in sorted(found, key=lambda one: (-one.documents, -one.share))[:count]:
        name = f"{one.benchmark}:{one.item}"
        table.add_row(name, f"{one.documents:,}", f"{one.kept:,}", f"{one.ngrams:,}", f"{one.share:.0%}", one.first[0])
    return table


@click.command()
@click.argument("work", metavar="DIR")
@click.option("-n", "count", default=20, show_default=True, type=click.IntRange(1), help="How many items to show.")
@click.option("--json", "as_json", is_flag=True, help="Print every item found, one JSON object a line.")
@handle_errors
def contamination(work: str, count: int, as_json: bool) -> None:
    """Which test items the corpus had: how much of each, in how many documents, and in which."""
    found = found_items(work)
    if as_json:
        print_lines(one._asdict() for one in found)
        return
    STDOUT.print(summary_table(_benchmarks(work), found))
    if found:
        STDOUT.print(items_table(found, count))


def _contaminated(work: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Id and sidecar row of each document with hits, in the order of the units."""
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
        raise InputError(f"{work} was not searched for test items: name some under refine.decontaminate, and run again")
    return directory


def _benchmarks(work: str) -> list[Mapping[str, Any]]:
    return list(_refine(work).read_manifest().summary["benchmarks"])


def _read(url: str, columns: list[str]) -> pa.Table:
    with storage.open_input(url) as file:
        return pq.read_table(file, columns=columns)
