"""The compiled modules of the learned engine give what their sources give as plain Python."""

from __future__ import annotations

import array
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gristmill.extraction.engines.engine import Limits, Refused
from gristmill.pipelines.sample import pages, templates
from tests.extraction.learned_pages import FOLDER, MARKUP, markup, modules, plain_modules

PLAIN, REAL = plain_modules(), modules()
COMPILED = [name for name, module in REAL.items() if not str(module.__file__).endswith(".py")]
pytestmark = pytest.mark.skipif(
    not COMPILED, reason="NOTHING COMPILED: no C compiler at installation; install anew with one to run this test"
)

BLOCKS = ("texts", "element", "order", "linked", "bold")
ELEMENTS = ("parents", "depths", "tags", "ends", "attributes")
ODD = "<>/=\"'abdivpltrn &;#!-\n\0\x01\ud800\uffff😀𠀀ßİǅ١é́中،»©_1"
"""Characters that markup is made of, and such as are of many kinds or change their length in lower case."""

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
    """What one module gives, and what the other."""

    real: Any
    plain: Any


def both(name: str, call: Callable[[ModuleType], Any]) -> Pair:
    return Pair(call(REAL[name]), call(PLAIN[name]))


def read(html: str, depth: int = 12) -> Pair:
    """The page, or what it was refused for."""

    def page(module: ModuleType) -> Any:
        try:
            return module.Page(html, Limits(10_000, depth))
        except Refused as refused:
            return refused

    return both("page", page)


def same(one: Any, other: Any) -> bool:
    """Whether two answers are equal and of the same types, down to the elements of arrays."""
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and bool((one == other).all())
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


def assert_read_alike(html: str, depth: int = 12) -> None:
    real, plain = read(html, depth)
    if isinstance(real, Refused) or isinstance(plain, Refused):
        assert (real.cause, real.detail) == (plain.cause, plain.detail)
        return
    for name in (*BLOCKS, *ELEMENTS, "metas"):
        known = Pair(getattr(real, name), getattr(plain, name))
        assert type(known.real) is type(known.plain) is list
        assert same(*known), name
    assert real.title == plain.title
    assert same(*both("page", lambda module: list(map(module.attribute_values, real.attributes + real.metas))))
    if real.texts:
        told = Pair(*(m["engine"].tell(page, html, None) for m, page in ((REAL, real), (PLAIN, plain))))
        assert told.real._fields == told.plain._fields
        for name in told.real._fields:
            assert same(getattr(told.real, name), getattr(told.plain, name)), name


def test_the_sources_are_run_as_they_stand() -> None:
    assert all(str(module.__file__).endswith(".py") for module in PLAIN.values())
    assert all(PLAIN[name] is not REAL[name] for name in REAL)
    assert PLAIN["engine"].Page is PLAIN["page"].Page
    assert PLAIN["features"].tally is PLAIN["characters"].tally
    assert REAL["engine"].Page is REAL["page"].Page


def test_all_is_compiled_that_has_types() -> None:
    assert sorted(COMPILED) == sorted(path.stem for path in FOLDER.glob("*.pxd"))


@given(HTML)
@example(f"<p title='&#{'9' * 5000};'>&#{'9' * 5000}; {'&#' * 20}")
@example("<h2>a<h3>b</h2>c<table><td><b>d<td>e")
@example(f"<p>{'y' * 80}</p><p>{'y' * 81}")
@example("<article>a<section>b")
@example("<title>One two three</title>x")
@settings(max_examples=800)
def test_pages_are_read_alike(html: str) -> None:
    assert_read_alike(html)


@given(st.text(ODD, max_size=80))
@settings(max_examples=300)
def test_attributes_are_read_alike(written: str) -> None:
    real, plain = both("page", lambda module: module.attribute_values(written))
    assert list(real.items()) == list(plain.items())


@given(st.one_of(st.text(ODD, max_size=140), st.text("aB1_ -", max_size=140), st.text(max_size=140)))
@example("a " * 60)
@example("a" * 80)
@example("a" * 81)
@settings(max_examples=500)
def test_characters_are_counted_alike(text: str) -> None:
    def counted(module: ModuleType) -> Any:
        counts = array.array("i", range(len(module.KINDS)))
        words = module.tally(text, counts)
        kinds = [bool(module.is_of(character, kind)) for character in text for kind in range(len(counts))]
        return words, list(counts), kinds, module.lead_words(text), module.names(text)

    assert same(*both("characters", counted))


@given(st.lists(st.lists(st.sampled_from(["a", "b", "é", "", "no"]), max_size=5), max_size=6))
def test_words_are_looked_up_alike(bags: list[list[str]]) -> None:
    def looked_up(module: ModuleType) -> Any:
        found, counts = np.full(sum(map(len, bags)), -1, np.intp), np.full(len(bags), -1, np.intp)
        return module.look_up(bags, {"a": 0, "b": 5, "é": 2**40, "": 3}, found, counts), found, counts

    assert same(*both("bags", looked_up))


@given(st.lists(st.tuples(st.integers(-(2**20), 2**20), st.integers(0, 30)), max_size=20))
def test_rows_are_passed_down_alike(drawn: list[tuple[int, int]]) -> None:
    parents = [min(above, row - 1) for row, (_, above) in enumerate(drawn)]

    def passed(module: ModuleType) -> Any:
        rows = np.array([[value, -value, 1] for value, _ in drawn], np.int32).reshape(-1, 3)
        module.pass_down(rows, parents)
        return rows

    assert same(*both("bags", passed))


@given(st.integers(0, 2**45), st.integers(0, 2**45))
def test_numbers_are_scaled_alike(part: int, whole: int) -> None:
    assert same(*both("features", lambda module: [module.log(part), module.share(part, whole), module.share(part, 0)]))


def sample_pages() -> Iterator[tuple[str, str]]:
    """The URL and HTML of each page of the bundled sample."""
    everything, phrases = pages.read_pages(), pages.read_phrases()
    for page in everything:
        related = [other for other in everything if other.site == page.site and other is not page][:5]
        yield page.url, templates.render(page, phrases[page.site.language], related)


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_sample_pages_give_the_same_text(form: str) -> None:
    read_pages = 0
    for url, html in sample_pages():
        assert_read_alike(html, 256)

        def text(module: ModuleType, html: str = html, url: str = url) -> str:
            page = module.Page(html, Limits(150_000, 256))
            return str(module.render(page, module.main_blocks(page, html, url, module.model()), form))

        real, plain = both("engine", text)
        assert real == plain
        read_pages += len(real) > 100
    assert read_pages > 20
