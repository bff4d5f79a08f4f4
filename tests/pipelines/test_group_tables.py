"""The ledger by source and language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from rich.console import Console

from gristmill.errors import InputError
from gristmill.pipelines.reports.group_tables import group_json, group_rows, group_table
from gristmill.store.counts import RecordCounts
from gristmill.store.group_counts import Amount, Group
from gristmill.store.ledger import LedgerLine, build_ledger

EXTRACTED = {
    Group("books", "en", None): Amount(2, 1000),
    Group("web", "de", None): Amount(1, 50),
    Group("web", "en", None): Amount(3, 90),
    Group("web", None, "empty"): Amount(2),
    Group("web", None, "bad_gzip"): Amount(1),
}
TOKENIZED = {Group("books", "en", None): Amount(2, 1000, 250), Group("web", "en", None): Amount(3, 90, 30)}
LEDGER = build_ledger(
    [
        LedgerLine("extract", RecordCounts(9, 6, {"empty": 2}, {"bad_gzip": 1}, 1, 1), "records", groups=EXTRACTED),
        LedgerLine("tokenize", RecordCounts.of_rows(5, 5), "documents", groups=TOKENIZED),
    ]
)


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ([], [("extract", ()), ("tokenize", ())]),
        (
            ["source"],
            [("extract", ("books",)), ("extract", ("web",)), ("tokenize", ("books",)), ("tokenize", ("web",))],
        ),
        (["lang"], [("extract", ("en",)), ("extract", ("de",)), ("extract", (None,)), ("tokenize", ("en",))]),
        (
            ["lang", "source"],
            [
                ("extract", ("en", "books")),
                ("extract", ("en", "web")),
                ("extract", ("de", "web")),
                ("extract", (None, "web")),
                ("tokenize", ("en", "books")),
                ("tokenize", ("en", "web")),
            ],
        ),
    ],
)
def test_rows_by_any_columns(by: Sequence[str], expected: list[tuple[str, tuple[str | None, ...]]]) -> None:
    assert [(row.stage, row.values) for row in group_rows(LEDGER, by)] == expected


def test_the_amounts_of_a_row() -> None:
    web = group_rows(LEDGER, ["source"])[1]
    assert web.read == Amount(7, 140)
    assert web.kept == Amount(4, 140)
    assert web.dropped == {"empty": Amount(2)}
    assert web.failed == {"bad_gzip": Amount(1)}


def test_rows_as_json() -> None:
    *_, web = group_json(group_rows(LEDGER, ["source"]), ["source"])
    amount = {"documents": 3, "bytes": 90, "tokens": 30}
    assert web == {"stage": "tokenize", "source": "web", "in": amount, "kept": amount, "dropped": {}, "failed": {}}


@pytest.mark.parametrize(
    ("show_bytes", "expected"),
    [
        (False, [["extract", "web", "7", "4", "57.1%", "empty 2"], ["tokenize", "books", "2", "250"]]),
        (True, [["extract", "web", "140", "140", "100.0%"], ["tokenize", "books", "1,000", "100.0%", "250"]]),
    ],
)
def test_a_table_for_people(show_bytes: bool, expected: list[list[str]]) -> None:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(group_table(LEDGER, group_rows(LEDGER, ["source"]), ["source"], show_bytes))
    lines = captured.get().splitlines()
    for stage, source, *words in expected:
        (line,) = [line for line in lines if line.split()[:2] == [stage, source]]
        assert all(word in line for word in words)


def test_unknown_columns_are_an_error() -> None:
    with pytest.raises(InputError, match="cannot group by 'topic': choose among source, lang"):
        group_rows(LEDGER, ["source", "topic"])


def test_ledgers_of_earlier_versions_have_no_groups() -> None:
    stages: list[dict[str, Any]] = [{name: row[name] for name in row if name != "groups"} for row in LEDGER["stages"]]
    with pytest.raises(InputError, match="no counts by source: run the recipe again"):
        group_rows({**LEDGER, "stages": stages}, ["source"])
