"""Which n-grams of test sets are looked for.

Every item stands twice: once with punctuation separating words, once with punctuation gone ("Janet's 2,000" is
``janet s 2 000`` or ``janets 2000``). So a copy out of which somebody took the punctuation is found, and documents are
read in one way only. A question, or an item, of fewer words than an n-gram is looked for as a whole.

Not every n-gram tells. Left out are those whose words weigh too little together (``_weight``), such as tables of
figures and "which of the following is true"; those that stand in many items, which are frames ("for which of these two
scenarios does the main character …"); and those in passages that a recipe excuses. A formula whose n-grams all weigh
too little ("8 + 8 ÷ 2 + 2 =") is looked for by them nevertheless, but only its very characters count. GPT-3 excused
what was frequent in its training text; to know that takes a pass over a corpus. Here it takes a list, so that a
document's fate hangs on no other document.
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
from gristmill.corpus.words import SOLO, assigned, code_points, kinds_of, normalise, shingle_hashes_at
from gristmill.errors import InputError
from gristmill.transforms.contamination.benchmark_items import Item, expand, read_items
from gristmill.transforms.contamination.inline_markup import plain
from gristmill.transforms.contamination.ngram_index import (
    BenchmarkCounts,
    NgramIndex,
    Ngrams,
    Sequences,
    batches,
    read_words,
)
from gristmill.transforms.quality.stopwords import STOP_WORDS
from gristmill.transforms.refine.refine_section import DecontaminateSection

_PROPER, _CHARACTER, _FUNCTION = 9, 4, 2
_FIGURES = (3, 6, 8)  # of one digit, of two, of more
_TELLING = 27
"""What words weigh, about as many bits as it takes to tell them from others, and what an n-gram must weigh."""

_OF_QUESTIONS = (
    "a about all an and answer are as at be best both by can correct describes do does except false following for from "
    "has have how if in incorrect into is it its least most not of on or question statement statements than that the "
    "their these this to true was were what when where which who why will with would"
)

_FUNCTION_WORDS = frozenset(" ".join([_OF_QUESTIONS, *STOP_WORDS.values()]).split())
"""Words that tell nothing: those that prose in any language is full of, and those of test questions as such."""


class Rules(NamedTuple):
    """``n`` words make an n-gram; what has fewer is a whole from ``min_words`` on; what more than ``max_items`` have is
    a frame.
    """

    n: int = 13
    min_words: int = 6
    max_items: int = 10


def build_index(section: DecontaminateSection) -> NgramIndex:
    """The index of a section's test sets. Raises InputError for a file that is missing or cannot be read."""
    items = {benchmark.name: read_items(benchmark) for benchmark in section.benchmarks}
    rules = Rules(section.n, min(section.min_words, section.n), section.max_items)
    return index_of(items, rules, [text for path in section.excused for text in _texts(path)])


def index_of(items: Mapping[str, Iterable[Item]], rules: Rules, excused: Sequence[str] = ()) -> NgramIndex:
    """The index of items by test set; n-grams that are in ``excused`` texts are left out."""
    sizes: dict[str, int] = {}
    every: list[Item] = []
    for name, those in items.items():
        before = len(every)
        every += those
        sizes[name] = len(every) - before
    sequences, weights = _sequences(every, rules.min_words)
    candidates = _ngrams(sequences, rules)
    long_enough = _items_with(candidates, sequences, len(every))
    telling = _sums(weights, candidates) >= _TELLING
    telling &= _sums(np.isin(weights, (_PROPER, _CHARACTER, _FUNCTION)), candidates) > 0
    told = _items_with(candidates.take(telling), sequences, len(every))
    formulas = ~told & np.array([is_formula(item.text) for item in every], bool)
    telling |= formulas[sequences.items[sequences.at(candidates.places)]]
    ngrams = _without_frames(candidates.take(telling), rules.max_items)
    if excused:
        ngrams = ngrams.take(~NgramIndex(rules.n, [], sequences, ngrams).ngrams_in([*map(plain, excused)]))
    found = _items_with(ngrams, sequences, len(every))
    counts = [
        BenchmarkCounts(name, sizes[name], int((~long).sum()), int((long & ~there).sum()))
        for name, long, there in zip(items, _by_set(long_enough, sizes), _by_set(found, sizes), strict=True)
    ]
    literals = {int(item): plain(every[item].text) for item in np.flatnonzero(found & formulas)}
    return NgramIndex(rules.n, counts, sequences, ngrams, literals)


def _sequences(items: Sequence[Item], min_words: int) -> tuple[Sequences, Int64s]:
    """Each item with punctuation as separator, and without punctuation where that gives other words.

    Also what each word weighs: int64 [words].
    """
    texts, questions = [plain(item.text) for item in items], [plain(item.question) for item in items]
    words, weights, bounds = _words([*texts, *map(bare, texts)])
    asked = np.diff(_words([*questions, *map(bare, questions)])[2])
    read, again = np.split(np.column_stack([bounds[:-1], bounds[1:]]), 2)
    same = [np.array_equal(words[a:b], words[c:d]) for (a, b), (c, d) in zip(read, again, strict=True)]
    chosen = np.concatenate([np.ones(len(items), bool), ~np.array(same, bool)])
    kept = np.repeat(chosen, np.diff(bounds))
    sequences = Sequences(
        words[kept],
        np.cumsum([0, *np.diff(bounds)[chosen]]),
        np.tile(np.arange(len(items)), 2)[chosen],
        np.where(asked >= min_words, asked, 0)[chosen],
    )
    return sequences, weights[kept]


