"""Labeled texts are read, split without leaks and balanced, all by hash."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.classifiers.examples import Example, balance_classes, read_examples, split_examples, texts_digest
from gristmill.errors import InputError


def written(path: Path, rows: list[dict[str, object]]) -> str:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return str(path)


def test_every_format_is_read(tmp_path: Path) -> None:
    plain = written(
        tmp_path / "web.jsonl", [{"text": "good", "source": "crawl", "group": "a.example"}, {"text": "fine"}]
    )
    packed = written(tmp_path / "more.jsonl.gz", [{"text": "better", "extra": 1}])
    pq.write_table(pa.table({"text": ["bad", "worse"], "id": [1, 2]}), tmp_path / "junk.parquet")
    examples = read_examples([plain, packed], [str(tmp_path / "junk.parquet")])
    assert sorted(examples) == [
        Example("bad", False, "junk", "bad"),
        Example("better", True, "more", "better"),
        Example("fine", True, "web", "fine"),
        Example("good", True, "crawl", "a.example"),
        Example("worse", False, "junk", "worse"),
    ]


def test_duplicates_count_once_and_contradictory_texts_not_at_all(tmp_path: Path) -> None:
    good = written(tmp_path / "good.jsonl", [{"text": text} for text in ("one", "two", "one", "both")])
    bad = written(tmp_path / "bad.jsonl", [{"text": text} for text in ("three", "both", "both")])
    assert sorted(example.text for example in read_examples([good], [bad])) == ["one", "three", "two"]


def test_the_order_of_files_does_not_matter(tmp_path: Path) -> None:
    first = written(tmp_path / "a.jsonl", [{"text": f"a{n}", "source": "s"} for n in range(9)])
    second = written(tmp_path / "b.jsonl", [{"text": f"b{n}", "source": "s"} for n in range(9)])
    bad = written(tmp_path / "c.jsonl", [{"text": "c"}])
    assert read_examples([first, second], [bad]) == read_examples([second, first], [bad])


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ('{"text": 1}\n', "row 1: no `text`"),
        ('{"text": "a"}\n["b"]\n', "row 2: no `text`"),
        ("{\n", "cannot read"),
        (None, "no file"),
        ("", "no positive examples"),
    ],
)
def test_the_error_for_an_unreadable_file(tmp_path: Path, content: str | None, fault: str) -> None:
    if content is not None:
        (tmp_path / "good.jsonl").write_text(content)
    bad = written(tmp_path / "bad.jsonl", [{"text": "bad"}])
    with pytest.raises(InputError, match=fault):
        read_examples([str(tmp_path / "good.jsonl")], [bad])


def test_the_error_for_a_file_that_is_not_parquet(tmp_path: Path) -> None:
    (tmp_path / "good.parquet").write_text("no table")
    with pytest.raises(InputError, match="cannot read"):
        read_examples([str(tmp_path / "good.parquet")], [])


EXAMPLES = [Example(f"text {n}", n % 3 == 0, f"source {n % 2}", f"site {n // 4}") for n in range(400)]


def test_a_split_is_stratified_and_keeps_groups_together() -> None:
    parts = split_examples(EXAMPLES, 0.2)
    assert sorted(example for part in parts for example in part) == sorted(EXAMPLES)
    groups = [{example.group for example in part} for part in parts]
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]
    assert not groups[1] & groups[2]
    for part in (parts.validation, parts.test):
        strata = Counter((example.source, example.positive) for example in part)
        assert len(strata) == 4
        assert 0.05 * len(EXAMPLES) <= len(part) <= 0.2 * len(EXAMPLES)


@pytest.mark.parametrize("held_out", [0.1, 0.2, 0.5])
def test_the_share_is_held_out_of_every_stratum(held_out: float) -> None:
    ungrouped = [example._replace(group=example.text) for example in EXAMPLES]
    parts = split_examples(ungrouped, held_out)
    all_of = Counter((example.source, example.positive) for example in ungrouped)
    held = Counter((example.source, example.positive) for example in (*parts.validation, *parts.test))
    assert held == {key: round(count * held_out) for key, count in all_of.items()}


def test_another_seed_gives_another_split() -> None:
    assert split_examples(EXAMPLES, 0.2, 1) != split_examples(EXAMPLES, 0.2, 2)
    assert split_examples(EXAMPLES, 0.2, 1) == split_examples(EXAMPLES, 0.2, 1)


@given(st.permutations(range(40)))
def test_the_order_of_examples_does_not_change_the_split(order: list[int]) -> None:
    parts = split_examples([EXAMPLES[n] for n in order], 0.3)
    assert [set(part) for part in parts] == [set(part) for part in split_examples(EXAMPLES[:40], 0.3)]


@given(st.integers(1, 9), st.integers(1, 9))
def test_classes_are_balanced_by_repeating_the_smaller_one(good: int, bad: int) -> None:
    examples = [
        Example(f"{positive}{n}", positive, "s", "g")
        for positive, count in ((True, good), (False, bad))
        for n in range(count)
    ]
    copies = Counter(balance_classes(examples))
    size = max(good, bad)
    for positive, count in ((True, good), (False, bad)):
        times = [copies[example] for example in examples if example.positive is positive]
        assert sum(times) == size
        assert {size // count, -(-size // count)} >= set(times)


def test_the_digest_of_texts_does_not_depend_on_their_order() -> None:
    assert texts_digest(["a", "b"]) == texts_digest(["b", "a"]) != texts_digest(["a", "c"])
