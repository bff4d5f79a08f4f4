"""Selecting the n-grams of test items, and finding them in texts."""

from __future__ import annotations

import io

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.corpus.words import normalize
from gristmill.errors import RunError
from gristmill.transforms.contamination import ngram_index
from gristmill.transforms.contamination.benchmark_items import BenchmarkItem as Item
from gristmill.transforms.contamination.build_ngram_index import NgramSettings, index_items, is_formula
from gristmill.transforms.contamination.ngram_index import BenchmarkCounts, NgramIndex, WordMatch

WORDS = [
    *("alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel"),
    *("india", "juliet", "kilo", "lima", "mike", "november", "oscar", "papa"),
]
WHOLE = " ".join(WORDS)


def index(*items: str | Item, settings: NgramSettings | None = None, excused: tuple[str, ...] = ()) -> NgramIndex:
    benchmark = [item if isinstance(item, Item) else Item(item) for item in items]
    return index_items({"set": benchmark}, settings or NgramSettings(), excused)


def matches(built: NgramIndex, text: str) -> list[WordMatch]:
    return built.search([text])[0]


@pytest.mark.parametrize(
    ("shared", "found"), [(12, []), (13, [WordMatch(2, 15, 0, 0)]), (16, [WordMatch(2, 18, 0, 0)])]
)
def test_thirteen_words_make_a_match(shared: int, found: list[WordMatch]) -> None:
    assert matches(index(WHOLE), " ".join(["one", "two", *WORDS[:shared], "three"])) == found


@pytest.mark.parametrize(("size", "found"), [(5, False), (6, True), (12, True)])
def test_a_short_question_is_searched_for_as_a_whole(size: int, found: bool) -> None:
    question = " ".join(WORDS[:size])
    item = Item(question, (" ".join(reversed(WORDS)),))
    assert bool(matches(index(item), f"One {question}? Two")) == found
    assert not matches(index(item), f"One {' '.join(WORDS[: size - 1])}")


@pytest.mark.parametrize(("size", "short"), [(5, 1), (6, 0)])
def test_a_short_item_is_searched_for_as_a_whole(size: int, short: int) -> None:
    item = Item(" ".join(WORDS[: size - 1]), (WORDS[size - 1],))
    built = index(item)
    assert built.counts == [BenchmarkCounts("set", items=1, short=short, frames_only=0)]
    assert bool(matches(built, f"one {item.text} two")) == (not short)


def test_copies_with_and_without_punctuation_are_found() -> None:
    item = "Janet's well-known $2,000 (U.S.) half-price fresh-egg bakery: don't you love café-au-lait, o'clock?"
    built = index(item, settings=NgramSettings(n=6))
    removed = "Janets wellknown 2000 US halfprice freshegg bakery dont you love caféaulait oclock"
    assert [len(matches(built, text)) for text in (item, removed, item.upper(), removed.title())] == [1, 1, 1, 1]
    spaced = "".join(character if character.isalnum() else " " for character in item)
    assert matches(built, spaced) == matches(built, item)


def test_case_line_breaks_and_markup_of_items_are_ignored() -> None:
    built = index("<p>" + " ".join(f"<b>{word}</b>" for word in WORDS) + "&nbsp;</p>")
    assert matches(built, "“" + ",\n".join(WORDS).upper() + "”!") == [WordMatch(0, 16, 0, 0)]


def test_a_match_extends_over_templates_and_ends_with_its_text() -> None:
    frame = " ".join(WORDS[:13])
    built = index(
        *[f"{frame} quebec{number} romeo{number}" for number in range(3)], settings=NgramSettings(max_items=2)
    )
    assert matches(built, f"one {frame} quebec1 romeo1 sierra") == [WordMatch(1, 16, 1, 0)]
    assert built.search([f"one {frame}", "quebec1 romeo1"]) == [[], []]


def test_a_passage_that_occurs_twice_has_two_matches() -> None:
    both = f"{WHOLE} and {WHOLE}"
    assert matches(index(WHOLE), both) == [WordMatch(0, 16, 0, 0), WordMatch(17, 33, 0, 0)]


def test_all_items_that_share_a_passage_are_found() -> None:
    built = index_items(
        {"b": [Item("too short"), Item(WHOLE)], "a": [Item(f"{WHOLE} quebec")]},
        NgramSettings(),
    )
    found = matches(built, WHOLE)
    assert [built.name(int(built.sequences.items[match.sequence])) for match in found] == [("b", 1), ("a", 0)]


@pytest.mark.parametrize(("items", "found"), [(2, True), (3, False)])
def test_templates_of_many_items_are_ignored(items: int, found: bool) -> None:
    frame = " ".join(WORDS[:13])
    built = index(*[f"{frame} item {number}" for number in range(items)], settings=NgramSettings(max_items=2))
    assert bool(matches(built, f"and {frame}")) == found
    assert matches(built, f"{frame} item 1"), "an n-gram of one item still matches"


def test_an_ngram_that_one_item_repeats_is_not_a_template() -> None:
    assert matches(index(f"{WHOLE} {WHOLE} {WHOLE}", settings=NgramSettings(max_items=2)), WHOLE)


