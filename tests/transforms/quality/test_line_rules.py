"""Line rules at and just beyond their limits."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.transforms.quality.judge_section import JudgeSection
from gristmill.transforms.quality.line_rules_section import C4LineRule, LineRuleName, LineRules
from gristmill.transforms.quality.measure_signals import TextCut, measure_text, measure_texts


def cuts(text: str, *rules: LineRuleName, **limits: float) -> list[TextCut]:
    section = JudgeSection(lines=LineRules.model_validate({"rules": rules, **limits}))
    return measure_texts([text], ["en"], [""], section).cuts[0]


def apply_cuts(text: str, *rules: LineRuleName, **limits: float) -> str:
    """Return the text without what is cut."""
    for cut in reversed(cuts(text, *rules, **limits)):
        text = text[: cut.start] + text[cut.end :]
    return text


@pytest.mark.parametrize(
    ("rule", "cut_line", "kept_line"),
    [
        ("few_words", "only four words here", "now there are five words"),
        ("few_words", "日本語文", "日本語文字"),
        ("long_word", "a " + "x" * 1001, "a " + "x" * 1000),
        ("terminal_mark", "no mark at its end", "a mark at its end."),
        ("terminal_mark", "an ellipsis...", "two dots.."),
        ("terminal_mark", "an ellipsis…", "is it one?"),
        ("terminal_mark", "a bracket (at its end.)", 'a quotation "at its end."'),
        ("terminal_mark", "标点，", "标点。"),
        ("terminal_mark", "نص،", "نص؟"),
        ("terminal_mark", "कुछ", "कुछ।"),
        ("javascript", "Please enable JavaScript in your browser.", "Please enable Java Script in your browser."),
        ("policy", "By using this you accept our Cookie Policy today.", "Our policy is not to bake cookies here."),
        ("policy", "This site uses cookies.", "This site has cookies."),
        ("policy", "İ read the Terms of Use", "İ read the terms"),
        ("uppercase", "ABCd", "ABcd"),
        ("uppercase", "  ABCd  ", "ABC  d"),
        ("numeric", "123 45", "123-45"),
        ("numeric", "１２３", "12a"),
        ("counter", "3 likes", "3 likes it"),
        ("counter", "1.2K followers!", "K followers"),
        ("counter", "12 комментариев", "12 комнат"),
        ("one_word", "Menu", "Menu bar"),
        ("one_word", "Menu,", "日本"),
        ("boilerplate", "Read more...", "Reading more"),
        ("boilerplate", "Sign in", "Significant"),
    ],
)
def test_line_just_beyond_and_at_the_limit(rule: LineRuleName, cut_line: str, kept_line: str) -> None:
    assert apply_cuts(f"{kept_line}\n{cut_line}\n{kept_line}", rule) == f"{kept_line}\n{kept_line}"
    assert cuts(kept_line, rule) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A fact.[12] Another[edit] one[citation needed].[]", "A fact. Another one."),
        ("An array[1, 2] and [sic]", "An array[1, 2] and [sic]"),
        ("one[1]\ntwo[2][3]", "one\ntwo"),
    ],
)
def test_citations_are_cut_out_of_their_lines(text: str, expected: str) -> None:
    assert apply_cuts(text, "citations") == expected


def test_citations_after_a_terminal_mark_are_ignored() -> None:
    text = "It is known.[1] [2]\nIt is not known[1]"
    assert apply_cuts(text, "citations", "terminal_mark") == "It is known. \n"
    assert apply_cuts(text, "terminal_mark") == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The mayor resigned on Monday. Read more...", "The mayor resigned on Monday."),
        ("Sign in to comment", "to comment"),
        ("Home (3 items in cart) Help", "Home () Help"),
        ("Подробности в статье, читать далее", "Подробности в статье,"),
        (
            "eleven words are too many for this rule to read more",
            "eleven words are too many for this rule to read more",
        ),
    ],
)
def test_boilerplate_is_cut_out_of_short_lines(text: str, expected: str) -> None:
    assert apply_cuts(text, "boilerplate").strip() == expected


def test_the_first_failing_rule_cuts_the_line() -> None:
    assert cuts("MENU\nb", "one_word", "uppercase") == [TextCut(0, 5, "one_word"), TextCut(5, 6, "one_word")]
    assert cuts("MENU\nb", "uppercase", "one_word")[0].rule == "uppercase"


def test_cuts_are_positions_in_the_text_and_keep_blank_lines() -> None:
    text = "\n\nSome words in a line.\n \n 12 \n\nMore words."
    assert apply_cuts(text, "numeric") == "\n\nSome words in a line.\n \n\nMore words."


def test_limits_are_configurable() -> None:
    assert apply_cuts("one two\nthree", "few_words", min_words=2) == "one two\n"
    assert apply_cuts("abc de", "long_word", max_word_length=2) == ""
    assert apply_cuts("Abcd\nABcd", "uppercase", max_uppercase=0.25) == "Abcd\n"


def test_signals_count_what_is_cut() -> None:
    text = "Seven words of prose are standing here.\nMENU\n12 likes\nThree more words. Read more..."
    values = measure_text(text, "en", section=JudgeSection(preset="refinedweb"))
    assert values["cut_words"] == pytest.approx(8 / 15, abs=1e-4)  # all words of the line with "Read more..." count
    c4 = measure_text(text, "en", section=JudgeSection(preset="c4"))
    assert (c4["sentences"], c4["line_punctuation"]) == (1, 1)


LINES = st.lists(
    st.sampled_from(
        [
            "",
            " ",
            "Menu",
            "A line of five words.",
            "no end mark in this line",
            "[1] A line. [2]",
            "use cookies",
            "javascript",
            "12",
            "LOUD WORDS",
            "3 likes",
            "Read more...",
            "日本語です。",
            "Sign in",
            "x.[1][2]",
        ]
    ),
    max_size=12,
)


@given(LINES, st.lists(st.sampled_from(get_args(LineRuleName)), unique=True))
def test_cuts_are_disjoint_and_in_order(lines: Sequence[str], rules: list[LineRuleName]) -> None:
    text = "\n".join(lines)
    text_cuts = cuts(text, *rules)
    assert all(0 <= cut.start < cut.end <= len(text) for cut in text_cuts)
    assert all(first.end <= second.start for first, second in itertools.pairwise(text_cuts))
    assert {cut.rule for cut in text_cuts} <= set(rules)


@given(LINES)
def test_c4_line_rules_are_idempotent(lines: Sequence[str]) -> None:
    rules = get_args(C4LineRule)
    once = apply_cuts("\n".join(lines), *rules)
    assert apply_cuts(once, *rules) == once
