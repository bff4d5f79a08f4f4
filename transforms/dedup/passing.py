# cython: annotation_typing=False, boundscheck=False, initializedcheck=False, cdivision=True
"""The inner loop of the greedy pass: who is met in the lists, and how alike two sketches are.

Where there is a C compiler this very module is compiled (``passing.pxd`` has its types), else it runs as it stands.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

UInt8s = npt.NDArray[np.uint8]
UInt32s = npt.NDArray[np.uint32]
Integers = npt.NDArray[np.int64]

WHOLE = 10_000
"""Similarities are whole numbers of ten-thousandths: rounded before they decide."""

NOT_COMPARED = -1
"""In the place of a similarity, where documents match without one: unseen, by their SimHash or by their URL."""

NEAR, EXACT, SAME_URL = 0, 1, 2
"""Why a document goes: for one that is alike, that has the same text, that has the same URL."""

_MARKS = 2**16
_MASK = _MARKS - 1
_RANK = 2**32
_MOST = 2**20  # more than there are bands


class GreedyPass:
    """Documents in rank order, the lists of kept ones that they look into, and what is decided so far.

    ``settled`` [documents] says who stays whatever it matches. The paths of document i are the rows ``rows[i]`` to
    ``rows[i + 1]`` of ``paths`` [paths, levels]: numbers of lists, the later ones looked into only where the earlier
    are full, -1 where a path ends. List l has the places ``begins[l]`` to ``begins[l + 1]``. ``text`` and ``url``
    [documents] number texts and URLs from 0, -1 where there is no URL. Where ``within`` is false, documents go for
    settled ones alone.

    Decided are ``match`` (the document that each one goes for, -1: it stays), ``why`` it goes, ``alike`` (their
    similarity), ``listed`` (who is in any list) and ``capped`` (kept ones that a bucket's first list had no room for).
    """

    def __init__(
        self,
        settled: UInt8s,
        rows: Integers,
        paths: Integers,
        begins: Integers,
        text: Integers,
        url: Integers,
        threshold: float,
        comparison: str,
        within: bool,
    ) -> None:
        documents = len(settled)
        self.settled, self.rows, self.paths, self.begins = settled, rows, paths, begins
        self.text, self.url, self.within = text, url, within
        self.levels = paths.shape[1]
        self.fill = begins[:-1].copy()
        self.slots = np.empty(begins[-1], np.int64)
        self.match = self._match = np.full(documents, -1)
        self.alike = self._alike = np.full(documents, WHOLE)
        self.why = self._why = np.zeros(documents, np.uint8)
        self.listed = self._listed = np.zeros(documents, np.uint8)
        self.capped = self._capped = np.zeros(documents, np.uint8)
        self.threshold = threshold
        self.least = threshold - 1 / WHOLE  # less than any similarity that rounds to the threshold
        self.exact, self.estimate, self.hamming = (comparison == how for how in ("exact", "estimate", "hamming"))
        self._stands = np.full(text.max(initial=-1) + 1, -1)  # for a text: the kept document that matches it
        self._text_alike = np.zeros(len(self._stands), np.int64)
        self._text_why = np.zeros(len(self._stands), np.uint8)
        self._first = np.full(url.max(initial=-1) + 1, -1)  # of a URL: the kept document
        self._shared = np.zeros(documents, np.int64)
        lists = np.append(np.diff(begins), 0)
        room = np.concatenate([[0], lists[paths].sum(axis=1).cumsum()])
        self._heap = np.empty(np.diff(room[rows]).max(initial=0), np.int64)
        self._marks = np.zeros(_MARKS, np.uint8)

    def run(self, first: int, last: int, values: UInt32s, starts: Integers, lengths: Integers) -> None:
        """Decide documents ``first`` to ``last``. Sketch i is ``values[starts[i] : starts[i] + lengths[i]]``; those of
        the documents listed so far are there too."""
        for document in range(first, last):
            settled = self.settled[document]
            goes = not settled and (self._known(document) or self._matched(document, values, starts, lengths))
            if settled or (self.within and not goes):
                self._keep(document)

    def _known(self, document: int) -> bool:
        """Whether a document goes by its text or its URL, which takes no comparison."""
        stands = self._stands[self.text[document]]
        if stands >= 0:
            self._match[document] = stands
            self._alike[document] = self._text_alike[self.text[document]]
            self._why[document] = self._text_why[self.text[document]]
            return True
        if self.url[document] >= 0 and self._first[self.url[document]] >= 0:
            self._match[document] = self._first[self.url[document]]
            self._alike[document] = NOT_COMPARED
            self._why[document] = SAME_URL
            return True
        return False

    def _keep(self, document: int) -> None:
        """Let others go for a document."""
        self._answer(document, document, WHOLE, EXACT)
        if self.url[document] >= 0 and self._first[self.url[document]] < 0:
            self._first[self.url[document]] = document
        self._list(document)

    def _answer(self, document: int, other: int, alike: int, why: int) -> None:
        """Say for whom all later documents of this one's text go, unless that is known."""
        text = self.text[document]
        if self._stands[text] < 0:
            self._stands[text] = other
            self._text_alike[text] = alike
            self._text_why[text] = why

    def _list(self, document: int) -> None:
        """Put a kept document into the first list of each of its paths that has room."""
        for row in range(self.rows[document], self.rows[document + 1]):
            for level in range(self.levels):
                number = self.paths[row, level]
                if number < 0:
                    break
                if self.fill[number] < self.begins[number + 1]:
                    self.slots[self.fill[number]] = document
                    self.fill[number] += 1
                    self._listed[document] = 1
                    break
                self._capped[document] = 1

    def _matched(self, document: int, values: UInt32s, starts: Integers, lengths: Integers) -> bool:
        """Whether a listed document matches: those that share the most lists are looked at first, then the best."""
        count = self._gather(document)
        begin, length = starts[document], lengths[document]
        marked = 0
        found = 0
        while count and not found:
            other = self._heap[0] % _RANK
            count -= 1
            self._heap[0] = self._heap[count]
            self._sift(0, count)
            self._shared[other] = 0
            their = lengths[other]
            if self.exact:
                small, large = (length, their) if length < their else (their, length)
                if small < self.least * large:
                    continue
                if not marked:
                    marked = 1
                    for at in range(begin, begin + length):
                        self._marks[values[at] & _MASK] = 1
                needed = self.least * (length + their) / (1 + self.least)
                if self._bound(values, starts[other], their) < needed:
                    continue
                common = _in_common(values, begin, length, starts[other], their)
                alike = _rounded(common, length + their - common)
            elif self.estimate:
                alike = _rounded(_equal(values, begin, starts[other], length), length)
            elif self.hamming and _differing(values, begin, starts[other], length) > self.threshold:
                continue
            else:
                alike = NOT_COMPARED
            if alike == NOT_COMPARED or alike / 10_000.0 >= self.threshold:
                self._match[document] = other
                self._alike[document] = alike
                self._answer(document, other, alike, EXACT if self.within else NEAR)
                found = 1
        for place in range(count):
            self._shared[self._heap[place] % _RANK] = 0
        if marked:
            for at in range(begin, begin + length):
                self._marks[values[at] & _MASK] = 0
        return bool(found)

    def _gather(self, document: int) -> int:
        """Puts a heap of the listed documents in the lists of ``document`` together; gives their number."""
        count = 0
        for row in range(self.rows[document], self.rows[document + 1]):
            for level in range(self.levels):
                number = self.paths[row, level]
                if number < 0:
                    break
                for slot in range(self.begins[number], self.fill[number]):
                    other = self.slots[slot]
                    if self._shared[other] == 0:
                        self._heap[count] = other
                        count += 1
                    self._shared[other] += 1
                if self.fill[number] < self.begins[number + 1]:
                    break
        for place in range(count):
            other = self._heap[place]
            self._heap[place] = (_MOST - self._shared[other]) * _RANK + other
        place = count // 2
        while place > 0:
            place -= 1
            self._sift(place, count)
        return count

    def _sift(self, place: int, count: int) -> None:
        """Let a key sink to its place in the heap, the least on top."""
        key = self._heap[place]
        while 2 * place + 1 < count:
            below = 2 * place + 1
            if below + 1 < count and self._heap[below + 1] < self._heap[below]:
                below += 1
            if self._heap[below] >= key:
                break
            self._heap[place] = self._heap[below]
            place = below
        self._heap[place] = key

    def _bound(self, values: UInt32s, begin: int, length: int) -> int:
        """How many values of a sketch have low bits that are marked: at least as many as the two have in common."""
        count = 0
        for at in range(begin, begin + length):
            count += self._marks[values[at] & _MASK]
        return count


def _in_common(values: UInt32s, left: int, left_length: int, right: int, right_length: int) -> int:
    """Values that two ascending sets have in common."""
    left_end, right_end = left + left_length, right + right_length
    count = 0
    while left < left_end and right < right_end:
        a, b = values[left], values[right]
        count += a == b
        left += a <= b
        right += b <= a
    return count


def _equal(values: UInt32s, left: int, right: int, length: int) -> int:
    """Places at which two signatures are equal."""
    count = 0
    for place in range(length):
        count += values[left + place] == values[right + place]
    return count


def _differing(values: UInt32s, left: int, right: int, length: int) -> int:
    """Bits in which two fingerprints differ."""
    count = 0
    for place in range(length):
        bits = values[left + place] ^ values[right + place]
        while bits:
            bits &= bits - 1
            count += 1
    return count


def _rounded(part: int, whole: int) -> int:
    """``part / whole`` in ten-thousandths, rounded half to even."""
    if whole == 0:
        return WHOLE
    quotient = part * WHOLE // whole
    rest = 2 * (part * WHOLE - quotient * whole)
    if rest > whole or (rest == whole and quotient % 2):
        quotient += 1
    return quotient
