"""Scores texts by word lists: the number of matches of whole words per thousand words.

There is a list for each language with one entry per line, like LDNOOBW (List of Dirty, Naughty, Obscene and Otherwise
Bad Words). Entries are one or more words as defined by ``corpus.words``, so case, width and punctuation do not matter,
and parts of words such as Scunthorpe do not match. In scripts without spaces every character is a word, so an entry
matches wherever its characters follow one another. Entries without letters or digits, such as emoji, are ignored.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from gristmill.classifiers.score import Scores, round_scores
from gristmill.corpus.arrays import Bools, Int64s, UInt64s
from gristmill.corpus.multilinear_hash import shingle_hashes
from gristmill.corpus.words import word_hashes
from gristmill.errors import InputError
from gristmill.store import storage


class WordList:
    """The hashed entries of one list."""

    def __init__(self, entries: Iterable[str]) -> None:
        """``entries`` have any number of words each. Raises ValueError if none has a word."""
        by_length: dict[int, list[int]] = defaultdict(list)
        for hashes in map(word_hashes, entries):
            if len(hashes):
                by_length[len(hashes)].append(int(shingle_hashes(hashes, len(hashes))[0]))
        if not by_length:
            raise ValueError("no entry has a letter or a digit")
        self._entries: dict[int, UInt64s] = {n: np.array(hashes, np.uint64) for n, hashes in by_length.items()}

    @classmethod
    def load(cls, url: str) -> WordList:
        """Load the list at ``url``: UTF-8, one entry per line. Raises InputError if it is missing or has no entries."""
        try:
            return cls(storage.read_bytes(url).decode().splitlines())
        except FileNotFoundError:
            raise InputError(f"no word list {url}: correct its path") from None
        except ValueError as error:  # includes UnicodeDecodeError
            raise InputError(f"{url} is not a word list: {error}; write one entry per line, in UTF-8") from error

    def hits(self, text: str) -> Int64s:
        """The indices of the words of ``text`` at which an entry begins: int64 [hits]."""
        return np.flatnonzero(self._matches(word_hashes(text)))

    def per_thousand(self, text: str) -> float:
        """The number of hits per thousand words; 0 for a text without words."""
        hashes = word_hashes(text)
        return 1000 * int(self._matches(hashes).sum()) / max(len(hashes), 1)

    def _matches(self, hashes: UInt64s) -> Bools:
        matches = np.zeros(len(hashes), bool)
        for length, entries in self._entries.items():
            if length <= len(hashes):
                matches[: len(hashes) - length + 1] |= np.isin(shingle_hashes(hashes, length), entries)
        return matches


class WordListScorer:
    """Word lists by language."""

    def __init__(self, lists: Mapping[str, WordList]) -> None:
        self._lists = lists

    @classmethod
    def load(cls, urls: Mapping[str, str]) -> WordListScorer:
        """Load the lists at ``urls``, by language (ISO 639). Raises InputError as ``WordList.load`` does."""
        return cls({lang: WordList.load(url) for lang, url in urls.items()})

    def scores(self, texts: Sequence[str], langs: Sequence[str | None]) -> Scores:
        """Hits per thousand words, to four decimal places: float32 [texts]; NaN if the language has no list."""
        scores = [
            self._lists[lang].per_thousand(text) if lang is not None and lang in self._lists else np.nan
            for text, lang in zip(texts, langs, strict=True)
        ]
        return round_scores(scores)
