# cython: annotation_typing=False, boundscheck=False, initializedcheck=False, cdivision=True
"""The inner loop of the greedy pass: decides documents one at a time, in rank order.

This module is compiled where a C compiler is available (``greedy_pass.pxd`` declares its types) and runs as plain
Python otherwise. See ``docs/how-deduplication-works.md`` for an example.
"""

from __future__ import annotations

import numpy as np

from gristmill.corpus.arrays import Int64s, UInt8s, UInt32s

WHOLE = 10_000
"""Similarities are integers in units of 1/10,000, so that they are rounded before they decide."""

NOT_COMPARED = -1
"""Replaces the similarity where documents match without one: with ``verify: none``, by SimHash or by URL."""

NEAR, EXACT, SAME_URL = 0, 1, 2
"""Why a document is removed: it is similar to a kept one, has the same text, or has the same URL."""

_NO_MATCH = -2
_MARKS = 2**16
_MARK_MASK = _MARKS - 1
_KEY_BASE = 2**32
_MAX_SHARED = 2**20  # more than there are bands


class GreedyPass:
    """The state of the greedy pass over n documents in rank order.

    A document is compared only with kept documents in *candidate lists* (see ``candidate_lists``).

    Args:
        from_index: uint8 [n], 1 for documents that an earlier run kept; these are always kept.
        path_rows: int64 [n + 1]. The paths of document i are rows ``path_rows[i]`` to ``path_rows[i + 1]`` of
            ``paths``.
        paths: int64 [paths, levels], list numbers, -1 after the end of a path. A list is looked into only if all lists
            before it in the path are full.
        list_starts: int64 [lists + 1]. List l has the slots ``list_starts[l]`` to ``list_starts[l + 1]``.
        text: int64 [n], equal for equal texts, numbered from 0.
        url: int64 [n], equal for equal canonical URLs, numbered from 0; -1 for documents without one.
        threshold: Minimum similarity, or for ``hamming`` the maximum distance.
        comparison: ``exact``, ``estimate``, ``hamming`` or ``none``.
        within_run: Whether documents of this run can remove each other; otherwise only those of the index can remove.

    Attributes:
        match: For each document, the kept document that it duplicates; -1 if it is kept.
        reason: Why it is removed: ``NEAR``, ``EXACT`` or ``SAME_URL``.
        similarity: Their similarity, in units of 1/``WHOLE``.
        listed: Whether the document is in any list.
        capped: Whether a kept document found the first list of one of its buckets full.
    """

    def __init__(
        self,
        from_index: UInt8s,
        path_rows: Int64s,
        paths: Int64s,
        list_starts: Int64s,
        text: Int64s,
        url: Int64s,
        threshold: float,
        comparison: str,
        within_run: bool,
    ) -> None:
        documents = len(from_index)
        self.from_index, self.path_rows, self.paths, self.list_starts = from_index, path_rows, paths, list_starts
        self.text, self.url, self.within_run = text, url, within_run
        self.levels = paths.shape[1]
        self.list_ends = list_starts[:-1].copy()
        self.slots = np.empty(list_starts[-1], np.int64)
        self.match = self._match = np.full(documents, -1)
        self.similarity = self._similarity = np.full(documents, WHOLE)
        self.reason = self._reason = np.zeros(documents, np.uint8)
        self.listed = self._listed = np.zeros(documents, np.uint8)
        self.capped = self._capped = np.zeros(documents, np.uint8)
        self.threshold = threshold
        self.lower_bound = threshold - 1 / WHOLE  # less than any similarity that rounds to the threshold
        self.exact, self.estimate, self.hamming = (comparison == name for name in ("exact", "estimate", "hamming"))
        self._text_match = np.full(text.max(initial=-1) + 1, -1)  # per text: the kept document that later copies match
        self._text_similarity = np.zeros(len(self._text_match), np.int64)
        self._text_reason = np.zeros(len(self._text_match), np.uint8)
        self._url_match = np.full(url.max(initial=-1) + 1, -1)  # per URL: the kept document
        self._shared = np.zeros(documents, np.int64)  # per candidate: lists that it shares with the current document
        lists = np.append(np.diff(list_starts), 0)
        path_slots = np.concatenate([[0], lists[paths].sum(axis=1).cumsum()])
        self._heap = np.empty(np.diff(path_slots[path_rows]).max(initial=0), np.int64)
        self._marks = np.zeros(_MARKS, np.uint8)
        self._marked = False

    def run(self, first: int, last: int, values: UInt32s, starts: Int64s, lengths: Int64s) -> None:
        """Decide documents ``first`` to ``last``.

        The sketch of document i is ``values[starts[i] : starts[i] + lengths[i]]``, for these documents and for those
        listed so far that share a bucket with them.
        """
        for document in range(first, last):
            from_index = self.from_index[document]
            removed = not from_index and (
                self._matches_text_or_url(document) or self._matches_candidate(document, values, starts, lengths)
            )
            if from_index or (self.within_run and not removed):
                self._keep(document)

    def _matches_text_or_url(self, document: int) -> bool:
        """Whether a document's text or URL is known to match, which needs no comparison."""
        match = self._text_match[self.text[document]]
        if match >= 0:
            self._match[document] = match
            self._similarity[document] = self._text_similarity[self.text[document]]
            self._reason[document] = self._text_reason[self.text[document]]
            return True
        if self.url[document] >= 0 and self._url_match[self.url[document]] >= 0:
            self._match[document] = self._url_match[self.url[document]]
            self._similarity[document] = NOT_COMPARED
            self._reason[document] = SAME_URL
            return True
        return False

    def _keep(self, document: int) -> None:
        """Make a kept document available for later documents to match."""
        self._set_text_match(document, document, WHOLE, EXACT)
        if self.url[document] >= 0 and self._url_match[self.url[document]] < 0:
            self._url_match[self.url[document]] = document
        self._add_to_lists(document)

    def _set_text_match(self, document: int, match: int, similarity: int, reason: int) -> None:
        """Record what later documents with this document's text match, unless it is recorded already."""
        text = self.text[document]
        if self._text_match[text] < 0:
            self._text_match[text] = match
            self._text_similarity[text] = similarity
            self._text_reason[text] = reason

    def _add_to_lists(self, document: int) -> None:
        """Add a kept document to the first list with a free slot on each of its paths."""
        for row in range(self.path_rows[document], self.path_rows[document + 1]):
            for level in range(self.levels):
                number = self.paths[row, level]
                if number < 0:
                    break
                if self.list_ends[number] < self.list_starts[number + 1]:
                    self.slots[self.list_ends[number]] = document
                    self.list_ends[number] += 1
                    self._listed[document] = 1
                    break
                self._capped[document] = 1

    def _matches_candidate(self, document: int, values: UInt32s, starts: Int64s, lengths: Int64s) -> bool:
        """Whether a listed document matches. Those that share the most lists come first, then the best-ranked."""
        count = self._gather_candidates(document)
        found = 0
        while count and not found:
            candidate = self._heap[0] % _KEY_BASE
            count -= 1
            self._heap[0] = self._heap[count]
            self._sift_down(0, count)
            self._shared[candidate] = 0
            similarity = self._compare(
                values, starts[document], lengths[document], starts[candidate], lengths[candidate]
            )
            if similarity != _NO_MATCH:
                self._match[document] = candidate
                self._similarity[document] = similarity
                self._set_text_match(document, candidate, similarity, EXACT if self.within_run else NEAR)
                found = 1
        for place in range(count):
            self._shared[self._heap[place] % _KEY_BASE] = 0
        if self._marked:
            self._set_marks(values, starts[document], lengths[document], 0)
            self._marked = False
        return bool(found)

    def _compare(self, values: UInt32s, start: int, length: int, other_start: int, other_length: int) -> int:
        """The similarity of the current document's sketch and another, ``NOT_COMPARED`` or ``_NO_MATCH``."""
        if self.hamming:
            if _differing_bits(values, start, other_start, length) > self.threshold:
                return _NO_MATCH
            return NOT_COMPARED
        if self.exact:
            small, large = (length, other_length) if length < other_length else (other_length, length)
            if small < self.lower_bound * large:
                return _NO_MATCH
            if not self._marked:
                self._set_marks(values, start, length, 1)
                self._marked = True
            needed = self.lower_bound * (length + other_length) / (1 + self.lower_bound)
            if self._count_marked(values, other_start, other_length) < needed:
                return _NO_MATCH
            common = _common_values(values, start, length, other_start, other_length)
            similarity = _ratio(common, length + other_length - common)
        elif self.estimate:
            similarity = _ratio(_equal_places(values, start, other_start, length), length)
        else:
            return NOT_COMPARED
        return similarity if similarity / 10_000.0 >= self.threshold else _NO_MATCH

    def _gather_candidates(self, document: int) -> int:
        """Fill the heap with the documents in the lists on the document's paths; returns their number."""
        count = 0
        for row in range(self.path_rows[document], self.path_rows[document + 1]):
            for level in range(self.levels):
                number = self.paths[row, level]
                if number < 0:
                    break
                for slot in range(self.list_starts[number], self.list_ends[number]):
                    candidate = self.slots[slot]
                    if self._shared[candidate] == 0:
                        self._heap[count] = candidate
                        count += 1
                    self._shared[candidate] += 1
                if self.list_ends[number] < self.list_starts[number + 1]:
                    break
        for place in range(count):
            candidate = self._heap[place]
            self._heap[place] = (_MAX_SHARED - self._shared[candidate]) * _KEY_BASE + candidate
        place = count // 2
        while place > 0:
            place -= 1
            self._sift_down(place, count)
        return count

    def _sift_down(self, place: int, count: int) -> None:
        """Restore the heap order, smallest on top, below ``place``."""
        key = self._heap[place]
        while 2 * place + 1 < count:
            child = 2 * place + 1
            if child + 1 < count and self._heap[child + 1] < self._heap[child]:
                child += 1
            if self._heap[child] >= key:
                break
            self._heap[place] = self._heap[child]
            place = child
        self._heap[place] = key

    def _set_marks(self, values: UInt32s, start: int, length: int, mark: int) -> None:
        """Set or clear the marks of the low 16 bits of a sketch's values."""
        for at in range(start, start + length):
            self._marks[values[at] & _MARK_MASK] = mark

    def _count_marked(self, values: UInt32s, start: int, length: int) -> int:
        """How many values of a sketch have marked low bits: an upper bound of the values in common."""
        count = 0
        for at in range(start, start + length):
            if self._marks[values[at] & _MARK_MASK]:  # the sum of marks, uint8, would overflow in plain Python
                count += 1
        return count


def _common_values(values: UInt32s, left: int, left_length: int, right: int, right_length: int) -> int:
    """The number of values that two ascending sets have in common."""
    left_end, right_end = left + left_length, right + right_length
    count = 0
    while left < left_end and right < right_end:
        a, b = values[left], values[right]
        count += a == b
        left += a <= b
        right += b <= a
    return count


def _equal_places(values: UInt32s, left: int, right: int, length: int) -> int:
    """The number of places at which two signatures are equal."""
    count = 0
    for place in range(length):
        count += values[left + place] == values[right + place]
    return count


def _differing_bits(values: UInt32s, left: int, right: int, length: int) -> int:
    """The Hamming distance of two fingerprints."""
    count = 0
    for place in range(length):
        bits = values[left + place] ^ values[right + place]
        while bits:
            bits &= bits - 1
            count += 1
    return count


def _ratio(part: int, whole: int) -> int:
    """``part / whole`` in units of 1/``WHOLE``, rounded half to even; ``WHOLE`` for 0/0."""
    if whole == 0:
        return WHOLE
    quotient = part * WHOLE // whole
    rest = 2 * (part * WHOLE - quotient * whole)
    if rest > whole or (rest == whole and quotient % 2):
        quotient += 1
    return quotient
