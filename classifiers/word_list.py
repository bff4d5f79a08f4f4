"""Words of a list in a text, as whole words, counted for each thousand words.

Lists are per language, one entry a line, as LDNOOBW's are (List of Dirty, Naughty, Obscene and Otherwise Bad Words).
An entry is the words of ``corpus.words``, one or several, so that case, width and punctuation do not matter, and
Scunthorpe holds nothing that it does not say. Where a language puts no spaces, every character is a word, and an entry
is found wherever its characters follow one another. Entries without a letter or digit (an emoji) are left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from gristmill.classifiers.score import Scores, rounded
from gristmill.corpus.arrays import Bools, Int64s, UInt64s
from gristmill.corpus.words import shingle_hashes, word_hashes
from gristmill.errors import InputError
from gristmill.store import storage


class WordList:
    """The entries of one list, hashed."""

    def __init__(self, entries: Iterable[str]) -> None:
        """Entries of as many words as one likes. Raises ValueError where none has any."""
        by_length: dict[int, list[int]] = defaultdict(list)
        for hashes in map(word_hashes, entries):
            if len(hashes):
                by_length[len(hashes)].append(int(shingle_hashes(hashes, len(hashes))[0]))
        if not by_length:
            raise ValueError("no entry has a letter or digit")
        self._entries: dict[int, UInt64s] = {n: np.array(found, np.uint64) for n, found in by_length.items()}

    @classmethod
    def load(cls, url: str) -> WordList:
        """The list at ``url``, UTF-8, an entry a line. Raises InputError where there is none, or it is empty."""
        try:
            return cls(storage.read_bytes(url).decode().splitlines())
        except FileNotFoundError:
            raise InputError(f"no word list {url}: correct its path") from None
        except ValueError as error:  # of UTF-8 too
            raise InputError(f"{url} is no word list: {error}; write one entry a line, in UTF-8") from error

    def hits(self, text: str) -> Int64s:
        """The places of the words of ``text`` at which an entry begins, counted from 0."""
        return np.flatnonzero(self._begins(word_hashes(text)))

    def per_thousand(self, text: str) -> float:
        """Hits for each thousand words; 0 for a text without words."""
        hashes = word_hashes(text)
        return 1000 * int(self._begins(hashes).sum()) / max(len(hashes), 1)

    def _begins(self, hashes: UInt64s) -> Bools:
        found = np.zeros(len(hashes), bool)
        for length, entries in self._entries.items():
            if length <= len(hashes):
                found[: len(hashes) - length + 1] |= np.isin(shingle_hashes(hashes, length), entries)
        return found


class WordListScorer:
    """A list for each language."""

    def __init__(self, lists: Mapping[str, WordList]) -> None:
        self._lists = lists

    @classmethod
    def load(cls, urls: Mapping[str, str]) -> WordListScorer:
        """The lists at ``urls``, by language (ISO 639). Raises InputError as ``WordList.load``."""
        return cls({lang: WordList.load(url) for lang, url in urls.items()})

    def scores(self, texts: Sequence[str], langs: Sequence[str | None]) -> Scores:
        """Hits for each thousand words: float32 [texts], four digits; NaN where the language has no list."""
        found = [
            self._lists[lang].per_thousand(text) if lang is not None and lang in self._lists else np.nan
            for text, lang in zip(texts, langs, strict=True)
        ]
        return rounded(found)
