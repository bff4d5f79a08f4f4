"""Selects the n-grams of test sets to search for.

Every item is read twice: with punctuation as a separator of words, and with punctuation removed ("Janet's 2,000" is
``janet s 2 000`` or ``janets 2000``). So a copy without punctuation is found too, while documents are read in one way
only. A question, or an item, of fewer words than an n-gram is searched for as a whole.

Not every n-gram identifies an item. Ignored are n-grams whose words have too little weight together (``_weight``), such
as tables of numbers and "which of the following is true"; n-grams in many items, which are question templates ("for
which of these two scenarios does the main character …"); and those in passages that a recipe excuses. A formula whose
n-grams all have too little weight ("8 + 8 ÷ 2 + 2 =") is searched for nevertheless, but matches only character by
character. GPT-3 ignored n-grams that were frequent in its training text, which takes a pass over a corpus. Here excused
passages are listed instead, so that the result for a document does not depend on other documents.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import fsspec
import numpy as np
from numpy.typing import NDArray

from gristmill.corpus.arrays import Bools, Int64s, UInt64s
from gristmill.corpus.character_tables import SOLO, assigned_characters, code_points, kinds_of
from gristmill.corpus.multilinear_hash import shingle_hashes_at
from gristmill.corpus.words import normalize
from gristmill.errors import InputError
from gristmill.transforms.contamination.benchmark_items import BenchmarkItem, expand_path, read_items
from gristmill.transforms.contamination.decontaminate_section import DecontaminateSection
from gristmill.transforms.contamination.inline_markup import blank_markup
from gristmill.transforms.contamination.ngram_index import (
    BenchmarkCounts,
    NgramIndex,
    Ngrams,
    WordSequences,
    read_words,
    text_batches,
)
from gristmill.transforms.quality.stop_words import STOP_WORDS

_CONTENT_WORD, _CHARACTER, _FUNCTION_WORD = 9, 4, 2
_NUMBERS = (3, 6, 8)  # of one digit, of two, of more
_MIN_WEIGHT = 27
"""Weights of words, about their information in bits, and the minimum weight of an n-gram."""

QUESTION_WORDS = (
    "a about all an and answer are as at be best both by can correct describes do does except false following for from "
    "has have how if in incorrect into is it its least most not of on or question statement statements than that the "
    "their these this to true was were what when where which who why will with would"
)

_FUNCTION_WORDS = frozenset(" ".join([QUESTION_WORDS, *STOP_WORDS.values()]).split())
"""Words with little information: stop words of all languages, and words common to test questions."""


class NgramSettings(NamedTuple):
    """Words of an n-gram, minimum words of an item or question that is shorter, and maximum items with an n-gram."""

    n: int = 13
    min_words: int = 6
    max_items: int = 10


def build_ngram_index(section: DecontaminateSection) -> NgramIndex:
    """Return the index of a section's test sets. Raises InputError if a file is missing or cannot be read."""
    items = {benchmark.name: read_items(benchmark) for benchmark in section.benchmarks}
    settings = NgramSettings(section.n, min(section.min_words, section.n), section.max_items)
    return index_items(items, settings, [text for path in section.excused for text in _texts(path)])


def index_items(
    items: Mapping[str, Iterable[BenchmarkItem]], settings: NgramSettings, excused: Sequence[str] = ()
) -> NgramIndex:
    """Return the index of items by test set, without the n-grams that occur in ``excused`` texts."""
    sizes: dict[str, int] = {}
    all_items: list[BenchmarkItem] = []
    for name, benchmark_items in items.items():
        before = len(all_items)
        all_items += benchmark_items
        sizes[name] = len(all_items) - before
    sequences, weights = _sequences(all_items, settings.min_words)
    candidates = _ngrams(sequences, settings)
    long_enough = _items_with(candidates, sequences, len(all_items))
    selected = _sums(weights, candidates) >= _MIN_WEIGHT
    selected &= _sums(np.isin(weights, (_CONTENT_WORD, _CHARACTER, _FUNCTION_WORD)), candidates) > 0
    with_selected = _items_with(candidates.take(selected), sequences, len(all_items))
    formulas = ~with_selected & np.array([is_formula(item.text) for item in all_items], bool)
    selected |= formulas[sequences.items[sequences.containing(candidates.places)]]
    ngrams = _without_templates(candidates.take(selected), settings.max_items)
    if excused:
        index = NgramIndex(settings.n, [], sequences, ngrams)
        ngrams = ngrams.take(~index.ngrams_in([*map(blank_markup, excused)]))
    findable = _items_with(ngrams, sequences, len(all_items))
    counts = [
        BenchmarkCounts(name, sizes[name], int((~is_long).sum()), int((is_long & ~is_findable).sum()))
        for name, is_long, is_findable in zip(
            items, _by_benchmark(long_enough, sizes), _by_benchmark(findable, sizes), strict=True
        )
    ]
    literals = {int(item): blank_markup(all_items[item].text) for item in np.flatnonzero(findable & formulas)}
    return NgramIndex(settings.n, counts, sequences, ngrams, literals)


def _sequences(items: Sequence[BenchmarkItem], min_words: int) -> tuple[WordSequences, Int64s]:
    """Return the word sequences of items, and the weight of each word: int64 [words].

    The first sequences have punctuation as a separator; the others have punctuation removed, for items whose words
    differ then.
    """
    texts = [blank_markup(item.text) for item in items]
    questions = [blank_markup(item.question) for item in items]
    words, weights, bounds = _words([*texts, *map(remove_punctuation, texts)])
    question_sizes = np.diff(_words([*questions, *map(remove_punctuation, questions)])[2])
    separated, removed = np.split(np.column_stack([bounds[:-1], bounds[1:]]), 2)
    same = [np.array_equal(words[a:b], words[c:d]) for (a, b), (c, d) in zip(separated, removed, strict=True)]
    chosen = np.concatenate([np.ones(len(items), bool), ~np.array(same, bool)])
    kept = np.repeat(chosen, np.diff(bounds))
    sequences = WordSequences(
        words[kept],
        np.cumsum([0, *np.diff(bounds)[chosen]]),
        np.tile(np.arange(len(items)), 2)[chosen],
        np.where(question_sizes >= min_words, question_sizes, 0)[chosen],
    )
    return sequences, weights[kept]


