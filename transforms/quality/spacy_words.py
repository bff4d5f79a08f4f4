"""English words as datatrove counts them: spaCy's tokens, including punctuation marks.

spaCy tokenizes every run of characters between white space on its own, so the tokens of known runs are cached, and a
text becomes an array of token ids with one lookup per run.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import accumulate, chain
from typing import Any

import numpy as np

from gristmill.corpus.arrays import Int64s, UInt8s
from gristmill.corpus.multilinear_hash import mix64
from gristmill.transforms.quality.repeated_ngrams import Tokens

MAX_CACHED_RUNS = 1 << 20
"""Number of distinct runs in the cache, which is about 300 MB."""

MAX_RUN_LENGTH = 1000
"""A longer run is one token: spaCy takes time quadratic in the punctuation marks of a run, and no word is so long."""

ALPHABETIC, WORDLIKE = 1, 2
"""Flags of a token: it has a letter; it is not only punctuation."""

_SURROGATES = re.compile("[\ud800-\udfff]")
"""Lone surrogates, which are valid in JSON but not in spaCy."""


class SpacyWords:
    """Caches the tokens of runs. Token ids are assigned as texts are read; only their equality is meaningful."""

    def __init__(self, punctuation: frozenset[str]) -> None:
        import spacy

        language: Any = spacy.blank("en")
        self._tokenizer = language.tokenizer
        self._vocabulary = language.vocab
        self._punctuation = punctuation
        self._end_marks = frozenset(language.add_pipe("sentencizer").punct_chars)
        self._clear()

    def token_ids(self, texts: Sequence[str]) -> tuple[Int64s, Int64s]:
        """Return the ids of the tokens of all texts, and the index of each text's first token: [texts + 1]."""
        if len(self._run_rows) > MAX_CACHED_RUNS:
            self._clear()
        split = [text.split() for text in texts]
        runs = np.array(self._rows_of(list(chain.from_iterable(split))), np.int64)
        run_offsets = np.frombuffer(self._run_offsets, np.int64)
        first, counts = run_offsets[runs], run_offsets[runs + 1] - run_offsets[runs]
        ends = np.concatenate([[0], np.cumsum(counts)])
        positions = np.arange(ends[-1]) + np.repeat(first - ends[:-1], counts)
        token_ids = np.frombuffer(self._run_tokens, np.int64)[positions]
        return token_ids, ends[np.concatenate([[0], np.cumsum([len(part) for part in split])]).astype(np.int64)]

    def tokens(self, token_ids: Int64s, offsets: Int64s) -> Tokens:
        """Return what ``token_ids`` returned as the words of documents."""
        return Tokens.of(mix64(token_ids.astype(np.uint64) + np.uint64(1)), self.lengths(token_ids), offsets)

    def lengths(self, token_ids: Int64s) -> Int64s:
        """Return the number of characters of each token."""
        return np.frombuffer(self._lengths, np.int64)[token_ids]

    def flags(self, token_ids: Int64s) -> UInt8s:
        """Return ``ALPHABETIC`` and ``WORDLIKE`` of each token."""
        return np.frombuffer(self._flags, np.uint8)[token_ids]

    def ids_of(self, words: Iterable[str]) -> Int64s:
        """Return the ids of single tokens."""
        return np.array([self._token_id(word) for word in words], np.int64)

    def token_kinds(self, line: str) -> str:
        """Return a letter per token: ``e`` for sentence end marks, ``p`` for other punctuation, ``w`` for words."""
        return "".join([self._run_kinds[row] for row in self._rows_of(line.split())])

    def _rows_of(self, runs: Sequence[str]) -> list[int]:
        """Return the row of each run in the cache, after adding new runs, which most texts do not have."""
        try:
            return [self._run_rows[run] for run in runs]
        except KeyError:
            self._add(runs)
        return [self._run_rows[run] for run in runs]

    def _clear(self) -> None:
        self._run_rows: dict[str, int] = {}
        self._token_ids: dict[str, int] = {}
        self._run_offsets, self._run_tokens = array("q", [0]), array("q")
        self._lengths, self._flags = array("q"), array("B")
        self._run_kinds: list[str] = []

    def _add(self, runs: Iterable[str]) -> None:
        """Add new runs to the cache. spaCy has a high overhead per call, so it tokenizes all of them at once."""
        unknown = [run for run in dict.fromkeys(runs) if run not in self._run_rows]
        short = [run for run in unknown if len(run) <= MAX_RUN_LENGTH]
        for run in unknown:
            if len(run) > MAX_RUN_LENGTH:
                self._add_run(run, [run])
        tokens = iter(self._tokenizer(_SURROGATES.sub("\ufffd", " ".join(short))))
        token = next(tokens, None)
        for run, end in zip(short, accumulate(len(run) + 1 for run in short), strict=True):
            words = []
            while token is not None and token.idx < end:
                words.append(token.text)
                token = next(tokens, None)
            self._add_run(run, words)

    def _add_run(self, run: str, words: Sequence[str]) -> None:
        self._run_rows[run] = len(self._run_kinds)
        self._run_tokens.extend([self._token_id(word) for word in words])
        self._run_offsets.append(len(self._run_tokens))
        self._run_kinds.append("".join(map(self._token_kind, words)))

    def _token_id(self, word: str) -> int:
        token_id = self._token_ids.setdefault(word, len(self._token_ids))
        if token_id == len(self._lengths):
            self._lengths.append(len(word))
            alphabetic, wordlike = any(map(str.isalpha, word)), not self._punctuation.issuperset(word)
            self._flags.append(ALPHABETIC * alphabetic | WORDLIKE * wordlike)
        return token_id

    def _token_kind(self, word: str) -> str:
        if word in self._end_marks:
            return "e"
        return "p" if self._vocabulary[word].is_punct else "w"


@cache
def spacy_words(punctuation: frozenset[str]) -> SpacyWords:
    """Return the cache of this process."""
    return SpacyWords(punctuation)
