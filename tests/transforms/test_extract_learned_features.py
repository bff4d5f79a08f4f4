"""What the network is told of blocks: numbers, tags, and words of the markup."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.transforms.extract.learned import clues
from gristmill.transforms.extract.learned.clues import element_clues, page_clues, url_clues
from gristmill.transforms.extract.learned.features import LEVELS, LONG, Surroundings, features, lead_words, log, share
from gristmill.transforms.extract.learned.network import Floats
from gristmill.transforms.extract.learned.page import TAGS, Ints, Page, parse

_PIECES = (
    *(f"<{tag}>" for tag in ("div", "p", "ul", "li", "table", "td", "pre", "a", "b", "h1", "section")),
    *(f"</{tag}>" for tag in ("div", "p", "ul", "li", "table", "td", "pre", "a", "b", "h1", "section")),
    *(
        "<br>",
        "<title>A title</title>",
        " ",
        "Word, word. ",
        "© 2024 | 5·6:",
        "日本語、",
        "😀𠀀",
        "_x_1 ",
        "é́ ",
        "y" * 90,
    ),
)
_MARKUP = st.lists(st.sampled_from(_PIECES), max_size=60).map("".join)


def of(html: str) -> Page:
    return parse(html.encode(), 256)


def told(page: Page) -> tuple[Floats, Ints, Surroundings]:
    return features(page, [lead_words(text) for text in page.texts])


@given(_MARKUP)
@settings(max_examples=300)
def test_numbers_are_whole_and_small_and_the_same_each_time(html: str) -> None:
    page = of(html)
    if not page.texts:
        return
    numbers, tags, around = told(page)
    n = len(page.texts)
    assert numbers.dtype == np.float32
    assert numbers.shape[0] == n
    assert tags.shape == around.ancestors.shape == (n, LEVELS)
    assert (numbers == np.rint(numbers)).all()
    assert numbers.min() >= 0
    assert numbers.max() <= 64
    again_numbers, again_tags, again_around = told(of(html))
    assert (numbers == again_numbers).all()
    assert (tags == again_tags).all()
    assert all((one == other).all() for one, other in zip(around, again_around, strict=True))


@given(_MARKUP)
@settings(max_examples=200)
def test_elements_around_a_block_by_a_naive_climb(html: str) -> None:
    page = of(html)
    if not page.texts:
        return
    _, tags, around = told(page)
    for block, element in enumerate(page.element.tolist()):
        for level in range(LEVELS):
            assert around.ancestors[block, level] == element
            assert tags[block, level] == (page.tags[element] if element >= 0 else 0)
            element = int(page.parents[element]) if element >= 0 else -1


@given(st.lists(st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=40), max_size=5))
@settings(max_examples=300)
def test_words_are_runs_of_word_characters(texts: list[str]) -> None:
    page = of("".join(f"<p>{text.replace('&', '&amp;').replace('<', '&lt;')}</p>" for text in texts))
    if page.texts:
        assert told(page)[2].words.tolist() == [len(re.findall(r"\w+", text)) for text in page.texts]


@pytest.mark.parametrize(
    ("text", "words"), [("one two", 2), ("_a_ 1", 2), ("𠀀𠀁 x", 2), ("😀", 1), ("…", 0), ("don’t", 2), ("中文", 1)]
)
def test_words_of_a_block(text: str, words: int) -> None:
    """Every character beyond the Basic Multilingual Plane counts as a letter."""
    assert told(of(f"<p>{text}</p><p>-</p>"))[2].words.tolist() == [words, 0]


@pytest.mark.parametrize("character", ["x", "5", "A", "-", "中", ",", ".", "|", "©", "😀"])
def test_counters_that_wrap_stay_within_bounds(character: str) -> None:
    numbers, _, _ = told(of(f"<p>{character * (2**21 + 5)}</p><p>x</p>"))
    assert numbers.min() >= 0
    assert numbers.max() <= 64


def test_log_steps_at_each_half_octave() -> None:
    steps = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64]
    assert log([0]).tolist() == [0]
    assert log(steps).tolist() == list(range(1, 13))
    assert log(np.array(steps[1:]) - 1).tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert log([2**40]) == log([2**22]) < 64


@pytest.mark.parametrize(
    ("part", "whole", "is_"),
    [(0, 0, 0), (0, 5, 0), (1, 33, 0), (1, 32, 1), (1, 2, 16), (31, 32, 31), (63, 64, 31), (7, 7, 32)],
)
def test_share_in_thirty_seconds(part: int, whole: int, is_: int) -> None:
    assert share(part, whole) == is_


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("Read More »", ["read", "more", "»"]),
        ("one two three four five six", ["one", "two", "three", "four", "five"]),
        ("x" * LONG, ["x" * 80]),
        ("x" * LONG + " end.", ["x" * 80, "$end."]),
    ],
)
def test_lead_words(text: str, words: list[str]) -> None:
    assert lead_words(text) == words


def test_a_block_that_stands_twice_is_told_apart() -> None:
    repeated, other = told(of("<p>same</p><p>same</p>"))[0], told(of("<p>same</p><p>main</p>"))[0]
    assert (repeated != other).any(axis=1).all()


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ("div", ()),
        ("div class='postBody post-body HTMLText'", ("post", "body", "html", "text")),
        ("div class=''", ()),
        ("div class", ()),
        ("div id=main-2 class='a b'", ("a", "b", "main")),
        ("div role=navigation hidden aria-hidden=false", ("role:navigation", "hidden:")),
        ("div aria-hidden=true style='display: none'", ("hidden:", "style:none")),
        ("div style='color: red' onclick=x()", ()),
        (
            "div itemtype='https://schema.org/NewsArticle'",
            ("type:https", "type:schema", "type:org", "type:news", "type:article"),
        ),
    ],
)
def test_clues_of_an_element(tag: str, words: tuple[str, ...]) -> None:
    assert element_clues(of(f"<{tag}>x</div>").attributes[1]) == words


@pytest.mark.parametrize("key", ["class", "id", "role"])
def test_long_values_give_the_same_clues_and_are_not_remembered(key: str) -> None:
    marks = {"class": "", "id": "", "role": "role:"}
    long = " ".join(f"{'-' * 40}word{chr(97 + i)}" for i in range(26))
    held = [cache.cache_info().currsize for cache in (clues._known_names, clues._marked)]
    assert element_clues({key: long, "title": ""}) == tuple(
        f"{marks[key]}word{chr(97 + i)}" for i in range(clues.MAX_NAMES)
    )
    assert [cache.cache_info().currsize for cache in (clues._known_names, clues._marked)] == held


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", []),
        ("no url", []),
        ("http://[broken", []),
        ("https://www.example.com", ["u:.com", "u:depth0"]),
        (
            "https://Blog.example.co.uk/2024/05/a-long-slug-of-words.html?id=7",
            ["u:.uk", "u:blog.", "u:depth3", "u:#", "u:a", "u:slug", "u:words", "u:html", "u:?id", "u:?7"],
        ),
    ],
)
def test_clues_of_a_url(url: str, words: list[str]) -> None:
    assert set(words) <= set(url_clues(url))
    assert bool(words) == bool(url_clues(url))


def test_clues_of_a_page() -> None:
    html = (
        "<head><title>A fox A den</title><meta property=og:type content=Article></head><body class=single>"
        '<script type="application/ld+json">[{"@type": "Person"}, {"@type" :\n["NewsArticle"]}, {"@type": 5}]</script>'
    )
    assert page_clues(of(html), html, None) == (
        ["@Person", "@NewsArticle", "og:type:article", "t:a", "t:fox", "t:den", "b:single"]
    )


def test_white_space_after_a_schema_type_is_read_once() -> None:
    """A pattern that may split white space in two takes hours for this."""
    html = '<script>"@type":' + " " * 1_000_000 + "</script>"
    assert page_clues(of(html), html, None) == []


def test_every_tag_has_its_number() -> None:
    assert sorted(TAGS.values()) == list(range(1, len(TAGS) + 1))
