"""Language models agree with hand calculation and with lmplz, and their probabilities sum to one."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.classifiers.kneser_ney import BEGIN, FALLBACK, LanguageModel, arpa, discounts, estimate
from gristmill.errors import InputError

SMALL = [["a", "b"], ["a", "b"], ["a", "c"]]


def entry(model: LanguageModel, text: str) -> tuple[float, float]:
    """The probability and the back-off weight of an n-gram, not as logarithms."""
    words = [model.vocabulary.index(word) for word in text.split()]
    level = model.orders[len(words) - 1]
    (row,) = np.flatnonzero((level.words == words).all(axis=1))
    return float(10 ** level.probability[row]), float(10 ** level.backoff[row])


def backed_off(model: LanguageModel, context: tuple[int, ...], word: int) -> float:
    """p(word | context), computed as from an ARPA file."""
    tables = [{tuple(row): n for n, row in enumerate(level.words.tolist())} for level in model.orders]
    row = tables[len(context)].get((*context, word))
    if row is not None:
        return float(10 ** model.orders[len(context)].probability[row])
    known = tables[len(context) - 1].get(context)
    weight = 1.0 if known is None else float(10 ** model.orders[len(context) - 1].backoff[known])
    return weight * backed_off(model, context[1:], word)


@pytest.mark.parametrize(
    ("ngram", "probability", "backoff"),
    [
        # Unigrams count distinct words before them: a 1, b 1, c 1, </s> 2; half of the mass goes to the uniform 1/5.
        ("a", (1 - 0.5) / 5 + 0.1, (1 + 0.5) / 3),
        ("b", (1 - 0.5) / 5 + 0.1, 1 / 2),
        ("c", (1 - 0.5) / 5 + 0.1, 0.5 / 1),
        ("</s>", (2 - 1) / 5 + 0.1, 1),
        ("<unk>", 0.1, 1),
        ("<s>", 1, 1.5 / 3),
        ("<s> a", (3 - 1.5) / 3 + 0.5 * 0.2, 1),
        ("a b", (2 - 1) / 3 + 0.5 * 0.2, 1),
        ("a c", (1 - 0.5) / 3 + 0.5 * 0.2, 1),
        ("b </s>", (2 - 1) / 2 + 0.5 * 0.3, 1),
        ("c </s>", (1 - 0.5) / 1 + 0.5 * 0.3, 1),
    ],
)
def test_a_small_model_agrees_with_hand_calculation(ngram: str, probability: float, backoff: float) -> None:
    assert entry(estimate(SMALL, 2), ngram) == pytest.approx((probability, backoff))


LMPLZ = {  # log10 of probability and back-off, as lmplz 0.3.0 writes them for `random_sentences()` at order 3
    "<unk>": (-3.129569, 0.0),
    "<s>": (0.0, -0.5098407),
    "</s>": (-0.9953289, 0.0),
    "w0": (-0.9333564, -0.42409497),
    "<s> w0": (-0.6271253, -0.3029318),
    "w0 w0": (-0.793797, -0.40404758),
    "w5 </s>": (-0.613629, 0.0),
    "<s> w0 w1": (-0.93632686, 0.0),
    "w0 w0 w0": (-0.603427, 0.0),
    "w3 w1 </s>": (-0.7715293, 0.0),
}


def random_sentences() -> list[list[str]]:
    """300 sentences in which every order has counts of one, two, three and four."""
    draw = random.Random(5)
    words, weights = [f"w{n}" for n in range(400)], [1 / (n + 1) ** 1.2 for n in range(400)]
    return [draw.choices(words, weights, k=draw.randint(1, 9)) for _ in range(300)]


@pytest.mark.parametrize("ngram", LMPLZ)
def test_probabilities_agree_with_lmplz(ngram: str) -> None:
    assert np.log10(entry(estimate(random_sentences(), 3), ngram)) == pytest.approx(LMPLZ[ngram], abs=2e-6)


def test_discounts_agree_with_lmplz() -> None:
    discounts_by_order = [level.discounts for level in estimate(random_sentences(), 3).orders]
    assert discounts_by_order[0] == pytest.approx((0.548718, 1.4014, 0.393589), abs=1e-5)
    assert discounts_by_order[2] == pytest.approx((0.919567, 1.41643, 0.993672), abs=1e-5)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([1, 1, 1, 1, 2, 2, 3, 4], (1 - 2 * 0.5 * 2 / 4, 2 - 3 * 0.5 * 1 / 2, 3 - 4 * 0.5 * 1 / 1)),
        ([1, 1, 2, 3], FALLBACK),  # nothing occurs four times
        ([1, 1, 2, 3, 3, 3, 3, 4], FALLBACK),  # the closed form gives a negative discount for counts of two
        ([], FALLBACK),
    ],
)
def test_discounts(counts: list[int], expected: tuple[float, float, float]) -> None:
    assert discounts(np.array(counts, np.int64)) == pytest.approx(expected)


@given(
    st.lists(st.lists(st.sampled_from("abcde"), min_size=1, max_size=6), min_size=1, max_size=8),
    st.integers(2, 4),
    st.data(),
)
def test_probabilities_sum_to_one_after_every_context(
    sentences: list[list[str]], order: int, data: st.DataObject
) -> None:
    model = estimate(sentences, order)
    words = [n for n in range(len(model.vocabulary)) if n != BEGIN]
    context = tuple(data.draw(st.lists(st.sampled_from(words), max_size=order - 1)))
    at_start = (BEGIN, *context)[: order - 1]
    for history in (context, at_start):
        assert sum(backed_off(model, history, word) for word in words) == pytest.approx(1)


def test_the_order_of_sentences_does_not_matter() -> None:
    forward, backward = estimate(random_sentences(), 3), estimate(random_sentences()[::-1], 3)
    for ngram in LMPLZ:
        assert entry(forward, ngram) == pytest.approx(entry(backward, ngram))


def test_the_header_of_an_arpa_file_counts_its_ngrams() -> None:
    text = "".join(arpa(estimate(SMALL, 2)))
    head, unigrams, bigrams = text.split("\n\n")[0:3]
    assert head == "\\data\\\nngram 1=6\nngram 2=5"
    assert unigrams.startswith("\\1-grams:\n-1\t<unk>\t0\n0\t<s>\t-0.30103\n")
    assert len(bigrams.splitlines()) == 1 + 5
    assert text.endswith("\n\\end\\\n")


def test_words_that_equal_special_words_are_unknown() -> None:
    model = estimate([["a", "</s>", "<s>", "b"]], 2)
    assert model.vocabulary == ["<unk>", "<s>", "</s>", "a", "b"]
    assert entry(model, "a <unk>")[0] > 0


def test_training_without_words_is_an_error() -> None:
    with pytest.raises(InputError, match="no words"):
        estimate([[], []], 3)
    assert math.isfinite(entry(estimate([["a"]], 5), "<s> a </s>")[0])
