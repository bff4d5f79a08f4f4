"""Counts by source, language and outcome, and the warnings that follow from them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from gristmill.store.counts import RecordCounts
from gristmill.store.group_counts import GROUPS, Amount, Group, GroupCounter, group_amounts
from gristmill.store.ledger import LedgerLine, build_ledger, find_large_losses
from gristmill.store.receipts import Receipt


def counted(*, tokens: bool = False) -> GroupCounter:
    counter = GroupCounter()
    langs = pa.array(["en", "de", "en", None, "en"]).dictionary_encode()
    reasons = pa.array([None, "words_min", "words_min", None, None], pa.string())
    counter.add_columns(langs, reasons, pa.array([10, 3, 4, 0, 20]), pa.array([5, 1, 2, 1, 9]) if tokens else None)
    return counter


def row(lang: str | None, reason: str | None, documents: int, size: int, tokens: int = 0) -> dict[str, Any]:
    return {"lang": lang, "reason": reason, "documents": documents, "bytes": size, "tokens": tokens}


def test_documents_are_counted_by_language_and_reason() -> None:
    assert counted().rows() == [
        row(None, None, 1, 0),
        row("de", "words_min", 1, 3),
        row("en", None, 2, 30),
        row("en", "words_min", 1, 4),
    ]


def test_tokens_are_added_up() -> None:
    assert [counts["tokens"] for counts in counted(tokens=True).rows()] == [1, 1, 14, 2]


def test_blocks_and_single_records_are_added_up() -> None:
    counter = counted()
    counter.add_columns(pa.array(["de"]), pa.array(["words_min"]), pa.array([7]))
    counter.add(None, "empty", Amount(documents=1))
    assert row("de", "words_min", 2, 10) in counter.rows()
    assert row(None, "empty", 1, 0) in counter.rows()


def test_a_block_without_rows_counts_nothing() -> None:
    counter = GroupCounter()
    counter.add_columns(pa.array([], pa.string()), pa.array([], pa.string()), pa.array([], pa.int64()))
    assert counter.rows() == []


def receipt(source: str | None, *rows: dict[str, Any]) -> Receipt:
    return Receipt("unit", {"source": source}, RecordCounts.of_rows(0, 0), (), {GROUPS: list(rows)} if rows else {})


def test_receipts_are_added_up_by_source() -> None:
    receipts = [
        receipt("web", row("en", None, 1, 5)),
        receipt("web", row("en", None, 2, 6), row("de", "words_min", 1, 1)),
        receipt("books", row("en", None, 1, 100, 20)),
        receipt(None),
    ]
    assert group_amounts(receipts) == {
        Group("web", "en", None): Amount(3, 11),
        Group("web", "de", "words_min"): Amount(1, 1),
        Group("books", "en", None): Amount(1, 100, 20),
    }


def line(groups: dict[Group, Amount], counted: str = "documents") -> LedgerLine:
    return LedgerLine("judge", RecordCounts.of_rows(0, 0), counted, groups=groups)


@pytest.mark.parametrize(
    ("kept", "dropped", "share"),
    [
        (Amount(9, 100), Amount(1, 100), None),  # half is allowed
        (Amount(9, 100), Amount(1, 101), "50.2%"),
        (Amount(0, 0), Amount(1, 1), "100.0%"),
        (Amount(1, 0), Amount(1, 0), None),
        (Amount(1, 0), Amount(2, 0), "66.7%"),  # no bytes: documents decide
        (Amount(1, 500), Amount(2, 0), "66.7%"),
        (Amount(1, 500), Amount(1, 0), None),
    ],
)
def test_a_reason_that_took_more_than_half_of_a_source(kept: Amount, dropped: Amount, share: str | None) -> None:
    groups = {Group("books", "en", None): kept, Group("books", "en", "words_max"): dropped}
    sentences = find_large_losses([line(groups)])
    assert [share in sentence for sentence in sentences] == ([] if share is None else [True])


def test_a_large_loss_is_one_sentence() -> None:
    groups = {
        Group("books", "en", None): Amount(40, 413),
        Group("books", "en", "words_max"): Amount(17, 500),
        Group("books", "fr", "words_max"): Amount(1, 87),
        Group("books", "en", "stop_words"): Amount(5, 100),
        Group("web", "en", None): Amount(1000, 10_000),
    }
    assert build_ledger([line(groups)])["warnings"] == [
        "judge: words_max took 53.4% of the bytes of source books (18 of 63 documents)"
    ]


def test_records_that_are_no_documents_are_no_loss() -> None:
    groups = {
        Group("web", "en", None): Amount(10, 100),
        Group("web", None, "record_type:request"): Amount(30, 0),
        Group("web", None, "language"): Amount(10, 0),
        Group("web", None, "bad_header"): Amount(1, 0),
    }
    assert find_large_losses([line(groups, "records")]) == []
    groups[Group("web", None, "language")] = Amount(12, 0)
    assert find_large_losses([line(groups, "records")]) == [
        "judge: language took 52.2% of the records of source web (12 of 23 records)"
    ]


def test_groups_are_part_of_the_ledger() -> None:
    groups = {Group("web", "en", None): Amount(1, 5, 2), Group("books", None, "empty"): Amount(1)}
    assert build_ledger([line(groups)])["stages"][0]["groups"] == [
        {"source": "books", "lang": None, "reason": "empty", "documents": 1, "bytes": 0, "tokens": 0},
        {"source": "web", "lang": "en", "reason": None, "documents": 1, "bytes": 5, "tokens": 2},
    ]
