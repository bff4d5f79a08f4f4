"""The variant ``dclm``: signals as DCLM counts them (Li et al. 2024; ``baselines/mappers`` in its code), to reproduce
its verdicts.

Differences from ``paper``: tokens of the quality rules are separated by white space, and count as words if they start
with a letter or digit; number signs and ellipses are added up, and both rules see the sum; stop words are English only,
and every occurrence counts; bullets are ``●``, ``•``, ``*`` and ``-``, and ``. . .`` is an ellipsis, too. Of lines and
paragraphs that occur more than once, the first occurrence counts as well. N-grams consist of words as Unicode segments
them (UAX 29), case-sensitive; among equally frequent ones the longest counts, and overlaps count twice. ``cut_words``
is the share of words removed by RefinedWeb's line rules as DCLM implements them. All other signals, and all cuts, are
those of ``paper``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import regex

from gristmill.corpus.arrays import Float64s
from gristmill.corpus.multilinear_hash import mix64
from gristmill.transforms.quality import paper_variant
from gristmill.transforms.quality.line_rules import Cut
from gristmill.transforms.quality.line_rules_section import LineRules
from gristmill.transforms.quality.repeated_ngrams import (
    TOP_N,
    Tokens,
    covered_characters,
    find_repeated_ngrams,
    most_frequent_ngrams,
)
from gristmill.transforms.quality.stop_words import GOPHER_STOP_WORDS
from gristmill.transforms.quality.text_batch import ratio

STOP_WORDS = frozenset(GOPHER_STOP_WORDS)
BULLETS = ("●", "•", "*", "-")
ELLIPSES = ("...", ". . .", "…")

_WORD_BOUNDARY = regex.compile(r"(?V1w)\b")

# A flag is two of these letters, so finding a boundary between them takes a look back to the beginning of their run:
# quadratic time. Flags are no words, so a long run may be shortened by pairs.
_LONG_FLAGS = regex.compile(r"[\U0001f1e6-\U0001f1ff]{100,}")
_COUNTER = re.compile(
    r"^\W*\d(?:,|\.|\d)*(?:K|k|M|m|B|b)?\s+(?:likes|shares|comments|retweets|reposts|quotes|bookmarks|upvotes|downvotes"
    r"|downloads|views|followers)\W*$"
)
_BOILERPLATE = tuple(
    re.compile(pattern, re.IGNORECASE) for pattern in (r"\s?items in cart", r"\s?read more...$", r"^sign-in\s?")
)
_MAX_BOILERPLATE_WORDS = 10

TABLES = {
    "stop_words": GOPHER_STOP_WORDS,
    "bullets": BULLETS,
    "ellipses": ELLIPSES,
    "counter": _COUNTER.pattern,
    "boilerplate": [pattern.pattern for pattern in _BOILERPLATE],
}
"""What the key of the stage ``signals`` contains of this module."""


def measure_batch(
    texts: Sequence[str], langs: Sequence[str | None], section: LineRules
) -> tuple[dict[str, Float64s], Cut]:
    """Return every signal of each text, and what the line rules cut."""
    paper_signals, cut = paper_variant.measure_batch(texts, langs, section)
    per_text = [_text_signals(text) for text in texts]
    dclm_signals = {
        name: np.array([row[name] for row in per_text], float) for name in (per_text[0] if per_text else ())
    }
    return paper_signals | dclm_signals | _ngram_signals(_tokenize(texts)), cut


def _text_signals(text: str) -> dict[str, float]:
    """Return the signals of DCLM's filters, except those of n-grams."""
    runs = text.split()
    lines = [line for line in map(str.strip, text.split("\n")) if line]
    paragraphs = [part for part in map(str.strip, text.split("\n\n")) if part]
    symbols = sum(map(text.count, ("#", *ELLIPSES))) / max(len(runs), 1)
    duplicate_lines, duplicate_line_chars = _duplicates(lines)
    duplicate_paragraphs, duplicate_paragraph_chars = _duplicates(paragraphs)
    return {
        "words": _count_words(text),
        "word_length": sum(map(len, runs)) / max(len(runs), 1),
        "hash_ratio": symbols,
        "ellipsis_ratio": symbols,
        "bullet_lines": sum(line.startswith(BULLETS) for line in lines) / max(len(lines), 1),
        "ellipsis_lines": sum(line.endswith(ELLIPSES) for line in lines) / max(len(lines), 1),
        "alphabetic_words": sum(any(map(str.isalpha, run)) for run in runs) / max(len(runs), 1),
        "stop_words": sum(run.lower() in STOP_WORDS for run in runs),
        "duplicate_lines": duplicate_lines,
        "duplicate_line_chars": duplicate_line_chars,
        "duplicate_paragraphs": duplicate_paragraphs,
        "duplicate_paragraph_chars": duplicate_paragraph_chars,
        "cut_words": _cut_words(text),
    }


