"""Pages that try to break an extractor, in bytes as a server might send them; generated, always the same.

The name of a page says what it attacks. Sizes stay below ``max_bytes`` and numbers of nodes below ``max_nodes``, so
that the pages reach the extractor; except for those that test a limit: at it, just above it and far above it.
"""

from __future__ import annotations

import random
from collections.abc import Callable

MB = 10**6
NODES = 149_000
"""Slightly fewer than ``max_nodes``."""

_SENTENCE = "The quick brown fox jumps over the lazy dog, and then it runs back to its den in the wood. "
_ARTICLE = f"<h1>About a fox</h1><p>{_SENTENCE * 3}</p><p>{_SENTENCE * 4}</p>"
_BOMB = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))

MakePage = Callable[[], str | bytes]


def page(body: str, head: str = "") -> str:
    return f"<html><head><title>Fox</title>{head}</head><body><article>{_ARTICLE}{body}</article></body></html>"


def nested(depth: int, tag: str = "div", closed: bool = True) -> str:
    """Return a page whose deepest element, inside html and body, is at ``depth``."""
    inner = depth - 2
    return f"<html><body>{f'<{tag}>' * inner}{_SENTENCE * 5}{f'</{tag}>' * inner if closed else ''}</body></html>"


def page_of(piece: Callable[[int], str], count: int) -> str:
    return page("".join(map(piece, range(count))))


def repeated(count: int, piece: str) -> MakePage:
    """Return a function that makes a page with ``piece`` repeated, ``%d`` replaced by the number of the repetition."""
    return lambda: page_of(lambda i: piece.replace("%d", str(i)), count)


def _noise() -> bytes:
    return b"<p>" + random.Random(0).randbytes(2 * MB).replace(b"<", b"") + b"</p>"


def _attributes(count: int) -> str:
    return f"<p {' '.join(f'a{i}=1' for i in range(count))}>{_SENTENCE}</p>"


