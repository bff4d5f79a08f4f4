"""The word tokenizer: boundaries by script, normal form, hashes that follow from the normal form alone."""

from __future__ import annotations

import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.corpus import words as module
from gristmill.corpus.words import (
    _fold_table,
    assigned,
    find_words,
    folded_code_points,
    hashes_of_texts,
    normalise,
    sequence_hashes,
    shingle_hashes,
    shingle_hashes_at,
    word_hashes,
    word_places,
    words,
)

AWKWARD = "aAbß1 .-\n’ıİΣςﬁ½™´¨\u0301\u0308\u00ad\u200b\u200c\u200d\ufe0f"
AWKWARD += "日本のｶﾞガ한글ᄀ\u1161\u11a8ที่ไ१हिन्दी\u0344\u0f73\ud800🙂"
TEXTS = st.text(st.one_of(st.sampled_from(AWKWARD), st.characters()), max_size=40)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" ,.!\n…🙂", []),
        ("Hello, World", ["Hello", "World"]),
        ("don't l’homme", ["don", "t", "l", "homme"]),
        ("snake_case 3.14 x2", ["snake", "case", "3", "14", "x2"]),
        ("Donau\u00addampf می\u200cروم", ["Donaudampf", "میروم"]),
        ("日本語のテスト。", list("日本語のテスト")),
        ("2023年abc語", ["2023", "年", "abc", "語"]),
        ("ที่นี่ไทย ๑๒", ["ที่", "นี่", "ไ", "ท", "ย", "๑๒"]),
        ("ភាសាខ្មែរ", ["ភា", "សា", "ខ្", "មែ", "រ"]),
        ("한국어 텍스트", ["한국어", "텍스트"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("cafe\u0301 \u0301x", ["cafe\u0301", "x"]),
        ("it´s", ["it", "s"]),
        ("\ud800a\udfff", ["a"]),
        ("〇一", ["〇", "一"]),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Hello, World!", "hello world"),
        ("ＡＢＣ１２", "abc12"),
        ("STRASSE", "straße"),
        ("ΟΔΟΣ", "οδος"),
        ("cafe\u0301", "CAFÉ"),
        ("ﬁne…", "fine"),
        ("ｶﾞｽ", "ガス"),
        ("a\u00adb ❤\ufe0f", "ab"),
        ("\u1112\u1161\u11ab", "한"),
    ],
)
def test_texts_that_differ_in_dress_only_are_equal(left: str, right: str) -> None:
    assert normalise(left) == normalise(right)
    assert word_hashes(left).tolist() == word_hashes(right).tolist()


@pytest.mark.parametrize(
    ("left", "right"), [("3 apples", "4 apples"), ("resume", "résumé"), ("a b", "ab"), ("a b", "b a")]
)
def test_texts_that_differ_in_words_are_not(left: str, right: str) -> None:
    assert normalise(left) != normalise(right)
    assert word_hashes(left).tolist() != word_hashes(right).tolist()


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_normal_form_is_final(text: str) -> None:
    normal = normalise(text)
    assert normalise(normal) == normal
    assert normal.split(" ") == (words(normal) or [""])


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_hashes_follow_from_the_normal_form_word_by_word(text: str) -> None:
    alone = [word_hashes(word) for word in words(normalise(text))]
    assert [len(one) for one in alone] == [1] * len(alone)
    assert word_hashes(text).tolist() == [int(one[0]) for one in alone]
    assert find_words(text).lengths().tolist() == [len(word) for word in words(normalise(text))]


def test_what_is_left_out_of_the_tables_is_no_text() -> None:
    rest = set(map(chr, range(sys.maxunicode + 1))).difference(assigned())
    assert {unicodedata.category(character) for character in rest} <= {"Cn", "Co"}
    assert not any(map(str.isspace, rest))
    assert not any(map(str.isnumeric, rest))


def test_folding_by_table_equals_folding_by_strings() -> None:
    """Every code point for which the table takes the short way, between two letters, against Python's own functions."""
    table = _fold_table()
    for code in np.flatnonzero((table >= 0) & (table != np.arange(len(table)))).tolist():
        text = f"a{chr(code)}b"
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
        assert words("".join(map(chr, folded_code_points(text)))) == words(folded), hex(code)
    kept = "".join(map(chr, np.flatnonzero(table == np.arange(len(table))).tolist()))
    assert unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", kept).casefold()) == kept


def test_hashes_do_not_change() -> None:
    """Stored signatures hang on these numbers; a change needs new versions of the stages that store them."""
    assert word_hashes("The quick brown fox").tolist() == [
        2357367773013205206,
        8899084199161743331,
        10786996376278379721,
        2761598758352022143,
    ]
    assert shingle_hashes(word_hashes("The quick brown fox"), 3).tolist() == [4339338070116057245, 2383191711188115663]
    assert word_hashes("Ж 日本").tolist() == [14978205570621843753, 6814586659744594720, 11157971526536060138]