def _count_words(text: str) -> int:
    """Return the number of whitespace-separated tokens that start with a letter or digit."""
    return sum(run[0].isalnum() for run in text.split())


def _duplicates(parts: Sequence[str]) -> tuple[float, float]:
    """Return the share of parts that occur more than once, and the share of characters in them."""
    repeated = {part: count for part, count in Counter(parts).items() if count > 1}
    if not repeated:
        return 0.0, 0.0
    characters = sum(len(part) * count for part, count in repeated.items())
    return sum(repeated.values()) / len(parts), characters / sum(map(len, parts))


def _cut_words(text: str) -> float:
    """Return the share of words that DCLM's line-wise corrections remove from a text."""
    kept = [line for line in text.split("\n") if not _is_cut(line)]
    words = _count_words(text)
    return (words - _count_words("\n".join(map(_cut_boilerplate, kept)))) / max(words, 1)


def _is_cut(line: str) -> bool:
    return bool(line) and (
        sum(map(str.isupper, line)) / len(line) > 0.5
        or sum(map(str.isdigit, line)) / len(line) > 0.999999
        or _COUNTER.search(line.lower()) is not None
        or len(line.split()) < 2
    )


def _cut_boilerplate(line: str) -> str:
    for pattern in _BOILERPLATE:
        if len(line.split()) <= _MAX_BOILERPLATE_WORDS:
            line = pattern.sub("", line)
    return line


def _tokenize(texts: Sequence[str]) -> Tokens:
    """Return the words as Unicode segments them, those that start with a letter or digit."""
    parts = (_WORD_BOUNDARY.split(_with_few_flags(text)) for text in texts)
    documents = [[word for word in words if word and word[0].isalnum()] for words in parts]
    numbers: dict[str, int] = {}
    flat = [numbers.setdefault(word, len(numbers)) for words in documents for word in words]
    lengths = np.array(list(map(len, numbers)), np.int64)
    offsets = np.concatenate([[0], np.cumsum([len(words) for words in documents])]).astype(np.int64)
    return Tokens.of(mix64(np.array(flat, np.uint64) + np.uint64(1)), lengths[np.array(flat, np.int64)], offsets)


def _with_few_flags(text: str) -> str:
    shortened: str = _LONG_FLAGS.sub(lambda run: run[0][: 2 + len(run[0]) % 2], text)
    return shortened


def _ngram_signals(tokens: Tokens) -> dict[str, Float64s]:
    total = tokens.characters()
    signals = {}
    for repeated in find_repeated_ngrams(tokens):
        if repeated.n in TOP_N:
            characters = np.zeros_like(total)
            top = most_frequent_ngrams(tokens, repeated, prefer_longest=True)
            lengths = tokens.totals[top.positions + repeated.n] - tokens.totals[top.positions]
            characters[top.documents] = lengths * top.counts
            signals[f"top_{repeated.n}_gram"] = ratio(characters, total)
        else:
            characters = covered_characters(tokens, repeated.positions, repeated.n)
            signals[f"duplicate_{repeated.n}_grams"] = ratio(characters, total)
    return signals
