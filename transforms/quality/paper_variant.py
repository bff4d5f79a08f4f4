"""Signals by the wording of the papers, for every language: the variant ``paper``.

Where a paper leaves open how something is counted, this is what is chosen. Words are those of ``corpus.words``: runs of
letters and digits, case-folded, characters in scripts without spaces. Lines end at a line feed and have no white space
around them; blank ones count nowhere. Paragraphs are parted by blank lines. A line or paragraph is a duplicate where it
stood before. An n-gram of words repeats where it occurs more than once, its first occurrence included ("all duplicate
n-grams", Rae et al. 2021, A1.1), and no character counts twice; shares are of the characters in words. FineWeb's
signals and C4's sentences are of the lines that the line rules leave, as in FineWeb's chain; all others of the text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import compress, pairwise

import numpy as np
from numpy.typing import NDArray

from gristmill.corpus.words import UInt64s
from gristmill.transforms.quality.characters import BULLETS, LETTER, NUMERIC, TERMINAL_MARKS, set_table
from gristmill.transforms.quality.judge_section import LineRules
from gristmill.transforms.quality.line_rules import Cut, cut_lines, ends_in_ellipsis
from gristmill.transforms.quality.ngram_repetition import TOP_N, Tokens, covered_characters, repeats, top_characters
from gristmill.transforms.quality.stopwords import stop_word_hashes
from gristmill.transforms.quality.text_batch import Batch, Lines, count_in

Values = NDArray[np.float64]

SHORT_LINE = 30
"""A line of less characters is short (Penedo et al. 2024, 3.5)."""
SHORT_LINE_UNSPACED = 10
"""The same where characters are words: Chinese says in a third of the characters what English does."""
UNSPACED_LANGUAGES = frozenset(("zh", "ja", "th", "lo", "km", "my"))

LONG_LINE = 200
"""A line of so many characters is long (Xue et al. 2021, 3.1)."""

TECHNICAL = "0123456789{}+/()>"
"""What MADLAD-400 calls technical characters (Kudugunta et al. 2023, 2.3)."""

ELLIPSES = ("...", "…")


def measure_batch(
    texts: Sequence[str], langs: Sequence[str | None], section: LineRules
) -> tuple[dict[str, Values], Cut]:
    """Every signal of each text, and what the line rules cut."""
    batch = Batch.of(texts)
    lines = batch.lines()
    tokens = batch.words()
    starts = batch.token_starts()
    line_words = count_in(starts, lines.firsts, lines.lasts)
    cut = cut_lines(batch, lines, line_words, section)
    stripped = [_stripped(text) for text in texts]
    return {
        **_quality(batch, lines, tokens, starts, langs),
        **_repetition(tokens, stripped),
        **_c4(batch, lines, cut),
        **_fineweb(batch, lines, cut, line_words, stripped, langs),
        **other_signals(batch, lines, cut, line_words),
    }, cut


def ratio(part: NDArray[np.generic], whole: NDArray[np.generic]) -> Values:
    """``part`` of ``whole``; of nothing, ``part`` itself, which is 0 where it is a part."""
    shares: Values = part / np.maximum(whole, 1)
    return shares


def _quality(
    batch: Batch, lines: Lines, tokens: Tokens, starts: NDArray[np.int64], langs: Sequence[str | None]
) -> dict[str, Values]:
    """Gopher's quality signals (Rae et al. 2021, A1.1)."""
    words = tokens.counts()
    bits = batch.token_bits(starts)
    lettered, numbered = starts[bits & LETTER != 0], starts[bits & (LETTER | NUMERIC) != 0]
    counts = lines.counts()
    return {
        "characters": np.diff(batch.edges) - 1.0,
        "lines": counts.astype(float),
        "words": words.astype(float),
        "word_length": ratio(tokens.characters(), words),
        "hash_ratio": ratio(_counts(batch.texts, ("#",)), words),
        "ellipsis_ratio": ratio(_counts(batch.texts, ELLIPSES), words),
        "bullet_lines": ratio(lines.per_document(set_table(BULLETS)[batch.codes[lines.firsts]]), counts),
        "ellipsis_lines": ratio(lines.per_document(ends_in_ellipsis(batch, lines.lasts)), counts),
        "alphabetic_words": ratio(_per_document(lettered, batch), _per_document(numbered, batch)),
        "stop_words": np.array(
            [
                _stop_words(tokens.hashes[first:last], lang)
                for (first, last), lang in zip(pairwise(tokens.edges.tolist()), langs, strict=True)
            ],
            float,
        ),
    }


def repetition_signals(batch: Batch) -> dict[str, Values]:
    """Gopher's repetition signals alone."""
    return _repetition(batch.words(), [_stripped(text) for text in batch.texts])