def _words(texts: Sequence[str]) -> tuple[UInt64s, Int64s, Int64s]:
    """The words of texts, what each weighs, and where in them each text begins."""
    hashes, weights, sizes = [np.empty(0, np.uint64)], [np.empty(0, np.int64)], [np.zeros(1, np.int64)]
    for batch in batches(texts):
        read = read_words(batch)
        hashes.append(read.hashes)
        sizes.append(np.diff(read.bounds))
        words = normalise("\n".join(batch)).split()
        weights += [np.array(_weights(words[a:b]), np.int64) for a, b in pairwise(read.bounds.tolist())]
    return np.concatenate(hashes), np.concatenate(weights), np.cumsum(np.concatenate(sizes))


def _weights(words: Sequence[str]) -> list[int]:
    return [_weight(word, before) for before, word in pairwise(["", *words])]


@lru_cache(maxsize=2**18)
def _weight(word: str, before: str) -> int:
    """What a word tells. A figure or single letter beside its like or its neighbour tells nothing: 0 to F in a row is
    nobody's test. Where writing has no spaces, a word is a character, and tells less than one of several.
    """
    if word.isdecimal() or (len(word) == 1 and word.isascii()):
        return 0 if _follows(word, before) else _FIGURES[min(len(word), 3) - 1]
    if word in _FUNCTION_WORDS:
        return _FUNCTION
    return _CHARACTER if kinds_of(code_points(word[:1]))[0] == SOLO else _PROPER


def _follows(word: str, before: str) -> bool:
    if word.isdecimal() and before.isdecimal():
        return abs(int(word[-18:]) - int(before[-18:])) <= 1
    return len(word) == len(before) == 1 and abs(ord(word) - ord(before)) <= 1


def _sums(values: NDArray[Any], ngrams: Ngrams) -> Int64s:
    """The sum of ``values`` [words] over each n-gram."""
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(values)])
    sums: Int64s = before[ngrams.places + ngrams.sizes] - before[ngrams.places]
    return sums


def _ngrams(sequences: Sequences, rules: Rules) -> Ngrams:
    """All n-grams, and all questions and items that have fewer words: sorted, once for each item that has it."""
    starts, ends = sequences.starts[:-1], sequences.starts[1:]
    places = np.arange(len(sequences.words))
    places = places[places + rules.n <= np.repeat(ends, ends - starts)]
    wholes = [
        (starts[chosen], size[chosen])
        for size in (sequences.questions, ends - starts)
        for chosen in [np.flatnonzero((size >= rules.min_words) & (size < rules.n))]
    ]
    every = np.concatenate([places, *(first for first, _ in wholes)])
    sizes = np.concatenate([np.full(len(places), rules.n), *(size for _, size in wholes)])
    hashes = np.empty(len(every), np.uint64)
    for size in np.unique(sizes).tolist():
        hashes[sizes == size] = shingle_hashes_at(sequences.words, every[sizes == size], size)
    items = sequences.items[sequences.at(every)]
    order = np.lexsort((every, items, hashes))
    hashes, items = hashes[order], items[order]
    first = np.ones(len(order), bool)
    first[1:] = (hashes[1:] != hashes[:-1]) | (items[1:] != items[:-1])
    return Ngrams(hashes, every[order].astype(np.int32), sizes[order].astype(np.uint8)).take(first)


def _without_frames(ngrams: Ngrams, max_items: int) -> Ngrams:
    """Without n-grams that more than ``max_items`` items have."""
    _, where, items = np.unique(ngrams.hashes, return_inverse=True, return_counts=True)
    return ngrams.take(items[where] <= max_items)


def _items_with(ngrams: Ngrams, sequences: Sequences, items: int) -> Bools:
    """Whether each item has any of ``ngrams``: bool [items]."""
    return np.bincount(sequences.items[sequences.at(ngrams.places)], minlength=items) > 0


def _by_set(values: Bools, sizes: Mapping[str, int]) -> list[Bools]:
    return np.split(values, np.cumsum([*sizes.values()])[:-1])


def is_formula(text: str) -> bool:
    """Whether ``text`` has three mathematical signs or more (Unicode's category Sm)."""
    return sum(unicodedata.category(character) == "Sm" for character in text) >= 3


def bare(text: str) -> str:
    """``text`` without punctuation and symbols; what stood on both sides of them stands together."""
    return text.translate(_punctuation())


@lru_cache(maxsize=1)
def _punctuation() -> dict[int, None]:
    return {ord(character): None for character in assigned() if unicodedata.category(character)[0] in "PS"}


def _texts(path: str) -> list[str]:
    """The text files that a path or pattern names."""
    texts = []
    for url in expand(path):
        with fsspec.open(url, "rb", compression="infer") as file:
            try:
                texts.append(file.read().decode("utf-8-sig"))
            except (UnicodeDecodeError, EOFError, OSError) as error:
                raise InputError(f"{url} cannot be read: {error}; give excused passages as UTF-8 text") from error
    return texts