def test_hashes_hardly_collide() -> None:
    names = [f"{a}{b}{c}" for a in range(40) for b in "abcdefghijklmnopqrstuvwxyz日" for c in range(40)]
    hashes = word_hashes(" ".join(names))
    expected = len({word for name in names for word in words(name)})
    assert len(np.unique(hashes)) == expected
    assert len(np.unique(hashes & np.uint64(0xFFFF))) > 0.9 * 65536 * (1 - np.exp(-expected / 65536))


def test_a_word_longer_than_the_usual_multipliers() -> None:
    long = "a" * 10_000
    assert len({int(word_hashes(long[:n])[0]) for n in (1, 4095, 4096, 4097, 10_000)}) == 5
    assert word_hashes(f"{long}b x")[0] != word_hashes(f"b{long} x")[0]
    assert word_hashes("x" + " " * 10_000 + "y").tolist() == word_hashes("x y").tolist()


@pytest.mark.parametrize(("count", "n", "expected"), [(0, 3, 0), (1, 3, 1), (2, 3, 1), (3, 3, 1), (4, 3, 2), (4, 1, 4)])
def test_number_of_shingles(count: int, n: int, expected: int) -> None:
    assert len(shingle_hashes(word_hashes("a b c d e f"[: 2 * count]), n)) == expected


def test_shingles_keep_order_and_place() -> None:
    shingles = shingle_hashes(word_hashes("a b c d a b c d b a"), 2)
    assert shingles[0] == shingles[4] == shingle_hashes(word_hashes("A, b"), 2)[0]
    assert shingles[0] != shingles[8]
    assert shingle_hashes(word_hashes("a b"), 2)[0] != shingle_hashes(word_hashes("a"), 2)[0]


def test_a_shingle_of_no_words_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one word"):
        shingle_hashes(word_hashes("a"), 0)


@settings(max_examples=300)
@given(TEXTS)
def test_places_are_those_of_the_words(text: str) -> None:
    starts, ends = word_places(text)
    found = normalise(text).split()
    assert len(starts) == len(ends) == len(found)
    for word, start, end in zip(found, starts.tolist(), ends.tolist(), strict=True):
        assert word in normalise(text[start:end]).split()


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("", []),
        ("one, two", [(0, 3), (5, 8)]),
        ("日本 a", [(0, 1), (1, 2), (3, 4)]),
        ("cafe\u0301s x", [(0, 6), (7, 8)]),
        ("ex\u00adam x", [(0, 5), (6, 7)]),
        ("ﬁne ½ x", [(0, 3), (4, 5), (4, 5), (6, 7)]),
        ("\u0301a", [(1, 2)]),
    ],
)
def test_places(text: str, places: list[tuple[int, int]]) -> None:
    assert list(zip(*map(np.ndarray.tolist, word_places(text)), strict=True)) == places


def test_shingles_at_some_places_are_those_of_all() -> None:
    hashes = word_hashes("one two three four five six")
    places = np.array([3, 0, 2])
    assert shingle_hashes_at(hashes, places, 3).tolist() == shingle_hashes(hashes, 3)[places].tolist()


@given(st.lists(st.text("ab é", max_size=8), max_size=6))
def test_the_hash_of_a_sequence_is_that_of_the_shingle_of_all_its_words(texts: list[str]) -> None:
    hashes = [word_hashes(text) for text in texts]
    counts = np.array([len(one) for one in hashes], np.int64)
    found = sequence_hashes(np.concatenate([np.empty(0, np.uint64), *hashes]), counts)
    assert found.tolist() == [int(shingle_hashes(one, max(len(one), 1))[0]) if len(one) else 0 for one in hashes]


@settings(max_examples=200)
@given(st.lists(st.text("aé \n\u0301ﬁह日", max_size=6), max_size=8), st.sampled_from([1, 9, 2**18]), st.booleans())
def test_hashes_of_texts_hang_on_no_neighbour(texts: list[str], together: int, compiled: bool) -> None:
    """Nor on how many of those that compose or expand are done together, nor on a compiler."""
    encoded = [text.encode() for text in texts]
    edges = np.cumsum([0, *map(len, encoded)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_TOGETHER", together)
        patch.setattr(module, "COMPILED", compiled and module.COMPILED)
        found, counts = hashes_of_texts(np.frombuffer(b"".join(encoded), np.uint8), edges)
    expected = [word_hashes(text).tolist() for text in texts]
    assert counts.tolist() == [len(own) for own in expected]
    assert found.tolist() == [value for own in expected for value in own]
