"""The parser of the learned engine: the blocks of a page, and the tree of elements that contain them."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from resiliparse.parse.html import HTMLTree, NodeType

from gristmill.extraction.engines.extraction_engine import MarkupLimits, PageRefused
from gristmill.extraction.learned.html_attributes import attribute_values
from gristmill.extraction.learned.html_blocks import BREAK, Page
from gristmill.extraction.learned.html_tags import BODY, BREAKS, EMPTY, HIDES, KINDS, NUMBER, TAGS, TEXT_ONLY
from tests.extraction.learned_pages import (
    MANY_NODES,
    MARKUP,
    NAMES,
    SKIPPED,
    features_of,
    outline,
    parse_page,
    plain_modules,
)


def tag_of(page: Page, block: int) -> str:
    """The tag of the element that contains a block."""
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
        ("<p>a<br>b<br/>c</br>d</p>", [f"a{BREAK}b{BREAK}c{BREAK}d"]),
        ("<p><br>a<br><br></p><p><br></p>", ["a"]),
        ("<p>a</p><div><br></div><p>b</p>", ["a", "b"]),
        ("<p>a <br> b</p>", [f"a {BREAK} b"]),
        ("<pre>\n  def f():\n\treturn  1\n\n</pre>", ["  def f():\n\treturn  1"]),
        ("<pre>  a\n  b</pre>", ["  a\n  b"]),
        ("<pre><code>  a\n<span>  b</span></code></pre>", ["  a\n  b"]),
        ("<pre><div>  a</div><div>  b</div></pre>", ["  a", "  b"]),
        ("<pre>a<br>b</pre>", [f"a{BREAK}b"]),
        ("<pre> \n </pre><p> &nbsp; </p><div>\n</div>", []),
        ("<p>&lt;b&gt; &amp;amp; &eacute;&#8364;&#x4e2d; &noentity;", ["<b> &amp; é€中 &noentity;"]),
        ("<p>&AMP &notit; &#xd800; &#1114112; &", ["& ¬it; \ufffd \ufffd &"]),
        (f"<p>a &#{'9' * 5000}; b", ["a \ufffd b"]),  # more digits than Python converts
        ("<ul><li>a<ul><li>b<li>c</ul>d<li>e</ul>", ["a", "b", "c", "d", "e"]),
        ("<table><tr><th>a<th>b<tr><td>c<td>d</table>", ["a", "b", "c", "d"]),
        ("<table><tr><td>cell</table>", ["cell"]),
        ("<dl><dt>a<dd>b</dl>", ["a", "b"]),
        ("<div>a <label>b</label> c</div>", ["a b c"]),
        ("<noscript><p>a</noscript>", ["a"]),
        ("a<!-- comment -->b", ["ab"]),
        # Ends of comments by HTML's rules (WHATWG HTML, 13.2.5.43 to 52).
        ("a<!-- comment --!>b<!-- 2 --!>c", ["abc"]),
        ("a<!-->b<!--->c<!---->d<!----!>e", ["abcde"]),
        ("a<!--!>b-->c<!---!>d-->e", ["ace"]),
        ("a<!--x--!-->b<!--x--->c<!-- <!-- -->d", ["abcd"]),
        ("a<!--x--! >b", ["a"]),
        ("<p>a&#1;b</p><p>&#1;</p>", ["ab"]),
        ("😀<p>😀😀</p>", ["😀", "😀😀"]),
        ("a</body>b</html>c", ["abc"]),
        # An empty block-level element, or a stray tag of one, interrupts the text.
        ("a<p></p>b", ["a", "b"]),
        ("a<div></div>b<hr>c<hr/>d", ["a", "b", "c", "d"]),
        ("a</p>b", ["a", "b"]),
        ("a</div>b", ["ab"]),
        ("<div>a<span></span>b</div>", ["ab"]),
    ],
)
def test_blocks(html: str, texts: list[str]) -> None:
    assert parse_page(html).texts == texts


@pytest.mark.parametrize(
    "tag", [*SKIPPED, "audio", "canvas", "datalist", "map", "math", "object", "noembed", "noframes"]
)
def test_skipped_tags_have_no_text_and_do_not_interrupt(tag: str) -> None:
    assert parse_page(f"<div>before <{tag}>skipped</{tag}>after</div>").texts == ["before after"]
    assert parse_page(f"<div>before <{tag.upper()} class='x>y'>skipped</{tag.title()} >after</div>").texts == [
        "before after"
    ]


@pytest.mark.parametrize(
    ("html", "drawn"),
    [
        # Omitted end tags.
        ("<p>a<div>b</div>c", "p(a) div(b) c"),
        ("<p>a<h2>b</h2><p>c<table><tr><td>d</table>", "p(a) h2(b) p(c) table(tr(td(d)))"),
        ("<p>a<span><div>b</div>", "p(a) div(b)"),
        ("<p>a<button><p>b", "p(a) p(b)"),
        ("<p>a<xmp>b</xmp>c", "p(a) xmp(b) c"),
        ("<p>a<form>b<p>c</form>d", "p(a) form(b p(c)) d"),
        ("<div><p>a</div>b", "div(p(a)) b"),
        ("<ul><li>a<li>b</ul>c", "ul(li(a) li(b)) c"),
        ("<li>a<li>b", "li(a) li(b)"),
        ("<ul><li>a<p>b<li>c</ul>", "ul(li(a p(b)) li(c))"),
        ("<ul><li>a<div><address>b<li>c</ul>", "ul(li(a div(address(b))) li(c))"),
        ("<ul><li>a<section>b<li>c</ul>", "ul(li(a section(b li(c))))"),
        ("<ul><li>a<ul><li>b</ul><li>c</ul>", "ul(li(a ul(li(b))) li(c))"),
        ("<dl><dt>a<dd>b<dt>c<dd>d</dl>", "dl(dt(a) dd(b) dt(c) dd(d))"),
        ("<dl><dd>a<p>b<dt>c</dl>", "dl(dd(a p(b)) dt(c))"),
        ("<dl><dd>a<dl><dt>b</dl><dt>c</dl>", "dl(dd(a dl(dt(b))) dt(c))"),
        ("<option>a<option>b", "option(a) option(b)"),
        ("<h2>a<h3>b</h3>c", "h2(a) h3(b) c"),
        ("<h2>a</h3>b", "h2(a) b"),
        ("<h2>a<div>b</h3>c", "h2(a div(b)) c"),
        ("<h2>a<div>b<h3>c</h2>d", "h2(a div(b h3(c) d))"),
        ("</h2>a", "a"),
        ("<div/>a<p/>b", "div(a p(b))"),
        # Table parts.
        ("<table><tr><td>a<td>b<tr><th>c</table>d", "table(tr(td(a) td(b)) tr(th(c))) d"),
        ("<table><tbody><tr><td>a<tbody><tr><td>b</table>", "table(tbody(tr(td(a))) tbody(tr(td(b))))"),
        ("<table><thead><tr><td>a<tfoot><tr><td>b</table>", "table(thead(tr(td(a))) tfoot(tr(td(b))))"),
        ("<table><caption>a<tr><td>b</table>", "table(caption(a) tr(td(b)))"),
        ("<table><td>a<div>b<td>c</table>", "table(td(a div(b)) td(c))"),
        ("<table><tr><td>a</tr><td>b</table>", "table(tr(td(a)) td(b))"),
        ("<td>a<tr>b</td>c<caption>d", "abcd"),
        # Text misplaced in a table stays where it is.
        ("<table>a<tr>b<td>c</td>d</tr>e</table>f", "table(a tr(b td(c) d) e) f"),
        # Nested tables.
        (
            "<table><tr><td>a<table><tr><td>b<td>c</table>d<td>e</table>",
            "table(tr(td(a table(tr(td(b) td(c))) d) td(e)))",
        ),
        ("<table><tr><td>a<table><tr><td>b</tr></table>c</td></tr></table>d", "table(tr(td(a table(tr(td(b))) c))) d"),
        ("<table><tr><td><table><td>a</td></td></tr></table>b</table>c", "table(tr(td(table(td(a)) b))) c"),
        ("<table><tr><td>a</td><table><tr><td>b</table>c", "table(tr(td(a))) table(tr(td(b))) c"),
        # The scope of end tags.
        ("<div>a<table><tr><td>b</div>c</td></table>d</div>e", "div(a table(tr(td(bc))) d) e"),
        ("<div>a<table></div>b</table></div>c", "div(a table(b)) c"),
        ("<table><tr><td>a</table></td></tr>b", "table(tr(td(a))) b"),
        ("<p>a<table><tr><td>b</p>c</table>", "p(a) table(tr(td(b c)))"),
        ("<ul><li>a<ul>b</li>c</ul>d</ul>e", "ul(li(a ul(bc) d)) e"),
        ("<ul><li>a<ol><p>b</li>c</ol>d</ul>", "ul(li(a ol(p(bc)) d))"),
        ("<ul><li>a<div>b</li>c</ul>d", "ul(li(a div(b)) c) d"),
        ("<ul><li>a<table><tr><td>b</li>c</table>d</ul>", "ul(li(a table(tr(td(bc))) d))"),
        ("<ul><li>a<div>b</ul>c", "ul(li(a div(b))) c"),
        ("<div>a</section>b</div>c", "div(ab) c"),
        ("<div><section>a</div>b", "div(section(a)) b"),
        ("<p>a</div>b</p>c", "p(ab) c"),
        ("<div>a</body></html>b</div>c", "div(ab) c"),
        # Elements whose content is ignored, unclosed or self-closing.
        ("<div>a<nav>b<p>c</div>d", "div(a) d"),
        ("<div>a<nav>b<div>c</div>d</nav>e</div>f", "div(ae) f"),
        ("<ul><li>a<select><option>b<option>c</ul>d", "ul(li(a)) d"),
        ("<div>a<svg><g>b</div>c", "div(a) c"),
        ("<table><tr><td>a<nav>b<td>c</table>d", "table(tr(td(a) td(c))) d"),
        ("<nav>a<nav>b</nav>c</nav>d", "d"),
        ("<nav><table><tr><td>a</nav>b</table></nav>c", "c"),
        ("<nav>a", ""),
        ("<div>a<svg/>b<svg />c<svg><path/>d</svg>e</div>", "div(abce)"),
        ("<select>" + "<optgroup><option>a" * 300 + "</select>b", "b"),
    ],
)
def test_the_tree_of_elements(html: str, drawn: str) -> None:
    assert outline(parse_page(html)) == drawn


@pytest.mark.parametrize(
    ("html", "drawn"),
    [
        ('<p title="a>b">c', "p(c)"),
        ("<p title='a>\"b'>c", "p(c)"),
        ('<p title = "a>b" >c', "p(c)"),
        ("<p title=\n\t\"a>b\"id='>'>c", "p(c)"),
        ('<p title=a"b>c">d', 'p(c">d)'),
        ("<p title=don't>c'>d", "p(c'>d)"),
        ("<p title>c", "p(c)"),
        ("<p\n>c</p\t\n>d", "p(c) d"),
        ("<P CLASS=x>a<DIV>b</Div>c<ScRiPt>d</sCrIpT>e", "p(a) div(b) ce"),
        ("a<p/class=x>b", "a p(b)"),
        ("<!-- > --><p>a", "p(a)"),
        ("<!-->a<!--->b<!---->c", "abc"),
        ("<!-- -- > --->a<!-- <p>b</p> -->c", "ac"),
        ("a<!-- b <p>c", "a"),
        ('a<!doctype html>b<?xml version="1.0"?>c<![CDATA[d]]>e', "abce"),
        ("a<!b", "a"),
        ("a<?b", "a"),
        ("a < b <3 <> <é << c", "a < b <3 <> <é << c"),
        ("a</>b</ p>c</3>d", "abcd"),
        ("a<p", "a"),
        ("a<p title=\"b>c</p><p title='d'>e", "a"),
        ("a</p", "a"),
        ("a</", "a"),
        ("a&lt;p>b", "a<p>b"),
        # Elements with raw text content.
        ('<script>a="</div>";"<script>"</script>b', "b"),
        ("<script>a</scripts>b</script-c></ script>d</script >e", "e"),
        ("<script>a</SCRIPT\n>b<style></p>c</style/>d", "bd"),
        ("<script>a", ""),
        ("<script>a</script", ""),
        ("<script/>a</script>b", "b"),
        ("<style>a</p><p>b</style>c", "c"),
        ("<title>a<b>b</b></title>c", "c"),
        ("<textarea><p>a</p></textarea>b", "b"),
        ("<div>a<xmp><p>b</p></xmp>c</div>", "div(a xmp(<p>b</p>) c)"),
        ("<iframe><p>a</iframe>b", "b"),
        ("<nav><title>a</title><xmp></nav></xmp>b</nav>c", "c"),
    ],
)
def test_markup_is_distinguished_from_text(html: str, drawn: str) -> None:
    assert outline(parse_page(html)) == drawn


def test_positions_of_blocks_in_the_tree() -> None:
    page = parse_page("<div>a<ul><li>b<li>c</ul>d</div><p></p><p>e</p>")
    assert page.texts == ["a", "b", "c", "d", "e"]
    assert [tag_of(page, block) for block in range(5)] == ["div", "li", "li", "div", "p"]
    assert [NAMES[tag] for tag in page.tags] == ["body", "div", "ul", "li", "li", "p", "p"]
    assert page.parents == [-1, 0, 1, 2, 2, 0, 0]
    assert page.depths == [0, 1, 2, 3, 3, 1, 1]
    assert page.ends == [7, 5, 5, 4, 5, 6, 7]
    assert page.element == [1, 3, 4, 1, 6]
    assert page.order == [2, 4, 5, 5, 7]


def test_inline_tags_do_not_count_for_depth() -> None:
    page = parse_page("<span><i><div>x</div></i></span>")
    assert page.depths == [0, 1]
    assert page.parents == [-1, 0]


@pytest.mark.parametrize(
    ("html", "linked", "bold"),
    [
        ("<p>plain</p>", [0], [0]),
        ("<p>a <a href=x> link </a> b</p>", [4], [0]),
        ("<p><b>bold</b><strong>er</strong></p>", [0], [6]),
        ("<p><a href=x>one<b>two</b></a></p>", [6], [3]),
        ("<p><a href=x>&amp;&amp;</a></p>", [2], [0]),
        ("<a href=x><div>in</div></a><div>out</div>", [2, 0], [0, 0]),
        ("<b>x<p>y</b>z</p>", [0, 0], [1, 1]),
        ("<b>a<strong>b</b>c</strong>d", [0], [3]),
        ("</b></a><p>a</b></strong><b>b</b>c", [0], [1]),
        ("<a>a<a>b</a>c", [2], [0]),
        ("<abbr>a</abbr><base><big>b</big>", [0], [0]),
        # Unclosed, they continue in the following blocks, but not beyond a table cell.
        ("<p><a href=x>a<p>b<div>c</a>d", [1, 1, 1], [0, 0, 0]),
        ("<p><b>a<p>b<h2>c</b>d", [0, 0, 0], [1, 1, 1]),
        ("<table><tr><td><a>a<td>b<tr><td>c</table>d", [1, 0, 0, 0], [0, 0, 0, 0]),
        ("<table><tr><td><b>a<p>e<th>b</table>d", [0, 0, 0, 0], [1, 1, 0, 0]),
        ("<table><caption><b>a</caption><td>b</table>", [0, 0], [1, 0]),
        ("<a>a<b>b<table><tr><td>c</b></a>d<td>e</table>f</a>g", [2, 1, 1, 1], [1, 1, 1, 2]),
    ],
)
def test_linked_and_bold_characters(html: str, linked: list[int], bold: list[int]) -> None:
    page = parse_page(html)
    assert page.linked == linked
    assert page.bold == bold


def test_title_metas_and_attributes() -> None:
    page = parse_page(
        "<head><title>First &amp; best</title><title>Second</title><meta property=og:type content='Article > x'>"
        "<META name=generator /></head><body class=single><div id=a hidden>x</div><body class=other>"
        "<nav class=no><p class=no></nav><xmp class='q'>y</xmp>"
    )
    assert page.title == "First & best"
    assert page.metas == [" property=og:type content='Article > x'", " name=generator /"]
    assert page.attributes == [" class=single", " id=a hidden", " class='q'"]
    assert parse_page("<svg><title>a</title></svg><title>b</title>").title == "b"


@pytest.mark.parametrize(
    ("source", "values"),
    [
        ("", {}),
        (" \n/ ", {}),
        (" a", {"a": ""}),
        (" a=", {"a": ""}),
        (" a=b", {"a": "b"}),
        (" a = b", {"a": "b"}),
        (" a\n=\t'b c' d", {"a": "b c", "d": ""}),
        (' a="b>c"d=e', {"a": "b>c", "d": "e"}),
        (' a="it\'s" b=\'say "x"\'', {"a": "it's", "b": 'say "x"'}),
        (" a='' b=\"\"", {"a": "", "b": ""}),
        (" a='open b=c", {"a": "open b=c"}),
        (" a=b/c d=e/", {"a": "b/c", "d": "e/"}),
        ("/a/b=c/", {"a": "", "b": "c/"}),
        (" a=b=c d=e'f", {"a": "b=c", "d": "e'f"}),
        (" =a =b", {"=a": "b"}),
        (" CLASS=Big class=small", {"class": "Big"}),
        (" a a=b", {"a": ""}),
        (" a='&amp;&quot;&#65;' b=x&lt;", {"a": '&"A', "b": "x<"}),
        (f" a='&#{'9' * 5000};'", {"a": "\ufffd"}),
        (" données=été 😀=x", {"données": "été", "😀": "x"}),
    ],
)
def test_attribute_values(source: str, values: dict[str, str]) -> None:
    assert attribute_values(source) == values
    assert list(attribute_values(source)) == list(values)


_NAME = st.text("abc-:ÄÖ", min_size=1, max_size=4)
_VALUE = st.text("ab &;=<>/'é ", max_size=6)


@given(st.lists(st.tuples(_NAME, _VALUE, st.sampled_from(["", " ", "\n"])), max_size=6))
@settings(max_examples=300)
def test_attributes_round_trip(pairs: list[tuple[str, str, str]]) -> None:
    source = "".join(f" {name}{gap}={gap}" + f'"{value.replace("&", "&amp;")}"' for name, value, gap in pairs)
    wanted = {name.lower(): value for name, value, _ in reversed(pairs)}
    page = parse_page(f"a<div{source}>b")
    assert (page.texts, page.attributes[1:]) == (["a", "b"], [source])
    assert attribute_values(source) == wanted


@pytest.mark.parametrize(
    "html",
    ["", " \n", "<html></html>", "<!-- x -->", "<!doctype html>", "<head><title>t</title>", "<noframes>x", "<p>"],
)
def test_pages_without_text(html: str) -> None:
    page = parse_page(html)
    assert page.texts == page.element == page.order == page.linked == page.bold == []
    assert len(page.parents) == len(page.attributes) == 1 + html.count("<p>")


def test_page_without_body_tag() -> None:
    assert parse_page("<title>t</title><p>x").texts == ["x"]


@pytest.mark.parametrize("closing", ["</div>", ""])
@pytest.mark.parametrize("tag", ["div", "section", "nav"])
def test_the_depth_limit_is_exact(tag: str, closing: str) -> None:
    def nested(depth: int) -> str:
        """A page of this depth; the body counts, and so do ignored elements."""
        opened = depth - 1
        return f"<{tag}>" + "<div>" * (opened - 1) + "x" + closing * (opened - 1) + f"</{tag}>y"

    depth = 40
    assert parse_page(nested(depth), depth).texts[-1] == "y"
    with pytest.raises(PageRefused) as refused:
        parse_page(nested(depth + 1), depth)
    assert refused.value.cause == "too_deep"


@pytest.mark.parametrize(
    ("html", "nodes"),
    [
        ("", 0),
        ("<p>x</p>" * 5, 10),
        ("a < b", 1),
        ("<title><b></title>", 1),  # raw text is not counted
        ("<script><b></b></script>x", 1),
        ("<!-- <b> --><b><?x><!y>", 4),
        ("<nav><p></nav>", 3),
    ],
)
def test_the_node_limit_is_exact(html: str, nodes: int) -> None:
    Page(html, MarkupLimits(nodes, 256))
    if nodes:
        with pytest.raises(PageRefused) as refused:
            Page(html, MarkupLimits(nodes - 1, 256))
        assert refused.value.cause == "too_many_nodes"


@pytest.mark.parametrize("tag", ["span", "b", "a", "font", "my-tag"])
def test_deeply_nested_inline_tags_are_accepted(tag: str) -> None:
    assert parse_page(f"<{tag}>" * 5000 + "x").texts == ["x"]


@given(MARKUP)
@example("<ul><li>a<ul><li>b</ul>c</ul>d")
@settings(max_examples=300)
def test_elements_are_in_document_order(html: str) -> None:
    page = parse_page(html)
    m = len(page.parents)
    assert len(page.depths) == len(page.tags) == len(page.ends) == len(page.attributes) == m
    assert (page.parents[0], page.depths[0], page.ends[0]) == (-1, 0, m)
    for element in range(1, m):
        parent = page.parents[element]
        assert 0 <= parent < element < page.ends[element] <= page.ends[parent]
        assert page.depths[element] == page.depths[parent] + 1
    for element in range(m):  # subtrees are contiguous, and no others
        inside = [other for other in range(m) if element in _upward(page, other)]
        assert inside == list(range(element, page.ends[element]))


@given(MARKUP)
@settings(max_examples=300)
def test_blocks_are_consistent_with_the_tree(html: str) -> None:
    page = parse_page(html)
    n = len(page.texts)
    assert len(page.element) == len(page.order) == len(page.linked) == len(page.bold) == n
    assert page.order == sorted(page.order)
    assert all(element < order for element, order in zip(page.element, page.order, strict=True))
    _, _, context = features_of(page)
    around = [set(_upward(page, element)) for element in page.element]
    for element in range(len(page.parents)):
        held = [block for block in range(n) if element in around[block]]
        assert held == list(range(context.first[element], context.last[element]))
    for block, text in enumerate(page.texts):
        assert text.strip()
        assert page.linked[block] >= 0
        assert page.bold[block] >= 0
    assert not any(page.linked) or "<a>" in html
    assert not any(page.bold) or "<b>" in html or "<strong>" in html


@given(MARKUP)
@settings(max_examples=300)
def test_no_text_is_lost_invented_or_moved(html: str) -> None:
    """Blocks contain, in order, the characters of the source outside skipped tags."""
    shown = re.sub(r"<!-- x -->|<(\w+)>hidden</\1>|</?[-\w]+>", " ", html)
    shown = shown.replace("&amp;", "&").replace("&nbsp;", " ")
    got = "".join(parse_page(html).texts)
    assert re.sub(rf"[\s{BREAK}]", "", got) == re.sub(r"\s", "", shown)


@given(st.text("<>/=\"'abdivpltr &;#!-\n\0\ud800\uffff😀", max_size=300) | st.text(max_size=100))
@settings(max_examples=500)
def test_random_characters_are_parsed_or_refused(html: str) -> None:
    with contextlib.suppress(PageRefused):
        outline(parse_page(html, 5))


class ExpectedBlock(NamedTuple):
    """A block in another parser's tree: its text, the tags around it, its linked and bold characters."""

    text: str
    path: tuple[str, ...]
    linked: int
    bold: int


