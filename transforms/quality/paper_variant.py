"""The variant ``paper``: signals as the papers define them, for every language.

Where a paper leaves open how something is counted, these are the choices. Words are those of ``corpus.words``: runs of
letters and digits, case-folded, and single characters in scripts without spaces. Lines end at line feeds and are
stripped of surrounding white space; blank lines do not count. Paragraphs are separated by blank lines. A line or
paragraph is a duplicate if it repeats an earlier one. An n-gram of words repeats if it occurs more than once; its first
occurrence counts too ("all duplicate n-grams", Rae et al. 2021, A1.1), no character counts twice, and shares are those
of characters in words. FineWeb's signals and C4's sentences are measured on the lines that the line rules keep, as in
FineWeb's chain; all other signals on the whole text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import compress, pairwise

import numpy as np

from gristmill.corpus.arrays import Float64s, Int64s, UInt64s
from gristmill.transforms.quality.character_flags import (
    BULLETS,
    LETTER,
    NUMERIC,
    TERMINAL_MARKS,
    UNSPACED_LANGUAGES,
    character_set,
)
from gristmill.transforms.quality.common_signals import measure_common_signals
from gristmill.transforms.quality.line_rules import Cut, cut_lines, cut_words, ends_in_ellipsis
from gristmill.transforms.quality.line_rules_section import LineRules
from gristmill.transforms.quality.repeated_ngrams import (
    TOP_N,
    Tokens,
    covered_characters,
    find_repeated_ngrams,
    top_ngram_characters,
)
from gristmill.transforms.quality.stop_words import STOP_WORDS, stop_word_hashes
from gristmill.transforms.quality.text_batch import Batch, Lines, count_in, ratio

SHORT_LINE = 30
"""A line of fewer characters is short (Penedo et al. 2024, 3.5)."""
SHORT_LINE_UNSPACED = 10
"""The same in languages without spaces: Chinese needs a third of the characters that English does."""

ELLIPSES = ("...", "…")

TABLES = {"stop_words": STOP_WORDS, "ellipses": ELLIPSES}
"""What the key of the stage ``signals`` contains of this module."""


def measure_batch(
    texts: Sequence[str], langs: Sequence[str | None], section: LineRules
) -> tuple[dict[str, Float64s], Cut]:
    """Return every signal of each text, and what the line rules cut."""
    batch = Batch.of(texts)
    lines = batch.lines()
    tokens = batch.words()
    token_starts = batch.token_starts()
    line_words = count_in(token_starts, lines.text_starts, lines.text_ends)
    cut = cut_lines(batch, lines, line_words, section)
    stripped_lines = [_stripped_lines(text) for text in texts]
    return {
        **_quality_signals(batch, lines, tokens, token_starts, langs),
        **_repetition_signals(tokens, stripped_lines),
        **_c4_signals(batch, lines, cut),
        **_fineweb_signals(batch, lines, cut, line_words, stripped_lines, langs),
        "cut_words": cut_words(lines, line_words, cut),
        **measure_common_signals(batch, lines),
    }, cut


def _quality_signals(
    batch: Batch, lines: Lines, tokens: Tokens, token_starts: Int64s, langs: Sequence[str | None]
) -> dict[str, Float64s]:
    """Return Gopher's quality signals (Rae et al. 2021, A1.1)."""
    words = tokens.counts()
    flags = batch.token_flags(token_starts)
    with_letter = token_starts[flags & LETTER != 0]
    with_letter_or_digit = token_starts[flags & (LETTER | NUMERIC) != 0]
    line_counts = lines.counts()
    return {
        "characters": batch.lengths().astype(float),
        "lines": line_counts.astype(float),
        "words": words.astype(float),
        "word_length": ratio(tokens.characters(), words),
        "hash_ratio": ratio(_count_occurrences(batch.texts, ("#",)), words),
        "ellipsis_ratio": ratio(_count_occurrences(batch.texts, ELLIPSES), words),
        "bullet_lines": ratio(
            lines.sum_per_document(character_set(BULLETS)[batch.codes[lines.text_starts]]), line_counts
        ),
        "ellipsis_lines": ratio(lines.sum_per_document(ends_in_ellipsis(batch, lines.text_ends)), line_counts),
        "alphabetic_words": ratio(
            batch.count_per_document(with_letter), batch.count_per_document(with_letter_or_digit)
        ),
        "stop_words": np.array(
            [
                _count_stop_words(tokens.hashes[first:last], lang)
                for (first, last), lang in zip(pairwise(tokens.offsets.tolist()), langs, strict=True)
            ],
            float,
        ),
    }


