"""What a word is: one answer for filters, deduplication and decontamination.

A word is a run of letters, digits and marks; all else separates. Han, kana, Thai, Lao, Khmer and Myanmar do not put
spaces between words, so there every character with the marks on it counts as a word. The script of each character
decides, not the language of the document: mixed text works, a wrong language label does no harm, and a document's
words do not change when its label does.

Boundaries are found on an array of code points, by a table of their kinds; hashes are sums over the same array. No
step loops over words. Kinds, case folding and NFKC come from Python's Unicode tables: ``UNICODE_VERSION`` belongs into
the key of every stage that works with words.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gristmill.corpus.arrays import Bools, Int64s, UInt8s, UInt64s
from gristmill.corpus.hashed_words import COMPILED, WordHasher
from gristmill.store import storage
from gristmill.store.cache import kept
from gristmill.store.keys import key_of

UNICODE_VERSION = unicodedata.unidata_version

BREAK, LETTER, TAIL, SOLO, MARK = 0b0000, 0b0001, 0b0010, 0b0110, 0b1000
"""Kinds of code points: separates words; joins a letter before it; mark on a ``SOLO``; begins a word in any case.

Bit by bit: a code begins a word where it has a bit that the code before it has not, the third bit being lent to none.
``MARK`` stands in the table only; ``kinds_of`` gives a mark the kind that follows from what it stands on.
"""

_LENT = np.uint8(0b011)

_AS_MARK = np.array([BREAK, LETTER, TAIL, BREAK, BREAK, BREAK, TAIL], np.uint8)  # by the kind of what it stands on

_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),  # ideographic iteration and closing marks, zero
    (0x3021, 0x3029),  # Suzhou numerals
    (0x3031, 0x309F),  # kana repeat marks, hiragana
    (0x30A0, 0x30FF),  # katakana
    (0x31F0, 0x31FF),  # katakana extensions
    (0x3400, 0x4DBF),  # Han, extension A
    (0x4E00, 0x9FFF),  # Han
    (0xA9E0, 0xA9FF),  # Myanmar extended B
    (0xAA60, 0xAA7F),  # Myanmar extended A
    (0xF900, 0xFAFF),  # Han, compatibility
    (0xFF66, 0xFF9F),  # katakana, half width
    (0x1AFF0, 0x1B16F),  # kana supplement and extensions
    (0x20000, 0x3FFFF),  # Han, supplementary planes
)

_INVISIBLE = re.compile("[\u00ad\u034f\u200c-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff]")
"""Soft hyphen, joiners, direction marks, variation selectors: they neither belong to a word nor end one."""

_PLANES = 0x30000  # nothing above these three planes folds

_TOGETHER = 2**18
"""Bytes of short texts that are made code points at once."""

_USUAL_LENGTH = 4096  # code points from the start of a word to that of the next: longer is rare, and only slower


def words(text: str) -> list[str]:
    """The words of ``text`` in order, in its own case and form, without invisible characters."""
    text = _visible(text)
    kinds = kinds_of(code_points(text))
    begins = begins_word(kinds)
    last = kinds != BREAK  # a word's last code is followed by a break, by the start of another word, or by nothing
    last[:-1] &= begins[1:] | ~last[1:]
    starts, ends = np.flatnonzero(begins), np.flatnonzero(last) + 1
    return [text[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]


def normalise(text: str) -> str:
    """The words of ``text``, compatibility-composed (NFKC) and case-folded, with one space between them.

    Texts that differ in case, punctuation, symbols, spacing, width or invisible characters alone come out equal.
    Digits and accents stay (CCNet, Wenzek et al. 2020, drops both; a benchmark's question hangs on its numbers).
    """
    return " ".join(words(_folded(text)))


def word_hashes(text: str) -> UInt64s:
    """One hash for each word of ``normalise(text)``, in order: uint64 [words]. The same on every machine."""
    return find_words(text).hashes()


def character_hashes(text: str) -> UInt64s:
    """One hash for each character of ``normalise(text)``, in order: uint64 [characters]."""
    return mix(code_points(normalise(text)).astype(np.uint64))


class Words(NamedTuple):
    """The words of ``normalise(text)`` as arrays, for those who need more than their hashes.

    ``codes`` and ``kinds`` [characters] run from the first word's first code to the end of the text, ``starts`` [words]
    says where in them each word begins. What separates it from the next has the kind ``BREAK``.
    """

    codes: Int64s
    kinds: UInt8s
    starts: Int64s

    def sums(self, values: NDArray[Any]) -> NDArray[Any]:
        """The sum of ``values`` [characters] over each word and the breaks after it: [words]."""
        return np.add.reduceat(values, self.starts) if len(self.starts) else values[:0]

    def lengths(self) -> Int64s:
        """Code points in each word: int64 [words]."""
        return self.sums((self.kinds != BREAK).astype(np.int64))

    def hashes(self) -> UInt64s:
        """A hash of each word, whatever stands around it: uint64 [words].

        Multilinear in the word's code points (Lemire and Kaser 2014), with multipliers that hang on the position in the
        word, then mixed.
        """
        spans = np.empty_like(self.starts)
        spans[:-1], spans[-1:] = self.starts[1:] - self.starts[:-1], len(self.codes) - self.starts[-1:]
        positions = np.arange(len(self.codes)) - np.repeat(self.starts, spans)
        terms = _multipliers(int(spans.max(initial=0))).take(positions)
        terms *= self.codes.view(np.uint64)
        terms *= self.kinds != BREAK  # what separates words adds nothing to the one before it
        return mix(self.sums(terms))


def find_words(text: str) -> Words:
    """The words of ``normalise(text)``, found but not copied out."""
    codes = folded_code_points(text)
    kinds = kinds_of(codes)
    starts = np.flatnonzero(begins_word(kinds))
    first = int(starts[0]) if len(starts) else len(codes)
    return Words(codes[first:], kinds[first:], starts - first)


@lru_cache(maxsize=1)
def word_hasher() -> WordHasher:
    """What gives ``word_hashes`` of UTF-8 in one look, where that does."""
    return WordHasher(_fold_table(), _kind_table(), _AS_MARK, MARK, _usual_multipliers())


def hashes_of_texts(data: UInt8s, ends: Sequence[int] | Int64s) -> tuple[UInt64s, Int64s]:
    """The ``word_hashes`` of texts one after another, and the number of each text's words.

    Text i is the UTF-8 ``data[ends[i] : ends[i + 1]]``.
    """
    edges = np.ascontiguousarray(ends, np.int64)
    found = np.empty(len(data) // 2 + len(edges), np.uint64)
    counts = np.empty(len(edges) - 1, np.int64)
    pieces = []
    begin = end = text = waiting = 0
    while True:
        reached = word_hasher().put_texts(data, edges, text, found, end, counts) if COMPILED else text
        if waiting and (reached > text or text == len(counts) or edges[text] - edges[text - waiting] > _TOGETHER):
            own, counts[text - waiting : text] = _hashes_of_each(data, edges[text - waiting : text + 1].tolist())
            pieces += [found[begin:end], own]
            begin, waiting = end, 0
        if text == len(counts):
            return np.concatenate([*pieces, found[begin:end]]), counts
        end += int(counts[text:reached].sum())
        text = reached
        if text < len(counts):  # characters that compose or expand: done together with its neighbours of that kind
            waiting, text = waiting + 1, text + 1


def _hashes_of_each(data: UInt8s, edges: list[int]) -> tuple[UInt64s, Int64s]:
    """``hashes_of_texts`` by arrays of code points. Nothing composes with a line feed, or becomes one."""
    texts = [data[start:end].tobytes().decode() for start, end in pairwise(edges)]
    codes = folded_code_points("\n".join((*texts, "")))
    last = np.cumsum([text.count("\n") + 1 for text in texts]) - 1  # line feed of each text
    kinds = kinds_of(codes)
    starts = np.flatnonzero(begins_word(kinds))
    counts = np.diff(np.searchsorted(starts, np.flatnonzero(codes == ord("\n"))[last]), prepend=0)
    first = int(starts[0]) if len(starts) else len(codes)
    return Words(codes[first:], kinds[first:], starts - first).hashes(), counts


def shingle_hashes(hashes: UInt64s, n: int) -> UInt64s:
    """Hashes of ``n`` consecutive words each, from ``word_hashes``: uint64 [words - n + 1], sensitive to order.

    Fewer words than ``n`` give one shingle of them all; no words, none. Raises ValueError for ``n`` < 1.
    """
    if n < 1:
        raise ValueError(f"a shingle has at least one word, not {n}")
    n = min(n, len(hashes))
    count = len(hashes) - n + 1 if n else 0
    total = np.zeros(count, np.uint64)
    for position, multiplier in enumerate(_multipliers(n)[:n]):
        total += hashes[position : position + count] * multiplier
    return mix(total)


def shingle_hashes_at(hashes: UInt64s, places: NDArray[np.integer[Any]], n: int) -> UInt64s:
    """``shingle_hashes(hashes, n)[places]``, the others left alone: uint64 [places]. Every place has ``n`` words."""
    total = np.zeros(len(places), np.uint64)
    for position, multiplier in enumerate(_multipliers(n)[:n]):
        total += hashes.take(places + position) * multiplier
    return mix(total)


def sequence_hashes(hashes: UInt64s, counts: Int64s) -> UInt64s:
    """One hash for each sequence of words: uint64 [sequences], that of the one shingle that all its words make.

    The sequences lie one after another, ``counts`` int64 [sequences] words in each; one without words has the hash 0.
    """
    total = np.zeros(len(counts), np.uint64)
    filled = counts > 0
    firsts = (counts.cumsum() - counts)[filled]
    if len(firsts):
        places = np.arange(len(hashes)) - np.repeat(firsts, counts[filled])
        terms = _multipliers(int(counts.max())).take(places)
        terms *= hashes
        total[filled] = np.add.reduceat(terms, firsts)
    return mix(total)


def mix(values: UInt64s) -> UInt64s:
    """SplitMix64's finaliser (Steele, Lea and Flood 2014): a bijection after which every bit hangs on every bit."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def code_points(text: str) -> Int64s:
    """The code points of ``text``, lone surrogates included: int64 [characters], ready to index tables."""
    if text.isascii():
        return np.frombuffer(text.encode(), np.uint8).astype(np.int64)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.int64)


