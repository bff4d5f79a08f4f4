"""Which n-grams of test items are looked for, and where texts have them."""

from __future__ import annotations

import io

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.corpus.words import normalise
from gristmill.errors import RunError
from gristmill.transforms.contamination import ngram_index
from gristmill.transforms.contamination.benchmark_items import Item
from gristmill.transforms.contamination.build_ngram_index import Rules, index_of, is_formula
from gristmill.transforms.contamination.ngram_index import BenchmarkCounts, NgramIndex, Run

WORDS = [
    *("alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel"),
    *("india", "juliet", "kilo", "lima", "mike", "november", "oscar", "papa"),
]
WHOLE = " ".join(WORDS)


def index(*items: str | Item, rules: Rules = Rules(), excused: tuple[str, ...] = ()) -> NgramIndex:  # noqa: B008
    return index_of({"set": [item if isinstance(item, Item) else Item(item) for item in items]}, rules, excused)


def runs(built: NgramIndex, text: str) -> list[Run]:
    return built.search([text])[0]


@pytest.mark.parametrize(("shared", "found"), [(12, []), (13, [Run(2, 15, 0, 0)]), (16, [Run(2, 18, 0, 0)])])
def test_thirteen_words_make_a_run(shared: int, found: list[Run]) -> None:
    assert runs(index(WHOLE), " ".join(["one", "two", *WORDS[:shared], "three"])) == found


@pytest.mark.parametrize(("size", "found"), [(5, False), (6, True), (12, True)])
def test_a_short_question_is_looked_for_as_a_whole(size: int, found: bool) -> None:
    question = " ".join(WORDS[:size])
    item = Item(question, (" ".join(reversed(WORDS)),))
    assert bool(runs(index(item), f"One {question}? Two")) == found
    assert not runs(index(item), f"One {' '.join(WORDS[: size - 1])}")


@pytest.mark.parametrize(("size", "short"), [(5, 1), (6, 0)])
def test_a_short_item_is_looked_for_as_a_whole(size: int, short: int) -> None:
    item = Item(" ".join(WORDS[: size - 1]), (WORDS[size - 1],))
    built = index(item)
    assert built.counts == [BenchmarkCounts("set", items=1, short=short, frames_only=0)]
    assert bool(runs(built, f"one {item.text} two")) == (not short)


def test_copies_with_and_without_punctuation_are_found() -> None:
    item = "Janet's well-known $2,000 (U.S.) half-price fresh-egg bakery: don't you love café-au-lait, o'clock?"
    built = index(item, rules=Rules(n=6))
    gone = "Janets wellknown 2000 US halfprice freshegg bakery dont you love caféaulait oclock"
    assert [len(runs(built, text)) for text in (item, gone, item.upper(), gone.title())] == [1, 1, 1, 1]
    spaced = "".join(character if character.isalnum() else " " for character in item)
    assert runs(built, spaced) == runs(built, item)


def test_case_line_breaks_and_markup_of_items_do_not_hide_a_copy() -> None:
    built = index("<p>" + " ".join(f"<b>{word}</b>" for word in WORDS) + "&nbsp;</p>")
    assert runs(built, "“" + ",\n".join(WORDS).upper() + "”!") == [Run(0, 16, 0, 0)]


def test_a_run_goes_on_over_frames_and_ends_with_its_text() -> None:
    frame = " ".join(WORDS[:13])
    built = index(*[f"{frame} quebec{number} romeo{number}" for number in range(3)], rules=Rules(max_items=2))
    assert runs(built, f"one {frame} quebec1 romeo1 sierra") == [Run(1, 16, 1, 0)]
    assert built.search([f"one {frame}", "quebec1 romeo1"]) == [[], []]


def test_a_passage_that_stands_twice_has_two_runs() -> None:
    both = f"{WHOLE} and {WHOLE}"
    assert runs(index(WHOLE), both) == [Run(0, 16, 0, 0), Run(17, 33, 0, 0)]


def test_items_that_share_a_passage_are_all_found() -> None:
    built = index_of({"b": [Item("too short"), Item(WHOLE)], "a": [Item(f"{WHOLE} quebec")]}, Rules())
    found = runs(built, WHOLE)
    assert [built.name(int(built.sequences.items[run.sequence])) for run in found] == [("b", 1), ("a", 0)]


@pytest.mark.parametrize(("items", "found"), [(2, True), (3, False)])
def test_frames_in_many_items_do_not_count(items: int, found: bool) -> None:
    frame = " ".join(WORDS[:13])
    built = index(*[f"{frame} item {number}" for number in range(items)], rules=Rules(max_items=2))
    assert bool(runs(built, f"and {frame}")) == found
    assert runs(built, f"{frame} item 1"), "an n-gram of the item's own still tells"


def test_an_ngram_that_one_item_repeats_is_no_frame() -> None:
    assert runs(index(f"{WHOLE} {WHOLE} {WHOLE}", rules=Rules(max_items=2)), WHOLE)


