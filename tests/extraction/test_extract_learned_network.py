"""The network counts exactly: the same answer in any order of summation, on any number of threads, after any page."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from gristmill.extraction.learned import engine
from gristmill.extraction.learned import network as network_module
from gristmill.extraction.learned.bags import Ints, Rows, look_up, pass_down
from gristmill.extraction.learned.choose import choose, whole_rows, without_holes
from gristmill.extraction.learned.clues import Clues
from gristmill.extraction.learned.features import LEVELS, features
from gristmill.extraction.learned.network import (
    CERTAIN,
    CLOSE,
    MAX_ACTIVATION,
    MAX_CLUES,
    MEANS,
    NEAR,
    WIDE,
    Network,
    Table,
    _means,
    _shifted,
)
from gristmill.extraction.learned.page import Page
from tests.extraction.learned_pages import of

EXACT = 2**24
"""Whole numbers below this are float32's own."""

_WORDS = ("post", "nav", "content", "sidebar", "comment", "no-such-word-at-all")
_PIECES = (
    *(f"<div class='{word}'>" for word in _WORDS),
    *("</div>", "<p>", "</p>", "<ul>", "<li>", "</li>", "</ul>", "<a href=x>", "</a>", "<h2>", "</h2>"),
    *("Word, word and word. ", "Read more", "a ", "© 2024", "z" * 100),
)
_PAGES = st.lists(st.sampled_from(_PIECES), min_size=1, max_size=50).map("".join)
TABLE = Table({"one": 0, "two": 1}, np.array([[1, -10], [2, 5]], np.int32))


@pytest.fixture(scope="module")
def network() -> Network:
    return engine.model()


def probabilities(network: Network, page: Page) -> Ints:
    return network.probabilities(engine.tell(page, "", None))


def parts_of(blocks: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, blocks)) for start in range(0, blocks, size)]


def greatest_inputs(network: Network) -> dict[str, Ints]:
    """The greatest that each input of each layer may be, but for its sign."""
    h = len(network.alone.bias)
    tables = [network.elements] * (CLOSE + 1) + [network.leads, network.pages]
    clues = [np.full(table.rows.shape[1], MAX_CLUES) for table in tables]
    numbers = np.maximum(np.abs(network.low), np.abs(network.high)).astype(np.int64)
    alone, near, tree, wide = (np.full(h, sums * MAX_ACTIVATION) for sums in (1, 2, 3, 4))
    return {
        "alone": np.concatenate([numbers, *clues, np.abs(network.tags).max(1).ravel()]),
        "near": np.tile(alone, len(NEAR)),
        "tree": np.tile(near, len(MEANS)),
        "wide": np.tile(tree, len(WIDE)),
        "page": np.concatenate([wide, wide, clues[-1]]),
        "join": np.concatenate([alone, wide, alone]),
        "last": alone,
    }


@pytest.mark.parametrize("name", ["alone", "near", "tree", "wide", "page", "join", "last"])
def test_sums_are_exact_in_any_order(network: Network, name: str) -> None:
    """At the greatest inputs, with the signs that are worst for each output; and at random ones, permuted."""
    layer, greatest = getattr(network, name), greatest_inputs(network)[name]
    weights, bias = layer.weights.astype(np.int64), layer.bias.astype(np.int64)
    assert (weights == layer.weights).all()
    assert (bias == layer.bias).all()
    assert weights.shape == (len(greatest), len(bias))
    assert (greatest @ np.abs(weights) + np.abs(bias)).max() < EXACT

    random = np.random.default_rng(0)
    signs = np.concatenate([np.sign(weights.T), -np.sign(weights.T), random.integers(-1, 2, (50, len(greatest)))])
    inputs = np.concatenate([greatest * signs, random.integers(-greatest, greatest + 1, (50, len(greatest)))])
    wanted = inputs @ weights
    for _ in range(3):
        order = random.permutation(len(greatest))
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
    assert 0 <= network.odds[0] <= network.odds[-1] <= CERTAIN


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
    assert look_up(bags, numbers, found, counts) == sum(map(len, known))
    assert found[: sum(map(len, known))].tolist() == [number for bag in known for number in bag]
    assert counts.tolist() == [len(bag) for bag in known]


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=12), st.data())
def test_rows_are_passed_down(values: list[int], data: st.DataObject) -> None:
    parents = [-1, *(data.draw(st.integers(0, row)) for row in range(len(values) - 1))]
    rows = np.array([[value, 3 * value] for value in values], np.int32)
    pass_down(rows, parents)
    for row in range(len(values)):
        path = [row]
        while parents[path[-1]] >= 0:
            path.append(parents[path[-1]])
        total = sum(values[above] for above in path)
        assert rows[row].tolist() == [total, 3 * total]