def folded_code_points(text: str) -> Int64s:
    """Code points that give the words of ``normalise(text)``; what separates them may differ."""
    codes = _fold_table().take(code_points(text))
    if len(codes) and codes.min() < 0:
        return code_points(_folded(text))
    return codes


def kinds_of(codes: Int64s) -> UInt8s:
    """The kind of each code point, in its place: uint8 [characters]. A mark that stands on nothing is a break."""
    kinds = _kind_table().take(codes)
    marks = np.flatnonzero(kinds == MARK)
    if len(marks):
        kinds[marks] = BREAK
        bases = np.arange(len(kinds))
        bases[marks] = 0
        kinds[marks] = _AS_MARK.take(kinds.take(np.maximum.accumulate(bases).take(marks)))
    return kinds


def word_places(text: str) -> tuple[Int64s, Int64s]:
    """Where in ``text`` each word of ``normalise(text)`` begins and ends: int64 [words], int64 [words], in characters.

    Where folding makes several words of what stands together (``½`` is ``1 2``), each of them takes all of it.
    """
    folds = _fold_table().take(code_points(text))
    starts = np.arange(len(folds))
    ends = starts + 1
    if (folds < 0).any():
        # Only codes without a fold of their own compose with the code before them, if that is no separator.
        simple = folds >= 0
        first = simple | (starts == 0)
        first[1:] |= simple[:-1] & (_kind_table().take(folds[:-1]) == BREAK)
        firsts = np.flatnonzero(first)
        lasts = np.append(firsts[1:], len(folds))
        done, parts = 0, []
        for begin, end in _pairs(firsts, lasts, (lasts - firsts > 1) | ~simple[firsts]):
            folded = code_points(_folded(text[begin:end]))
            parts += [(folds[done:begin], starts[done:begin], ends[done:begin])]
            parts += [(folded, np.full(len(folded), begin), np.full(len(folded), end))]
            done = end
        parts += [(folds[done:], starts[done:], ends[done:])]
        folds, starts, ends = (np.concatenate(column) for column in zip(*parts, strict=True))
    kinds = kinds_of(folds)
    begins = begins_word(kinds)
    last = kinds != BREAK
    last[:-1] &= begins[1:] | ~last[1:]
    return starts[begins], ends[last]