def _repetition(tokens: Tokens, stripped: Sequence[Sequence[str]]) -> dict[str, Values]:
    """Gopher's repetition signals (Rae et al. 2021, A1.1 and table A1): what stood before of lines and paragraphs, and
    characters in n-grams of words that occur more than once. ``stripped`` are the lines, blank ones too.
    """
    shares = [(*_repeated([line for line in lines if line]), *_repeated(_paragraphs(lines))) for lines in stripped]
    names = ("duplicate_lines", "duplicate_line_chars", "duplicate_paragraphs", "duplicate_paragraph_chars")
    values = dict(zip(names, np.array(shares, float).reshape(-1, 4).T, strict=True))
    whole = tokens.characters()
    for found in repeats(tokens):
        if found.n in TOP_N:
            values[f"top_{found.n}_gram"] = ratio(top_characters(tokens, found), whole)
        else:
            characters = covered_characters(tokens, found.positions, found.n)
            values[f"duplicate_{found.n}_grams"] = ratio(characters, whole)
    return values


def _c4(batch: Batch, lines: Lines, cut: Cut) -> dict[str, Values]:
    """C4's signals of documents (Raffel et al. 2020, 2.2)."""
    sentences = count_in(batch.sentence_ends(lines), lines.firsts, lines.lasts)
    return {
        "sentences": lines.per_document(sentences * cut.left).astype(float),
        "lorem_ipsum": _counts(batch.lower, ("lorem ipsum",)),
        "curly_brackets": _counts(batch.texts, ("{",)),
    }


def _fineweb(
    batch: Batch,
    lines: Lines,
    cut: Cut,
    line_words: NDArray[np.int64],
    stripped: Sequence[Sequence[str]],
    langs: Sequence[str | None],
) -> dict[str, Values]:
    """FineWeb's own signals (Penedo et al. 2024, 3.5), of the lines that are left."""
    left = lines.per_document(cut.left)
    limits = np.array([SHORT_LINE_UNSPACED if lang in UNSPACED_LANGUAGES else SHORT_LINE for lang in langs], np.int64)
    short = lines.lasts - lines.firsts < np.repeat(limits, lines.counts())
    ended = set_table(TERMINAL_MARKS)[batch.codes[lines.lasts - 1]]
    kept = [
        list(compress((line for line in document if line), cut.left[first:last].tolist()))
        for document, (first, last) in zip(stripped, pairwise(lines.edges.tolist()), strict=True)
    ]
    return {
        "line_punctuation": ratio(lines.per_document(ended & cut.left), left),
        "short_lines": ratio(lines.per_document(short & cut.left), left),
        "repeated_line_chars": np.array([_repeated(document)[1] for document in kept], float),
        "newlines": ratio(left, lines.per_document(line_words * cut.left)),
    }


def other_signals(batch: Batch, lines: Lines, cut: Cut, line_words: NDArray[np.int64]) -> dict[str, Values]:
    """What has a family of its own.

    RefinedWeb's share of words in lines that are cut or corrected (Penedo et al. 2023, G.2), mC4's count of long lines
    (Xue et al. 2021, 3.1) and MADLAD-400's share of technical characters (Kudugunta et al. 2023, 2.3).
    """
    technical = _per_document(np.flatnonzero(set_table(TECHNICAL)[batch.codes]), batch)
    return {
        "cut_words": ratio(lines.per_document(line_words * cut.touched), lines.per_document(line_words)),
        "long_lines": lines.per_document(lines.lasts - lines.firsts >= LONG_LINE).astype(float),
        "technical_characters": ratio(technical, np.diff(batch.edges) - 1),
    }


def _stripped(text: str) -> list[str]:
    return list(map(str.strip, text.split("\n")))


def _paragraphs(lines: Sequence[str]) -> list[str]:
    """Lines between blank ones, joined."""
    return [part for part in map(str.strip, "\n".join(lines).split("\n\n")) if part]


def _repeated(parts: Sequence[str]) -> tuple[float, float]:
    """Share of parts that stood before, and of the characters in them; zeros where there are none."""
    if not parts:
        return 0.0, 0.0
    distinct = set(parts)
    if len(distinct) == len(parts):
        return 0.0, 0.0
    return 1 - len(distinct) / len(parts), 1 - sum(map(len, distinct)) / sum(map(len, parts))


def _counts(texts: Sequence[str], parts: Sequence[str]) -> Values:
    return np.array([sum(map(text.count, parts)) for text in texts], float)


def _per_document(places: NDArray[np.int64], batch: Batch) -> NDArray[np.int64]:
    """How many of ``places`` (ascending) lie in each document."""
    return np.diff(np.searchsorted(places, batch.edges))


def _stop_words(hashes: UInt64s, lang: str | None) -> float:
    """How many different stop words of the language occur (Rae et al. 2021, A1.1). NaN where it has no list."""
    stop_words = stop_word_hashes(lang)
    if stop_words is None:
        return math.nan
    return int(np.count_nonzero((hashes == stop_words[:, None]).any(axis=1)))