def test_words_of_no_table_count_nothing(network: Network) -> None:
    for table in (network.elements, network.leads, network.pages):
        assert not table.sums([["\n", "no such word \n"]]).any()
        assert len(table.rows) == len(table.words) > 100


@given(_PAGES)
@settings(max_examples=100)
def test_clues_of_elements_by_a_naive_climb(html: str) -> None:
    page = of(html)
    assume(page.texts)
    network = engine.model()
    told = engine.tell(page, "", None)
    own = network.elements.sums([told.clues.words[kind] for kind in told.clues.kind])
    wanted = []
    for element in page.element:
        path = [element]
        while path[-1] >= 0:
            path.append(page.parents[path[-1]])
        around = [own[e] for e in path if e >= 0] + [own[0] * 0] * (CLOSE + 1)
        wanted.append([*around[:CLOSE], np.sum(around[CLOSE:], axis=0)])
    near, over = network._of_elements(told)
    for level in range(CLOSE + 1):
        got = (near if level < CLOSE else over)[told.where.ancestors[:, level]]
        assert (got == np.clip([levels[level] for levels in wanted], -MAX_CLUES, MAX_CLUES)).all()


def test_clues_are_cut_at_their_limit() -> None:
    words: Rows = np.array([[700]], np.int32)
    network = engine.model()._replace(elements=Table({"w": 0}, words))
    page = of("<div class=w>" * 6 + "x")
    told = engine.tell(page, "", None)
    assert told.clues == Clues([[], ["w"]], [0] + [1] * 6)
    own, over = network._of_elements(told)
    assert own.ravel().tolist() == [0, *[700] * 6, 0]
    assert over.ravel().tolist() == [0, 700, *[MAX_CLUES] * 5, 0]


@given(_PAGES)
@settings(max_examples=100)
def test_means_over_the_blocks_of_elements(html: str) -> None:
    page = of(html)
    assume(page.texts)
    where = features(page, [[] for _ in page.texts])[2]
    rows = np.random.default_rng(len(html)).integers(0, 511, (len(page.texts), 3))
    of_part = _means(rows.astype(np.float32), where)
    means = np.concatenate([of_part(part) for part in parts_of(len(rows), 7)]).reshape(len(rows), len(MEANS), 3)
    for block, (column, level) in product(range(len(rows)), enumerate(MEANS)):
        element = where.ancestors[block, level]
        held = rows[where.first[element] : where.last[element]] if element >= 0 else rows[:0]
        wanted = held.sum(0) // max(len(held), 1)
        assert means[block, column].tolist() == wanted.tolist()


def test_neighbours_and_what_is_beyond_the_page() -> None:
    rows = np.array([[1], [2], [3]], np.float32)
    assert _shifted(rows, (-1, 0, 1), slice(0, 3)).tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 0]]
    assert _shifted(rows, (-4, 0, 4), slice(0, 3)).tolist() == [[0, 1, 0], [0, 2, 0], [0, 3, 0]]
    assert _shifted(rows, (-1, 0, 1), slice(1, 2)).tolist() == [[1, 2, 3]]


@given(st.integers(1, 20), st.sampled_from([NEAR, WIDE]), st.integers(1, 20))
def test_neighbours_by_index(blocks: int, steps: tuple[int, ...], size: int) -> None:
    rows = np.arange(1, 2 * blocks + 1, dtype=np.float32).reshape(blocks, 2)
    wanted = [
        [value for step in steps for value in (rows[at + step].tolist() if 0 <= at + step < blocks else [0, 0])]
        for at in range(blocks)
    ]
    parts = [_shifted(rows, steps, part) for part in parts_of(blocks, size)]
    assert np.concatenate(parts).tolist() == wanted


@given(_PAGES, st.integers(1, 9))
@settings(max_examples=60)
def test_answers_do_not_depend_on_the_size_of_parts(html: str, size: int) -> None:
    page = of(html)
    assume(page.texts)
    whole = probabilities(engine.model(), page)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network_module, "PART", size)
        assert probabilities(engine.model(), page).tolist() == whole.tolist()