def begins_word(kinds: UInt8s) -> Bools:
    """Whether a word begins at each character."""
    lacking = kinds.copy()
    lacking[1:] &= ~(kinds[:-1] & _LENT)
    return lacking.astype(bool)


def _pairs(left: Int64s, right: Int64s, chosen: Bools) -> Iterator[tuple[int, int]]:
    return zip(left[chosen].tolist(), right[chosen].tolist(), strict=True)


def _visible(text: str) -> str:
    return text if text.isascii() else _INVISIBLE.sub("", text)


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", _visible(text)).casefold())


def assigned() -> str:
    """The characters of all planes that have any. In the others is nothing yet, or what is private: no letters, marks,
    digits or spaces. Tables are made from these, which takes a quarter of the time that all code points would.
    """
    return "".join(map(chr, (*range(0x40000), *range(0xE0000, 0xE1000))))


@lru_cache(maxsize=1)
def _kind_table() -> UInt8s:
    """Kind of every code point: uint8 [0x110000]."""
    return np.frombuffer(_kept("kinds", _find_kinds), np.uint8)


@lru_cache(maxsize=1)
def _fold_table() -> Int64s:
    """Each code point folded, where that takes one code and no look at its neighbours; -1 elsewhere: int64 [0x110000].

    Marks and the parts of Hangul syllables may compose with what stands before them; some codes expand, invisible ones
    go. What folds into separators is a space. The look-up spares most texts the costlier string functions.
    """
    return np.frombuffer(_kept("folds", _find_folds), "<i8")


