"""Signals as datatrove 0.10 counts them, with its default options, so that its filters' verdicts follow.

``GopherQualityFilter``, ``GopherRepetitionFilter``, ``C4QualityFilter`` and ``FineWebQualityFilter`` are English unless
told otherwise, and so is this variant: words are the tokens of spaCy's English tokenizer, punctuation marks among them.
Other than in ``paper``: words of Gopher's first rules are tokens with something else than punctuation, its other shares
are of all tokens; bullets are ``•`` and ``-``, lines end at any line break, and blank ones count; repetitions are
shares of the whole text, n-grams that stood before count without their first occurrence, and after one reading goes on
behind it; the most frequent n-gram counts even if it occurs once; FineWeb's lines are not stripped, and its terminal
marks are no quotation marks. Sentences are those of spaCy's sentencizer. FineWeb's signals are of the lines that C4's
rules leave, as in its chain; RefinedWeb's line rules and all cuts are those of ``lines``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gristmill.transforms.quality.judge_section import LineRules
from gristmill.transforms.quality.line_rules import POLICY, Cut, cut_lines
from gristmill.transforms.quality.ngram_repetition import (
    TOP_N,
    Int64s,
    Repeats,
    Tokens,
    later_characters,
    most_frequent,
    repeats,
)
from gristmill.transforms.quality.paper_variant import other_signals
from gristmill.transforms.quality.spacy_words import ALPHABETIC, WORDLIKE, SpacyWords, spacy_words
from gristmill.transforms.quality.text_batch import Batch, count_in

Values = NDArray[np.float64]

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")

_TERMINAL_RANGES = """
21 2E 3F 589 61D-61F 6D4 700-702 7F9 837 839 83D-83E 964-965 104A-104B 1362 1367-1368 166E 1735-1736 17D4-17D6
17D9-17DA 1803 1809 1944-1945 1AA8-1AAB 1B5A-1B5B 1B5E-1B5F 1B7D-1B7E 1C3B-1C3C 1C7E-1C7F 203C-203D 2047-2049 2E2E 2E3C
2E53-2E54 3002 A4FF A60E-A60F A6F3 A6F7 A876-A877 A8CE-A8CF A92F A9C8-A9C9 AA5D-AA5F AAF0-AAF1 ABEB FE52 FE56-FE57 FF01
FF0E FF1F FF61 10A56-10A57 10F55-10F59 10F86-10F89 11047-11048 110BE-110C1 11141-11143 111C5-111C6 111CD 111DE-111DF
11238-11239 1123B-1123C 112A9 1144B-1144C 115C2-115C3 115C9-115D7 11641-11642 1173C-1173E 11944 11946 11A42-11A43
11A9B-11A9C 11C41-11C42 11EF7-11EF8 11F43-11F44 16A6E-16A6F 16AF5 16B37-16B38 16B44 16E98 1BC9F 1DA88
"""


def _characters(ranges: str) -> frozenset[str]:
    spans = (part.partition("-") for part in ranges.split())
    return frozenset(chr(c) for a, _, b in spans for c in range(int(a, 16), int(b or a, 16) + 1))


TERMINAL = _characters(_TERMINAL_RANGES)
"""Unicode 15's sentence terminals and three Khmer signs."""

PUNCTUATION = (
    TERMINAL
    | frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~´«»–—’“”„…∶►━、。〈〉《》「」【】！％（），．１：；？～")
    | _characters("0-8 B-1F 7F-9F")
)
"""CCNet's punctuation (Wenzek et al. 2020) with control characters, and the sentence terminals."""

CITATION = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
END_PUNCTUATION = (".", "?", "!", '"', "'")

_SENTENCE = re.compile("e[pe]*w")  # a sentence begins at the first word behind an end mark
_LINE_BREAKS, _BLANK_LINES = re.compile("\n+"), re.compile(r"\n{2,}")


def measure_batch(
    texts: Sequence[str], langs: Sequence[str | None], section: LineRules
) -> tuple[dict[str, Values], Cut]:
    """Every signal of each text, and what the line rules cut. ``langs`` is not asked."""
    words = spacy_words(PUNCTUATION)
    numbers, edges = words.numbers(texts)
    batch = Batch.of(texts)
    lines = batch.lines()
    line_words = count_in(batch.token_starts(), lines.firsts, lines.lasts)
    cut = cut_lines(batch, lines, line_words, section)
    left = [_c4(text, section, words) for text in texts]
    return {
        **_quality(texts, words, numbers, edges),
        **_repetition(texts, words.tokens(numbers, edges)),
        "sentences": np.array([c4.sentences for c4 in left], float),
        "lorem_ipsum": np.array([c4.lorem_ipsum for c4 in left], float),
        "curly_brackets": np.array([c4.curly_brackets for c4 in left], float),
        **_fineweb([c4.text for c4 in left], words),
        **other_signals(batch, lines, cut, line_words),
    }, cut


