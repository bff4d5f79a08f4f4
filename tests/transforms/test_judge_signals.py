"""Signals of small texts whose counts can be seen by eye."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.corpus.words import words
from gristmill.transforms.judge.signals import DIGITS, SIGNALS, signals
from gristmill.transforms.judge.stopwords import STOP_WORDS, stop_word_hashes


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("", "characters", 0),
        ("a b\n", "characters", 4),
        ("日本🙂", "characters", 3),
        ("a\n\n \nb", "lines", 2),
        ("one, two - three", "words", 3),
        ("日本語", "words", 3),
        ("", "word_length", 0),
        ("ab abcd", "word_length", 3),
        ("a bb bb", "word_length", 1.6667),
        ("日本語", "word_length", 1),
        ("# a b #c", "hash_ratio", 2 / 3),
        ("###", "hash_ratio", 3),
        ("a... b… c", "ellipsis_ratio", 2 / 3),
        ("a.. b", "ellipsis_ratio", 0),
        ("a......", "ellipsis_ratio", 2),
        ("- a\n• b\n\n  * c\nd", "bullet_lines", 0.75),
        ("– Oui ?\n— Non.", "bullet_lines", 0),
        ("a… \nb...\nc.. \n…d", "ellipsis_lines", 0.5),
        ("a 1", "alphabetic_words", 0.5),
        ("a 1,234.56", "alphabetic_words", 0.5),
        ("a - b | 7", "alphabetic_words", 2 / 3),
        ("x2 3D", "alphabetic_words", 1),
        ("!!", "alphabetic_words", 0),
        ("日本 7 8", "alphabetic_words", 0.5),
        ("a\n\nb\n a\na", "duplicate_lines", 0.5),
        ("a\n\n\n\nb", "duplicate_lines", 0),
        ("", "duplicate_lines", 0),
        ("aaa\nb\naaa\nc", "duplicate_line_chars", 0.375),
        ("a\nb\n\nc\n \n\na\nb", "duplicate_paragraphs", 1 / 3),
        ("a\nb\n\nb\n\na", "duplicate_paragraphs", 0),
        ("aa\nb\n\nc\n\naa\nb", "duplicate_paragraph_chars", 4 / 9),
        ("The theory and the BAND, with", "stop_words", 3),
    ],
)
def test_signal(text: str, name: str, expected: float) -> None:
    assert signals(text, "en")[name] == np.float32(round(expected, DIGITS))


@pytest.mark.parametrize(
    ("lang", "text", "expected"),
    [
        ("de", "Der Hund und die Katze", 3),
        ("fr", "l’homme est dans la rue, et c'est tout", 3),
        ("ru", "И это не то, что надо", 4),
        ("zh", "这是我的书", 4),
        ("ja", "これは本です", 2),
        ("tr", "Bir kedi VE bir köpek", 2),
    ],
)
def test_stop_words_by_language(lang: str, text: str, expected: int) -> None:
    assert signals(text, lang)["stop_words"] == expected


@pytest.mark.parametrize("lang", ["th", "xx", None])
def test_without_a_list_stop_words_are_not_measured(lang: str | None) -> None:
    assert math.isnan(signals("the and of", lang)["stop_words"])


@pytest.mark.parametrize("lang", sorted(STOP_WORDS))
def test_every_stop_word_is_one_word(lang: str) -> None:
    """Else its hash could never be met in a text."""
    hashes = stop_word_hashes(lang)
    assert hashes is not None
    assert len(np.unique(hashes)) == len(STOP_WORDS[lang].split()) >= 8


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60), st.sampled_from(["en", "zh", "xx"]))
def test_signals_fit_their_columns(text: str, lang: str) -> None:
    values = signals(text, lang)
    assert list(values) == list(SIGNALS)
    for name, value in values.items():
        assert math.isnan(value) or value == np.float32(value)
        assert math.isnan(value) or value == np.float32(round(value, DIGITS))
        assert not value < 0
        if name in ("bullet_lines", "ellipsis_lines", "alphabetic_words") or name.startswith("duplicate"):
            assert value <= 1
    assert (values["words"] > 0) == bool(words(text))
