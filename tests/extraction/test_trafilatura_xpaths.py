"""The rewritten expressions select the same elements in the same order as trafilatura's own."""

from __future__ import annotations

import json
import random
import runpy
import subprocess
import sys
from copy import deepcopy
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree, html
from trafilatura import xpaths

from gristmill.corpus.record import Raw
from gristmill.extraction.charset_decoding import decode
from gristmill.extraction.engines.extraction_engine import MarkupLimits
from gristmill.extraction.engines.trafilatura_engine import Trafilatura, load
from gristmill.extraction.engines.trafilatura_xpaths import LISTS, Marks, chains
from gristmill.transforms.read.source_section import SourceSection
from gristmill.transforms.read.unit_planning import plan_units
from gristmill.transforms.read.unit_reader import ReadLimits, read_unit

NAMES = {"re": "http://exslt.org/regular-expressions"}
PAGE = (
    "<body><div id=nav class=x>1</div><div class=nav id=x>2</div><div id=x class=nav>3</div><p class=NAV>4</p>"
    "<div>5</div><div class=''>6</div><span class='a cookie'>7</span><div class=sidebar><p id=footer>8</p></div>"
    "<ul class=comments-list><li>9</li></ul><section class='article-body nav'>10</section><p data-x-y>11</p>"
    f"<p class='{'x' * 1000} nav'>12</p><p class='{'x' * 1000}'>13</p><p class='nav&#10;' role=Nav>14</p></body>"
)
TAGS = ["div", "section", "article", "main", "p", "span", "list", "item", "ul", "details", "aside", "h1"]
ATTRIBUTES = ["class", "id", "role", "style", "itemprop", "data-component", "data-lp-replacement-content", "href"]
WORDS = """
nav Nav x post-body comment comments- commentary post-comments ad -ad- share Share hidden display:none teaser Teaser
main main-content MAIN-content reply- story article articleBody content fulltext FULLTEXT link bottom padding-bottom
cookie sidebar mvp-post-add-box infinite-scroll caption border akismet footer
"""

BARE = """
import json, logging, sys, trafilatura
from gristmill.extraction.engines.extraction_engine import MarkupLimits
from gristmill.extraction.engines.markup_limits import parse_within_limits
from trafilatura.settings import Extractor
logging.disable(logging.CRITICAL)
pages, options = json.load(sys.stdin)
trees = [parse_within_limits(page, MarkupLimits(150_000, 256), reopens_formatting=False) for page in pages]
json.dump([trafilatura.extract(tree, options=Extractor(**options)) or "" for tree in trees], sys.stdout)
"""


def original_expressions() -> list[etree.XPath]:
    """trafilatura's own expressions, even if this process has replaced them."""
    fresh = runpy.run_path(str(xpaths.__file__))
    return [one for name in LISTS for one in fresh[name]]


ORIGINAL = original_expressions()
MARKS = Marks(ORIGINAL)


def marked(page: str, marks: Marks = MARKS) -> html.HtmlElement:
    tree = html.document_fromstring(page)
    marks.mark(tree)
    return tree


