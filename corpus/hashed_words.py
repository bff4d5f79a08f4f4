# cython: annotation_typing=False, boundscheck=False, initializedcheck=False, wraparound=False
"""Word hashes computed from UTF-8 in one pass: the results of ``words.word_hashes``, ten times as fast.

This module is compiled if there is a C compiler (``hashed_words.pxd`` declares the types), and ``COMPILED`` says
whether it is. Uncompiled it is slower than NumPy, and only tests use it, with lists and bytes in place of arrays.
"""

from __future__ import annotations

from gristmill.corpus.arrays import Int64s, UInt8s, UInt64s

_ALL = 2**64 - 1
_FIRST = 0xBF58476D1CE4E5B9
_SECOND = 0x94D049BB133111EB


class WordHasher:
    """The hasher with its tables: folded code points, kinds of code points, kinds of marks, and multipliers."""

    def __init__(
        self,
        folds: Int64s,
        kinds: UInt8s,
        as_mark: UInt8s,
        mark: int,
        multipliers: UInt64s,
    ) -> None:
        self.folds = folds
        self.kinds = kinds
        self.as_mark = as_mark
        self.mark = mark
        self.multipliers = multipliers
        self.longest = len(multipliers)

    def hash_text(self, data: UInt8s, begin: int, end: int, out: UInt64s, place: int) -> int:
        """Write the hashes of the words of the UTF-8 text ``data[begin:end]`` to ``out``, starting at ``place``.

        Returns the number of words, or -1 if the text cannot be hashed in one pass: it has characters that compose or
        expand, or a word with more characters than there are multipliers. ``out`` needs room for a word in every two
        bytes.
        """
        folds, kinds, multipliers = self.folds, self.kinds, self.multipliers
        at = begin
        position = place
        before = 0  # the kind of the previous character
        base = 0  # the kind of the last character that is not a mark
        length = 0  # characters in the current word; 0 between words
        total = 0
        while at < end:
            code = data[at]
            if code < 0x80:
                at += 1
            elif code < 0xE0:
                code = ((code & 0x1F) << 6) | (data[at + 1] & 0x3F)
                at += 2
            elif code < 0xF0:
                code = ((code & 0x0F) << 12) | ((data[at + 1] & 0x3F) << 6) | (data[at + 2] & 0x3F)
                at += 3
            else:
                code = (code & 0x07) << 18
                code |= ((data[at + 1] & 0x3F) << 12) | ((data[at + 2] & 0x3F) << 6) | (data[at + 3] & 0x3F)
                at += 4
            folded = folds[code]
            if folded < 0:
                return -1
            kind = kinds[folded]
            if kind == self.mark:
                kind = self.as_mark[base]
            else:
                base = kind
            if length and (kind & ~(before & 3) or not kind):
                out[position] = _mixed(total)
                position += 1
                length = 0
                total = 0
            if kind:
                if length == self.longest:
                    return -1
                total = (total + multipliers[length] * folded) & _ALL
                length += 1
            before = kind
        if length:
            out[position] = _mixed(total)
            position += 1
        return position - place

    def hash_texts(
        self,
        data: UInt8s,
        edges: Int64s,
        first: int,
        out: UInt64s,
        place: int,
        counts: Int64s,
    ) -> int:
        """Call ``hash_text`` for the texts from index ``first`` on; text i is ``data[edges[i]:edges[i + 1]]``.

        Writes the number of words of each to ``counts``. Returns the index of the first text that cannot be hashed in
        one pass, or the number of texts.
        """
        texts = len(edges) - 1
        for text in range(first, texts):
            found = self.hash_text(data, edges[text], edges[text + 1], out, place)
            if found < 0:
                return text
            counts[text] = found
            place += found
        return texts


def _mixed(value: int) -> int:
    value = (value ^ (value >> 30)) * _FIRST & _ALL
    value = (value ^ (value >> 27)) * _SECOND & _ALL
    return value ^ (value >> 31)


COMPILED = not __file__.endswith(".py")