def _kept(name: str, make: Callable[[], NDArray[Any]]) -> bytes | memoryview:
    """A table, made once on a machine by this module's code from Python's Unicode: that takes 0.4 s for both.

    Each has a folder of its own, since making one asks for the other, and a folder is locked meanwhile.
    """
    key = key_of(storage.content_hash(__file__), sys.version)
    return kept(f"words-{name}/{key}", lambda: make().tobytes())


def _find_kinds() -> UInt8s:
    characters = assigned()
    names = "".join(map(unicodedata.category, characters)).encode()
    major, minor = np.frombuffer(names, np.uint8).reshape(-1, 2).T
    table = np.full(sys.maxunicode + 1, BREAK, np.uint8)
    table[code_points(characters)] = np.select(
        [(major == ord("L")) | (major == ord("N")), major == ord("M")], [LETTER, MARK], BREAK
    )
    for first, last in _UNSPACED:
        block = slice(first, last + 1)
        table[block][(table[block] == LETTER) & (minor[block] != ord("d"))] = SOLO
    return table


def _find_folds() -> Int64s:
    table = np.arange(sys.maxunicode + 1)
    table[_PLANES:] = np.where(table[_PLANES:] < 0xE0000, table[_PLANES:], -1)
    folded = _folded("\0".join(map(chr, range(1, _PLANES)))).split("\0")
    table[1:_PLANES] = [ord(text) if len(text) == 1 else -1 for text in folded]
    table[(_kind_table()[table] == MARK) | ((table >= 0x1160) & (table <= 0x11FF))] = -1
    for code in np.flatnonzero(table[:_PLANES] < 0).tolist():
        text = folded[code - 1]
        if len(text) > 1 and not kinds_of(code_points("a" + text))[1:].any():
            table[code] = ord(" ")
    return table


@lru_cache(maxsize=1)
def _usual_multipliers() -> UInt64s:
    return _stream(_USUAL_LENGTH)


def _multipliers(length: int) -> UInt64s:
    """At least ``length`` fixed pseudo-random odd numbers, the same ones for every length."""
    return _usual_multipliers() if length <= _USUAL_LENGTH else _stream(length)


def _stream(length: int) -> UInt64s:
    golden = np.uint64(0x9E3779B97F4A7C15)
    return mix(np.arange(1, length + 1, dtype=np.uint64) * golden) | np.uint64(1)
