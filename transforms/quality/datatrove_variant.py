"""The variant ``datatrove``: signals as datatrove 0.10 counts them with its default options, to reproduce its verdicts.

``GopherQualityFilter``, ``GopherRepetitionFilter``, ``C4QualityFilter`` and ``FineWebQualityFilter`` assume English by
default, and so does this variant: words are the tokens of spaCy's English tokenizer, which include punctuation marks.

Differences from ``paper``: for Gopher's first rules, words are tokens that are not only punctuation, and its other
shares are those of all tokens; bullets are ``•`` and ``-``; lines end at any kind of line break, and blank lines count.
Repetitions are shares of the whole text; the first occurrence of an n-gram does not count, and reading continues behind
each later one; the most frequent n-gram counts even if it occurs once. FineWeb's lines are not stripped, and quotation
marks are not terminal marks. Sentences are those of spaCy's sentencizer. FineWeb's signals are measured on the lines
that C4's rules keep, as in its chain. RefinedWeb's line rules, and all cuts, are those of ``line_rules``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gristmill.corpus.arrays import Float64s, Int64s
from gristmill.transforms.quality.common_signals import measure_common_signals
from gristmill.transforms.quality.line_rules import POLICY_PHRASES, Cut, cut_lines, cut_words
from gristmill.transforms.quality.line_rules_section import LineRules
from gristmill.transforms.quality.repeated_ngrams import (
    TOP_N,
    RepeatedNgrams,
    Tokens,
    find_repeated_ngrams,
    later_occurrence_characters,
    most_frequent_ngrams,
)
from gristmill.transforms.quality.spacy_words import ALPHABETIC, WORDLIKE, SpacyWords, spacy_words
from gristmill.transforms.quality.stop_words import GOPHER_STOP_WORDS
from gristmill.transforms.quality.text_batch import Batch, count_in

TERMINAL_RANGES = """
21 2E 3F 589 61D-61F 6D4 700-702 7F9 837 839 83D-83E 964-965 104A-104B 1362 1367-1368 166E 1735-1736 17D4-17D6
17D9-17DA 1803 1809 1944-1945 1AA8-1AAB 1B5A-1B5B 1B5E-1B5F 1B7D-1B7E 1C3B-1C3C 1C7E-1C7F 203C-203D 2047-2049 2E2E 2E3C
2E53-2E54 3002 A4FF A60E-A60F A6F3 A6F7 A876-A877 A8CE-A8CF A92F A9C8-A9C9 AA5D-AA5F AAF0-AAF1 ABEB FE52 FE56-FE57 FF01
FF0E FF1F FF61 10A56-10A57 10F55-10F59 10F86-10F89 11047-11048 110BE-110C1 11141-11143 111C5-111C6 111CD 111DE-111DF
11238-11239 1123B-1123C 112A9 1144B-1144C 115C2-115C3 115C9-115D7 11641-11642 1173C-1173E 11944 11946 11A42-11A43
11A9B-11A9C 11C41-11C42 11EF7-11EF8 11F43-11F44 16A6E-16A6F 16AF5 16B37-16B38 16B44 16E98 1BC9F 1DA88
"""


def _characters(ranges: str) -> frozenset[str]:
    """Return the characters of ranges of hexadecimal code points."""
    spans = (part.partition("-") for part in ranges.split())
    return frozenset(chr(code) for a, _, b in spans for code in range(int(a, 16), int(b or a, 16) + 1))


SENTENCE_TERMINALS = _characters(TERMINAL_RANGES)
"""The sentence terminals of Unicode 15 and three Khmer signs."""

PUNCTUATION = (
    SENTENCE_TERMINALS
    | frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~´«»–—’“”„…∶►━、。〈〉《》「」【】！％（），．１：；？～")
    | _characters("0-8 B-1F 7F-9F")
)
"""CCNet's punctuation (Wenzek et al. 2020), control characters and the sentence terminals."""

CITATION = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
END_PUNCTUATION = (".", "?", "!", '"', "'")

_SENTENCE = re.compile("e[pe]*w")  # a sentence starts at the first word after an end mark
_LINE_BREAKS, _BLANK_LINES = re.compile("\n+"), re.compile(r"\n{2,}")