@pytest.mark.parametrize(
    ("item", "found"),
    [
        ("which of the following statements is true", False),  # function words only: 14
        ("which of the following is true of entropy", False),  # 21
        ("which of the following statements about bosons is true", False),  # 25
        ("which of the following bosons is true of leptons", True),  # 32
        ("alpha bravo charlie 1 1 1", True),  # three words: 27
        ("alpha bravo 3 5 7 7 7", True),  # 18 + 9
        ("alpha bravo 3 5 5 6 7 7", False),  # 18 + 6: repeated and consecutive numbers have no weight
        ("0 1 2 3 4 5 6 7 8 9 a b c d e f", False),
        ("3 15 150 2000 17 4711 90125 22", False),  # enough weight, but no word
        ("of 3 15 150 2000 17 4711 90125 22", True),
        ("長い質問が一つ", False),  # seven characters, two of them function words: 24
        ("長い質問が二つ有", True),  # 30
    ],
)
def test_ngrams_need_a_minimum_weight(item: str, found: bool) -> None:
    built = index(item)
    assert bool(matches(built, f"One {item}.")) == found
    assert built.counts == [BenchmarkCounts("set", 1, short=0, frames_only=0 if found else 1)]


@pytest.mark.parametrize(
    ("item", "formula"),
    [("8 + 8 ÷ 2 + 2 =", True), ("1 + 2 = 3", False), ("1 + 2 = 3 <", True), ("-1 - 2 - 3 - 4", False)],
)
def test_formulas_have_three_symbols(item: str, formula: bool) -> None:
    assert is_formula(item) == formula


def test_the_weight_of_a_word_does_not_depend_on_the_item_before() -> None:
    item = "2 alpha bravo 7 9 1"  # 3 + 18 + 9
    for before in ("1", "9", "alpha"):
        assert matches(index(before, item), item)


def test_excused_passages_are_ignored() -> None:
    built = index(WHOLE, excused=("One. " + ", ".join(WORDS[:14]) + ".",))
    assert not matches(built, " ".join(WORDS[:14]))
    assert matches(built, " ".join(WORDS[:15])) == [WordMatch(0, 15, 0, 0)]


def test_empty_indexes_and_short_texts_have_no_matches() -> None:
    assert index().search([WHOLE, ""]) == [[], []]
    assert index(WHOLE).search(["", " ", "alpha bravo", WHOLE, ""]) == [[], [], [], [WordMatch(0, 16, 0, 0)], []]


@settings(max_examples=200)
@given(st.lists(st.lists(st.sampled_from(["", "one", WHOLE, f"x\0{WHOLE}", "½ ﬁ日本"]), max_size=3).map(" ".join)))
def test_results_do_not_depend_on_batches(texts: list[str]) -> None:
    built = index(WHOLE)
    alone = [matches(built, text) for text in texts]
    assert built.search(texts) == alone
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ngram_index, "_BATCH_CHARACTERS", 30)
        assert built.search(texts) == alone


@settings(max_examples=200)
@given(
    st.lists(st.lists(st.sampled_from(WORDS[:5]), max_size=9), max_size=5),
    st.lists(st.sampled_from(WORDS[:5]), max_size=20),
)
def test_agrees_with_a_search_by_brute_force(items: list[list[str]], words: list[str]) -> None:
    n = 4

    def grams(text: list[str]) -> list[tuple[str, ...]]:
        tokens = normalize(" ".join(text)).split()
        return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]

    built = index(*map(" ".join, items), settings=NgramSettings(n, n, 100))
    expected = {
        (number, place, at)
        for number, item in enumerate(items)
        for at, wanted in enumerate(grams(item))
        for place, gram in enumerate(grams(words))
        if gram == wanted
    }
    found = {
        (int(built.sequences.items[match.sequence]), match.start + step, match.at + step)
        for match in matches(built, " ".join(words))
        for step in range(match.end - match.start - n + 1)
    }
    # An n-gram that an item repeats is matched at its first occurrence, and extended as long as words agree.
    assert found <= expected
    assert {(item, place) for item, place, _ in found} == {(item, place) for item, place, _ in expected}


def test_table_round_trip_through_bytes() -> None:
    built = index_items({"a": [Item(WHOLE)], "b": [Item(" ".join(reversed(WORDS)), ("one",))]}, NgramSettings())
    sink = io.BytesIO()
    pq.write_table(built.to_table(), sink)
    loaded = NgramIndex.from_table(pq.read_table(io.BytesIO(sink.getvalue())))
    assert (loaded.n, loaded.counts) == (built.n, built.counts)
    for actual, expected in zip((*loaded.ngrams, *loaded.sequences), (*built.ngrams, *built.sequences), strict=True):
        assert np.array_equal(actual, expected)
        assert actual.dtype == expected.dtype
    assert matches(loaded, WHOLE) == matches(built, WHOLE) != []


def test_an_index_of_other_unicode_tables_is_rejected() -> None:
    table = index(WHOLE).to_table()
    metadata = table.schema.metadata[b"gristmill.ngrams"].replace(b'"unicode": "', b'"unicode": "1')
    with pytest.raises(RunError, match="same Python"):
        NgramIndex.from_table(table.replace_schema_metadata({b"gristmill.ngrams": metadata}))
