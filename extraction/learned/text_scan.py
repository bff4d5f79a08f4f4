# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False
"""Loops over characters: counts of the kinds of characters, the first words of a block, the words of an identifier.

Compiled where there is a C compiler, with the types in ``text_scan.pxd``; otherwise it runs as plain Python.
"""

from __future__ import annotations

from array import array

from gristmill.extraction.learned.html_blocks import BREAK

LEAD_CHARACTERS = 100
LEAD_WORDS = 12
MAX_IDENTIFIER_WORDS = 24

LONG = 80
"""A block with more characters outside links is long."""

KINDS = ("letter", "digit", "upper", "comma", "stop", "colon", "mark", "divider", "ideograph", "sign", "break")
"""Kinds of characters; a character may be of several."""
LETTER, UPPER, STOP, COLON = (KINDS.index(kind) for kind in ("letter", "upper", "stop", "colon"))

_PLANE = 0x10000

_MEMBERS = {
    "comma": ",，、;；،",
    "stop": ".!?。！？…؟",
    "colon": ":：",
    "divider": "|›»•·/>",
    "ideograph": "".join(map(chr, (*range(0x2E80, 0x9FFF), *range(0xAC00, 0xD7AF)))),
    "sign": "©®™",
    "break": BREAK,
}


def _kinds() -> array[int]:
    """For each character a bit mask of its ``KINDS``."""
    letter, digit, upper, mark = (1 << KINDS.index(kind) for kind in ("letter", "digit", "upper", "mark"))
    table = array("H", bytes(2 * _PLANE))
    for code, character in enumerate(map(chr, range(_PLANE))):
        kinds = letter if character.isalnum() or character == "_" else 0
        if not character.isalnum() and not character.isspace():
            kinds |= mark
        table[code] = kinds | digit * character.isdigit() | upper * character.isupper()
    for kind, characters in _MEMBERS.items():
        for character in characters:
            table[ord(character)] |= 1 << KINDS.index(kind)
    table.append(letter)
    return table


_KINDS_OF = _kinds()
"""The kinds of each character of the Basic Multilingual Plane; all beyond share the last entry and count as letters."""


def is_kind(character: str, kind: int) -> bool:
    """Whether a character is of the kind with this index in ``KINDS``."""
    return _KINDS_OF[min(ord(character), _PLANE)] >> kind & 1 > 0


def count_characters(text: str, counts: array[int]) -> int:
    """Returns the number of words, runs of ``\\w``, in ``text``; sets ``counts`` to its characters of each of
    ``KINDS``.

    Characters that are only letters, which most are, are not counted.
    """
    words = 0
    before = 0
    for kind in range(len(counts)):
        counts[kind] = 0
    for character in text:
        kinds = _KINDS_OF[min(ord(character), _PLANE)]
        letter = kinds & 1
        words += letter > before
        before = letter
        kind = 1
        while kinds > 1:
            kinds >>= 1
            counts[kind] += kinds & 1
            kind += 1
    return words


def lead_words(text: str) -> list[str]:
    """The first words of a block in lower case; of a long block also the last word, prefixed with ``$``."""
    words: list[str] = []
    head = text[:LEAD_CHARACTERS].lower()
    begun = -1
    for at in range(len(head)):
        if is_kind(head[at], LETTER):
            if begun < 0:
                begun = at
        elif begun >= 0:
            words.append(head[begun:at])
            begun = -1
            if len(words) == LEAD_WORDS:
                break
    if begun >= 0:
        words.append(head[begun:])
    if len(text) > LONG:
        words += ["$" + word for word in text[-24:].lower().split()[-1:]]
    return words


def identifier_words(value: str) -> list[str]:
    """The distinct words of an attribute's value in lower case; ``postBody`` and ``post-body`` both give two.

    A word is a run of ASCII letters: lower-case ones, optionally after one capital, or two or more capitals.
    """
    found: list[str] = []
    size = len(value)
    at = 0
    while at < size and len(found) < MAX_IDENTIFIER_WORDS:
        begin = at
        while at < size and "A" <= value[at] <= "Z":
            at += 1
        capitals = at - begin
        if at < size and "a" <= value[at] <= "z":
            if capitals > 2:  # the last capital begins the next word
                _add(found, value[begin : at - 1])
            begin = at - (capitals > 0)
            while at < size and "a" <= value[at] <= "z":
                at += 1
            _add(found, value[begin:at])
        elif capitals > 1:
            _add(found, value[begin:at])
        elif not capitals:
            at += 1
    return found


def _add(found: list[str], word: str) -> None:
    word = word.lower()
    if word not in found:
        found.append(word)
