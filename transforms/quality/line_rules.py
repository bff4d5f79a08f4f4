"""Line rules of C4 and RefinedWeb: lines, and parts of lines, to cut out of documents.

The signals stage measures what they would cut; the refine stage cuts it.

C4 (Raffel et al. 2020, 2.2; order and numbers as in ``c4_utils.py`` of TensorFlow Datasets) removes citations like
Wikipedia's from their lines, and lines that contain a word of more than 1,000 characters, end without a terminal mark
or with an ellipsis, have fewer than five words, or mention JavaScript, cookies, a privacy policy or terms of use.

RefinedWeb (Penedo et al. 2023, G.2) removes lines that consist mainly of uppercase letters, consist of digits only, are
counters ("3 likes") or have one word; and boilerplate at the start, at the end or within lines of at most ten words.
The paper gives one example of each; the lists here are ours.

Words of lines are whitespace-separated; in scripts without spaces each character is a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gristmill.corpus.arrays import Bools, Float64s, Int8s, Int64s
from gristmill.transforms.quality.character_flags import DIGIT, NUMERIC, SPACE, TERMINAL_MARKS, UPPER, character_set
from gristmill.transforms.quality.line_rules_section import LINE_RULE_NAMES, LineRuleName, LineRules
from gristmill.transforms.quality.text_batch import Batch, Lines, count_in, ratio

POLICY_PHRASES = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
JAVASCRIPT_PHRASES = ("javascript",)

MAX_BOILERPLATE_WORDS = 10
"""Boilerplate is cut out of lines of at most this many words."""

MAX_COUNTER_WORDS = 4
"""A counter is a line of at most this many words."""

_CITATION = re.compile(r"\[(?:\d*|edit|citation needed)\]")

_COUNTER = re.compile(
    r"\W*\d[\d.,]*\s?[kmb]?\s+(?:likes?|shares?|comments?|retweets?|reposts?|quotes?|bookmarks?|upvotes?|downvotes?|downloads?"
    r"|views?|followers?|kommentare?|aufrufe|commentaires?|vues|comentarios?|visitas|комментари\w+|просмотр\w*)\W*",
    re.IGNORECASE,
)

BOILERPLATE = re.compile(
    r"^\W*(?:sign[ -]?in|log[ -]?in|anmelden|einloggen|se connecter|connexion|iniciar sesión|войти)\b\s?"
    r"|\s?\b(?:read more|weiterlesen|mehr lesen|lire la suite|leer más|seguir leyendo|читать далее)\W*$"
    r"|\s?\b(?:\d+ )?items in cart\b",
    re.IGNORECASE,
)
BOILERPLATE_CLUES = (
    *("sign", "log", "more", "cart"),
    *("anmelden", "loggen", "lesen", "conne", "lire", "sesión", "leer", "leyendo", "войти", "читать"),
)
"""Every match contains one of these; lines without any are not searched."""

TABLES = {
    "policy": POLICY_PHRASES,
    "javascript": JAVASCRIPT_PHRASES,
    "citation": _CITATION.pattern,
    "counter": _COUNTER.pattern,
    "boilerplate": BOILERPLATE.pattern,
    "boilerplate_clues": BOILERPLATE_CLUES,
}
"""What the key of the stage ``signals`` contains of this module."""


class Cut(NamedTuple):
    """What the line rules cut out of a batch.

    ``line_rules`` [lines] is the index in ``LINE_RULE_NAMES`` of the rule that cuts each line, -1 if the line is kept.
    ``touched`` [lines] tells whether a line is cut, or boilerplate is cut out of it. ``starts``, ``ends`` and
    ``span_rules`` [spans] are the characters of the batch that are cut and the rules that cut them, in order and
    disjoint.
    """

    line_rules: Int8s
    touched: Bools
    starts: Int64s
    ends: Int64s
    span_rules: Int8s

    @property
    def kept(self) -> Bools:
        """Whether each line is kept: bool [lines]."""
        return self.line_rules < 0


class _Spans(NamedTuple):
    starts: list[int]
    ends: list[int]
    lines: list[int]


def cut_lines(batch: Batch, lines: Lines, line_words: Int64s, section: LineRules) -> Cut:
    """Return what the section cuts out of a batch. ``line_words`` [lines] is the number of words of each line."""
    chosen = set(section.rules)
    no_spans = _Spans([], [], [])
    citations = no_spans
    if "citations" in chosen:
        citations = _find_spans(batch, lines, _CITATION, _lines_with(batch, lines, ("[",)))
    boilerplate = _find_boilerplate(batch, lines, line_words) if "boilerplate" in chosen else no_spans
    line_rules = np.full(len(lines.starts), -1, np.int8)
    for rule in section.rules:
        if rule == "boilerplate":
            failing = _emptied_lines(lines, boilerplate)
        else:
            failing = _failing_lines(rule, batch, lines, line_words, section, citations)
        line_rules[failing & (line_rules < 0)] = LINE_RULE_NAMES.index(rule)
    touched = line_rules >= 0
    touched[boilerplate.lines] = True
    spans = _merge_spans(lines, line_rules, {"citations": citations, "boilerplate": boilerplate})
    return Cut(line_rules, touched, *spans)


def cut_words(lines: Lines, line_words: Int64s, cut: Cut) -> Float64s:
    """Return the share of words in lines that are cut or corrected (Penedo et al. 2023, G.2): float64 [documents]."""
    return ratio(lines.sum_per_document(line_words * cut.touched), lines.sum_per_document(line_words))


def _failing_lines(
    rule: LineRuleName, batch: Batch, lines: Lines, line_words: Int64s, section: LineRules, citations: _Spans
) -> Bools:
    """Return whether the rule cuts each line: bool [lines]."""
    match rule:
        case "long_word":
            long_runs = batch.run_starts[batch.run_ends - batch.run_starts > section.max_word_length]
            return count_in(long_runs, lines.text_starts, lines.text_ends) > 0
        case "terminal_mark":
            return _without_terminal_mark(batch, lines, citations)
        case "few_words":
            return np.asarray(line_words < section.min_words)
        case "javascript":
            return _as_mask(lines, _lines_with(batch, lines, JAVASCRIPT_PHRASES))
        case "policy":
            return _as_mask(lines, _lines_with(batch, lines, POLICY_PHRASES))
        case "uppercase":
            uppercase = count_in(np.flatnonzero(batch.flags & UPPER), lines.text_starts, lines.text_ends)
            return np.asarray(uppercase > section.max_uppercase * (lines.text_ends - lines.text_starts))
        case "numeric":
            others = np.flatnonzero(batch.flags & (NUMERIC | SPACE) == 0)
            return np.asarray(count_in(others, lines.text_starts, lines.text_ends) == 0)
        case "counter":
            lengths = lines.text_ends - lines.text_starts
            digits = count_in(np.flatnonzero(batch.flags & DIGIT), lines.text_starts, lines.text_ends)
            candidates = np.flatnonzero((line_words <= MAX_COUNTER_WORDS) & (digits > 0) & (digits < lengths))
            counters = [line for line in candidates.tolist() if _COUNTER.fullmatch(_line_text(batch, lines, line))]
            return _as_mask(lines, counters)
        case "one_word":
            return np.asarray(line_words == 1)
        case "citations" | "boilerplate":
            return np.zeros(len(lines.starts), bool)


def _without_terminal_mark(batch: Batch, lines: Lines, citations: _Spans) -> Bools:
    """Return whether each line lacks a terminal mark at its end, or ends with an ellipsis. Citations after it are
    ignored.
    """
    ends = lines.text_ends.copy()
    for start, end, line in zip(*map(reversed, citations), strict=True):
        if end == ends[line]:
            while start > lines.text_starts[line] and batch.flags[start - 1] & SPACE:
                start -= 1
            ends[line] = start
    last = batch.codes[ends - 1]
    without: Bools = ~character_set(TERMINAL_MARKS)[last] | ends_in_ellipsis(batch, ends)
    return without


def ends_in_ellipsis(batch: Batch, ends: Int64s) -> Bools:
    """Return whether … or ... precedes each of ``ends``: bool, of the same shape."""
    last = batch.codes[ends - 1]
    dots = (last == ord(".")) & (batch.codes[ends - 2] == ord(".")) & (batch.codes[ends - 3] == ord("."))
    ellipsis: Bools = (last == ord("…")) | dots
    return ellipsis


def _lines_with(batch: Batch, lines: Lines, phrases: Sequence[str]) -> list[int]:
    """Return the indices of lines that contain one of ``phrases`` in any case, ascending."""
    positions = [
        offset + position
        for text, offset in zip(batch.lower, batch.offsets[:-1].tolist(), strict=True)
        for phrase in phrases
        for position in _find_all(text, phrase)
    ]
    line_numbers = np.searchsorted(lines.starts, np.array(positions, np.int64), side="right") - 1
    indices: list[int] = np.unique(line_numbers).tolist()
    return indices


def _find_all(text: str, phrase: str) -> Iterator[int]:
    position = text.find(phrase)
    while position >= 0:
        yield position
        position = text.find(phrase, position + 1)


def _find_spans(batch: Batch, lines: Lines, pattern: re.Pattern[str], candidates: Sequence[int]) -> _Spans:
    """Return every match of ``pattern`` in the candidate lines, which are stripped of surrounding white space."""
    spans = _Spans([], [], [])
    for line in candidates:
        offset = int(lines.text_starts[line])
        for match in pattern.finditer(_line_text(batch, lines, line)):
            if match.end() > match.start():
                spans.starts.append(offset + match.start())
                spans.ends.append(offset + match.end())
                spans.lines.append(line)
    return spans


def _find_boilerplate(batch: Batch, lines: Lines, line_words: Int64s) -> _Spans:
    candidates = _lines_with(batch, lines, BOILERPLATE_CLUES)
    short = [line for line in candidates if line_words[line] <= MAX_BOILERPLATE_WORDS]
    return _find_spans(batch, lines, BOILERPLATE, short)


def _emptied_lines(lines: Lines, spans: _Spans) -> Bools:
    """Return whether the spans leave nothing of each line."""
    removed = np.zeros(len(lines.starts), np.int64)
    np.add.at(removed, spans.lines, np.array(spans.ends, np.int64) - np.array(spans.starts, np.int64))
    return (removed > 0) & (removed >= lines.text_ends - lines.text_starts)


def _merge_spans(lines: Lines, line_rules: Int8s, parts: dict[LineRuleName, _Spans]) -> tuple[Int64s, Int64s, Int8s]:
    """Return starts, ends and rules of cut lines (line feeds included) and of parts cut out of kept lines, in order."""
    cut = np.flatnonzero(line_rules >= 0)
    starts, ends, rules = [lines.starts[cut]], [lines.ends[cut] + 1], [line_rules[cut]]
    part_spans: list[tuple[int, int, int]] = []
    for rule, spans in parts.items():
        for start, end, line in zip(*spans, strict=True):
            if line_rules[line] < 0:
                part_spans.append((start, end, LINE_RULE_NAMES.index(rule)))
    disjoint = _drop_overlapping(sorted(part_spans))
    starts.append(np.array([start for start, _, _ in disjoint], np.int64))
    ends.append(np.array([end for _, end, _ in disjoint], np.int64))
    rules.append(np.array([rule for _, _, rule in disjoint], np.int8))
    order = np.argsort(np.concatenate(starts), kind="stable")
    return np.concatenate(starts)[order], np.concatenate(ends)[order], np.concatenate(rules)[order]


def _drop_overlapping(spans: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Return the sorted spans without those that overlap an earlier one."""
    disjoint: list[tuple[int, int, int]] = []
    for span in spans:
        if not disjoint or span[0] >= disjoint[-1][1]:
            disjoint.append(span)
    return disjoint


def _as_mask(lines: Lines, indices: Sequence[int]) -> Bools:
    mask = np.zeros(len(lines.starts), bool)
    mask[np.array(indices, np.int64)] = True
    return mask


def _line_text(batch: Batch, lines: Lines, line: int) -> str:
    document = int(np.searchsorted(lines.offsets, line, side="right")) - 1
    offset = int(batch.offsets[document])
    return batch.texts[document][int(lines.text_starts[line]) - offset : int(lines.text_ends[line]) - offset]
