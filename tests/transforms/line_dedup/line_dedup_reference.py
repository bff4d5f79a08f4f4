"""Lines, paragraphs and what of them goes, written down simply: what the arrays are compared with."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from gristmill.corpus.words import normalize
from gristmill.transforms.line_dedup.passage_hashes import LINE, PARAGRAPH
from gristmill.transforms.line_dedup.repeats_section import PassageRule

Key = tuple[int, str]
"""Kind and normalised words."""


class Passage(NamedTuple):
    key: Key
    start: int
    end: int


def passages(text: str, min_words: Mapping[int, int]) -> list[Passage]:
    """First the lines, then the paragraphs."""
    pieces = [(piece.start(), piece.end(), piece[0]) for piece in re.finditer(r"[^\n]*\n|[^\n]+", text)]
    paragraphs: list[list[tuple[int, int, str]]] = []
    open_ = False
    for piece in pieces:
        if piece[2].strip(" \t\n\v\f\r"):
            if not open_:
                paragraphs.append([])
            paragraphs[-1].append(piece)
        open_ = bool(piece[2].strip(" \t\n\v\f\r"))
    found: dict[int, list[Passage]] = {LINE: [], PARAGRAPH: []}
    starts = [paragraph[0][0] for paragraph in paragraphs] + [len(text)]
    for number, paragraph in enumerate(paragraphs):
        end = paragraph[-1][1]
        while end < starts[number + 1]:  # the blank lines behind it
            end = next(piece[1] for piece in pieces if piece[0] == end)
        for start, stop, line in paragraph:
            found[LINE].append(Passage((LINE, normalize(line)), start, end if len(paragraph) == 1 else stop))
        words = normalize("".join(line for _, _, line in paragraph))
        found[PARAGRAPH].append(Passage((PARAGRAPH, words), paragraph[0][0], end))
    return [one for kind in min_words for one in found[kind] if len(one.key[1].split()) >= min_words[kind]]


class Text(NamedTuple):
    priority: int
    id: bytes
    text: str


def gone(texts: Iterable[Text], rules: Mapping[int, PassageRule]) -> dict[bytes, set[Passage]]:
    """The passages that go of each document."""
    copies: dict[Key, list[tuple[bytes, Passage]]] = defaultdict(list)
    fewest = {kind: rule.min_words for kind, rule in rules.items()}
    for text in sorted(texts):
        for passage in passages(text.text, fewest):
            copies[passage.key].append((text.id, passage))
    found: dict[bytes, set[Passage]] = defaultdict(set)
    for (kind, _), places in copies.items():
        if len(places) >= rules[kind].min_count:
            for document, passage in places[rules[kind].keep == "first" :]:
                found[document].add(passage)
    return found
