"""The compiled modules of the learned engine return the same as their sources in plain Python."""

from __future__ import annotations

import array
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gristmill.extraction.engines.extraction_engine import MarkupLimits, PageRefused
from gristmill.pipelines.sample import pages, templates
from tests.extraction.learned_pages import FOLDER, MARKUP, markup, modules, plain_modules

PLAIN, REAL = plain_modules(), modules()
COMPILED = [name for name, module in REAL.items() if not str(module.__file__).endswith(".py")]
pytestmark = pytest.mark.skipif(
    not COMPILED,
    reason="NOTHING COMPILED: no C compiler at installation; install again with one to run this test",
)

BLOCKS = ("texts", "element", "order", "linked", "bold")
ELEMENTS = ("parents", "depths", "tags", "ends", "attributes")
ODD = "<>/=\"'abdivpltrn &;#!-\n\0\x01\ud800\uffff😀𠀀ßİǅ١é́中،»©_1"
"""Characters of markup, and characters of many kinds or whose lower case has another length."""

TABLE = ("<table>", "<tr>", "<td>", "</td>", "</table>", "<caption>", "<b>", "<a>", "</a>", "x", "<p>", "</p>", "<nav>")
MORE = (
    *(
        "<div class='postBody x1'>",
        "<P ID=main hidden>",
        '<td style="display: none">',
        "<body class=b>",
        "</H1>",
        "<h2>",
    ),
    *(
        "<li a='",
        "'>",
        "<title>A title</title>",
        "<meta name=generator content=x>",
        "</div>",
        "<svg/>",
        "<nav>",
        "</nav>",
    ),
    *("<!--", "-->", "<script></", "</script>", "<xmp>", "&lt;", "&#9999999999;", "Word, word. ", "y" * 40, "y"),
    *(
        "© 2024 | 5·6: ",
        "日本語、",
        "😀𠀀",
        "\ud800",
        "\0",
        "\x1f",
        "<pre>  ",
        "<br>",
        "<p>",
        "<title>One two three</title>",
    ),
)
HTML = st.one_of(MARKUP, markup(TABLE), markup(MORE), st.text(ODD, max_size=300))


class Pair(NamedTuple):
    """The results of the module as imported, and as plain Python."""

    real: Any
    plain: Any


def both(name: str, call: Callable[[ModuleType], Any]) -> Pair:
    return Pair(call(REAL[name]), call(PLAIN[name]))


def read(html: str, depth: int = 12) -> Pair:
    """The page, or the exception that refused it."""

    def page(module: ModuleType) -> Any:
        try:
            return module.Page(html, MarkupLimits(10_000, depth))
        except PageRefused as refused:
            return refused

    return both("html_blocks", page)


def same(one: Any, other: Any) -> bool:
    """Whether two results are equal and of the same types, down to the elements of arrays."""
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and bool((one == other).all())
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


def assert_parsed_alike(html: str, depth: int = 12) -> None:
    real, plain = read(html, depth)
    if isinstance(real, PageRefused) or isinstance(plain, PageRefused):
        assert (real.cause, real.detail) == (plain.cause, plain.detail)
        return
    for name in (*BLOCKS, *ELEMENTS, "metas"):
        known = Pair(getattr(real, name), getattr(plain, name))
        assert type(known.real) is type(known.plain) is list
        assert same(*known), name
    assert real.title == plain.title
    assert same(*both("html_attributes", lambda m: list(map(m.attribute_values, real.attributes + real.metas))))
    if real.texts:
        pairs = ((REAL, real), (PLAIN, plain))
        features = Pair(*(m["learned_engine"].build_features(page, html, None) for m, page in pairs))
        assert features.real._fields == features.plain._fields
        for name in features.real._fields:
            assert same(getattr(features.real, name), getattr(features.plain, name)), name


def test_plain_modules_are_the_sources() -> None:
    assert all(str(module.__file__).endswith(".py") for module in PLAIN.values())
    assert all(PLAIN[name] is not REAL[name] for name in REAL)
    assert PLAIN["learned_engine"].Page is PLAIN["html_blocks"].Page
    assert PLAIN["block_features"].count_characters is PLAIN["text_scan"].count_characters
    assert REAL["learned_engine"].Page is REAL["html_blocks"].Page


