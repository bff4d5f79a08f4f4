"""Signals of short texts that can be counted by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.classifiers.score import DIGITS
from gristmill.corpus.words import words
from gristmill.transforms.quality.judge_section import JudgeSection
from gristmill.transforms.quality.measure_signals import measure_text, measure_texts, signal_tables
from gristmill.transforms.quality.presets import PresetName
from gristmill.transforms.quality.signal_table import SIGNALS, Variant
from gristmill.transforms.quality.stop_words import STOP_WORDS, stop_word_hashes
from gristmill.transforms.quality.text_batch import MAX_BATCH_CHARACTERS, batch_slices


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
        ("a b c d", "top_2_gram", 0),
        ("x yy x yy zzzzz", "top_2_gram", 6 / 11),
        ("x yy zz x yy, a b A B", "top_2_gram", 6 / 12),  # both 2-grams occur twice: the longer one counts
        ("go go go go", "top_2_gram", 1),  # no character counts twice
        ("a b. A B a b c", "top_2_gram", 6 / 7),
        ("a b c d a b c", "top_3_gram", 6 / 7),
        ("a b c d e a b c d", "top_4_gram", 8 / 9),
        ("a b c d e f A, B! c d e g", "duplicate_5_grams", 10 / 12),
        ("a b c d e f a b c d g", "duplicate_5_grams", 0),
        (
            "a b c d e f g a b c d e f h",
            "duplicate_5_grams",
            12 / 14,
        ),  # overlapping 5-grams: each character counts once
        ("a b c d e f g a b c d e f h", "duplicate_6_grams", 12 / 14),
        ("a b c d e f g a b c d e f h", "duplicate_7_grams", 0),
        ("1 2 3 4 5 6 7 8 9 0 x 1 2 3 4 5 6 7 8 9 0", "duplicate_10_grams", 20 / 21),
        ("日本語日本語日本", "top_2_gram", 6 / 8),
        ("One. Two! Three?", "sentences", 3),
        ("No end", "sentences", 1),
        ('He said "go." Then he went', "sentences", 2),
        ("Version 1.2.3 of a.b.c", "sentences", 1),
        ("これは本です。そうです。", "sentences", 2),
        ("यह है। वह है।", "sentences", 2),
        ("هل هذا؟ نعم.", "sentences", 2),
        ("Wait....... what?!", "sentences", 2),
        ("", "sentences", 0),
        ("Lorem Ipsum dolor lorem ipsum", "lorem_ipsum", 2),
        ("lorem, ipsum", "lorem_ipsum", 0),
        ("{a} {b} }", "curly_brackets", 2),
        ("a.\nb\n\n c! \nd", "line_punctuation", 0.5),
        ("他说：“好。”\n好", "line_punctuation", 0.5),
        ("x" * 30 + "\n" + "x" * 29 + "\n", "short_lines", 0.5),
        ("aaa\nb\n aaa\nc", "repeated_line_chars", 0.375),
        ("a b\n\nc d", "newlines", 0.5),
        ("x" * 200 + "\n" + "y" * 199, "long_lines", 1),
        ("a1{2}b", "technical_characters", 4 / 6),
        ("a b", "cut_words", 0),
    ],
)
def test_signal(text: str, name: str, expected: float) -> None:
    assert measure_text(text, "en")[name] == np.float32(round(expected, DIGITS))


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
    assert measure_text(text, lang)["stop_words"] == expected


@pytest.mark.parametrize("lang", ["th", "xx", None])
def test_stop_words_are_not_measured_without_a_list(lang: str | None) -> None:
    assert math.isnan(measure_text("the and of", lang)["stop_words"])


@pytest.mark.parametrize("lang", sorted(STOP_WORDS))
def test_every_stop_word_is_one_word(lang: str) -> None:
    """Otherwise its hash would never match a word of a text."""
    hashes = stop_word_hashes(lang)
    assert hashes is not None
    assert len(np.unique(hashes)) == len(STOP_WORDS[lang].split()) >= 8


SHARES = {
    *("bullet_lines", "ellipsis_lines", "alphabetic_words", "line_punctuation", "short_lines"),
    *("repeated_line_chars", "cut_words", "technical_characters"),
}
PIECES = st.lists(
    st.sampled_from(
        [
            "the",
            "word",
            "of it.",
            "\n",
            "\n\n",
            "…",
            "# ",
            "- x",
            "{",
            "日本語。",
            "[1]",
            "SHOUT",
            "3 likes",
            "🙂",
            "e\u0301",
            "İ",
            "\u2028",
            "ﬁne",
            "Read more...",
        ]
    ),
    max_size=40,
).map(" ".join)


@given(st.one_of(st.text(max_size=60), PIECES), st.sampled_from(["en", "zh", "xx"]))
def test_signals_are_rounded_float32_values(text: str, lang: str) -> None:
    values = measure_text(text, lang, section=JudgeSection(preset="c4"))
    assert list(values) == list(SIGNALS)
    for name, value in values.items():
        assert math.isnan(value) or value == np.float32(value)
        assert math.isnan(value) or value == np.float32(round(value, DIGITS))
        assert not value < 0
        if name in SHARES or name.startswith(("duplicate", "top")):
            assert value <= 1
    assert (values["words"] > 0) == bool(words(text))


@pytest.mark.parametrize("variant", ["paper", "datatrove", "dclm"])
@pytest.mark.parametrize(
    "text", ["", " ", "\n\n", "word", "one line of words", "🙂🙂", "...", "\ud800", "ab\x00", "日", "x" * 3000]
)
def test_no_division_by_zero(variant: Variant, text: str) -> None:
    with np.errstate(all="raise"):
        for preset in ("fineweb", "refinedweb"):
            values = measure_text(text, "en", section=JudgeSection(preset=preset, variant=variant))
            assert not any(math.isinf(value) for value in values.values())


@pytest.mark.parametrize("variant", ["paper", "datatrove", "dclm"])
@given(texts=st.lists(PIECES, max_size=6), cut=st.integers(0, 6))
def test_signals_do_not_depend_on_the_batch(variant: Variant, texts: list[str], cut: int) -> None:
    section = JudgeSection(preset="fineweb", variant=variant)

    def measure(batch: list[str]) -> tuple[list[list[float]], list[object]]:
        measurements = measure_texts(batch, ["en"] * len(batch), [""] * len(batch), section)
        return np.array(list(measurements.signals.values())).T.tolist(), list(measurements.cuts)

    together = measure(texts)
    parts = [measure(texts[:cut]), measure(texts[cut:])]
    np.testing.assert_array_equal(
        np.array(together[0]).reshape(-1, len(SIGNALS)),
        np.array(parts[0][0] + parts[1][0]).reshape(-1, len(SIGNALS)),
    )
    assert together[1] == parts[0][1] + parts[1][1]


@given(PIECES, st.sampled_from(["\n", "\n \n", "\n\n\n"]), st.sampled_from(["gopher", "c4", "fineweb", "refinedweb"]))
def test_trailing_blank_lines_affect_only_character_counts(text: str, blank: str, preset: PresetName) -> None:
    section = JudgeSection(preset=preset)
    before, after = measure_text(text, "en", section=section), measure_text(text + blank, "en", section=section)
    changed = {name for name in SIGNALS if before[name] != after[name]}
    assert changed <= {"characters", "technical_characters"}


@given(st.lists(st.integers(0, MAX_BATCH_CHARACTERS * 2), max_size=30))
def test_batches_contain_every_document_once(lengths: list[int]) -> None:
    parts = [lengths[part] for part in batch_slices(lengths)]
    assert [length for part in parts for length in part] == lengths
    assert all(sum(part[:-1]) < MAX_BATCH_CHARACTERS for part in parts)


@pytest.mark.parametrize("variant", ["paper", "datatrove", "dclm"])
def test_tables_for_the_key_are_plain_json(variant: Variant) -> None:
    tables = signal_tables(variant)
    assert list(tables["signals"]) == list(SIGNALS)
    assert json.dumps(tables)
    assert ("sv" in tables["variant"]["stop_words"]) == (variant == "paper")