TABLES = {
    "stop_words": GOPHER_STOP_WORDS,
    "sentence_terminals": sorted(SENTENCE_TERMINALS),
    "punctuation": sorted(PUNCTUATION),
    "citation": CITATION.pattern,
    "end_punctuation": END_PUNCTUATION,
}
"""What the key of the stage ``signals`` contains of this module."""


def measure_batch(
    texts: Sequence[str], langs: Sequence[str | None], section: LineRules
) -> tuple[dict[str, Float64s], Cut]:
    """Return every signal of each text, and what the line rules cut. ``langs`` is ignored."""
    words = spacy_words(PUNCTUATION)
    token_ids, offsets = words.token_ids(texts)
    batch = Batch.of(texts)
    lines = batch.lines()
    line_words = count_in(batch.token_starts(), lines.text_starts, lines.text_ends)
    cut = cut_lines(batch, lines, line_words, section)
    c4_results = [_apply_c4_filter(text, section, words) for text in texts]
    return {
        **_quality_signals(texts, words, token_ids, offsets),
        **_repetition_signals(texts, words.tokens(token_ids, offsets)),
        "sentences": np.array([result.sentences for result in c4_results], float),
        "lorem_ipsum": np.array([result.lorem_ipsum for result in c4_results], float),
        "curly_brackets": np.array([result.curly_brackets for result in c4_results], float),
        **_fineweb_signals([result.text for result in c4_results], words),
        "cut_words": cut_words(lines, line_words, cut),
        **measure_common_signals(batch, lines),
    }, cut


def _quality_signals(
    texts: Sequence[str], words: SpacyWords, token_ids: Int64s, offsets: Int64s
) -> dict[str, Float64s]:
    """Return the signals of ``GopherQualityFilter``. A share of nothing is not measured."""
    flags = words.flags(token_ids)
    wordlike, alphabetic = (_sum_per_document(flags & flag != 0, offsets) for flag in (WORDLIKE, ALPHABETIC))
    tokens = np.diff(offsets)
    lines = [text.splitlines() for text in texts]
    line_counts = np.array([len(document) for document in lines], float)
    stop_words = words.ids_of(GOPHER_STOP_WORDS)
    occurrences = np.cumsum(token_ids[:, None] == stop_words, axis=0)
    occurrences = np.concatenate([np.zeros((1, len(stop_words)), np.int64), occurrences])[offsets]
    hashes = np.array([text.count("#") for text in texts])
    ellipses = np.array([text.count("...") + text.count("…") for text in texts])
    bullet_lines = np.array([sum(line.lstrip().startswith(("•", "-")) for line in document) for document in lines])
    ellipsis_lines = np.array([sum(line.rstrip().endswith(("...", "…")) for line in document) for document in lines])
    word_characters = _sum_per_document(words.lengths(token_ids) * (flags & WORDLIKE != 0), offsets)
    return {
        "characters": np.array([len(text) for text in texts], float),
        "lines": line_counts,
        "words": wordlike.astype(float),
        "word_length": _share(word_characters, wordlike),
        "hash_ratio": _share(hashes, tokens),
        "ellipsis_ratio": _share(ellipses, tokens),
        "bullet_lines": _share(bullet_lines, line_counts),
        "ellipsis_lines": _share(ellipsis_lines, line_counts),
        "alphabetic_words": _share(alphabetic, tokens),
        "stop_words": np.count_nonzero(np.diff(occurrences, axis=0), axis=1).astype(float),
    }


