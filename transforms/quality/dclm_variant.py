"""Signals as DCLM counts them (Li et al. 2024; ``baselines/mappers`` of its code), so that its verdicts follow.

Other than in ``paper``: words of the quality rules are runs between white space, and count as words where they begin
with a letter or digit; number signs and ellipses are one sum, which both rules see; every stop word counts as often as
it occurs, English ones alone; bullets are ``●``, ``•``, ``*`` and ``-``, and ``. . .`` is an ellipsis too. Lines and
paragraphs that occur more than once count with their first occurrence, and a single one never repeats. N-grams are of
words as Unicode cuts them (UAX 29), in their own case; of equally frequent ones the longest counts, overlaps twice.
``cut_words`` is the share of words that the line rules of RefinedWeb take out, as DCLM has them. Signals of other
families, and all cuts, are those of ``paper``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import regex
from numpy.typing import NDArray

from gristmill.corpus.words import mix
from gristmill.transforms.quality import paper_variant
from gristmill.transforms.quality.judge_section import LineRules
from gristmill.transforms.quality.line_rules import Cut
from gristmill.transforms.quality.ngram_repetition import TOP_N, Tokens, covered_characters, most_frequent, repeats

Values = NDArray[np.float64]

STOP_WORDS = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))
BULLETS = ("●", "•", "*", "-")
ELLIPSES = ("...", ". . .", "…")

_BOUNDARY = regex.compile(r"(?V1w)\b")
_COUNTER = re.compile(
    r"^\W*\d(?:,|\.|\d)*(?:K|k|M|m|B|b)?\s+(?:likes|shares|comments|retweets|reposts|quotes|bookmarks|upvotes|downvotes"
    r"|downloads|views|followers)\W*$"
)
_ROTE = tuple(
    re.compile(pattern, re.IGNORECASE) for pattern in (r"\s?items in cart", r"\s?read more...$", r"^sign-in\s?")
)
_ROTE_WORDS = 10


def measure_batch(
    texts: Sequence[str], langs: Sequence[str | None], section: LineRules
) -> tuple[dict[str, Values], Cut]:
    """Every signal of each text, and what the line rules cut."""
    values, cut = paper_variant.measure_batch(texts, langs, section)
    quality = [_quality(text) for text in texts]
    own = {name: np.array([one[name] for one in quality], float) for name in (quality[0] if quality else ())}
    return values | own | _ngrams(_tokens(texts)), cut


def _quality(text: str) -> dict[str, float]:
    """What DCLM's filters compare, but for n-grams."""
    runs = text.split()
    lines = [line for line in map(str.strip, text.split("\n")) if line]
    paragraphs = [part for part in map(str.strip, text.split("\n\n")) if part]
    symbols = sum(map(text.count, ("#", *ELLIPSES))) / max(len(runs), 1)
    duplicate_lines, duplicate_line_chars = _repeated(lines)
    duplicate_paragraphs, duplicate_paragraph_chars = _repeated(paragraphs)
    return {
        "words": _words(text),
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


def _words(text: str) -> int:
    """Runs that begin with a letter or digit."""
    return sum(run[0].isalnum() for run in text.split())


def _repeated(parts: Sequence[str]) -> tuple[float, float]:
    """Share of parts that occur more than once, and of the characters in them."""
    repeated = {part: count for part, count in Counter(parts).items() if count > 1}
    if not repeated:
        return 0.0, 0.0
    characters = sum(len(part) * count for part, count in repeated.items())
    return sum(repeated.values()) / len(parts), characters / sum(map(len, parts))


def _cut_words(text: str) -> float:
    """Share of the words that DCLM's corrections of lines take out of a text."""
    left = [line for line in text.split("\n") if not _goes(line)]
    return (_words(text) - _words("\n".join(map(_corrected, left)))) / max(_words(text), 1)


def _goes(line: str) -> bool:
    return bool(line) and (
        sum(map(str.isupper, line)) / len(line) > 0.5
        or sum(map(str.isdigit, line)) / len(line) > 0.999999
        or _COUNTER.search(line.lower()) is not None
        or len(line.split()) < 2
    )


def _corrected(line: str) -> str:
    for pattern in _ROTE:
        if len(line.split()) <= _ROTE_WORDS:
            line = pattern.sub("", line)
    return line


def _tokens(texts: Sequence[str]) -> Tokens:
    """Words as Unicode cuts them, those that begin with a letter or digit."""
    documents = [[word for word in _BOUNDARY.split(text) if word and word[0].isalnum()] for text in texts]
    numbers: dict[str, int] = {}
    flat = [numbers.setdefault(word, len(numbers)) for words in documents for word in words]
    lengths = np.array(list(map(len, numbers)), np.int64)
    edges = np.concatenate([[0], np.cumsum([len(words) for words in documents])]).astype(np.int64)
    return Tokens.of(mix(np.array(flat, np.uint64) + np.uint64(1)), lengths[np.array(flat, np.int64)], edges)


def _ngrams(tokens: Tokens) -> dict[str, Values]:
    whole = tokens.characters()
    values = {}
    for found in repeats(tokens):
        if found.n in TOP_N:
            characters = np.zeros_like(whole)
            top = most_frequent(tokens, found, longest=True)
            lengths = tokens.totals[top.firsts + found.n] - tokens.totals[top.firsts]
            characters[top.documents] = lengths * top.counts
            values[f"top_{found.n}_gram"] = paper_variant.ratio(characters, whole)
        else:
            characters = covered_characters(tokens, found.positions, found.n)
            values[f"duplicate_{found.n}_grams"] = paper_variant.ratio(characters, whole)
    return values
