"""The word tokenizer: boundaries by script, the normalized form, and hashes that depend on it alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.corpus import words as module
from gristmill.corpus.multilinear_hash import shingle_hashes
from gristmill.corpus.words import find_words, hashes_of_texts, normalize, word_hashes, word_places, words

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
def test_texts_that_differ_only_in_form_have_equal_hashes(left: str, right: str) -> None:
    assert normalize(left) == normalize(right)
    assert word_hashes(left).tolist() == word_hashes(right).tolist()


@pytest.mark.parametrize(
    ("left", "right"), [("3 apples", "4 apples"), ("resume", "résumé"), ("a b", "ab"), ("a b", "b a")]
)
def test_texts_that_differ_in_words_have_different_hashes(left: str, right: str) -> None:
    assert normalize(left) != normalize(right)
    assert word_hashes(left).tolist() != word_hashes(right).tolist()


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_normalizing_twice_changes_nothing(text: str) -> None:
    normal = normalize(text)
    assert normalize(normal) == normal
    assert normal.split(" ") == (words(normal) or [""])


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_each_hash_depends_on_one_normalized_word(text: str) -> None:
    separate = [word_hashes(word) for word in words(normalize(text))]
    assert [len(hashes) for hashes in separate] == [1] * len(separate)
    assert word_hashes(text).tolist() == [int(hashes[0]) for hashes in separate]
    assert find_words(text).lengths().tolist() == [len(word) for word in words(normalize(text))]


def test_hashes_do_not_change() -> None:
    """Stored signatures depend on these numbers; if they change, so must the versions of the stages that store them."""
    assert word_hashes("The quick brown fox").tolist() == [
        2357367773013205206,
        8899084199161743331,
        10786996376278379721,
        2761598758352022143,
    ]
    assert shingle_hashes(word_hashes("The quick brown fox"), 3).tolist() == [4339338070116057245, 2383191711188115663]
    assert word_hashes("Ж 日本").tolist() == [14978205570621843753, 6814586659744594720, 11157971526536060138]


def test_collisions_are_rare() -> None:
    names = [f"{a}{b}{c}" for a in range(40) for b in "abcdefghijklmnopqrstuvwxyz日" for c in range(40)]
    hashes = word_hashes(" ".join(names))
    expected = len({word for name in names for word in words(name)})
    assert len(np.unique(hashes)) == expected
    assert len(np.unique(hashes & np.uint64(0xFFFF))) > 0.9 * 65536 * (1 - np.exp(-expected / 65536))


def test_words_longer_than_the_cached_multipliers() -> None:
    long = "a" * 10_000
    assert len({int(word_hashes(long[:n])[0]) for n in (1, 4095, 4096, 4097, 10_000)}) == 5
    assert word_hashes(f"{long}b x")[0] != word_hashes(f"b{long} x")[0]
    assert word_hashes("x" + " " * 10_000 + "y").tolist() == word_hashes("x y").tolist()


@settings(max_examples=300)
@given(TEXTS)
def test_every_word_is_at_its_place(text: str) -> None:
    starts, ends = word_places(text)
    expected = normalize(text).split()
    assert len(starts) == len(ends) == len(expected)
    for word, start, end in zip(expected, starts.tolist(), ends.tolist(), strict=True):
        assert word in normalize(text[start:end]).split()


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
def test_word_places(text: str, places: list[tuple[int, int]]) -> None:
    assert list(zip(*map(np.ndarray.tolist, word_places(text)), strict=True)) == places


@settings(max_examples=200)
@given(st.lists(st.text("aé \n\u0301ﬁह日", max_size=6), max_size=8), st.sampled_from([1, 9, 2**18]), st.booleans())
def test_hashes_of_texts_do_not_depend_on_neighbors(texts: list[str], together: int, compiled: bool) -> None:
    """Nor on how many texts that compose or expand are processed together, nor on compilation."""
    encoded = [text.encode() for text in texts]
    edges = np.cumsum([0, *map(len, encoded)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_TOGETHER", together)
        patch.setattr(module, "COMPILED", compiled and module.COMPILED)
        hashes_of_all, counts = hashes_of_texts(np.frombuffer(b"".join(encoded), np.uint8), edges)
    expected = [word_hashes(text).tolist() for text in texts]
    assert counts.tolist() == [len(hashes) for hashes in expected]
    assert hashes_of_all.tolist() == [value for hashes in expected for value in hashes]
