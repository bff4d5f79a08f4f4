"""trafilatura's expressions, asked of marks: of any tree the same elements, in the same order."""

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
from gristmill.extraction.decode import decode
from gristmill.extraction.engines.engine import Limits
from gristmill.extraction.engines.quick_xpaths import LISTS, Marks, chains
from gristmill.extraction.engines.trafilatura import load
from gristmill.extraction.extract_section import Trafilatura
from gristmill.transforms.read.reader import Limits as ReadLimits
from gristmill.transforms.read.reader import read_unit
from gristmill.transforms.read.source_section import SourceSection
from gristmill.transforms.read.unit_plan import plan_units

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
from gristmill.extraction.engines.engine import Limits
from gristmill.extraction.engines.markup import measured
from trafilatura.settings import Extractor
logging.disable(logging.CRITICAL)
pages, options = json.load(sys.stdin)
trees = [measured(page, Limits(150_000, 256), reopens=False) for page in pages]
json.dump([trafilatura.extract(tree, options=Extractor(**options)) or "" for tree in trees], sys.stdout)
"""


def stock_expressions() -> list[etree.XPath]:
    """As they come, whatever this process has put in their place."""
    fresh = runpy.run_path(str(xpaths.__file__))
    return [one for name in LISTS for one in fresh[name]]


STOCK = stock_expressions()
MARKS = Marks(STOCK)


def marked(page: str, marks: Marks = MARKS) -> html.HtmlElement:
    tree = html.document_fromstring(page)
    marks.put(tree)
    return tree


@st.composite
def trees(draw: st.DrawFn) -> html.HtmlElement:
    """Trees of some fifty elements; what an element has is drawn, in any order, from what expressions ask of it."""
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


def test_every_expression_for_text_that_asks_attributes_is_understood() -> None:
    asking = [one for one in STOCK if "@" in one.path]
    assert len(asking) >= 15
    assert all(MARKS.quick(one) is not one for one in asking)


@given(tree=trees())
@settings(max_examples=200)
def test_expressions_of_trafilatura_select_the_same_of_any_tree(tree: html.HtmlElement) -> None:
    below = tree[0]
    expected = [(one(tree), one(below)) for one in STOCK]
    assert [(one(tree), one(below)) for one in map(MARKS.quick, STOCK)] == expected  # not yet marked
    MARKS.put(tree)
    assert [(one(tree), one(below)) for one in map(MARKS.quick, STOCK)] == expected


@given(tree=trees(), chance=st.randoms(use_true_random=False))
@settings(max_examples=100)
def test_marks_hold_in_copies_and_through_what_trafilatura_does_to_elements(
    tree: html.HtmlElement, chance: random.Random
) -> None:
    MARKS.put(tree)
    changed = deepcopy(tree)
    for element in list(changed.iterdescendants()):
        deed = chance.randrange(6)
        if deed == 0:
            element.attrib.clear()
            element.set("rend", "h2")
        elif deed == 1:
            element.tag = chance.choice(TAGS)
        elif deed == 2:
            element.getparent().remove(element)
        elif deed == 3:
            element.addnext(etree.Element("p"))
    for one in STOCK:
        assert MARKS.quick(one)(changed) == one(changed)


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
def test_what_is_understood(predicate: str, found: str) -> None:
    stock = etree.XPath(f".//*[{predicate}]", namespaces=NAMES)
    marks = Marks([stock])
    tree = marked(PAGE, marks)
    quick = marks.quick(stock)
    assert quick is not stock
    texts = [element.text_content() for element in quick(tree) if element.tag != "body"]
    assert texts == found.split()
    assert quick(tree) == stock(tree)


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
def test_what_is_not_understood_stays_as_it_is(path: str) -> None:
    stock = etree.XPath(path, namespaces=NAMES)
    assert chains(path) == []
    assert Marks([stock]).quick(stock) is stock


def test_an_expression_that_nothing_is_marked_for_is_not_asked_and_one_that_has_more_to_it_is() -> None:
    page = "<body><article>1</article><main>2</main><div id=m>3</div></body>"
    nothing, more = etree.XPath(".//*[@id='x']"), etree.XPath("(.//*[@id='x'])[1]|(.//main)[1]")
    marks = Marks([nothing, more])
    tree = marked(page, marks)
    assert marks.quick(nothing)(tree) == []
    assert [one.text for one in marks.quick(more)(tree)] == ["2"]


def test_no_page_can_mark_itself() -> None:
    stock = etree.XPath(".//*[@id='x']")
    marks = Marks([stock])
    for root in ("html", "html Q=' Q0 '"):
        tree = html.document_fromstring(f"<{root}><body><p Q0>1</p><p Q0='' id=x>2</p></body></html>")
        assert [one.text for one in marks.quick(stock)(tree)] == ["2"]
        marks.put(tree)
        assert [one.text for one in marks.quick(stock)(tree)] == ["2"]


@pytest.mark.parametrize("focus", ["precision", "balanced", "recall"])
@pytest.mark.parametrize(("comments", "form"), [(False, "text"), (True, "markdown")])
def test_text_of_real_pages_is_that_of_bare_trafilatura(
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
    choice = Trafilatura.model_validate({"focus": focus, "comments": comments, "format": form})
    engine = load(choice, Limits(150_000, 256))
    assert [engine(page, None) for page in pages] == json.loads(bare.stdout)