_PHRASING = st.recursive(
    st.sampled_from(["one", " two ", "&lt;3", "x\n y", "三", "<br>", "<!-- > -->", "<svg><g>s</g></svg>", " "]),
    lambda inner: st.tuples(
        st.sampled_from(["b", "strong", "i", "span", "label", "my-tag"]), st.lists(inner, max_size=3)
    ),
    max_leaves=6,
)
_LINKS = st.tuples(st.just("a href='x>y'"), st.lists(_PHRASING, max_size=3))
_RUN = st.lists(_PHRASING | _LINKS, max_size=4)


def _rows(flow: Any) -> Any:
    rows = st.tuples(st.just("tr"), st.lists(st.tuples(st.sampled_from(["td", "th"]), flow), min_size=1, max_size=3))
    return st.tuples(st.just("table"), st.lists(st.tuples(st.just("tbody"), st.lists(rows, max_size=2)), max_size=2))


def _flow(inner: Any) -> Any:
    flow = st.lists(inner, max_size=4)
    boxes = ["div", "section", "blockquote", "article", "center", "details", "nav", "noscript", "template"]
    items = st.lists(st.tuples(st.just("li"), flow), max_size=3)
    terms = st.lists(st.tuples(st.sampled_from(["dt", "dd"]), flow), max_size=3)
    return st.one_of(
        st.tuples(st.sampled_from(boxes), flow),
        st.tuples(st.sampled_from(["ul", "ol"]), items),
        st.tuples(st.just("dl"), terms),
        _rows(flow),
    )