@pytest.mark.parametrize(
    ("item", "tells"),
    [
        ("which of the following statements is true", False),  # function words only: 14
        ("which of the following is true of entropy", False),  # 21
        ("which of the following statements about bosons is true", False),  # 25
        ("which of the following bosons is true of leptons", True),  # 32
        ("alpha bravo charlie 1 1 1", True),  # three words: 27
        ("alpha bravo 3 5 7 7 7", True),  # 18 + 9
        ("alpha bravo 3 5 5 6 7 7", False),  # 18 + 6: a figure's neighbours tell nothing
        ("0 1 2 3 4 5 6 7 8 9 a b c d e f", False),
        ("3 15 150 2000 17 4711 90125 22", False),  # weighs enough, but there is no word
        ("of 3 15 150 2000 17 4711 90125 22", True),
        ("長い質問が一つ", False),  # seven characters, two of them function words: 24
        ("長い質問が二つ有", True),  # 30
    ],
)
def test_words_must_weigh_enough(item: str, tells: bool) -> None:
    built = index(item)
    assert bool(runs(built, f"One {item}.")) == tells
    assert built.counts == [BenchmarkCounts("set", 1, short=0, frames_only=0 if tells else 1)]


@pytest.mark.parametrize(
    ("item", "formula"),
    [("8 + 8 ÷ 2 + 2 =", True), ("1 + 2 = 3", False), ("1 + 2 = 3 <", True), ("-1 - 2 - 3 - 4", False)],
)
def test_formulas_have_three_signs(item: str, formula: bool) -> None:
    assert is_formula(item) == formula


def test_what_a_word_weighs_does_not_hang_on_the_item_before() -> None:
    item = "2 alpha bravo 7 9 1"  # 3 + 18 + 9
    for before in ("1", "9", "alpha"):
        assert runs(index(before, item), item)


def test_excused_passages_do_not_count() -> None:
    built = index(WHOLE, excused=("One. " + ", ".join(WORDS[:14]) + ".",))
    assert not runs(built, " ".join(WORDS[:14]))
    assert runs(built, " ".join(WORDS[:15])) == [Run(0, 15, 0, 0)]


def test_nothing_is_in_an_empty_index_or_in_short_texts() -> None:
    assert index().search([WHOLE, ""]) == [[], []]
    assert index(WHOLE).search(["", " ", "alpha bravo", WHOLE, ""]) == [[], [], [], [Run(0, 16, 0, 0)], []]


@settings(max_examples=200)
@given(st.lists(st.lists(st.sampled_from(["", "one", WHOLE, f"x\0{WHOLE}", "½ ﬁ日本"]), max_size=3).map(" ".join)))
def test_batches_do_not_matter(texts: list[str]) -> None:
    built = index(WHOLE)
    alone = [runs(built, text) for text in texts]
    assert built.search(texts) == alone
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ngram_index, "_BATCH_CHARACTERS", 30)
        assert built.search(texts) == alone


@settings(max_examples=200)
@given(
    st.lists(st.lists(st.sampled_from(WORDS[:5]), max_size=9), max_size=5),
    st.lists(st.sampled_from(WORDS[:5]), max_size=20),
)
def test_agrees_with_sets_of_words(items: list[list[str]], words: list[str]) -> None:
    n = 4

    def grams(text: list[str]) -> list[tuple[str, ...]]:
        tokens = normalise(" ".join(text)).split()
        return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]

    built = index(*map(" ".join, items), rules=Rules(n, n, 100))
    expected = {
        (number, place, at)
        for number, item in enumerate(items)
        for at, wanted in enumerate(grams(item))
        for place, gram in enumerate(grams(words))
        if gram == wanted
    }
    found = {
        (int(built.sequences.items[run.sequence]), run.start + step, run.at + step)
        for run in runs(built, " ".join(words))
        for step in range(run.end - run.start - n + 1)
    }
    # An item that repeats an n-gram is found by the first of them, and from there as far as words agree.
    assert found <= expected
    assert {(item, place) for item, place, _ in found} == {(item, place) for item, place, _ in expected}


def test_table_round_trip_through_bytes() -> None:
    built = index_of({"a": [Item(WHOLE)], "b": [Item(" ".join(reversed(WORDS)), ("one",))]}, Rules())
    sink = io.BytesIO()
    pq.write_table(built.to_table(), sink)
    loaded = NgramIndex.from_table(pq.read_table(io.BytesIO(sink.getvalue())))
    assert (loaded.n, loaded.counts) == (built.n, built.counts)
    for ours, theirs in zip((*loaded.ngrams, *loaded.sequences), (*built.ngrams, *built.sequences), strict=True):
        assert np.array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype
    assert runs(loaded, WHOLE) == runs(built, WHOLE) != []


def test_an_index_of_other_unicode_tables_is_refused() -> None:
    table = index(WHOLE).to_table()
    about = table.schema.metadata[b"gristmill.ngrams"].replace(b'"unicode": "', b'"unicode": "1')
    with pytest.raises(RunError, match="same Python"):
        NgramIndex.from_table(table.replace_schema_metadata({b"gristmill.ngrams": about}))