def _repetition_signals(texts: Sequence[str], tokens: Tokens) -> dict[str, Float64s]:
    """Return the signals of ``GopherRepetitionFilter``."""
    lengths = np.array([len(text) for text in texts])
    lines = [_LINE_BREAKS.split(text) for text in texts]
    paragraphs = [_BLANK_LINES.split(text.strip()) for text in texts]
    signals = {}
    for name, parts in {"line": lines, "paragraph": paragraphs}.items():
        duplicates = np.array([_count_duplicates(document) for document in parts], np.int64).reshape(-1, 2)
        signals[f"duplicate_{name}s"] = duplicates[:, 0] / np.array([len(document) for document in parts])
        signals[f"duplicate_{name}_chars"] = _share(duplicates[:, 1], lengths)
    for repeated in find_repeated_ngrams(tokens):
        if repeated.n in TOP_N:
            signals[f"top_{repeated.n}_gram"] = _share(_top_ngram_characters(tokens, repeated), lengths)
        else:
            signals[f"duplicate_{repeated.n}_grams"] = _share(later_occurrence_characters(tokens, repeated), lengths)
    return signals


def _top_ngram_characters(tokens: Tokens, repeated: RepeatedNgrams) -> Int64s:
    """Return the number of characters in all occurrences of each document's most frequent n-gram, spaces between words
    included. Among equally frequent n-grams the first counts.
    """
    n = repeated.n
    positions = np.minimum(tokens.offsets[:-1], max(len(tokens.hashes) - n, 0))
    counts = (tokens.counts() >= n).astype(np.int64)
    top = most_frequent_ngrams(tokens, repeated, prefer_longest=False)
    positions[top.documents], counts[top.documents] = top.positions, top.counts
    ends = np.minimum(positions + n, len(tokens.hashes))
    characters: Int64s = (tokens.totals[ends] - tokens.totals[positions] + n - 1) * counts
    return characters


class _C4Result(NamedTuple):
    """The text that ``C4QualityFilter`` keeps, and what it counts in it."""

    text: str
    sentences: int
    lorem_ipsum: int
    curly_brackets: int


def _apply_c4_filter(text: str, section: LineRules, words: SpacyWords) -> _C4Result:
    """Apply the chosen line rules in the order of ``C4QualityFilter``. Without any, the text is kept unchanged.

    Lorem ipsum and curly brackets count only in lines that no earlier check of the filter removes.
    """
    chosen = set(section.rules)
    lower_text = text.lower()
    phrases = [phrase for phrase in POLICY_PHRASES if phrase in lower_text] if "policy" in chosen else []
    kept: list[str] = []
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
        sentences += 1 + len(_SENTENCE.findall(words.token_kinds(line))) if line else 0
        kept.append(line)
    return _C4Result("\n".join(kept).strip() if chosen else text, sentences, lorem_ipsum, curly_brackets)


def _fineweb_signals(texts: Sequence[str], words: SpacyWords) -> dict[str, Float64s]:
    """Return the signals of ``FineWebQualityFilter``, measured on the lines that are kept."""
    lines = [[line for line in text.split("\n") if line.strip()] for text in texts]
    line_counts = np.array([len(document) for document in lines])
    characters = np.array([len(text) - text.count("\n") for text in texts])
    _, offsets = words.token_ids(texts)
    terminated = np.array([sum(line[-1] in SENTENCE_TERMINALS for line in document) for document in lines])
    short = np.array([sum(len(line) <= 30 for line in document) for document in lines])
    duplicate_characters = np.array([_count_duplicates(document)[1] for document in lines])
    return {
        "line_punctuation": _share(terminated, line_counts),
        "short_lines": _share(short, line_counts),
        "repeated_line_chars": _share(duplicate_characters, characters),
        "newlines": _share(np.array([text.count("\n") for text in texts]), np.diff(offsets)),
    }


def _count_duplicates(parts: Sequence[str]) -> tuple[int, int]:
    """Return the number of parts that repeat an earlier one, and the number of characters in them."""
    distinct = set(parts)
    return len(parts) - len(distinct), sum(map(len, parts)) - sum(map(len, distinct))


def _sum_per_document(values: NDArray[Any], offsets: Int64s) -> Int64s:
    """Return the sum of ``values`` [tokens] over each document: int64 [documents]."""
    sums: Int64s = np.diff(np.concatenate([[0], np.cumsum(values, dtype=np.int64)])[offsets])
    return sums


def _share(part: NDArray[Any], whole: NDArray[Any]) -> Float64s:
    """Return ``part`` divided by ``whole``, NaN where ``whole`` is 0."""
    shares: Float64s = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    return shares