_FLOW = st.recursive(
    st.one_of(
        _PHRASING,
        _LINKS,
        st.tuples(st.sampled_from(["p", "h1", "h3", "address", "P CLASS=x"]), _RUN),
        st.tuples(st.just("pre"), st.lists(st.sampled_from(["  a", "b\n c", ("b", [" x "]), "<br>"]), max_size=4)),
        st.sampled_from(["<hr>", "<nav><p>n</nav>", "<select><option>s<option>t</select>", "<script></div></script>"]),
    ),
    _flow,
    max_leaves=15,
)


def _to_html(node: str | tuple[str, list[Any]]) -> str:
    if isinstance(node, str):
        return node
    tag, inside = node
    return f"<{tag}>{''.join(map(_to_html, inside))}</{tag.split()[0]}>"


def _blocks_of_tree(html: str) -> list[ExpectedBlock]:
    """The blocks of a page, by a naive walk over the tree of an HTML5 parser."""
    found: list[ExpectedBlock] = []
    run: list[tuple[str, int, int]] = []

    def finish(path: tuple[str, ...]) -> None:
        joined = "".join(piece for piece, _, _ in run)
        text = joined.strip("\r\n" + BREAK) if "pre" in path else " ".join(joined.split()).strip(" " + BREAK)
        if text.strip():
            found.append(ExpectedBlock(text, path, sum(piece[1] for piece in run), sum(piece[2] for piece in run)))
        run.clear()

    def walk(node: Any, path: tuple[str, ...], linked: bool, bold: bool) -> None:
        if node.type == NodeType.TEXT:
            length = len(node.value.strip())
            if run or node.value.strip():
                run.append((node.value, length * linked, length * bold))
        elif node.type == NodeType.ELEMENT:
            kind = KINDS.get(node.tag, 0)
            if kind & BREAKS:
                run.extend([(BREAK, 0, 0)] * bool(run))
            elif not kind & (HIDES | TEXT_ONLY):
                number = kind & NUMBER and not kind & BODY
                if number:
                    finish(path)
                inside = (*path, node.tag) if number else path
                for child in node.child_nodes:
                    walk(child, inside, linked or node.tag == "a", bold or node.tag in ("b", "strong"))
                if number:
                    finish(inside)

    walk(HTMLTree.parse(html).body, (), False, False)
    finish(())
    return found