PAGES: dict[str, MakePage] = {
    "an ordinary page": lambda: page(""),
    "depth 256, at the limit": lambda: nested(256),
    "depth 257": lambda: nested(257),
    "depth 257, left open": lambda: nested(257, closed=False),
    "depth 70,000": lambda: nested(70_000),
    "depth 140,000, left open": lambda: nested(140_000, closed=False),
    "spans, depth 250": lambda: nested(250, "span"),
    "lists in lists, depth 250": lambda: page("<ul><li>x" * 125 + "</ul>" * 125),
    "tables in tables, depth 250": lambda: page("<table><tr><td>x" * 80),
    "quotes in quotes, depth 250": lambda: nested(250, "blockquote"),
    "300 trees, each of depth 233": lambda: page(("<div>" * 230 + "x" + "</div>" * 230) * 300),
    "<b> left open, 1,000 blocks": repeated(1_000, "<p><b>x %d"),
    "<font> left open, 600 blocks": repeated(600, "<p><font color=%d>x"),
    "<font> left open, 5,000 blocks": repeated(5_000, "<p><font color=%d>x"),
    "<b><p> misnested, 2,000": repeated(2_000, "<b><p>x</b>"),
    "<a> in <a>, 40,000": repeated(40_000, "<a href=/%d>x"),
    "<a><div> misnested, 20,000": repeated(20_000, "<a><div>x</a>"),
    "<nobr> and <table>, 20,000": repeated(20_000, "<table><nobr>x</table>"),
    "text in tables, 70,000 (foster parents)": lambda: page("<table>" + "x<tr>" * 70_000),
    "one line, 50 MB": lambda: page("x " * 25 * MB),
    "one line, 15 MB": lambda: page("word " * 3 * MB),
    "one word, 15 MB": lambda: page("x" * 15 * MB),
    "white space, 15 MB": lambda: page(" " * 15 * MB),
    "line ends, 15 MB": lambda: page("\n" * 15 * MB),
    "line ends in <pre>, 8 MB": lambda: page("<pre>" + "\n \n" * (8 * MB // 3) + "</pre>"),
    "full stops, 10 MB": lambda: page("." * 10 * MB),
    "sentences of one letter, 6 MB": lambda: page("A. " * 2 * MB),
    "pipes and brackets, 8 MB": lambda: page("|[(" * (8 * MB // 3)),
    "dashes and stars, 8 MB": lambda: page("- * " * 2 * MB),
    "dates, 8 MB": lambda: page("2020-01-01 " * (8 * MB // 11)),
    "addresses, 8 MB": lambda: page("a@b.c http://d.e " * (8 * MB // 17)),
    "combining marks, 8 MB": lambda: page("a" + "\u0301\u0323" * 2 * MB),
    "NUL bytes, 10 MB": lambda: b"\0" * 10 * MB,
    "NUL after every letter": lambda: "\0".join(page("")).encode(),
    "NUL in tags": lambda: page("<p\0>x</p\0><\0p>y").encode(),
    "control characters": lambda: page("".join(map(chr, range(1, 160))) * 5_000),
    "an entity bomb in XHTML": lambda: f'<!DOCTYPE html [<!ENTITY l0 "lol">{_BOMB}]>' + page("<p>&l9;</p>"),
    "an external entity": lambda: '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + page("<p>&e;</p>"),
    "&amp; 1,000,000 times": lambda: page("<p>" + "&amp;" * MB),
    "& 5,000,000 times": lambda: page("<p>" + "&" * 5 * MB),
    "&#x110000; 500,000 times": lambda: page("<p>" + "&#x110000;&#0;" * (MB // 2)),
    "invalid UTF-8, 2 MB of noise": _noise,
    "invalid UTF-8, cut characters": lambda: page("é").encode().replace(b"\xa9", b"") * 20_000,
    "UTF-16 LE without a mark": lambda: page("").encode("utf-16-le"),
    "UTF-16 BE without a mark": lambda: page("").encode("utf-16-be"),
    "UTF-16 LE, cut in a character": lambda: b"\xff\xfe" + page("").encode("utf-16-le")[:-1],
    "a million attributes": lambda: page(_attributes(MB)),
    "10,000 attributes, 30 times": lambda: page(_attributes(10_000) * 30),
    "2,000 attributes, 400 times": lambda: page(_attributes(2_000) * 400),
    "an attribute of 10 MB": lambda: page(f"<p class='{'x ' * 5 * MB}'>x</p>"),
    "classes, 40,000 times 300 bytes": repeated(40_000, f"<p class='{'comment share ' * 20}'>x</p>"),
    "a tag's name of 10 MB": lambda: page(f"<{'x' * 10 * MB}>x"),
    "140,000 unknown tags": repeated(140_000, "<x%d>"),
    "a comment of 10 MB": lambda: page(f"<!--{'-' * 10 * MB}-->x"),
    "a comment left open": lambda: page("<!--" + "x" * 10 * MB),
    "140,000 comments left open": repeated(140_000, "<!-- x"),
    "a tag left open": lambda: page("<p " + "x " * 5 * MB),
    "a quote left open": lambda: page("<p class='" + "x > " * 2 * MB),
    "a script left open": lambda: page("<script>" + "x < y; " * 140_000),
    "script in script, 70,000": lambda: page("<script><!--" + "<script></" * 70_000),
    "a title left open": lambda: "<title>" + "x " * 5 * MB,
    "a text area left open": lambda: page("<textarea>" + "x " * 5 * MB),
    "<plaintext>": lambda: page("<plaintext>" + "<p>x" * 140_000),
    "< 149,000 times": lambda: page("<" * NODES),
    "</ 149,000 times": lambda: page("</" * NODES),
    "<! 149,000 times": lambda: page("<!" * NODES),
    "<br> 149,000 times": lambda: page("<br>" * NODES),
    "x<br> 149,000 times": lambda: page("x<br>" * NODES),
    "empty <p></p>, 74,000": repeated(74_000, "<p></p>"),
    "paragraphs, 74,000": repeated(74_000, f"<p>%d {_SENTENCE}</p>"),
    "short paragraphs, 74,000": repeated(74_000, "<p>x %d</p>"),
    "one paragraph, 74,000 times": lambda: page(f"<p>{_SENTENCE}</p>" * 74_000),
    "headings, 74,000": repeated(74_000, "<h2>x %d</h2>"),
    "links, 74,000": repeated(74_000, "<a href='/%d'>link %d</a> "),
    "list items, 140,000": lambda: page("<ul>" + "<li>item" * 140_000 + "</ul>"),
    "table cells, 140,000": lambda: page("<table><tr>" + "<td>cell" * 140_000),
    "table rows, 70,000": lambda: page("<table>" + "<tr><td>cell" * 70_000),
    "tables, 30,000": repeated(30_000, "<table><tr><td>x %d</table>"),
    "options, 74,000": lambda: page("<select>" + "<option>x</option>" * 74_000),
    "inputs, 140,000": repeated(140_000, "<input name=%d>"),
    "images, 140,000": repeated(140_000, "<img src=%d alt=x>"),
    "<code>, 70,000": repeated(70_000, "<code>x = %d</code>"),
    "<pre>, 70,000": repeated(70_000, "<pre>x = %d</pre>"),
    "<b>, 70,000": repeated(70_000, "<b>x %d</b> "),
    "spans in one paragraph, 74,000": lambda: page("<p>" + "<span>x </span>" * 74_000),
    "divs side by side, 74,000": repeated(74_000, "<div>x %d</div>"),
    "articles, 74,000": repeated(74_000, "<article>x</article>"),
    "bodies, 140,000": repeated(140_000, "<body a%d=x>"),
    "forms in forms, 70,000": repeated(70_000, "<form><div>x</form></div>"),
    "<svg> and <math>, depth 250": lambda: page("<svg><math><mi>" * 80 + "x"),
    "templates, depth 250": lambda: page("<template><p>x" * 120),
    "frames": lambda: "<frameset>" + "<frame src=x>" * 100_000,
    "JSON-LD, arrays in arrays": lambda: page(
        "", f'<script type="application/ld+json">{"[" * 10**5}</script>' + "<meta name=description content=x>" * 20_000
    ),
    "nothing": lambda: b"",
}
