"""Lines that are cut out of documents: those of C4 and of RefinedWeb. Judging counts them, refining cuts them.

C4 (Raffel et al. 2020, 2.2; order and numbers as in ``c4_utils.py`` of TensorFlow Datasets): citations as in Wikipedia
go out of their lines; lines go that hold a word of more than 1,000 characters, end without a terminal mark or with an
ellipsis, have less than five words, or name JavaScript, cookies, a privacy policy or terms of use.

RefinedWeb (Penedo et al. 2023, G.2): lines go that are mainly of capital letters or only of digits, count something
("3 likes"), or are one word; of lines of at most ten words goes what begins, ends or stands in them by rote. The paper
gives one example of each; the lists here are ours.

Words of lines are runs between spaces; in scripts without spaces each character is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gristmill.transforms.quality.characters import DIGIT, NUMERIC, SPACE, TERMINAL_MARKS, UPPER, set_table
from gristmill.transforms.quality.judge_section import LineRules
from gristmill.transforms.quality.ngram_repetition import Int64s
from gristmill.transforms.quality.rule_names import LINE_RULE_NAMES, LineRuleName
from gristmill.transforms.quality.text_batch import Batch, Lines, count_in

POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
JAVASCRIPT = ("javascript",)

ROTE_WORDS = 10
"""Words of the longest line in which something goes by rote."""

COUNTED_WORDS = 4
"""Words of the longest line that can be a counter."""

_CITATION = re.compile(r"\[(?:\d*|edit|citation needed)\]")

_COUNTER = re.compile(
    r"\W*\d[\d.,]*\s?[kmb]?\s+(?:likes?|shares?|comments?|retweets?|reposts?|quotes?|bookmarks?|upvotes?|downvotes?|downloads?"
    r"|views?|followers?|kommentare?|aufrufe|commentaires?|vues|comentarios?|visitas|комментари\w+|просмотр\w*)\W*",
    re.IGNORECASE,
)

_ROTE = re.compile(
    r"^\W*(?:sign[ -]?in|log[ -]?in|anmelden|einloggen|se connecter|connexion|iniciar sesión|войти)\b\s?"
    r"|\s?\b(?:read more|weiterlesen|mehr lesen|lire la suite|leer más|seguir leyendo|читать далее)\W*$"
    r"|\s?\b(?:\d+ )?items in cart\b",
    re.IGNORECASE,
)
_ROTE_SIGNS = (
    *("sign", "log", "more", "cart"),
    *("anmelden", "loggen", "lesen", "conne", "lire", "sesión", "leer", "leyendo", "войти", "читать"),
)
"""Of which every match has one: what lacks them all is not searched."""


class Cut(NamedTuple):
    """What goes. ``rules`` [lines] is the place in ``LINE_RULE_NAMES`` of what cuts each line, -1 for one that is left.

    ``touched`` [lines] says whether a line is cut, or something by rote goes out of it; ``starts``, ``ends`` and
    ``kinds`` [spans] which characters of the batch are cut by which rule, ascending and apart.
    """

    rules: NDArray[np.int8]
    touched: NDArray[np.bool_]
    starts: Int64s
    ends: Int64s
    kinds: NDArray[np.int8]

    @property
    def left(self) -> NDArray[np.bool_]:
        """Whether each line is left: bool [lines]."""
        return self.rules < 0


class _Spans(NamedTuple):
    starts: list[int]
    ends: list[int]
    lines: list[int]


def cut_lines(batch: Batch, lines: Lines, words: Int64s, section: LineRules) -> Cut:
    """What the section cuts out of a batch. ``words`` [lines] counts each line's."""
    chosen = set(section.rules)
    none = _Spans([], [], [])
    citations = _spans(batch, lines, _CITATION, _lines_with(batch, lines, ("[",))) if "citations" in chosen else none
    boilerplate = _rote(batch, lines, words) if "boilerplate" in chosen else none
    rules = np.full(len(lines.starts), -1, np.int8)
    for rule in section.rules:
        failing = _failing(rule, batch, lines, words, section, citations)
        if rule == "boilerplate":
            failing = _emptied(lines, boilerplate)
        rules[failing & (rules < 0)] = LINE_RULE_NAMES.index(rule)
    touched = rules >= 0
    touched[boilerplate.lines] = True
    return Cut(rules, touched, *_joined(lines, rules, {"citations": citations, "boilerplate": boilerplate}))


def _failing(
    rule: LineRuleName, batch: Batch, lines: Lines, words: Int64s, section: LineRules, citations: _Spans
) -> NDArray[np.bool_]:
    """The lines that a rule cuts: bool [lines]."""
    match rule:
        case "long_word":
            return _has(lines, batch.firsts[batch.lasts - batch.firsts > section.max_word_length])
        case "terminal_mark":
            return _unended(batch, lines, citations)
        case "few_words":
            return np.asarray(words < section.min_words)
        case "javascript":
            return _marked(lines, _lines_with(batch, lines, JAVASCRIPT))
        case "policy":
            return _marked(lines, _lines_with(batch, lines, POLICY))
        case "uppercase":
            capitals = count_in(np.flatnonzero(batch.bits & UPPER), lines.firsts, lines.lasts)
            return np.asarray(capitals > section.max_uppercase * (lines.lasts - lines.firsts))
        case "numeric":
            others = np.flatnonzero(batch.bits & (NUMERIC | SPACE) == 0)
            return np.asarray(count_in(others, lines.firsts, lines.lasts) == 0)
        case "counter":
            digits = count_in(np.flatnonzero(batch.bits & DIGIT), lines.firsts, lines.lasts)
            likely = np.flatnonzero((words <= COUNTED_WORDS) & (digits > 0) & (digits < lines.lasts - lines.firsts))
            return _marked(lines, [line for line in likely.tolist() if _COUNTER.fullmatch(_text(batch, lines, line))])
        case "one_word":
            return np.asarray(words == 1)
        case "citations" | "boilerplate":
            return np.zeros(len(lines.starts), bool)