@given(st.lists(_PAGES, min_size=2, max_size=4))
@settings(max_examples=50)
def test_answers_do_not_depend_on_pages_before(htmls: list[str]) -> None:
    pages = [page for page in map(of, htmls) if page.texts]
    network = engine.model()
    first = [probabilities(network, page).tolist() for page in pages]
    assert [probabilities(network, page).tolist() for page in reversed(pages)] == first[::-1]
    assert all(0 <= value <= CERTAIN for values in first for value in values)


@pytest.mark.parametrize("blocks", [1, 2, 7, 500, 3000])
def test_answers_do_not_depend_on_threads(network: Network, blocks: int) -> None:
    page = of(
        "".join(f"<div class={_WORDS[i % 5]}><p>{'Words of text. ' * (i % 17 + 1)}<p>b</div>" for i in range(blocks))
    )
    answers = []
    for threads in (1, 2):
        with threadpool_limits(limits=threads, user_api="blas"):
            answers.append(probabilities(network, page).tolist())
    assert answers[0] == answers[1]
    assert len(answers[0]) == 2 * blocks


def test_a_page_of_one_block(network: Network) -> None:
    assert probabilities(network, of("x")).shape == (1,)
    assert features(of("x"), [["x"]])[2].ancestors.tolist() == [[0] + [-1] * (LEVELS - 1)]


def f1(kept: tuple[int, ...], likely: list[int], words: list[int]) -> float:
    """Of the words of the blocks ``kept``, as it is expected; twice the right over those kept and those wanted."""
    right = sum(likely[block] * words[block] for block in kept)
    wanted = sum(map(int.__mul__, likely, words))
    return 2 * right / (CERTAIN * sum(words[block] for block in kept) + wanted)


@given(st.lists(st.tuples(st.integers(0, CERTAIN), st.integers(0, 300)), max_size=8))
@settings(max_examples=300)
def test_no_other_choice_of_blocks_is_better(blocks: list[tuple[int, int]]) -> None:
    likely, words = [block[0] for block in blocks], [block[1] for block in blocks]
    kept = choose(np.array(likely, np.int64), np.array(words, np.int64))
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
        ([CERTAIN, CERTAIN], [0, 0], []),
        ([CERTAIN], [1], [0]),
        ([CERTAIN, 0, CERTAIN], [9, 9, 9], [0, 2]),
        ([10, 4000, 3900, 20], [50, 50, 50, 50], [1, 2]),
        ([100, 90, 95], [5, 5, 5], [0, 2]),  # half the best F1 is the threshold: 94.3
    ],
)
def test_choices(likely: list[int], words: list[int], kept: list[int]) -> None:
    assert choose(np.array(likely, np.int64), np.array(words, np.int64)) == kept


def test_cells_of_a_row_share_their_mean_over_words() -> None:
    page = of("<p>a</p><table><tr><th>b<td>c<tr><td>d<td><p>e</p><tr><td>f<p>g</table>")
    assert page.texts == list("abcdefg")
    likely, words = np.array([7, 100, 400, 8, 9, 10, 11]), np.array([1, 0, 1, 5, 5, 5, 5])
    assert whole_rows(likely, words, page).tolist() == [7, 300, 300, 8, 9, 10, 11]
    assert likely.tolist() == [7, 100, 400, 8, 9, 10, 11]


def test_pages_without_cells_keep_their_probabilities() -> None:
    likely = np.array([5, 6])
    assert whole_rows(likely, np.array([1, 1]), of("<p>a<p>b")).tolist() == [5, 6]


@pytest.mark.parametrize(
    ("inner", "kept", "whole"),
    [
        ("<p>a</p><p>b</p><p>c</p>", [0, 2], [0, 1, 2]),
        ("<p>a</p><p>b</p><p>c</p>", [0, 1], [0, 1]),  # what comes behind the last is not between
        ("<p>a</p><p><a href=x>b</a></p><p>c</p>", [0, 2], [0, 2]),
        ("<p>a</p><div>b</div><p>c</p>", [0, 2], [0, 2]),
        ("<p>a</p><div><p>b</p></div><p>c</p>", [0, 2], [0, 2]),
        ("<p>a</p><p>b</p>", [], []),
    ],
)
def test_paragraphs_between_kept_ones_are_kept(inner: str, kept: list[int], whole: list[int]) -> None:
    assert without_holes(kept, of(f"<body><div>{inner}</div>")) == whole