@st.composite
def trees(draw: st.DrawFn) -> html.HtmlElement:
    """Trees of some fifty elements, with attributes and values that the expressions test for."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    root = html.Element("html")
    elements = [root]
    for _ in range(draw(st.integers(1, 60))):
        elements.append(etree.SubElement(chance.choice(elements[-8:]), chance.choice(TAGS)))
        for name in chance.sample(ATTRIBUTES, chance.choice([0, 1, 2, 2, 3])):
            value = chance.choice(["", " ", "-", "\n"]).join(
                chance.choices(WORDS.split(), k=chance.choice([0, 1, 1, 2, 3]))
            )
            elements[-1].set(name, value)
    return root


def test_every_expression_with_attributes_is_rewritten() -> None:
    with_attributes = [one for one in ORIGINAL if "@" in one.path]
    assert len(with_attributes) >= 15
    assert all(MARKS.rewrite(one) is not one for one in with_attributes)


@given(tree=trees())
@settings(max_examples=200)
def test_trafilatura_s_expressions_select_the_same_elements_of_any_tree(tree: html.HtmlElement) -> None:
    below = tree[0]
    expected = [(one(tree), one(below)) for one in ORIGINAL]
    assert [(one(tree), one(below)) for one in map(MARKS.rewrite, ORIGINAL)] == expected  # not yet marked
    MARKS.mark(tree)
    assert [(one(tree), one(below)) for one in map(MARKS.rewrite, ORIGINAL)] == expected


@given(tree=trees(), chance=st.randoms(use_true_random=False))
@settings(max_examples=100)
def test_marks_survive_copies_and_trafilatura_s_changes(tree: html.HtmlElement, chance: random.Random) -> None:
    MARKS.mark(tree)
    changed = deepcopy(tree)
    for element in list(changed.iterdescendants()):
        change = chance.randrange(6)
        if change == 0:
            element.attrib.clear()
            element.set("rend", "h2")
        elif change == 1:
            element.tag = chance.choice(TAGS)
        elif change == 2:
            element.getparent().remove(element)
        elif change == 3:
            element.addnext(etree.Element("p"))
    for one in ORIGINAL:
        assert MARKS.rewrite(one)(changed) == one(changed)


@pytest.mark.parametrize(
    ("predicate", "found"),
    [
        ("re:test(@class, 'nav')", "2 3 10 12 14"),
        ("re:test(@class, 'nav', 'i')", "2 3 4 10 12 14"),
        ("re:test(@id|@class, 'nav')", "1 2 10 12 14"),
        ("re:test(@class|@id, 'x')", "3 12 13"),
        ("starts-with(@id|@class, 'na')", "1 2 14"),
        ("not(re:test(@class, 'nav'))", "1 4 5 6 7 8 8 9 9 11 13"),
        ("re:test(@id, '^n') or re:test(@class, 'cookie|side')", "1 7 8"),
        ("@class='nav'", "2 3"),
        ("@data-x-y or @id = 'footer'", "8 11"),
        ("@class=''", "6"),
        ("contains(@class, 'comments-')", "9"),
        ("contains(translate(@role, 'N', 'n'), 'nav')", "14"),
        ("contains(translate(@class, 'NAV', 'nav'), 'nav')", "2 3 4 10 12 14"),
        ("contains(translate(@class, 'n', 'N'), 'n')", ""),
        ("self::p][@class][1", "4"),
    ],
)
def test_expressions_that_are_rewritten(predicate: str, found: str) -> None:
    original = etree.XPath(f".//*[{predicate}]", namespaces=NAMES)
    marks = Marks([original])
    tree = marked(PAGE, marks)
    rewritten = marks.rewrite(original)
    assert rewritten is not original
    texts = [element.text_content() for element in rewritten(tree) if element.tag != "body"]
    assert texts == found.split()
    assert rewritten(tree) == original(tree)


@pytest.mark.parametrize(
    "path",
    [
        ".//*[re:test(@class, '^$')]",
        ".//*[re:test(@class, 'a*')]",
        ".//*[contains(@class, '')]",
        ".//*[re:test(text(), '5')]",
        r".//*[re:test(@class, '(n)\1')]",
        ".//*[re:test(@class, '(?i)nav')]",
        ".//*[contains(translate(@class, 'nv', 'n'), 'a')]",
        ".//*[@class='nav' and @id='x' or @id='footer']",
        ".//*[@class=@id]",
        ".//*[string-length(@class) > 3]",
        ".//*[count(@class) = 1]",
        ".//*[../@class]",
        ".//*[@*]",
        ".//*[@class]/@id",
        "//*[@class]",
        ".//p",
    ],
)
def test_other_expressions_are_kept(path: str) -> None:
    original = etree.XPath(path, namespaces=NAMES)
    assert chains(path) == []
    assert Marks([original]).rewrite(original) is original


def test_an_expression_is_skipped_only_if_it_needs_a_mark_that_is_absent() -> None:
    page = "<body><article>1</article><main>2</main><div id=m>3</div></body>"
    nothing, more = etree.XPath(".//*[@id='x']"), etree.XPath("(.//*[@id='x'])[1]|(.//main)[1]")
    marks = Marks([nothing, more])
    tree = marked(page, marks)
    assert marks.rewrite(nothing)(tree) == []
    assert [one.text for one in marks.rewrite(more)(tree)] == ["2"]


def test_a_page_cannot_contain_marks_of_its_own() -> None:
    original = etree.XPath(".//*[@id='x']")
    marks = Marks([original])
    for root in ("html", "html Q=' Q0 '"):
        tree = html.document_fromstring(f"<{root}><body><p Q0>1</p><p Q0='' id=x>2</p></body></html>")
        assert [one.text for one in marks.rewrite(original)(tree)] == ["2"]
        marks.mark(tree)
        assert [one.text for one in marks.rewrite(original)(tree)] == ["2"]


@pytest.mark.parametrize(
    ("focus", "comments", "form"),
    [
        ("precision", False, "text"),
        ("balanced", True, "markdown"),
        ("recall", False, "text"),
        pytest.param("precision", True, "markdown", marks=pytest.mark.slow),
        pytest.param("balanced", False, "text", marks=pytest.mark.slow),
        pytest.param("recall", True, "markdown", marks=pytest.mark.slow),
    ],
)
def test_text_of_real_pages_equals_that_of_unmodified_trafilatura(
    focus: str, comments: bool, form: str, shared_data: Path
) -> None:
    archive = shared_data / "warc" / "pages-0.warc.gz"
    section = SourceSection(name="pages", format="warc", root=str(archive.parent), paths=(archive.name,))
    (unit,) = plan_units(section, archive.stat().st_size)
    records = (one for one in read_unit(unit, section, ReadLimits()) if isinstance(one, Raw))
    pages = [decode(one.payload, one.charset) for one in islice(records, 0, 1000, 25) if isinstance(one.payload, bytes)]
    assert len(pages) >= 30
    options = {
        "output_format": "markdown" if form == "markdown" else "txt",
        "precision": focus == "precision",
        "recall": focus == "recall",
        "comments": comments,
    }
    bare = subprocess.run(
        [sys.executable, "-c", BARE], input=json.dumps([pages, options]), capture_output=True, text=True, check=True
    )
    section_of_engine = Trafilatura.model_validate({"focus": focus, "comments": comments, "format": form})
    engine = load(section_of_engine, MarkupLimits(150_000, 256))
    assert [engine(page, None) for page in pages] == json.loads(bare.stdout)