@given(st.lists(_FLOW, min_size=1, max_size=5).map(lambda nodes: "".join(map(_to_html, nodes))))
@settings(max_examples=200)
def test_properly_nested_pages_match_an_html5_parser(html: str) -> None:
    page = parse_page(f"<body>{html}")
    paths = [[NAMES[page.tags[e]] for e in _upward(page, element)][-2::-1] for element in page.element]
    blocks = zip(page.texts, map(tuple, paths), page.linked, page.bold, strict=True)
    assert [ExpectedBlock(*block) for block in blocks] == _blocks_of_tree(f"<body>{html}</body>")


def test_every_tag_has_its_own_number() -> None:
    assert sorted(TAGS.values()) == list(range(1, len(TAGS) + 1))
    numbered = {tag: kind & NUMBER for tag, kind in KINDS.items() if kind & NUMBER}
    assert len(set(numbered.values())) == len(numbered)
    assert {tag: numbered[tag] for tag in TAGS} == TAGS
    assert {tag for tag in numbered if tag not in TAGS} == {tag for tag, kind in KINDS.items() if kind & HIDES}
    assert [tag for tag, kind in KINDS.items() if kind & EMPTY] == ["hr"]


MANY = 100_000


@pytest.mark.parametrize(
    ("html", "blocks", "elements"),
    [
        ("<b>x" * 2 * MANY, 1, 1),
        ("<a href=x>y " * 2 * MANY, 1, 1),
        ("<p>x" * 2 * MANY, 2 * MANY, 2 * MANY + 1),
        ("<p><font a=b>x" * MANY, MANY, MANY + 1),
        ("</p>x" * MANY, MANY, 1),
        ("<div>" * 50 + "</h1>x" * MANY, 1, 51),
        ("<option>x" * MANY, MANY, MANY + 1),
        ("<select>" + "<option>x" * MANY, 0, 1),
        ("<table>" * MANY, 0, MANY + 1),
        ("<ul>" + "<li><p>x" * MANY, MANY, 2 * MANY + 2),
        ("<nav>" + "<p>x" * MANY, 0, 1),
        ("<i>x<p>y</i></p>" * MANY, 2 * MANY, MANY + 1),
        ("<" * MANY + "x", 1, 1),
        ("&" * 5 * MANY, 1, 1),
        ("&#" * 3 * MANY, 1, 1),
        ("&#" + "9" * 20 * MANY, 1, 1),
        ("&amp;" * 3 * MANY, 1, 1),
        (f"<p a='{'x' * 20 * MANY}'>x", 1, 2),
        (f"<div {' '.join(f'a{i}=b' for i in range(MANY))}>x", 1, 2),
        ("<p a='" * MANY, 0, 1),
        ("x<p a=\"'>" * MANY, MANY // 2, MANY // 2 + 1),
        ("<!--" * MANY + "x", 0, 1),
        ("<!-- -->" * MANY + "x", 1, 1),
        ("<script></" * MANY, 0, 1),
        ("<title>" * MANY, 0, 1),
        ("<title></title>" * MANY, 0, 1),
        ("<body a=b>" * MANY + "x", 1, 1),
        ("\0" * MANY + "x\0" * MANY, 1, 1),
        ("\ud800" * MANY, 1, 1),
        ("\x01<p>x" * MANY, MANY, MANY + 1),
    ],
    ids=lambda value: f"{value[:12]!r}" if isinstance(value, str) else None,
)
def test_hostile_pages_are_parsed(html: str, blocks: int, elements: int) -> None:
    page = parse_page(html)
    assert (len(page.texts), len(page.parents)) == (blocks, elements)
    attribute_values(page.attributes[-1])


@pytest.mark.parametrize(
    "unit", ["<div>", "<table><td>", "<ul><li>", "<nav>", "<template>", "<dl><dd>", "<p><table><th>"]
)
def test_hostile_pages_are_refused(unit: str) -> None:
    with pytest.raises(PageRefused) as refused:
        parse_page(unit * 2 * MANY)
    assert refused.value.cause == "too_deep"


PLAIN = plain_modules()["html_blocks"]


class CountingString(str):
    """A page that counts how many of its characters are read."""

    characters_read = 0

    def __getitem__(self, key: Any) -> str:
        part = super().__getitem__(key)
        self.characters_read += len(part)
        return part

    def find(self, what: str, start: Any = 0, end: Any = None) -> int:
        found = super().find(what, start, end)
        self.characters_read += (found if found >= 0 else len(self)) - start + len(what)
        return found


def steps(html: str, depth: int) -> int:
    """The lines executed and the characters read to parse a page, by the module in plain Python."""
    page, lines = CountingString(html), 0

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal lines
        lines += 1
        return trace if frame.f_code.co_filename == PLAIN.__file__ else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with contextlib.suppress(PageRefused):
            PLAIN.Page(page, MarkupLimits(MANY_NODES, depth))
    finally:
        sys.settrace(before)
    assert lines >= 10
    return lines + page.characters_read


_UNITS = st.lists(
    st.sampled_from(
        [
            *(f"<{tag}>" for tag in ("div", "p", "ul", "li", "table", "tr", "td", "tbody", "option", "h1", "dd", "hr")),
            *(f"</{tag}>" for tag in ("div", "p", "ul", "li", "table", "tr", "td", "tbody", "option", "h1", "dd", "b")),
            *(
                "<nav>",
                "</nav>",
                "<svg/>",
                "<select>",
                "<a>",
                "<b>",
                "</a>",
                "<title>",
                "</title>",
                "<script>",
                "</script>",
            ),
            *(
                "<xmp>",
                "</x",
                "<!--",
                "-->",
                "<!",
                "<?",
                "<",
                ">",
                "</",
                "<p a='",
                "'",
                '<b c="',
                '"',
                "=",
                "/",
                "&",
                "x",
                " ",
            ),
        ]
    ),
    min_size=1,
    max_size=6,
).map("".join)


@given(_UNITS)
@example("</h1>")
@example("<p a='")
@example("<!--")
@example("<script></")
@example("<p><b><table><a>")
@settings(max_examples=150)
def test_time_is_linear_in_the_length_of_the_page(unit: str) -> None:
    assert steps(unit * 160, 8) <= 2.2 * steps(unit * 80, 8) + 200


def _upward(page: Page, element: int) -> Iterator[int]:
    """An element, its parent, and so on up to the body."""
    while element >= 0:
        yield element
        element = page.parents[element]
