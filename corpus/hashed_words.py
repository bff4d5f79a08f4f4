# cython: annotation_typing=False, boundscheck=False, initializedcheck=False, wraparound=False
"""Word hashes straight from UTF-8, one look at each character: what ``words.word_hashes`` gives, ten times as fast.

Where there is a C compiler this very module is compiled (``hashed_words.pxd`` has its types). ``COMPILED`` tells so;
elsewhere numpy is the faster way, and this one is of use to tests alone, which give it lists and bytes for arrays.
"""

from __future__ import annotations

from gristmill.corpus.arrays import Int64s, UInt8s, UInt64s

_ALL = 2**64 - 1
_FIRST = 0xBF58476D1CE4E5B9
_SECOND = 0x94D049BB133111EB


class WordHasher:
    """Holds the tables of ``words``: folded code points, their kinds, kinds of marks, and the multipliers."""

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

    def put(self, data: UInt8s, begin: int, end: int, out: UInt64s, place: int) -> int:
        """Puts the hashes of the words of the UTF-8 text ``data[begin:end]`` into ``out`` from ``place`` on.

        Gives their number, or -1 where one look does not do: characters that compose or expand, or a word longer than
        the multipliers. ``out`` has room for a word every other byte.
        """
        folds, kinds, multipliers = self.folds, self.kinds, self.multipliers
        at = begin
        put = place
        before = 0  # the kind of the character before
        base = 0  # the kind of what a mark would stand on
        length = 0  # characters of the open word, 0: none is open
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
                out[put] = _mixed(total)
                put += 1
                length = 0
                total = 0
            if kind:
                if length == self.longest:
                    return -1
                total = (total + multipliers[length] * folded) & _ALL
                length += 1
            before = kind
        if length:
            out[put] = _mixed(total)
            put += 1
        return put - place

    def put_texts(
        self,
        data: UInt8s,
        edges: Int64s,
        first: int,
        out: UInt64s,
        place: int,
        counts: Int64s,
    ) -> int:
        """``put`` for texts from number ``first`` on, one behind the other; text i is ``data[edges[i]:edges[i + 1]]``.

        Puts the number of each one's words into ``counts``. Gives the number of the first for which one look does not
        do, or of all texts.
        """
        texts = len(edges) - 1
        for text in range(first, texts):
            found = self.put(data, edges[text], edges[text + 1], out, place)
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
