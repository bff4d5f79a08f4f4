"""Tables on the console: reasons with a kind are grouped."""

from __future__ import annotations

import pytest
from rich.console import Console

from gristmill.pipelines.reports.tables import ledger_table
from gristmill.store.counts import RecordCounts
from gristmill.store.ledger import LedgerLine, build_ledger

MANY = {f"record_type:{kind}": count for kind, count in {"request": 1000, "metadata": 1000, "warcinfo": 2}.items()}


@pytest.mark.parametrize(
    ("dropped", "shown"),
    [
        ({}, [""]),
        ({"empty": 1}, ["empty 1"]),
        (MANY, ["record_type 2,002 (metadata 1,000, request 1,000, warcinfo 2)"]),
        ({**MANY, "a": 3000, "b": 2, "c": 1}, ["a 3,000", "record_type 2,002 (metadata 1,000,", "b 2", "c 1"]),
        ({"a": 5, "b": 4, "c": 3, "d": 2, "e": 1, "f": 9}, ["f 9", "a 5", "b 4", "c 3", "d 2", "e 1"]),
    ],
)
def test_reasons_of_a_stage(dropped: dict[str, int], shown: list[str]) -> None:
    count = sum(dropped.values())
    table = ledger_table(build_ledger([LedgerLine("extract", RecordCounts(count, 0, dropped, {}, 1, 1), "records")]))
    console = Console(width=200)
    with console.capture() as captured:
        console.print(table)
    lines = captured.get().splitlines()
    row = next(at for at, line in enumerate(lines) if "extract" in line)
    for offset, words in enumerate(shown):
        assert words in lines[row + offset]
    assert "balanced" in lines[0]
