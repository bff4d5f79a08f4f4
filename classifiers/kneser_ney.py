"""Trains modified Kneser-Ney language models, in memory and with array operations.

The package ``kenlm`` on PyPI applies models but cannot train them, and KenLM's trainer ``lmplz`` needs Boost. This
small trainer computes the same estimate: interpolated, modified Kneser-Ney (Chen and Goodman 1998, "An Empirical Study
of Smoothing Techniques for Language Modeling", section 4.1.6) as described by Heafield et al. 2013 ("Scalable Modified
Kneser-Ney Language Model Estimation"). On 405,000 words of real text all numbers agree with those of ``lmplz`` to the
six digits that both write.

- The highest order uses the number of occurrences. Lower orders use the number of distinct words that precede an
  n-gram, unless it begins with ``<s>``, which nothing precedes.
- Unigrams are interpolated with the uniform distribution over the vocabulary with ``<unk>`` and without ``<s>``.
- Each order uses the closed-form discounts; if there is too little text for them, 0.5, 1 and 1.5 as in
  ``lmplz --discount_fallback``.

N-grams are counted by sorting: an n-gram is a pair of an (n-1)-gram and a word, so it fits into one integer. Ten
million words take about 2 GB of memory at order 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gristmill.corpus.arrays import Float64s, Int64s
from gristmill.errors import InputError

UNKNOWN, BEGIN, END = 0, 1, 2
SPECIAL = ("<unk>", "<s>", "</s>")
FALLBACK = (0.5, 1.0, 1.5)
_NEVER = -99.0  # the logarithm of zero in ARPA files


class NgramTable(NamedTuple):
    """The sorted n-grams of one order: ``words`` [n-grams, n], and log10 of their probability and back-off."""

    words: Int64s
    probability: Float64s
    backoff: Float64s
    discounts: tuple[float, ...]


class LanguageModel(NamedTuple):
    """A back-off model: ``vocabulary`` by word number, beginning with ``SPECIAL``; ``orders`` from unigrams up."""

    vocabulary: list[str]
    orders: list[NgramTable]


class _Grams(NamedTuple):
    """Counted n-grams: ``context`` numbers the (n-1)-gram without the last word, ``suffix`` that without the first."""

    words: Int64s
    context: Int64s
    suffix: Int64s
    counts: Int64s


def estimate(sentences: Iterable[Sequence[str]], order: int) -> LanguageModel:
    """Train a model of ``order`` on tokenized sentences. Raises InputError if there are no words."""
    vocabulary, words, starts = _number_words(sentences)
    if not len(words):
        raise InputError("no words to train a language model on: give files that contain text")
    counted = _count(words, starts, len(vocabulary), order)
    orders: list[NgramTable] = []
    lower: Float64s = np.array([])
    for place, grams in enumerate(counted):
        counts = grams.counts if place == order - 1 else _adjust_counts(grams, counted[place + 1])
        table, lower = _smooth(grams, counts, lower, len(vocabulary))
        orders.append(table)
    return LanguageModel(vocabulary, _with_backoffs(orders, counted))


def arpa(model: LanguageModel) -> Iterator[str]:
    """Yield the lines of the model as an ARPA file, which KenLM and most other tools read."""
    yield "\\data\\\n"
    for number, level in enumerate(model.orders, 1):
        yield f"ngram {number}={len(level.words)}\n"
    for number, level in enumerate(model.orders, 1):
        yield f"\n\\{number}-grams:\n"
        last = number == len(model.orders)
        for words, probability, backoff in zip(
            level.words.tolist(), level.probability.tolist(), level.backoff.tolist(), strict=True
        ):
            text = " ".join(model.vocabulary[word] for word in words)
            yield f"{probability:.7g}\t{text}\n" if last else f"{probability:.7g}\t{text}\t{backoff:.7g}\n"
    yield "\n\\end\\\n"


def discounts(counts: Int64s) -> tuple[float, float, float]:
    """The discounts for counts of one, two, and three or more (Chen and Goodman 1998, equation 26)."""
    ones, twos, threes, fours = (int(np.count_nonzero(counts == n)) for n in (1, 2, 3, 4))
    if not (ones and twos and threes and fours):
        return FALLBACK
    y = ones / (ones + 2 * twos)
    closed_form = (1 - 2 * y * twos / ones, 2 - 3 * y * threes / twos, 3 - 4 * y * fours / threes)
    return closed_form if all(0 <= discount <= n for n, discount in enumerate(closed_form, 1)) else FALLBACK


def _number_words(sentences: Iterable[Sequence[str]]) -> tuple[list[str], Int64s, Int64s]:
    """Number the words: the vocabulary, all words with each sentence between ``<s>`` and ``</s>``, and sentence starts.

    Words in the text that equal a special word become ``<unk>``.
    """
    numbers = {word: number for number, word in enumerate(SPECIAL)}
    numbers |= dict.fromkeys(SPECIAL[1:], UNKNOWN)
    words: list[int] = []
    starts: list[int] = []
    for sentence in sentences:
        if sentence:
            starts.append(len(words))
            words += [BEGIN, *(numbers.setdefault(word, len(numbers)) for word in sentence), END]
    return [*SPECIAL, *list(numbers)[len(SPECIAL) :]], np.array(words, np.int64), np.array(starts, np.int64)


def _count(words: Int64s, starts: Int64s, vocabulary: int, order: int) -> list[_Grams]:
    """Count the n-grams of every order up to ``order``, within sentences."""
    ends = np.append(starts[1:], len(words))
    remaining = np.repeat(ends, ends - starts) - np.arange(len(words))  # words from each to the end of its sentence
    counts = np.bincount(words, minlength=vocabulary)
    every = np.arange(vocabulary)
    orders = [_Grams(every[:, None], np.zeros(vocabulary, np.int64), np.zeros(vocabulary, np.int64), counts)]
    here, numbers = np.arange(len(words)), words
    for n in range(2, order + 1):
        fits = remaining[here] >= n
        begins = here[fits]
        keys = numbers[fits] * vocabulary + words[begins + n - 1]
        ranks = np.full(len(words) + 1, -1, np.int64)  # the number of the (n-1)-gram at each word
        ranks[here] = numbers
        unique, first, inverse, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
        context, last = np.divmod(unique, vocabulary)
        text = np.concatenate([orders[-1].words[context], last[:, None]], axis=1)
        orders.append(_Grams(text, context, ranks[begins[first] + 1], counts))
        here, numbers = begins, inverse.astype(np.int64)
    return orders


def _adjust_counts(grams: _Grams, above: _Grams) -> Int64s:
    """The number of distinct words that precede each n-gram; its occurrences if it begins with ``<s>``."""
    preceding = np.bincount(above.suffix, minlength=len(grams.counts))
    counts = np.where(grams.words[:, 0] == BEGIN, grams.counts, preceding)
    if grams.words.shape[1] == 1:
        counts[BEGIN] = 0
    return counts


def _smooth(grams: _Grams, counts: Int64s, lower: Float64s, vocabulary: int) -> tuple[NgramTable, Float64s]:
    """Smooth the counts of an order: its table and its probabilities, not as logarithms.

    ``backoff`` in the table holds, for each context, the mass left for lower orders. ``lower`` are the interpolated
    probabilities of the order below, empty for unigrams.
    """
    unigrams = grams.words.shape[1] == 1
    if unigrams:
        counts = np.where(np.arange(len(counts)) == BEGIN, 0, counts)
    order_discounts = discounts(counts)
    contexts = 1 if unigrams else len(lower)
    totals = np.bincount(grams.context, weights=counts, minlength=contexts)
    discounted = np.array([0.0, *order_discounts])[np.minimum(counts, 3)]
    mass = np.bincount(grams.context, weights=discounted, minlength=contexts)
    seen = np.maximum(totals, 1)
    share = mass / seen
    below = np.full(len(counts), 1 / (vocabulary - 1)) if unigrams else lower[grams.suffix]
    probability = (counts - discounted) / seen[grams.context] + share[grams.context] * below
    if unigrams:
        probability[BEGIN] = 1  # as in lmplz
    return NgramTable(grams.words, _log10(probability), share, order_discounts), probability


def _with_backoffs(orders: list[NgramTable], counted: list[_Grams]) -> list[NgramTable]:
    """The tables with back-off weights: the mass that each n-gram, as a context, leaves for words not seen after it."""
    tables = []
    for place, level in enumerate(orders):
        backoff = np.zeros(len(level.words))
        if place + 1 < len(orders):
            contexts = np.unique(counted[place + 1].context)
            backoff[contexts] = _log10(orders[place + 1].backoff[contexts])
        tables.append(level._replace(backoff=backoff))
    return tables


def _log10(values: Float64s) -> Float64s:
    return np.log10(values, out=np.full(len(values), _NEVER), where=values > 0)
