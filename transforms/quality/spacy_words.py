"""English words as datatrove has them: spaCy's tokens, punctuation marks included, each kind of token looked at once.

spaCy cuts every run of characters between white space by itself, so a run that was seen before needs no second look:
its tokens are remembered, and a text is a row of numbers after one look-up a run.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import accumulate, chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gristmill.corpus.words import mix
from gristmill.transforms.quality.ngram_repetition import Int64s, Tokens

MOST_RUNS = 1 << 20
"""Different runs that are remembered: some 300 MB."""

LONGEST_RUN = 1000
"""A longer run is one token: spaCy takes time by the square of its marks, and no word is so long."""

ALPHABETIC, WORDLIKE = 1, 2
"""Flags of a token: it holds a letter; it holds something else than punctuation."""

_SURROGATES = re.compile("[\ud800-\udfff]")
"""Halves of characters, which JSON can hold and spaCy refuses."""


class SpacyWords:
    """Numbers for runs and for tokens. They grow as texts come, and mean nothing beyond equality."""

    def __init__(self, punctuation: frozenset[str]) -> None:
        import spacy

        language: Any = spacy.blank("en")
        self._tokenizer = language.tokenizer
        self._vocabulary = language.vocab
        self._punctuation = punctuation
        self._end_marks = frozenset(language.add_pipe("sentencizer").punct_chars)
        self._forget()

    def numbers(self, texts: Sequence[str]) -> tuple[Int64s, Int64s]:
        """The tokens of all texts as numbers, and where each text begins and the last one ends: [texts + 1]."""
        if len(self._rows) > MOST_RUNS:
            self._forget()
        split = [text.split() for text in texts]
        runs = np.array(self._known(list(chain.from_iterable(split))), np.int64)
        begins = np.frombuffer(self._begins, np.int64)
        first, counts = begins[runs], begins[runs + 1] - begins[runs]
        ends = np.concatenate([[0], np.cumsum(counts)])
        places = np.arange(ends[-1]) + np.repeat(first - ends[:-1], counts)
        tokens = np.frombuffer(self._tokens, np.int64)[places]
        return tokens, ends[np.concatenate([[0], np.cumsum([len(part) for part in split])]).astype(np.int64)]

    def tokens(self, numbers: Int64s, edges: Int64s) -> Tokens:
        """The same as the words of documents, ready to be compared."""
        return Tokens.of(mix(numbers.astype(np.uint64) + np.uint64(1)), self.lengths(numbers), edges)

    def lengths(self, numbers: Int64s) -> Int64s:
        """Characters of each token."""
        return np.frombuffer(self._lengths, np.int64)[numbers]

    def flags(self, numbers: Int64s) -> NDArray[np.uint8]:
        """``ALPHABETIC`` and ``WORDLIKE`` of each token."""
        return np.frombuffer(self._flags, np.uint8)[numbers]

    def of(self, words: Iterable[str]) -> Int64s:
        """The numbers of single tokens."""
        return np.array([self._number(word) for word in words], np.int64)

    def marks(self, line: str) -> str:
        """A letter for each token of a line: ``e`` for marks that end sentences, ``p`` for others, ``w`` for words."""
        return "".join([self._marks[row] for row in self._known(line.split())])

    def _known(self, runs: Sequence[str]) -> list[int]:
        """The row of each run; those that were never seen are learnt, which most texts need not."""
        try:
            return [self._rows[run] for run in runs]
        except KeyError:
            self._learn(runs)
        return [self._rows[run] for run in runs]

    def _forget(self) -> None:
        self._rows: dict[str, int] = {}
        self._numbers: dict[str, int] = {}
        self._begins, self._tokens = array("q", [0]), array("q")
        self._lengths, self._flags = array("q"), array("B")
        self._marks: list[str] = []

    def _learn(self, runs: Iterable[str]) -> None:
        """Remember the tokens of runs that are not known yet. spaCy starts slowly, so it is given all at once."""
        unknown = [run for run in dict.fromkeys(runs) if run not in self._rows]
        short = [run for run in unknown if len(run) <= LONGEST_RUN]
        for run in unknown:
            if len(run) > LONGEST_RUN:
                self._remember(run, [run])
        tokens = iter(self._tokenizer(_SURROGATES.sub("\ufffd", " ".join(short))))
        token = next(tokens, None)
        for run, end in zip(short, accumulate(len(run) + 1 for run in short), strict=True):
            words = []
            while token is not None and token.idx < end:
                words.append(token.text)
                token = next(tokens, None)
            self._remember(run, words)

    def _remember(self, run: str, words: Sequence[str]) -> None:
        self._rows[run] = len(self._marks)
        self._tokens.extend([self._number(word) for word in words])
        self._begins.append(len(self._tokens))
        self._marks.append("".join(map(self._mark, words)))

    def _number(self, word: str) -> int:
        number = self._numbers.setdefault(word, len(self._numbers))
        if number == len(self._lengths):
            self._lengths.append(len(word))
            alphabetic, wordlike = any(map(str.isalpha, word)), not self._punctuation.issuperset(word)
            self._flags.append(ALPHABETIC * alphabetic | WORDLIKE * wordlike)
        return number

    def _mark(self, word: str) -> str:
        if word in self._end_marks:
            return "e"
        return "p" if self._vocabulary[word].is_punct else "w"


@cache
def spacy_words(punctuation: frozenset[str]) -> SpacyWords:
    """One for the process: what was learnt stays."""
    return SpacyWords(punctuation)