def measure_repetition(batch: Batch) -> dict[str, Float64s]:
    """Return only Gopher's repetition signals."""
    return _repetition_signals(batch.words(), [_stripped_lines(text) for text in batch.texts])


def _repetition_signals(tokens: Tokens, stripped_lines: Sequence[Sequence[str]]) -> dict[str, Float64s]:
    """Return Gopher's repetition signals (Rae et al. 2021, A1.1 and table A1): duplicate lines and paragraphs, and
    characters in n-grams of words that occur more than once. ``stripped_lines`` include blank ones.
    """
    shares = [
        (*_duplicates([line for line in lines if line]), *_duplicates(_paragraphs(lines))) for lines in stripped_lines
    ]
    names = ("duplicate_lines", "duplicate_line_chars", "duplicate_paragraphs", "duplicate_paragraph_chars")
    signals = dict(zip(names, np.array(shares, float).reshape(-1, 4).T, strict=True))
    total = tokens.characters()
    for repeated in find_repeated_ngrams(tokens):
        if repeated.n in TOP_N:
            signals[f"top_{repeated.n}_gram"] = ratio(top_ngram_characters(tokens, repeated), total)
        else:
            characters = covered_characters(tokens, repeated.positions, repeated.n)
            signals[f"duplicate_{repeated.n}_grams"] = ratio(characters, total)
    return signals


def _c4_signals(batch: Batch, lines: Lines, cut: Cut) -> dict[str, Float64s]:
    """Return C4's signals of documents (Raffel et al. 2020, 2.2)."""
    sentences = count_in(batch.sentence_ends(lines), lines.text_starts, lines.text_ends)
    return {
        "sentences": lines.sum_per_document(sentences * cut.kept).astype(float),
        "lorem_ipsum": _count_occurrences(batch.lower, ("lorem ipsum",)),
        "curly_brackets": _count_occurrences(batch.texts, ("{",)),
    }


def _fineweb_signals(
    batch: Batch,
    lines: Lines,
    cut: Cut,
    line_words: Int64s,
    stripped_lines: Sequence[Sequence[str]],
    langs: Sequence[str | None],
) -> dict[str, Float64s]:
    """Return FineWeb's own signals (Penedo et al. 2024, 3.5), measured on the lines that are kept."""
    kept_counts = lines.sum_per_document(cut.kept)
    limits = np.array([SHORT_LINE_UNSPACED if lang in UNSPACED_LANGUAGES else SHORT_LINE for lang in langs], np.int64)
    is_short = lines.text_ends - lines.text_starts < np.repeat(limits, lines.counts())
    has_terminal_mark = character_set(TERMINAL_MARKS)[batch.codes[lines.text_ends - 1]]
    kept_lines = [
        list(compress((line for line in document if line), cut.kept[first:last].tolist()))
        for document, (first, last) in zip(stripped_lines, pairwise(lines.offsets.tolist()), strict=True)
    ]
    return {
        "line_punctuation": ratio(lines.sum_per_document(has_terminal_mark & cut.kept), kept_counts),
        "short_lines": ratio(lines.sum_per_document(is_short & cut.kept), kept_counts),
        "repeated_line_chars": np.array([_duplicates(document)[1] for document in kept_lines], float),
        "newlines": ratio(kept_counts, lines.sum_per_document(line_words * cut.kept)),
    }


def _stripped_lines(text: str) -> list[str]:
    return list(map(str.strip, text.split("\n")))


def _paragraphs(lines: Sequence[str]) -> list[str]:
    """Return the lines between blank ones, joined."""
    return [part for part in map(str.strip, "\n".join(lines).split("\n\n")) if part]


def _duplicates(parts: Sequence[str]) -> tuple[float, float]:
    """Return the share of parts that repeat an earlier one, and the share of characters in them."""
    if not parts:
        return 0.0, 0.0
    distinct = set(parts)
    if len(distinct) == len(parts):
        return 0.0, 0.0
    return 1 - len(distinct) / len(parts), 1 - sum(map(len, distinct)) / sum(map(len, parts))


def _count_occurrences(texts: Sequence[str], parts: Sequence[str]) -> Float64s:
    return np.array([sum(map(text.count, parts)) for text in texts], float)


def _count_stop_words(hashes: UInt64s, lang: str | None) -> float:
    """Return how many different stop words of the language occur (Rae et al. 2021, A1.1), or NaN if it has no list."""
    stop_words = stop_word_hashes(lang)
    if stop_words is None:
        return math.nan
    return int(np.count_nonzero((hashes == stop_words[:, None]).any(axis=1)))
