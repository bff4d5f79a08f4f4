"""Decontamination: which documents share an item's n-grams, and which n-grams count."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gristmill.corpus.errors import InputError, RunError
from gristmill.corpus.words import normalise
from gristmill.transforms.refine.benchmarks import expand, read_items
from gristmill.transforms.refine.decontaminate import BenchmarkCounts, Match, NgramIndex
from gristmill.transforms.refine.section import BenchmarkSection, DecontaminateSection

WORDS = [
    *("alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel"),
    *("india", "juliet", "kilo", "lima", "mike", "november", "oscar", "papa"),
]


def index(*items: str, n: int = 13, max_items: int = 10) -> NgramIndex:
    return NgramIndex.of_texts({"set": items}, n, max_items)


@pytest.mark.parametrize(
    ("shared", "matches"),
    [(12, []), (13, [Match("set", 0, 1, 2)]), (14, [Match("set", 0, 2, 2)]), (16, [Match("set", 0, 4, 2)])],
)
def test_thirteen_words_make_a_match(shared: int, matches: list[Match]) -> None:
    text = " ".join(["one", "two", *WORDS[:shared], "three"])
    assert index(" ".join(WORDS)).matches(text) == matches


def test_case_punctuation_and_line_breaks_do_not_hide_a_copy() -> None:
    assert index(" ".join(WORDS)).matches("“" + ",\n".join(WORDS).upper() + "”!")


def test_repeats_count_once_and_items_come_by_place() -> None:
    items = " ".join(WORDS[:13]), " ".join(reversed(WORDS[:13]))
    text = " ".join([items[1], "and", items[0], "and", items[0]])
    assert index(*items).matches(text) == [Match("set", 1, 1, 0), Match("set", 0, 1, 14)]


def test_an_ngram_belongs_to_the_first_item_in_order() -> None:
    item = " ".join(WORDS[:13])
    both = NgramIndex.of_texts({"b": ["short", item], "a": [item]}, 13, 10)
    assert [match.detail for match in both.matches(item)] == ["b:1"]


@pytest.mark.parametrize(("items", "matched"), [(2, True), (3, False)])
def test_frames_in_many_items_do_not_count(items: int, matched: bool) -> None:
    frame = " ".join(WORDS[:13])
    built = index(*[f"{frame} item {number}" for number in range(items)], max_items=2)
    assert bool(built.matches(f"and {frame}")) == matched
    assert built.matches(f"{frame} item 1"), "an n-gram of the item's own still tells"


@pytest.mark.parametrize(("proper", "matched"), [(2, False), (3, True)])
def test_ngrams_of_figures_and_letters_do_not_count(proper: int, matched: bool) -> None:
    item = " ".join([*"0123456789abcdef"[: 13 - proper], *WORDS[:proper]])
    assert bool(index(item).matches(item)) == matched


def test_counts_tell_what_cannot_be_found() -> None:
    frame = " ".join(WORDS[:13])
    built = index("too short", frame, frame, " ".join(WORDS[1:15]), max_items=1)
    assert built.counts == [BenchmarkCounts("set", items=4, short=1, frames_only=2)]


@pytest.mark.parametrize(("least", "detail"), [(2, "set:1"), (3, None)])
def test_contamination_is_the_item_with_most_ngrams(least: int, detail: str | None) -> None:
    built = index(" ".join(WORDS[:13]), " ".join(reversed(WORDS[:14])))
    match = built.contamination(" ".join([*WORDS[:13], "and", *reversed(WORDS[:14])]), least)
    assert (match and match.detail) == detail


def test_nothing_matches_an_empty_index_or_a_short_text() -> None:
    assert index().matches(" ".join(WORDS)) == []
    assert index(" ".join(WORDS)).matches("") == index(" ".join(WORDS)).matches("alpha bravo") == []


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from([*WORDS[:4], "中"]), max_size=9), max_size=5),
    st.lists(st.sampled_from([*WORDS[:4], "中"]), max_size=20),
)
def test_agrees_with_sets_of_words(items: list[list[str]], words: list[str]) -> None:
    n = 4

    def grams(text: list[str]) -> list[tuple[str, ...]]:
        tokens = normalise(" ".join(text)).split()
        return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]

    owner: dict[tuple[str, ...], int] = {}
    for number, item in enumerate(items):
        for gram in grams(item):
            owner.setdefault(gram, number)
    expected: dict[int, set[tuple[str, ...]]] = {}
    for gram in grams(words):
        if gram in owner:
            expected.setdefault(owner[gram], set()).add(gram)
    matches = index(*map(" ".join, items), n=n, max_items=100).matches(" ".join(words))
    assert {match.item: match.ngrams for match in matches} == {item: len(found) for item, found in expected.items()}


def test_table_round_trip_through_bytes() -> None:
    built = NgramIndex.of_texts({"a": [" ".join(WORDS)], "b": [" ".join(reversed(WORDS))]}, 13, 10)
    sink = io.BytesIO()
    pq.write_table(built.to_table(), sink)
    loaded = NgramIndex.from_table(pq.read_table(io.BytesIO(sink.getvalue())))
    assert (loaded.n, loaded.counts) == (built.n, built.counts)
    assert np.array_equal(loaded.hashes, built.hashes)
    assert loaded.matches(" ".join(WORDS)) == built.matches(" ".join(WORDS)) != []


def test_an_index_of_other_unicode_tables_is_refused() -> None:
    table = index(" ".join(WORDS)).to_table()
    about = table.schema.metadata[b"gristmill.ngrams"].replace(b'"unicode": "', b'"unicode": "1')
    with pytest.raises(RunError, match="same Python"):
        NgramIndex.from_table(table.replace_schema_metadata({b"gristmill.ngrams": about}))


ITEM = {"id": 7, "question": {"stem": "Why?"}, "choices": ["One.", "Two."], "answer": "One."}


def write(path: Path, data: str | bytes) -> str:
    data = data.encode() if isinstance(data, str) else data
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return str(path)


def items(path: str, *fields: str) -> list[str]:
    return list(read_items(BenchmarkSection(name="set", paths=[path], fields=list(fields) or None)))


def test_json_lines_json_and_parquet_read_alike(tmp_path: Path) -> None:
    line = json.dumps(ITEM)
    pq.write_table(pa.Table.from_pylist([ITEM, ITEM]), tmp_path / "d.parquet")
    for path in (
        write(tmp_path / "a.jsonl", f"{line}\n\n{line}\n"),
        write(tmp_path / "b.jsonl.gz", f"{line}\n{line}"),
        write(tmp_path / "c.json", f"[{line},{line}]"),
        str(tmp_path / "d.parquet"),
    ):
        assert items(path) == ["Why?\nOne.\nTwo.\nOne."] * 2
        assert items(path, "question.stem", "choices") == ["Why?\nOne.\nTwo."] * 2


def test_csv_with_and_without_header(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'question,choice\n"One, or\ntwo?",no\n')
    assert items(path) == ["question\nchoice", "One, or\ntwo?\nno"]
    assert items(path, "question") == ["One, or\ntwo?"]


def test_patterns_are_read_in_sorted_order(tmp_path: Path) -> None:
    for name in "ba":
        write(tmp_path / f"{name}.jsonl", json.dumps(name))
    assert items(str(tmp_path / "*.jsonl")) == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.jsonl", "{", "cannot be read as its name says"),
        ("a.jsonl.gz", None, "cannot be read as its name says"),
        ("a.parquet", "no", "cannot be read as its name says"),
        ("a.txt", "no", "use .jsonl, .json, .csv or .parquet"),
        ("a.json", '[{"other": 1}]', "item 0 has no field 'question'"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, name: str, data: str | None, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"not gzip" if data is None else data.encode())
    with pytest.raises(InputError, match=message) as error:
        items(str(path), "question")
    assert name in str(error.value)


def test_missing_files_are_named(tmp_path: Path) -> None:
    for path in ("a.jsonl", "*.jsonl"):
        with pytest.raises(InputError, match="no benchmark file at"):
            expand(str(tmp_path / path))


def test_two_benchmarks_may_not_share_a_name() -> None:
    with pytest.raises(ValidationError, match="same name"):
        DecontaminateSection(benchmarks=[BenchmarkSection(name="a", paths=["x"])] * 2)


def test_real_items_are_found_in_a_page(shared_data: Path) -> None:
    path = str(shared_data / "bench" / "gsm8k_test.jsonl")
    section = DecontaminateSection(benchmarks=[BenchmarkSection(name="gsm8k", paths=[path], fields=["question"])])
    built = NgramIndex.build(section)
    question = json.loads(Path(path).read_text().splitlines()[17])["question"]
    match = built.contamination(f"A page about something else. {question.upper()} And so on.")
    assert match is not None
    assert match.detail == "gsm8k:17"