def test_every_module_with_a_pxd_file_is_compiled() -> None:
    assert sorted(COMPILED) == sorted(path.stem for path in FOLDER.glob("*.pxd"))


@given(HTML)
@example(f"<p title='&#{'9' * 5000};'>&#{'9' * 5000}; {'&#' * 20}")
@example("<h2>a<h3>b</h2>c<table><td><b>d<td>e")
@example(f"<p>{'y' * 80}</p><p>{'y' * 81}")
@example("<article>a<section>b")
@example("<title>One two three</title>x")
@settings(max_examples=800)
def test_pages_are_parsed_alike(html: str) -> None:
    assert_parsed_alike(html)


@given(st.text(ODD, max_size=80))
@settings(max_examples=300)
def test_attributes_are_parsed_alike(source: str) -> None:
    real, plain = both("html_attributes", lambda module: module.attribute_values(source))
    assert list(real.items()) == list(plain.items())


@given(st.one_of(st.text(ODD, max_size=140), st.text("aB1_ -", max_size=140), st.text(max_size=140)))
@example("a " * 60)
@example("a" * 80)
@example("a" * 81)
@settings(max_examples=500)
def test_characters_are_counted_alike(text: str) -> None:
    def counted(module: ModuleType) -> Any:
        counts = array.array("i", range(len(module.KINDS)))
        words = module.count_characters(text, counts)
        kinds = [bool(module.is_kind(character, kind)) for character in text for kind in range(len(counts))]
        return words, list(counts), kinds, module.lead_words(text), module.identifier_words(text)

    assert same(*both("text_scan", counted))


@given(st.lists(st.lists(st.sampled_from(["a", "b", "é", "", "no"]), max_size=5), max_size=6))
def test_words_are_looked_up_alike(bags: list[list[str]]) -> None:
    def looked_up(module: ModuleType) -> Any:
        found, counts = np.full(sum(map(len, bags)), -1, np.intp), np.full(len(bags), -1, np.intp)
        return module.look_up_words(bags, {"a": 0, "b": 5, "é": 2**40, "": 3}, found, counts), found, counts

    assert same(*both("word_bags", looked_up))


@given(st.lists(st.tuples(st.integers(-(2**20), 2**20), st.integers(0, 30)), max_size=20))
def test_parent_rows_are_added_alike(drawn: list[tuple[int, int]]) -> None:
    parents = [min(above, row - 1) for row, (_, above) in enumerate(drawn)]

    def summed(module: ModuleType) -> Any:
        rows = np.array([[value, -value, 1] for value, _ in drawn], np.int32).reshape(-1, 3)
        module.add_parent_rows(rows, parents)
        return rows

    assert same(*both("word_bags", summed))


@given(st.integers(0, 2**45), st.integers(0, 2**45))
def test_numbers_are_scaled_alike(part: int, whole: int) -> None:
    assert same(*both("block_features", lambda m: [m.log_step(part), m.ratio_32(part, whole), m.ratio_32(part, 0)]))


def sample_pages() -> Iterator[tuple[str, str]]:
    """The URL and HTML of each page of the bundled sample."""
    everything, phrases = pages.read_pages(), pages.read_phrases()
    for page in everything:
        related = [other for other in everything if other.site == page.site and other is not page][:5]
        yield page.url, templates.render(page, phrases[page.site.language], related)


@pytest.mark.parametrize("output_format", ["text", "markdown"])
def test_sample_pages_give_the_same_text(output_format: str) -> None:
    read_pages = 0
    for url, html in sample_pages():
        assert_parsed_alike(html, 256)

        def text(module: ModuleType, html: str = html, url: str = url) -> str:
            page = module.Page(html, MarkupLimits(150_000, 256))
            return str(
                module.render(page, module.main_blocks(page, html, url, module.shipped_network()), output_format)
            )

        real, plain = both("learned_engine", text)
        assert real == plain
        read_pages += len(real) > 100
    assert read_pages > 20