def _words(texts: Sequence[str]) -> tuple[UInt64s, Int64s, Int64s]:
    """Return the words of texts, their weights, and where each text starts."""
    hashes, weights, sizes = [np.empty(0, np.uint64)], [np.empty(0, np.int64)], [np.zeros(1, np.int64)]
    for batch in text_batches(texts):
        read = read_words(batch)
        hashes.append(read.hashes)
        sizes.append(np.diff(read.bounds))
        words = normalize("\n".join(batch)).split()
        weights += [np.array(_weights(words[a:b]), np.int64) for a, b in pairwise(read.bounds.tolist())]
    return np.concatenate(hashes), np.concatenate(weights), np.cumsum(np.concatenate(sizes))


def _weights(words: Sequence[str]) -> list[int]:
    return [_weight(word, before) for before, word in pairwise(["", *words])]


@lru_cache(maxsize=2**18)
def _weight(word: str, before: str) -> int:
    """Return the weight of a word.

    It is 0 for a number or single letter that equals or follows the word before, since 0 to F in a row identifies no
    item. In scripts without spaces a word is one character and has less weight than a word of several.
    """
    if word.isdecimal() or (len(word) == 1 and word.isascii()):
        return 0 if _equals_or_follows(word, before) else _NUMBERS[min(len(word), 3) - 1]
    if word in _FUNCTION_WORDS:
        return _FUNCTION_WORD
    return _CHARACTER if kinds_of(code_points(word[:1]))[0] == SOLO else _CONTENT_WORD


def _equals_or_follows(word: str, before: str) -> bool:
    if word.isdecimal() and before.isdecimal():
        return abs(int(word[-18:]) - int(before[-18:])) <= 1
    return len(word) == len(before) == 1 and abs(ord(word) - ord(before)) <= 1


def _sums(values: NDArray[Any], ngrams: Ngrams) -> Int64s:
    """Return the sum of ``values`` [words] over each n-gram."""
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(values)])
    sums: Int64s = before[ngrams.places + ngrams.sizes] - before[ngrams.places]
    return sums


def _ngrams(sequences: WordSequences, settings: NgramSettings) -> Ngrams:
    """Return all n-grams, and all shorter questions and items: sorted, once for each item that has them."""
    starts, ends = sequences.starts[:-1], sequences.starts[1:]
    full = np.arange(len(sequences.words))
    full = full[full + settings.n <= np.repeat(ends, ends - starts)]
    shorter = [
        (starts[chosen], size[chosen])
        for size in (sequences.questions, ends - starts)
        for chosen in [np.flatnonzero((size >= settings.min_words) & (size < settings.n))]
    ]
    places = np.concatenate([full, *(first for first, _ in shorter)])
    sizes = np.concatenate([np.full(len(full), settings.n), *(size for _, size in shorter)])
    hashes = np.empty(len(places), np.uint64)
    for size in np.unique(sizes).tolist():
        hashes[sizes == size] = shingle_hashes_at(sequences.words, places[sizes == size], size)
    items = sequences.items[sequences.containing(places)]
    order = np.lexsort((places, items, hashes))
    hashes, items = hashes[order], items[order]
    first = np.ones(len(order), bool)
    first[1:] = (hashes[1:] != hashes[:-1]) | (items[1:] != items[:-1])
    return Ngrams(hashes, places[order].astype(np.int32), sizes[order].astype(np.uint8)).take(first)


def _without_templates(ngrams: Ngrams, max_items: int) -> Ngrams:
    """Return the n-grams that at most ``max_items`` items have."""
    _, positions, items = np.unique(ngrams.hashes, return_inverse=True, return_counts=True)
    return ngrams.take(items[positions] <= max_items)


def _items_with(ngrams: Ngrams, sequences: WordSequences, items: int) -> Bools:
    """Return for each item whether it has any of ``ngrams``: bool [items]."""
    return np.bincount(sequences.items[sequences.containing(ngrams.places)], minlength=items) > 0


def _by_benchmark(values: Bools, sizes: Mapping[str, int]) -> list[Bools]:
    return np.split(values, np.cumsum([*sizes.values()])[:-1])


def is_formula(text: str) -> bool:
    """Return whether ``text`` has three or more mathematical symbols (Unicode category Sm)."""
    return sum(unicodedata.category(character) == "Sm" for character in text) >= 3


def remove_punctuation(text: str) -> str:
    """Return ``text`` without punctuation and symbols; the characters on both sides become adjacent."""
    return text.translate(_punctuation())


@lru_cache(maxsize=1)
def _punctuation() -> dict[int, None]:
    return {ord(character): None for character in assigned_characters() if unicodedata.category(character)[0] in "PS"}


def _texts(path: str) -> list[str]:
    """Return the text files that match a path or glob pattern."""
    texts = []
    for url in expand_path(path):
        with fsspec.open(url, "rb", compression="infer") as file:
            try:
                texts.append(file.read().decode("utf-8-sig"))
            except (UnicodeDecodeError, EOFError, OSError) as error:
                raise InputError(f"{url} cannot be read: {error}; excused passages must be UTF-8 text") from error
    return texts