def _unended(batch: Batch, lines: Lines, citations: _Spans) -> NDArray[np.bool_]:
    """Lines without a terminal mark at their end, or with an ellipsis; a citation behind it does not hide it."""
    lasts = lines.lasts.copy()
    for start, end, line in zip(*map(reversed, citations), strict=True):
        if end == lasts[line]:
            while start > lines.firsts[line] and batch.bits[start - 1] & SPACE:
                start -= 1
            lasts[line] = start
    final = batch.codes[lasts - 1]
    unended: NDArray[np.bool_] = ~set_table(TERMINAL_MARKS)[final] | ends_in_ellipsis(batch, lasts)
    return unended


def ends_in_ellipsis(batch: Batch, lasts: Int64s) -> NDArray[np.bool_]:
    """Whether … or ... stands before each of ``lasts``: bool, of the same shape."""
    final = batch.codes[lasts - 1]
    dots = (final == ord(".")) & (batch.codes[lasts - 2] == ord(".")) & (batch.codes[lasts - 3] == ord("."))
    ended: NDArray[np.bool_] = (final == ord("…")) | dots
    return ended


def _lines_with(batch: Batch, lines: Lines, phrases: Sequence[str]) -> list[int]:
    """The lines that hold one of ``phrases``, whatever the case, ascending."""
    places = [
        edge + place
        for text, edge in zip(batch.lower, batch.edges[:-1].tolist(), strict=True)
        for phrase in phrases
        for place in _places(text, phrase)
    ]
    found: list[int] = np.unique(np.searchsorted(lines.starts, np.array(places, np.int64), side="right") - 1).tolist()
    return found


def _places(text: str, phrase: str) -> Iterator[int]:
    place = text.find(phrase)
    while place >= 0:
        yield place
        place = text.find(phrase, place + 1)


def _spans(batch: Batch, lines: Lines, pattern: re.Pattern[str], candidates: Sequence[int]) -> _Spans:
    """Every match of ``pattern`` in the candidate lines, white space around them left out."""
    spans = _Spans([], [], [])
    for line in candidates:
        first = int(lines.firsts[line])
        for match in pattern.finditer(_text(batch, lines, line)):
            if match.end() > match.start():
                spans.starts.append(first + match.start())
                spans.ends.append(first + match.end())
                spans.lines.append(line)
    return spans


def _rote(batch: Batch, lines: Lines, words: Int64s) -> _Spans:
    candidates = _lines_with(batch, lines, _ROTE_SIGNS)
    return _spans(batch, lines, _ROTE, [line for line in candidates if words[line] <= ROTE_WORDS])


def _emptied(lines: Lines, spans: _Spans) -> NDArray[np.bool_]:
    """Lines of which the spans leave nothing."""
    taken = np.zeros(len(lines.starts), np.int64)
    np.add.at(taken, spans.lines, np.array(spans.ends, np.int64) - np.array(spans.starts, np.int64))
    return (taken > 0) & (taken >= lines.lasts - lines.firsts)


def _joined(
    lines: Lines, rules: NDArray[np.int8], parts: dict[LineRuleName, _Spans]
) -> tuple[Int64s, Int64s, NDArray[np.int8]]:
    """Cut lines with their breaks, and the parts that go out of lines that stay, in one order."""
    gone = np.flatnonzero(rules >= 0)
    starts, ends, kinds = [lines.starts[gone]], [lines.ends[gone] + 1], [rules[gone]]
    taken: list[tuple[int, int, int]] = []
    for rule, spans in parts.items():
        for start, end, line in zip(*spans, strict=True):
            if rules[line] < 0:
                taken.append((start, end, LINE_RULE_NAMES.index(rule)))
    apart = _disjoint(sorted(taken))
    starts.append(np.array([start for start, _, _ in apart], np.int64))
    ends.append(np.array([end for _, end, _ in apart], np.int64))
    kinds.append(np.array([kind for _, _, kind in apart], np.int8))
    order = np.argsort(np.concatenate(starts), kind="stable")
    return np.concatenate(starts)[order], np.concatenate(ends)[order], np.concatenate(kinds)[order]


def _disjoint(spans: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Spans in order, those that overlap an earlier one left out."""
    apart: list[tuple[int, int, int]] = []
    for span in spans:
        if not apart or span[0] >= apart[-1][1]:
            apart.append(span)
    return apart


def _has(lines: Lines, places: Int64s) -> NDArray[np.bool_]:
    return count_in(places, lines.firsts, lines.lasts) > 0


def _marked(lines: Lines, found: Sequence[int]) -> NDArray[np.bool_]:
    marks = np.zeros(len(lines.starts), bool)
    marks[np.array(found, np.int64)] = True
    return marks


def _text(batch: Batch, lines: Lines, line: int) -> str:
    document = int(np.searchsorted(lines.edges, line, side="right")) - 1
    edge = int(batch.edges[document])
    return batch.texts[document][int(lines.firsts[line]) - edge : int(lines.lasts[line]) - edge]
