"""Labelled texts: read, split without leaks, balanced, all by hashes."""

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

from gristmill.classifiers.examples import Example, balanced, fingerprint, read_examples, split
from gristmill.errors import InputError


def written(path: Path, rows: list[dict[str, object]]) -> str:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return str(path)


def test_rows_of_every_format_are_read(tmp_path: Path) -> None:
    plain = written(
        tmp_path / "web.jsonl", [{"text": "good", "source": "crawl", "group": "a.example"}, {"text": "fine"}]
    )
    packed = written(tmp_path / "more.jsonl.gz", [{"text": "better", "extra": 1}])
    pq.write_table(pa.table({"text": ["bad", "worse"], "id": [1, 2]}), tmp_path / "junk.parquet")
    found = read_examples([plain, packed], [str(tmp_path / "junk.parquet")])
    assert sorted(found) == [
        Example("bad", False, "junk", "bad"),
        Example("better", True, "more", "better"),
        Example("fine", True, "web", "fine"),
        Example("good", True, "crawl", "a.example"),
        Example("worse", False, "junk", "worse"),
    ]


def test_texts_count_once_and_torn_ones_not_at_all(tmp_path: Path) -> None:
    good = written(tmp_path / "good.jsonl", [{"text": text} for text in ("one", "two", "one", "both")])
    bad = written(tmp_path / "bad.jsonl", [{"text": text} for text in ("three", "both", "both")])
    assert sorted(one.text for one in read_examples([good], [bad])) == ["one", "three", "two"]


def test_the_order_of_files_plays_no_part(tmp_path: Path) -> None:
    first = written(tmp_path / "a.jsonl", [{"text": f"a{n}", "source": "s"} for n in range(9)])
    second = written(tmp_path / "b.jsonl", [{"text": f"b{n}", "source": "s"} for n in range(9)])
    bad = written(tmp_path / "c.jsonl", [{"text": "c"}])
    assert read_examples([first, second], [bad]) == read_examples([second, first], [bad])


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ('{"text": 1}\n', "row 1: no `text`"),
        ('{"text": "a"}\n["b"]\n', "row 2: no `text`"),
        ("{\n", "cannot be read"),
        (None, "no file"),
        ("", "no positive example"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, content: str | None, fault: str) -> None:
    if content is not None:
        (tmp_path / "good.jsonl").write_text(content)
    bad = written(tmp_path / "bad.jsonl", [{"text": "bad"}])
    with pytest.raises(InputError, match=fault):
        read_examples([str(tmp_path / "good.jsonl")], [bad])


def test_what_is_no_parquet_is_told(tmp_path: Path) -> None:
    (tmp_path / "good.parquet").write_text("no table")
    with pytest.raises(InputError, match="cannot be read"):
        read_examples([str(tmp_path / "good.parquet")], [])


many = [Example(f"text {n}", n % 3 == 0, f"source {n % 2}", f"site {n // 4}") for n in range(400)]


def test_a_split_is_stratified_and_parts_no_group() -> None:
    parts = split(many, 0.2)
    assert sorted(one for part in parts for one in part) == sorted(many)
    groups = [{one.group for one in part} for part in parts]
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]
    assert not groups[1] & groups[2]
    for part in (parts.choose, parts.test):
        strata = Counter((one.source, one.positive) for one in part)
        assert len(strata) == 4
        assert 0.05 * len(many) <= len(part) <= 0.2 * len(many)


@pytest.mark.parametrize("held_out", [0.1, 0.2, 0.5])
def test_of_every_stratum_the_share_is_held_out(held_out: float) -> None:
    alone = [one._replace(group=one.text) for one in many]
    parts = split(alone, held_out)
    all_of = Counter((one.source, one.positive) for one in alone)
    held = Counter((one.source, one.positive) for one in (*parts.choose, *parts.test))
    assert held == {key: round(count * held_out) for key, count in all_of.items()}


def test_a_seed_gives_another_split() -> None:
    assert split(many, 0.2, 1) != split(many, 0.2, 2)
    assert split(many, 0.2, 1) == split(many, 0.2, 1)


@given(st.permutations(range(40)))
def test_the_order_of_examples_changes_no_part(order: list[int]) -> None:
    parts = split([many[n] for n in order], 0.3)
    assert [set(part) for part in parts] == [set(part) for part in split(many[:40], 0.3)]


@given(st.integers(1, 9), st.integers(1, 9))
def test_classes_are_balanced_by_repeating_the_rarer(good: int, bad: int) -> None:
    given_ = [
        Example(f"{positive}{n}", positive, "s", "g")
        for positive, count in ((True, good), (False, bad))
        for n in range(count)
    ]
    found = Counter(balanced(given_))
    most = max(good, bad)
    for positive, count in ((True, good), (False, bad)):
        times = [found[one] for one in given_ if one.positive is positive]
        assert sum(times) == most
        assert {most // count, -(-most // count)} >= set(times)


def test_fingerprints_are_of_sets() -> None:
    assert fingerprint(["a", "b"]) == fingerprint(["b", "a"]) != fingerprint(["a", "c"])
