"""Signals of short texts in each variant; the expected values follow datatrove's and DCLM's code by hand."""

from __future__ import annotations

import math

import pytest

from gristmill.classifiers.score import DIGITS
from gristmill.transforms.quality.judge_section import JudgeSection
from gristmill.transforms.quality.line_rules_section import LineRules
from gristmill.transforms.quality.measure_signals import measure_text
from gristmill.transforms.quality.signal_table import Variant

REPEATING = "a b c d e f g a b c d e f h"
"""27 characters, 14 of them in words; two 5-grams and one 6-gram occur twice, and overlap."""


def value(variant: Variant, text: str, name: str, preset: str = "gopher") -> float:
    lines = LineRules() if preset == "gopher" else None
    values = {"variant": variant, "preset": preset} | ({"lines": lines} if lines else {})
    return measure_text(text, "en", section=JudgeSection.model_validate(values))[name]


@pytest.mark.parametrize(
    ("text", "name", "paper", "datatrove", "dclm"),
    [
        ("Don't stop - now!", "words", 4, 4, 3),
        ("one two, three", "words", 3, 3, 3),
        ("# a b #c", "hash_ratio", 2 / 3, 2 / 5, 2 / 4),
        ("a... b # c", "ellipsis_ratio", 1 / 3, 1 / 5, 2 / 4),
        ("a . . . b", "ellipsis_ratio", 0, 0, 1 / 5),
        ("a bb ccc.", "word_length", 2, 2, 7 / 3),
        ("- a\n\n* b\n• c", "bullet_lines", 1, 2 / 4, 1),
        ("a...\n\nb. . .\nc", "ellipsis_lines", 1 / 3, 1 / 4, 2 / 3),
        ("a 1 , b", "alphabetic_words", 2 / 3, 2 / 4, 2 / 4),
        ("The the, THE of.", "stop_words", 2, 2, 2),
        ("the the", "stop_words", 1, 1, 2),
        ("aa\nb\n aa\naa", "duplicate_lines", 2 / 4, 1 / 4, 3 / 4),
        ("aa\nb\naa", "duplicate_line_chars", 2 / 5, 2 / 7, 4 / 5),
        ("a\n\nb\n\na", "duplicate_paragraphs", 1 / 3, 1 / 3, 2 / 3),
        ("a\n \nb\n \na", "duplicate_paragraphs", 1 / 3, 0, 0),
        ("a a a", "top_2_gram", 1, 6 / 5, 4 / 3),
        ("ab cd", "top_2_gram", 0, 1, 0),
        ("a b C D c d A B", "top_2_gram", 4 / 8, 3 / 15, 0),
        ("x y aa bb x y aa bb", "top_2_gram", 8 / 12, 6 / 19, 8 / 12),
        (REPEATING, "duplicate_5_grams", 12 / 14, 5 / 27, 12 / 14),
        (REPEATING, "duplicate_6_grams", 12 / 14, 6 / 27, 12 / 14),
        (REPEATING, "duplicate_7_grams", 0, 0, 0),
        ("Is it. Yes! No", "sentences", 3, 3, 3),
        ("See e.g. this.", "sentences", 2, 1, 2),
        ('He goes "home"', "line_punctuation", 1, 0, 1),
        ("x" * 30, "short_lines", 0, 1, 0),
        ("aa\n aa", "repeated_line_chars", 0.5, 0, 0.5),
        ("a b\n\nc d", "newlines", 0.5, 0.5, 0.5),
        ("a b\nc d", "newlines", 0.5, 0.25, 0.5),
    ],
)
def test_variants_differ_as_documented(text: str, name: str, paper: float, datatrove: float, dclm: float) -> None:
    values = {variant: value(variant, text, name) for variant in ("paper", "datatrove", "dclm")}
    assert values == pytest.approx({"paper": paper, "datatrove": datatrove, "dclm": dclm}, abs=0.6 * 10**-DIGITS)


def test_datatrove_ignores_brackets_in_lines_removed_earlier() -> None:
    short, javascript, long = "{ x }", "This needs javascript to be on {", "A line of code { that is long."
    assert value("datatrove", short, "curly_brackets", "fineweb") == 1
    assert value("datatrove", "{ x", "curly_brackets", "fineweb") == 0
    assert value("datatrove", javascript, "curly_brackets", "fineweb") == 0
    assert value("datatrove", long, "curly_brackets", "fineweb") == 1
    assert value("paper", javascript, "curly_brackets", "fineweb") == 1


def test_datatrove_does_not_measure_shares_of_nothing() -> None:
    assert math.isnan(value("datatrove", "", "hash_ratio"))
    assert math.isnan(value("datatrove", "...", "word_length"))


@pytest.mark.parametrize(
    ("line", "is_cut"),
    [
        ("SHOut it", False),
        ("SHOUT it", True),
        ("1234", True),
        ("12 34", False),
        ("3 likes", True),
        ("word", True),
        ("two words", False),
        ("Sign-in here", True),
        ("Read more... now", False),
        ("3 items in cart", True),
    ],
)
def test_dclm_cuts_words_from_lines(line: str, is_cut: bool) -> None:
    text = "These are five plain words\n" + line
    assert (value("dclm", text, "cut_words", "dclm") > 0) == is_cut