def _quality(texts: Sequence[str], words: SpacyWords, numbers: Int64s, edges: Int64s) -> dict[str, Values]:
    """``GopherQualityFilter``. What it divides by nothing is not measured."""
    flags = words.flags(numbers)
    wordlike, alphabetic = (_sums(flags & flag != 0, edges) for flag in (WORDLIKE, ALPHABETIC))
    lines = [text.splitlines() for text in texts]
    counts = np.array([len(document) for document in lines], float)
    stops = words.of(STOP_WORDS)
    present = np.concatenate([np.zeros((1, len(stops)), np.int64), np.cumsum(numbers[:, None] == stops, axis=0)])[edges]
    return {
        "characters": np.array([len(text) for text in texts], float),
        "lines": counts,
        "words": wordlike.astype(float),
        "word_length": _share(_sums(words.lengths(numbers) * (flags & WORDLIKE != 0), edges), wordlike),
        "hash_ratio": _share(np.array([text.count("#") for text in texts]), np.diff(edges)),
        "ellipsis_ratio": _share(np.array([text.count("...") + text.count("…") for text in texts]), np.diff(edges)),
        "bullet_lines": _share(
            np.array([sum(line.lstrip().startswith(("•", "-")) for line in document) for document in lines]), counts
        ),
        "ellipsis_lines": _share(
            np.array([sum(line.rstrip().endswith(("...", "…")) for line in document) for document in lines]), counts
        ),
        "alphabetic_words": _share(alphabetic, np.diff(edges)),
        "stop_words": np.count_nonzero(np.diff(present, axis=0), axis=1).astype(float),
    }


def _repetition(texts: Sequence[str], tokens: Tokens) -> dict[str, Values]:
    """``GopherRepetitionFilter``."""
    whole = np.array([len(text) for text in texts])
    lines = [_LINE_BREAKS.split(text) for text in texts]
    paragraphs = [_BLANK_LINES.split(text.strip()) for text in texts]
    values = {}
    for name, parts in {"line": lines, "paragraph": paragraphs}.items():
        later = np.array([_later(document) for document in parts], np.int64).reshape(-1, 2)
        values[f"duplicate_{name}s"] = later[:, 0] / np.array([len(document) for document in parts])
        values[f"duplicate_{name}_chars"] = _share(later[:, 1], whole)
    for found in repeats(tokens):
        if found.n in TOP_N:
            values[f"top_{found.n}_gram"] = _share(_top(tokens, found), whole)
        else:
            values[f"duplicate_{found.n}_grams"] = _share(later_characters(tokens, found), whole)
    return values


def _top(tokens: Tokens, found: Repeats) -> Int64s:
    """Characters, spaces between words included, in the most frequent n-gram; of equally frequent ones the first."""
    firsts = np.minimum(tokens.edges[:-1], max(len(tokens.hashes) - found.n, 0))
    counts = (tokens.counts() >= found.n).astype(np.int64)
    top = most_frequent(tokens, found, longest=False)
    firsts[top.documents], counts[top.documents] = top.firsts, top.counts
    ends = np.minimum(firsts + found.n, len(tokens.hashes))
    characters: Int64s = (tokens.totals[ends] - tokens.totals[firsts] + found.n - 1) * counts
    return characters


class _Left(NamedTuple):
    """What ``C4QualityFilter`` leaves of a text, and what it counts in it."""

    text: str
    sentences: int
    lorem_ipsum: int
    curly_brackets: int


def _c4(text: str, section: LineRules, words: SpacyWords) -> _Left:
    """``C4QualityFilter`` with the line rules that are chosen, in its own order; without any, the text stays as it is.

    Lines that hold lorem ipsum or a curly bracket count only if they come as far as the filter's look at them.
    """
    chosen = set(section.rules)
    whole = text.lower()
    phrases = [phrase for phrase in POLICY if phrase in whole] if "policy" in chosen else []
    left: list[str] = []
    sentences = lorem_ipsum = curly_brackets = 0
    for line in map(str.strip, text.splitlines()):
        runs = line.split()
        if "long_word" in chosen and max(map(len, runs), default=0) > section.max_word_length:
            continue
        if "citations" in chosen and "[" in line:
            line = CITATION.sub("", line)
        if "terminal_mark" in chosen and (not line.endswith(END_PUNCTUATION) or line.endswith("...")):
            continue
        if "few_words" in chosen and len(runs) < section.min_words:
            continue
        lower = line.lower()
        lorem_ipsum += "lorem ipsum" in lower
        if "javascript" in chosen and "javascript" in lower:
            continue
        curly_brackets += "{" in line
        if phrases and any(phrase in lower for phrase in phrases):
            continue
        sentences += 1 + len(_SENTENCE.findall(words.marks(line))) if line else 0
        left.append(line)
    return _Left("\n".join(left).strip() if chosen else text, sentences, lorem_ipsum, curly_brackets)


def _fineweb(texts: Sequence[str], words: SpacyWords) -> dict[str, Values]:
    """``FineWebQualityFilter``, of the lines that are left."""
    lines = [[line for line in text.split("\n") if line.strip()] for text in texts]
    counts = np.array([len(document) for document in lines])
    solid = np.array([len(text) - text.count("\n") for text in texts])
    _, edges = words.numbers(texts)
    return {
        "line_punctuation": _share(np.array([sum(line[-1] in TERMINAL for line in d) for d in lines]), counts),
        "short_lines": _share(np.array([sum(len(line) <= 30 for line in d) for d in lines]), counts),
        "repeated_line_chars": _share(np.array([_later(document)[1] for document in lines]), solid),
        "newlines": _share(np.array([text.count("\n") for text in texts]), np.diff(edges)),
    }


def _later(parts: Sequence[str]) -> tuple[int, int]:
    """Parts that stood before, and the characters in them."""
    distinct = set(parts)
    return len(parts) - len(distinct), sum(map(len, parts)) - sum(map(len, distinct))


def _sums(values: NDArray[Any], edges: Int64s) -> Int64s:
    """Sums over each document: int64 [documents]."""
    sums: Int64s = np.diff(np.concatenate([[0], np.cumsum(values, dtype=np.int64)])[edges])
    return sums


def _share(part: NDArray[Any], whole: NDArray[Any]) -> Values:
    """``part`` of ``whole``; NaN of nothing."""
    shares: Values = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    return shares
