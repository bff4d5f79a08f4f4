"""The network is exact: the same result in any order of summation, with any number of threads, after any page."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from gristmill.corpus.arrays import Int32s
from gristmill.extraction.learned import block_network, learned_engine
from gristmill.extraction.learned.block_features import LEVELS, compute_features
from gristmill.extraction.learned.block_network import (
    MAX_ACTIVATION,
    MAX_WORD_SUM,
    MEAN_LEVELS,
    NEAR_OFFSETS,
    PROBABILITY_SCALE,
    WIDE_OFFSETS,
    WORD_LEVELS,
    EmbeddingTable,
    Network,
    _means,
    _shifted,
)
from gristmill.extraction.learned.block_selection import average_table_rows, fill_gaps, select_blocks
from gristmill.extraction.learned.html_blocks import Page
from gristmill.extraction.learned.markup_words import ElementWords
from gristmill.extraction.learned.word_bags import Ints, add_parent_rows, look_up_words
from tests.extraction.learned_pages import parse_page

EXACT = 2**24
"""float32 represents all integers below this exactly."""

_WORDS = ("post", "nav", "content", "sidebar", "comment", "no-such-word-at-all")
_PIECES = (
    *(f"<div class='{word}'>" for word in _WORDS),
    *("</div>", "<p>", "</p>", "<ul>", "<li>", "</li>", "</ul>", "<a href=x>", "</a>", "<h2>", "</h2>"),
    *("Word, word and word. ", "Read more", "a ", "© 2024", "z" * 100),
)
_PAGES = st.lists(st.sampled_from(_PIECES), min_size=1, max_size=50).map("".join)
TABLE = EmbeddingTable({"one": 0, "two": 1}, np.array([[1, -10], [2, 5]], np.int32))


@pytest.fixture(scope="module")
def network() -> Network:
    return learned_engine.shipped_network()


def probabilities(network: Network, page: Page) -> Ints:
    return network.probabilities(learned_engine.build_features(page, "", None))


def chunks_of(blocks: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, blocks)) for start in range(0, blocks, size)]


def largest_inputs(network: Network) -> dict[str, Ints]:
    """The largest absolute value of each input of each layer."""
    h = len(network.alone.bias)
    tables = [network.elements] * (WORD_LEVELS + 1) + [network.leads, network.pages]
    words = [np.full(table.rows.shape[1], MAX_WORD_SUM) for table in tables]
    numbers = np.maximum(np.abs(network.low), np.abs(network.high)).astype(np.int64)
    alone, near, tree, wide = (np.full(h, sums * MAX_ACTIVATION) for sums in (1, 2, 3, 4))
    return {
        "alone": np.concatenate([numbers, *words, np.abs(network.tags).max(1).ravel()]),
        "near": np.tile(alone, len(NEAR_OFFSETS)),
        "tree": np.tile(near, len(MEAN_LEVELS)),
        "wide": np.tile(tree, len(WIDE_OFFSETS)),
        "page": np.concatenate([wide, wide, words[-1]]),
        "join": np.concatenate([alone, wide, alone]),
        "last": alone,
    }


@pytest.mark.parametrize("name", ["alone", "near", "tree", "wide", "page", "join", "last"])
def test_sums_are_exact_in_any_order(network: Network, name: str) -> None:
    """For the largest inputs, with the worst signs for each output, and for random ones, permuted."""
    layer, largest = getattr(network, name), largest_inputs(network)[name]
    weights, bias = layer.weights.astype(np.int64), layer.bias.astype(np.int64)
    assert (weights == layer.weights).all()
    assert (bias == layer.bias).all()
    assert weights.shape == (len(largest), len(bias))
    assert (largest @ np.abs(weights) + np.abs(bias)).max() < EXACT

    random = np.random.default_rng(0)
    signs = np.concatenate([np.sign(weights.T), -np.sign(weights.T), random.integers(-1, 2, (50, len(largest)))])
    inputs = np.concatenate([largest * signs, random.integers(-largest, largest + 1, (50, len(largest)))])
    wanted = inputs @ weights
    for _ in range(3):
        order = random.permutation(len(largest))
        floats = np.ascontiguousarray(inputs[:, order], np.float32)
        assert (floats @ layer.weights[order] == wanted).all()
    one_by_one = np.zeros(wanted.shape, np.float32)
    for column, row in zip(inputs.astype(np.float32).T, layer.weights, strict=True):
        one_by_one += np.outer(column, row)
    assert (one_by_one == wanted).all()
    assert (layer.sums(inputs.astype(np.float32)) == (wanted + bias).astype(np.float32) * layer.scale).all()


def test_weights_are_finite_and_odds_rise(network: Network) -> None:
    assert all(np.isfinite(layer.scale).all() for layer in (network.alone, network.join, network.last))
    assert (np.diff(network.odds) >= 0).all()
    assert 0 <= network.odds[0] <= network.odds[-1] <= PROBABILITY_SCALE


@given(st.lists(st.lists(st.sampled_from(["one", "two", "three", ""]), max_size=6), max_size=8))
def test_sums_of_bags(bags: list[list[str]]) -> None:
    rows = {"one": (1, -10), "two": (2, 5)}
    wanted = [[sum(rows.get(word, (0, 0))[side] for word in bag) for side in (0, 1)] for bag in bags]
    assert TABLE.sums(bags).tolist() == wanted


@given(st.lists(st.lists(st.sampled_from("abcd"), max_size=5), max_size=6))
def test_words_are_looked_up(bags: list[list[str]]) -> None:
    numbers = {"a": 0, "b": 7, "c": 3}
    found, counts = np.full(sum(map(len, bags)), -1, np.intp), np.full(len(bags), -1, np.intp)
    known = [[numbers[word] for word in bag if word in numbers] for bag in bags]
    assert look_up_words(bags, numbers, found, counts) == sum(map(len, known))
    assert found[: sum(map(len, known))].tolist() == [number for bag in known for number in bag]
    assert counts.tolist() == [len(bag) for bag in known]


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=12), st.data())
def test_parent_rows_are_added(values: list[int], data: st.DataObject) -> None:
    parents = [-1, *(data.draw(st.integers(0, row)) for row in range(len(values) - 1))]
    rows = np.array([[value, 3 * value] for value in values], np.int32)
    add_parent_rows(rows, parents)
    for row in range(len(values)):
        path = [row]
        while parents[path[-1]] >= 0:
            path.append(parents[path[-1]])
        total = sum(values[above] for above in path)
        assert rows[row].tolist() == [total, 3 * total]


def test_unknown_words_add_nothing(network: Network) -> None:
    for table in (network.elements, network.leads, network.pages):
        assert not table.sums([["\n", "no such word \n"]]).any()
        assert len(table.rows) == len(table.words) > 100


@given(_PAGES)
@settings(max_examples=100)
def test_word_sums_of_elements_match_a_naive_climb(html: str) -> None:
    page = parse_page(html)
    assume(page.texts)
    network = learned_engine.shipped_network()
    features = learned_engine.build_features(page, "", None)
    own = network.elements.sums([features.element_words.words[kind] for kind in features.element_words.group])
    wanted = []
    for element in page.element:
        path = [element]
        while path[-1] >= 0:
            path.append(page.parents[path[-1]])
        around = [own[e] for e in path if e >= 0] + [own[0] * 0] * (WORD_LEVELS + 1)
        wanted.append([*around[:WORD_LEVELS], np.sum(around[WORD_LEVELS:], axis=0)])
    own_inputs, inherited = network._element_inputs(features)
    for level in range(WORD_LEVELS + 1):
        got = (own_inputs if level < WORD_LEVELS else inherited)[features.context.ancestors[:, level]]
        assert (got == np.clip([levels[level] for levels in wanted], -MAX_WORD_SUM, MAX_WORD_SUM)).all()


def test_word_sums_are_clipped() -> None:
    words: Int32s = np.array([[700]], np.int32)
    network = learned_engine.shipped_network()._replace(elements=EmbeddingTable({"w": 0}, words))
    page = parse_page("<div class=w>" * 6 + "x")
    features = learned_engine.build_features(page, "", None)
    assert features.element_words == ElementWords([[], ["w"]], [0] + [1] * 6)
    own, inherited = network._element_inputs(features)
    assert own.ravel().tolist() == [0, *[700] * 6, 0]
    assert inherited.ravel().tolist() == [0, 700, *[MAX_WORD_SUM] * 5, 0]


@given(_PAGES)
@settings(max_examples=100)
def test_means_over_the_blocks_element_inputs(html: str) -> None:
    page = parse_page(html)
    assume(page.texts)
    context = compute_features(page, [[] for _ in page.texts])[2]
    rows = np.random.default_rng(len(html)).integers(0, 511, (len(page.texts), 3))
    of_chunk = _means(rows.astype(np.float32), context)
    means = np.concatenate([of_chunk(chunk) for chunk in chunks_of(len(rows), 7)]).reshape(
        len(rows), len(MEAN_LEVELS), 3
    )
    for block, (column, level) in product(range(len(rows)), enumerate(MEAN_LEVELS)):
        element = context.ancestors[block, level]
        held = rows[context.first[element] : context.last[element]] if element >= 0 else rows[:0]
        wanted = held.sum(0) // max(len(held), 1)
        assert means[block, column].tolist() == wanted.tolist()


def test_neighbours_beyond_the_page_are_zero() -> None:
    rows = np.array([[1], [2], [3]], np.float32)
    assert _shifted(rows, (-1, 0, 1), slice(0, 3)).tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 0]]
    assert _shifted(rows, (-4, 0, 4), slice(0, 3)).tolist() == [[0, 1, 0], [0, 2, 0], [0, 3, 0]]
    assert _shifted(rows, (-1, 0, 1), slice(1, 2)).tolist() == [[1, 2, 3]]


@given(st.integers(1, 20), st.sampled_from([NEAR_OFFSETS, WIDE_OFFSETS]), st.integers(1, 20))
def test_neighbours_by_index(blocks: int, steps: tuple[int, ...], size: int) -> None:
    rows = np.arange(1, 2 * blocks + 1, dtype=np.float32).reshape(blocks, 2)
    wanted = [
        [value for step in steps for value in (rows[at + step].tolist() if 0 <= at + step < blocks else [0, 0])]
        for at in range(blocks)
    ]
    chunks = [_shifted(rows, steps, chunk) for chunk in chunks_of(blocks, size)]
    assert np.concatenate(chunks).tolist() == wanted


@given(_PAGES, st.integers(1, 9))
@settings(max_examples=60)
def test_results_do_not_depend_on_the_chunk_size(html: str, size: int) -> None:
    page = parse_page(html)
    assume(page.texts)
    whole = probabilities(learned_engine.shipped_network(), page)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(block_network, "CHUNK", size)
        assert probabilities(learned_engine.shipped_network(), page).tolist() == whole.tolist()


@given(st.lists(_PAGES, min_size=2, max_size=4))
@settings(max_examples=50)
def test_results_do_not_depend_on_earlier_pages(htmls: list[str]) -> None:
    pages = [page for page in map(parse_page, htmls) if page.texts]
    network = learned_engine.shipped_network()
    first = [probabilities(network, page).tolist() for page in pages]
    assert [probabilities(network, page).tolist() for page in reversed(pages)] == first[::-1]
    assert all(0 <= value <= PROBABILITY_SCALE for values in first for value in values)


@pytest.mark.parametrize("blocks", [1, 2, 7, 500, 3000])
def test_results_do_not_depend_on_the_number_of_threads(network: Network, blocks: int) -> None:
    page = parse_page(
        "".join(f"<div class={_WORDS[i % 5]}><p>{'Words of text. ' * (i % 17 + 1)}<p>b</div>" for i in range(blocks))
    )
    answers = []
    for threads in (1, 2):
        with threadpool_limits(limits=threads, user_api="blas"):
            answers.append(probabilities(network, page).tolist())
    assert answers[0] == answers[1]
    assert len(answers[0]) == 2 * blocks


def test_a_page_of_one_block(network: Network) -> None:
    assert probabilities(network, parse_page("x")).shape == (1,)
    assert compute_features(parse_page("x"), [["x"]])[2].ancestors.tolist() == [[0] + [-1] * (LEVELS - 1)]


def f1(kept: tuple[int, ...], likely: list[int], words: list[int]) -> float:
    """The expected F1 of the words of the blocks ``kept``: twice the correct words over those kept and those wanted."""
    correct = sum(likely[block] * words[block] for block in kept)
    wanted = sum(map(int.__mul__, likely, words))
    return 2 * correct / (PROBABILITY_SCALE * sum(words[block] for block in kept) + wanted)


@given(st.lists(st.tuples(st.integers(0, PROBABILITY_SCALE), st.integers(0, 300)), max_size=8))
@settings(max_examples=300)
def test_no_other_selection_of_blocks_is_better(blocks: list[tuple[int, int]]) -> None:
    likely, words = [block[0] for block in blocks], [block[1] for block in blocks]
    kept = select_blocks(np.array(likely, np.int64), np.array(words, np.int64))
    assert kept == sorted(set(kept))
    if not any(map(int.__mul__, likely, words)):
        assert kept == []
        return
    everything = range(len(blocks))
    best = max(
        f1(some, likely, words) for n in everything for some in combinations(everything, n + 1) if _any(words, some)
    )
    assert f1(tuple(kept), likely, words) == pytest.approx(best, rel=1e-12)


def _any(words: list[int], some: tuple[int, ...]) -> bool:
    return any(words[block] for block in some)


@pytest.mark.parametrize(
    ("likely", "words", "kept"),
    [
        ([], [], []),
        ([0, 0], [5, 5], []),
        ([PROBABILITY_SCALE, PROBABILITY_SCALE], [0, 0], []),
        ([PROBABILITY_SCALE], [1], [0]),
        ([PROBABILITY_SCALE, 0, PROBABILITY_SCALE], [9, 9, 9], [0, 2]),
        ([10, 4000, 3900, 20], [50, 50, 50, 50], [1, 2]),
        ([100, 90, 95], [5, 5, 5], [0, 2]),  # half the best F1 is the threshold: 94.3
    ],
)
def test_selections(likely: list[int], words: list[int], kept: list[int]) -> None:
    assert select_blocks(np.array(likely, np.int64), np.array(words, np.int64)) == kept


def test_cells_of_a_row_share_their_mean_over_words() -> None:
    page = parse_page("<p>a</p><table><tr><th>b<td>c<tr><td>d<td><p>e</p><tr><td>f<p>g</table>")
    assert page.texts == list("abcdefg")
    likely, words = np.array([7, 100, 400, 8, 9, 10, 11]), np.array([1, 0, 1, 5, 5, 5, 5])
    assert average_table_rows(likely, words, page).tolist() == [7, 300, 300, 8, 9, 10, 11]
    assert likely.tolist() == [7, 100, 400, 8, 9, 10, 11]


def test_pages_without_cells_keep_their_probabilities() -> None:
    likely = np.array([5, 6])
    assert average_table_rows(likely, np.array([1, 1]), parse_page("<p>a<p>b")).tolist() == [5, 6]


@pytest.mark.parametrize(
    ("inner", "kept", "whole"),
    [
        ("<p>a</p><p>b</p><p>c</p>", [0, 2], [0, 1, 2]),
        ("<p>a</p><p>b</p><p>c</p>", [0, 1], [0, 1]),  # only gaps between kept paragraphs are filled
        ("<p>a</p><p><a href=x>b</a></p><p>c</p>", [0, 2], [0, 2]),
        ("<p>a</p><div>b</div><p>c</p>", [0, 2], [0, 2]),
        ("<p>a</p><div><p>b</p></div><p>c</p>", [0, 2], [0, 2]),
        ("<p>a</p><p>b</p>", [], []),
    ],
)
def test_paragraphs_between_kept_ones_are_kept(inner: str, kept: list[int], whole: list[int]) -> None:
    assert fill_gaps(kept, parse_page(f"<body><div>{inner}</div>")) == whole
