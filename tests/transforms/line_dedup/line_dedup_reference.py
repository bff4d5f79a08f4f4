"""Reference implementation of lines, paragraphs and the copies to cut, in plain Python."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from gristmill.corpus.words import normalize
from gristmill.transforms.line_dedup.passage_hashes import LINE, PARAGRAPH
from gristmill.transforms.line_dedup.repeats_section import PassageRule

Key = tuple[int, str]
"""(kind, normalized words)"""


class Passage(NamedTuple):
    key: Key
    start: int
    end: int


def passages(text: str, min_words: Mapping[int, int]) -> list[Passage]:
    """The passages of a text: first lines, then paragraphs."""
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
        while end < starts[number + 1]:  # the blank lines after it
            end = next(piece[1] for piece in pieces if piece[0] == end)
        for start, stop, line in paragraph:
            found[LINE].append(Passage((LINE, normalize(line)), start, end if len(paragraph) == 1 else stop))
        words = normalize("".join(line for _, _, line in paragraph))
        found[PARAGRAPH].append(Passage((PARAGRAPH, words), paragraph[0][0], end))
    return [own for kind in min_words for own in found[kind] if len(own.key[1].split()) >= min_words[kind]]


class Text(NamedTuple):
    priority: int
    id: bytes
    text: str


def passages_to_cut(texts: Iterable[Text], rules: Mapping[int, PassageRule]) -> dict[bytes, set[Passage]]:
    """The passages to cut from each document."""
    copies: dict[Key, list[tuple[bytes, Passage]]] = defaultdict(list)
    min_words = {kind: rule.min_words for kind, rule in rules.items()}
    for text in sorted(texts):
        for passage in passages(text.text, min_words):
            copies[passage.key].append((text.id, passage))
    found: dict[bytes, set[Passage]] = defaultdict(set)
    for (kind, _), places in copies.items():
        if len(places) >= rules[kind].min_count:
            for document, passage in places[rules[kind].keep == "first" :]:
                found[document].add(passage)
    return found
