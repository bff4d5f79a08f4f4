# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False
"""What is counted and cut character by character: the kinds of a block's characters, its first words, words of names.

Where there is a C compiler this very module is compiled (``characters.pxd`` has its types), else it runs as it stands.
"""

from __future__ import annotations

from array import array

from gristmill.extraction.learned.page import BREAK

LEAD_CHARACTERS = 100
LEAD_WORDS = 12
MAX_NAMES = 24

LONG = 80
"""Characters outside links from which a block counts as long."""

KINDS = ("letter", "digit", "upper", "comma", "stop", "colon", "mark", "divider", "ideograph", "sign", "break")
"""What a character may be, several at once."""
LETTER, UPPER, STOP, COLON = (KINDS.index(kind) for kind in ("letter", "upper", "stop", "colon"))

_PLANE = 0x10000


_AMONG = {
    "comma": ",，、;；،",
    "stop": ".!?。！？…؟",
    "colon": ":：",
    "divider": "|›»•·/>",
    "ideograph": "".join(map(chr, (*range(0x2E80, 0x9FFF), *range(0xAC00, 0xD7AF)))),
    "sign": "©®™",
    "break": BREAK,
}


def _kinds() -> array[int]:
    """A bit for each of ``KINDS`` that a character is of."""
    letter, digit, upper, mark = (1 << KINDS.index(kind) for kind in ("letter", "digit", "upper", "mark"))
    table = array("H", bytes(2 * _PLANE))
    for code, character in enumerate(map(chr, range(_PLANE))):
        kinds = letter if character.isalnum() or character == "_" else 0
        if not character.isalnum() and not character.isspace():
            kinds |= mark
        table[code] = kinds | digit * character.isdigit() | upper * character.isupper()
    for kind, characters in _AMONG.items():
        for character in characters:
            table[ord(character)] |= 1 << KINDS.index(kind)
    table.append(letter)
    return table


_KINDS_OF = _kinds()
"""The kinds of each character of the Basic Multilingual Plane; one entry for all beyond it, which count as letters."""


def is_of(character: str, kind: int) -> bool:
    """Whether a character is of this one of ``KINDS``."""
    return _KINDS_OF[min(ord(character), _PLANE)] >> kind & 1 > 0


def tally(text: str, counts: array[int]) -> int:
    """How many words ``text`` has, runs of ``\\w``; puts into ``counts`` how many characters are of each of ``KINDS``.

    Letters that are of no other kind, most characters, are not counted.
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
    """The words that a block begins with, in lower case, and after ``$`` what a longer one ends with."""
    words: list[str] = []
    head = text[:LEAD_CHARACTERS].lower()
    begun = -1
    for at in range(len(head)):
        if is_of(head[at], LETTER):
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


def names(value: str) -> list[str]:
    """The words of an attribute's value, ``postBody`` and ``post-body`` alike, in lower case, each once.

    A word is a run of ASCII letters: small ones, perhaps after a capital, or two capitals and more.
    """
    found: list[str] = []
    size = len(value)
    at = 0
    while at < size and len(found) < MAX_NAMES:
        begin = at
        while at < size and "A" <= value[at] <= "Z":
            at += 1
        capitals = at - begin
        if at < size and "a" <= value[at] <= "z":
            if capitals > 2:  # the last one begins a word of its own
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
