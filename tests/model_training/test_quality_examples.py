"""The texts that the quality model is trained on."""

from __future__ import annotations

from gristmill.classifiers.examples import Example
from model_training import quality_examples
from model_training.quality_examples import MIN_GROUPS, PASSAGE_CHARACTERS, passages


def test_passages_are_cut_between_paragraphs_and_hold_the_whole_text() -> None:
    paragraphs = [f"paragraph {number} " + "word " * 100 for number in range(30)]
    pieces = passages("\n\n".join(paragraphs))
    assert len(pieces) > 3
    assert all(len(piece) < PASSAGE_CHARACTERS + 600 for piece in pieces)
    assert "".join(pieces).split() == " ".join(paragraphs).split()


def test_words_of_few_groups_are_removed() -> None:
    texts = [Example(f"common only{group}", True, "books", str(group)) for group in range(MIN_GROUPS)]
    texts.append(Example("only0 twice", True, "books", "0"))
    assert [example.text for example in quality_examples._without_rare_words(texts)] == ["common"] * MIN_GROUPS + [""]


def test_addresses_and_long_numbers_are_removed() -> None:
    cleaned = quality_examples._clean(
        "Call 555-123-4567 or write to a@b.c, see www.example.org/x and <b>this</b> today."
    )
    assert cleaned.split() == ["Call", "or", "write", "to", "see", "and", "today."]


def test_lines_of_the_main_text_are_no_boilerplate() -> None:
    whole = "Home | Login\nThe quick brown fox jumps\nContact us today"
    assert quality_examples._without_main_text(whole, "The quick brown fox jumps.") == "Home | Login\nContact us today"


def test_evenly_spaced_items() -> None:
    assert quality_examples._evenly_spaced("abcdefghij", 3) == ["a", "d", "g"]
    assert quality_examples._evenly_spaced("ab", 3) == ["a", "b"]
