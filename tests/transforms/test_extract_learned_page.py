"""The page as the learned engine sees it: its blocks, and the tree of elements that they stand in."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gristmill.transforms.extract.engines.engine import Refused
from gristmill.transforms.extract.learned.features import _extents
from gristmill.transforms.extract.learned.nesting import open_at_once, require_short_parse
from gristmill.transforms.extract.learned.page import BREAK, TAGS, Page, parse

NAMES = {number: tag for tag, number in TAGS.items()}
SKIPPED = ("nav", "footer", "script", "style", "template", "svg", "iframe", "textarea", "select")

_BLOCK_TAGS = ("div", "p", "ul", "li", "table", "td", "pre", "blockquote", "h2", "section", "form")
_INLINE_TAGS = ("a", "b", "strong", "i", "span", "label", "my-tag")
_MARKUP = st.lists(
    st.sampled_from(
        [
            *(f"<{tag}>" for tag in (*_BLOCK_TAGS, *_INLINE_TAGS)),
            *(f"</{tag}>" for tag in (*_BLOCK_TAGS, *_INLINE_TAGS)),
            *(f"<{tag}>hidden</{tag}>" for tag in SKIPPED),
            *("<br>", "<hr>", "<!-- x -->", "one", " two ", "\n", "&amp;", "&nbsp;", "三", "😀"),
        ]
    ),
    max_size=60,
).map("".join)
"""Pages of tags in any order: closed and left open, nested wrongly, foster-parented out of tables."""


def of(html: str, depth: int = 256) -> Page:
    return parse(html.encode(), depth)


def tag_of(page: Page, block: int) -> str:
    """The tag of the element that a block stands in."""
    return NAMES[page.tags[page.element[block]]]


@pytest.mark.parametrize(
    ("html", "texts"),
    [
        ("<div>before<p>inside</p>after</div>", ["before", "inside", "after"]),
        ("<p>one<p>two", ["one", "two"]),
        ("<div><div><div>deep</div></div></div>", ["deep"]),
        ("<p>a<b>b</b><span>c</span> <i>d</i></p>", ["abc d"]),
        ("<my-tag>a</my-tag><my-tag>b</my-tag>", ["ab"]),
        ("<p>  much \n\t white\r\n space&nbsp;here </p>", ["much white space here"]),
        ("<p>a<br>b<br/>c</p>", [f"a{BREAK}b{BREAK}c"]),
        ("<p><br>a<br><br></p><p><br></p>", ["a"]),
        ("<p>a</p><div><br></div><p>b</p>", ["a", "b"]),
        ("<p>a <br> b</p>", [f"a {BREAK} b"]),
        ("<pre>\n  def f():\n\treturn  1\n\n</pre>", ["  def f():\n\treturn  1"]),
        ("<pre><code>a\n<span>  b</span></code></pre>", ["a\n  b"]),
        ("<pre>a<br>b</pre>", [f"a{BREAK}b"]),
        ("<pre> \n </pre><p> &nbsp; </p><div>\n</div>", []),
        ("<p>&lt;b&gt; &amp;amp; &eacute;&#8364;&#x4e2d; &noentity;</p>", ["<b> &amp; é€中 &noentity;"]),
        ("<ul><li>a<ul><li>b<li>c</ul>d<li>e</ul>", ["a", "b", "c", "d", "e"]),
        ("<table><tr><th>a<th>b<tr><td>c<td>d</table>", ["a", "b", "c", "d"]),
        ("<table>foster<tr><td>cell</table>", ["foster", "cell"]),
        ("<dl><dt>a<dd>b</dl>", ["a", "b"]),
        ("<label>a</label> b", ["a b"]),
        ("<noscript><p>a</p></noscript>", ["a"]),
        ("a<!-- comment -->b", ["ab"]),
        ("<p>a&#1;b</p><p>&#1;</p>", [f"a{BREAK}b"]),
        ("😀<p>😀😀</p>", ["😀", "😀😀"]),
    ],
)
def test_blocks(html: str, texts: list[str]) -> None:
    assert of(html).texts == texts


@pytest.mark.parametrize("tag", SKIPPED)
def test_skipped_tags_hold_no_text_and_do_not_interrupt(tag: str) -> None:
    assert of(f"<div>before <{tag}>skipped</{tag}>after</div>").texts == ["before after"]


def test_places_of_blocks() -> None:
    page = of("<div>a<ul><li>b<li>c</ul>d</div><p></p><p>e</p>")
    assert page.texts == ["a", "b", "c", "d", "e"]
    assert [tag_of(page, block) for block in range(5)] == ["div", "li", "li", "div", "p"]
    assert [NAMES[tag] for tag in page.tags] == ["body", "div", "ul", "li", "li", "p"]
    assert page.parents.tolist() == [-1, 0, 1, 2, 2, 0]
    assert page.depths.tolist() == [0, 1, 2, 3, 3, 1]
    assert page.ends.tolist() == [6, 5, 5, 4, 5, 6]
    assert page.element.tolist() == [1, 3, 4, 1, 5]
    assert page.order.tolist() == [2, 4, 5, 5, 6]


def test_inline_tags_count_for_depth_and_are_no_elements() -> None:
    page = of("<span><i><div>x</div></i></span>")
    assert page.depths.tolist() == [0, 3]
    assert page.parents.tolist() == [-1, 0]


@pytest.mark.parametrize(
    ("html", "linked", "bold"),
    [
        ("<p>plain</p>", [0], [0]),
        ("<p>a <a href=x> link </a> b</p>", [4], [0]),
        ("<p><b>bold</b><strong>er</strong></p>", [0], [6]),
        ("<p><a href=x>one<b>two</b></a></p>", [6], [3]),
        ("<a href=x><div>in</div></a><div>out</div>", [2, 0], [0, 0]),
        ("<b>x<p>y</b>z</p>", [0, 0], [1, 1]),
    ],
)
def test_linked_and_bold_characters(html: str, linked: list[int], bold: list[int]) -> None:
    page = of(html)
    assert page.linked.tolist() == linked
    assert page.bold.tolist() == bold


def test_title_hints_and_attributes() -> None:
    page = of(
        "<head><title>First</title><title>Second</title><meta property=og:type content='Article x'>"
        "<meta name=generator content='WordPress 6.1'><meta name=generator><meta name=author content=me></head>"
        "<body class=single><div id=a hidden>x</div>"
    )
    assert page.title == "First"
    assert page.hints == ["og:type:article"]  # the second generator says nothing
    assert page.attributes == [{"class": "single"}, {"id": "a", "hidden": None}]


@pytest.mark.parametrize(
    "html", ["", " \n", "<html></html>", "<!-- x -->", "<!doctype html>", "<head><title>t</title>", "<frameset><frame>"]
)
def test_pages_without_text(html: str) -> None:
    page = of(html)
    assert page.texts == []
    assert len(page.parents) == len(page.attributes) == 1


def test_page_without_body_tag() -> None:
    assert of("<title>t</title><p>x").texts == ["x"]


@pytest.mark.parametrize("closing", ["</div>", ""])
def test_depth_at_and_beside_the_limit(closing: str) -> None:
    def nested(depth: int) -> str:
        """In ``<html>`` and ``<body>``, which count."""
        return "<div>" * (depth - 2) + "x" + closing * (depth - 2)

    depth = 40
    assert of(nested(depth), depth).texts == ["x"]
    with pytest.raises(Refused) as refused:
        of(nested(depth + 1), depth)
    assert refused.value.cause == "too_deep"


def test_deeply_nested_inline_tags_are_read() -> None:
    assert of("<span>" * 5000 + "x").texts == ["x"]


@pytest.mark.parametrize(
    ("html", "elements", "options"),
    [
        ("", 0, 0),
        ("<div><p>x<p>y<br></div><div></div>", 1, 0),
        ("<DIV><Span></DIV><i>", 2, 0),
        ("<div></x>" * 50, 50, 0),
        ("<div><p>x</b></p>" * 50, 50, 0),
        ("<table><tr><td>x<td>y</table>" * 50, 1, 0),
        ("<div>" + "<span>" * 40 + "</div>", 41, 0),
        ("<select>" + "<option>x" * 3 + "</select><select><option>y</option></select>", 1, 3),
    ],
)
def test_elements_and_options_open_at_once(html: str, elements: int, options: int) -> None:
    assert open_at_once(html.encode()) == (elements, options)


@given(_MARKUP)
@settings(max_examples=300)
def test_no_fewer_elements_are_open_than_the_tree_is_deep(html: str) -> None:
    """But for those that are never counted: here a ``<p>``, ``<li>`` and ``<td>`` may stand around each that is."""
    page = of(html)
    assert page.depths.max() <= 5 * open_at_once(html.encode())[0] + 4


@pytest.mark.parametrize(
    ("html", "cause"),
    [
        ("<div>" * 140_000, "too_deep"),
        ("<div>" * 70_000 + "</div>" * 70_000, "too_deep"),
        ("<span>" * 70_000 + "</q>" * 70_000, "too_deep"),
        ("<select>" + "<option>x</option>" * 70_000, "too_many_nodes"),
    ],
)
def test_pages_that_take_a_parser_quadratic_time_are_refused_unparsed(html: str, cause: str) -> None:
    with pytest.raises(Refused) as refused:
        require_short_parse(html.encode(), html.count("<"))
    assert refused.value.cause == cause


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 22_000,
        "<div><p>x<br></div>" * 40_000,
        "<ul>" + "<li>x" * 140_000,
        "<select><option>x</select>" * 40_000,
        "<b>x</b>" * 70_000,
    ],
)
def test_pages_that_take_a_parser_linear_time_are_not(html: str) -> None:
    require_short_parse(html.encode(), html.count("<"))


@given(_MARKUP)
@example("<ul><li>a<ul><li>b</ul>c</ul>d")
@settings(max_examples=300)
def test_elements_are_in_document_order(html: str) -> None:
    page = of(html)
    m = len(page.parents)
    assert len(page.depths) == len(page.tags) == len(page.ends) == len(page.attributes) == m
    assert (page.parents[0], page.depths[0], page.ends[0]) == (-1, 0, m)
    for element in range(1, m):
        parent = page.parents[element]
        assert 0 <= parent < element < page.ends[element] <= page.ends[parent]
        assert page.depths[element] > page.depths[parent]
    for element in range(m):  # subtrees are contiguous, and no others
        inside = [other for other in range(m) if element in _upward(page, other)]
        assert inside == list(range(element, page.ends[element]))


@given(_MARKUP)
@settings(max_examples=300)
def test_blocks_stand_in_the_tree(html: str) -> None:
    page = of(html)
    n = len(page.texts)
    assert len(page.element) == len(page.order) == len(page.linked) == len(page.bold) == n
    assert (page.order[1:] >= page.order[:-1]).all()
    assert (page.order > page.element).all()
    first, last = _extents(page)
    around = [set(_upward(page, element)) for element in page.element.tolist()]
    for element in range(len(page.parents)):
        held = [block for block in range(n) if element in around[block]]
        assert held == list(range(first[element], last[element]))
    for block, text in enumerate(page.texts):
        assert text.strip()
        assert page.linked[block] >= 0
        assert page.bold[block] >= 0
    assert not page.linked.any() or "<a>" in html
    assert not page.bold.any() or "<b>" in html or "<strong>" in html


@given(_MARKUP)
@settings(max_examples=300)
def test_no_text_is_lost_or_made_up(html: str) -> None:
    """Blocks hold the characters of the source that stand in no skipped tag, in order but for foster parenting."""
    shown = re.sub(r"<!-- x -->|<(\w+)>hidden</\1>|</?[-\w]+>", " ", html)
    shown = shown.replace("&amp;", "&").replace("&nbsp;", " ")
    got = "".join(of(html).texts)
    assert sorted(re.sub(rf"[\s{BREAK}]", "", got)) == sorted(re.sub(rf"[\s{BREAK}]", "", shown))


@given(st.binary(max_size=300) | st.text("<>/=\"'abdivpltr &;#!-\n", max_size=300).map(str.encode))
@settings(max_examples=500)
def test_random_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(Refused):
        page = parse(data.replace(b"\0", b""), 5)
        "".join(page.texts).encode()  # no half characters


def _upward(page: Page, element: int) -> Iterator[int]:
    """An element, its parent, and so on up to the body."""
    while element >= 0:
        yield element
        element = int(page.parents[element])
