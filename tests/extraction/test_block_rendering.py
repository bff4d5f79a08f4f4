"""Rendering of blocks, and the whole engine on small pages of many kinds."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.extraction.engines.engine_definition import Format
from gristmill.extraction.engines.extraction_engine import PageRefused
from gristmill.extraction.engines.gristmill_engine import Learned
from gristmill.extraction.engines.open_engine import engine_loader
from gristmill.extraction.extract_section import ExtractSection
from gristmill.extraction.learned.block_rendering import render
from tests.extraction.learned_pages import parse_page


def rendered(html: str, output_format: Format) -> str:
    """All blocks of a page."""
    page = parse_page(html)
    return render(page, list(range(len(page.texts))), output_format)


@pytest.mark.parametrize(
    ("html", "text", "markdown"),
    [
        ("", "", ""),
        ("<p>a<p>b", "a\nb", "a\n\nb"),
        ("<p>a<br>b <br> c", "a\nb\nc", "a\nb\nc"),
        ("<h1>a</h1><h3>b<br>c</h3><p>d", "a\nb\nc\nd", "# a\n\n### b c\n\nd"),
        ("<ul><li>a<li>b</ul><p>c", "- a\n- b\nc", "- a\n\n- b\n\nc"),
        ("<ol><li>a<li>b</ol>", "- a\n- b", "- a\n\n- b"),
        ("<ul><li><p>a</p><p>b</p><li>c</ul>", "- a\nb\n- c", "- a\n\n  b\n\n- c"),
        ("<ul><li>a<ul><li>b<ol><li>c</ol></ul><li>d</ul>", "- a\n- b\n- c\n- d", "- a\n\n  - b\n\n    - c\n\n- d"),
        ("<ul><li>a<ul><li>b</ul>c<li>d</ul>", "- a\n- b\nc\n- d", "- a\n\n  - b\n\n  c\n\n- d"),
        ("<ul><li>a<table><tr><td>b</table>c</ul>", "- a\nb\nc", "- a\n\n| b |\n\n  c"),
        ("<ul><li>a</ul><ul><li>b</ul>", "- a\n- b", "- a\n\n- b"),
        (
            "<table><tr><th>a<th>b<tr><td>c <br> c<td>d</table><p>e",
            "a | b\nc c | d\ne",
            "| a | b |\n\n| c c | d |\n\ne",
        ),
        ("<table><tr><td>a<p>b</p></table><p>c", "a | b\nc", "| a | b |\n\nc"),
        ("<pre>\n  x =  1\n\ty</pre><p>b", "  x =  1\n\ty\nb", "```\n  x =  1\n\ty\n```\n\nb"),
        ("<pre><div>a</div><div>  b</div></pre><pre>c</pre>", "a\n  b\nc", "```\na\n  b\n```\n\n```\nc\n```"),
        ("<pre>a<br>  b</pre>", "a\n  b", "```\na\n  b\n```"),
        ("<table><tr><td><pre>a\n b</pre><td>c</table>", "a\n b\nc", "```\na\n b\n```\n\n| c |"),
        ("<blockquote>a<br>b</blockquote><p>c", "a\nb\nc", "> a\n> b\n\nc"),
        ("<blockquote><h2>a</h2><p>b</p></blockquote>", "a\nb", "## a\n\n> b"),
        ("<dl><dt>a<dd>b</dl>", "a\nb", "a\n\nb"),
    ],
)
def test_text_and_markdown(html: str, text: str, markdown: str) -> None:
    assert rendered(html, "text") == text
    assert rendered(html, "markdown") == markdown


def test_only_kept_blocks_are_written() -> None:
    page = parse_page("<ul><li>a<li>b</ul><table><tr><td>c<td>d<tr><td>e</table>")
    assert render(page, [1, 3, 4], "text") == "- b\nd\ne"
    assert render(page, [], "text") == render(page, [], "markdown") == ""


_PIECES = (
    *(f"<{tag}>" for tag in ("div", "p", "ul", "li", "table", "tr", "td", "pre", "blockquote", "h2", "b")),
    *(f"</{tag}>" for tag in ("div", "p", "ul", "li", "table", "tr", "td", "pre", "blockquote", "h2", "b")),
    *("<br>", " ", "one", "two two ", "\n  three", "四", "😀", "&#1;", "\x01"),
)


@given(st.lists(st.sampled_from(_PIECES), max_size=60), st.sampled_from(["text", "markdown"]), st.randoms())
@settings(max_examples=400)
def test_the_words_of_kept_blocks_are_written_in_order(pieces: list[str], output_format: Format, random) -> None:  # type: ignore[no-untyped-def]
    page = parse_page("".join(pieces))
    kept = [block for block in range(len(page.texts)) if random.random() < 0.7]
    words = [word for block in kept for word in re.findall(r"\w+", page.texts[block])]
    text = render(page, kept, output_format)
    assert re.findall(r"\w+", text) == words
    assert "\x01" not in text


NAV = (
    "<header class='site-header'><a href='/' class=logo>Example Site</a><ul class='nav navbar menu'>"
    "<li><a href=/>NAVHOME</a><li><a href=/n>NAVNEWS</a><li><a href=/s>NAVSPORT</a></ul></header>"
)
COOKIES = (
    "<div id=cookie-banner class='cookie-consent' role=dialog><p>COOKIEBANNER We use cookies to make this site better."
    "</p><button>Accept all</button><a href=/privacy>Privacy policy</a></div>"
)
SIDEBAR = (
    "<aside class='sidebar widget-area'><div class=widget><h3>RELATEDPOSTS</h3><ul>"
    + "".join(f"<li><a href=/r{i}>Related story number {i}</a>" for i in range(6))
    + "</ul></div></aside>"
)
FOOTER = (
    "<footer class='site-footer'><ul><li><a href=/a>About</a><li><a href=/t>Terms</a></ul>"
    "<p>© 2024 COPYRIGHTLINE. All rights reserved.</p></footer>"
)
BOILERPLATE = ("NAVHOME", "NAVSPORT", "COOKIEBANNER", "RELATEDPOSTS", "COPYRIGHTLINE")


def page(title: str, main: str, language: str = "en") -> str:
    return (
        f"<!doctype html><html lang={language}><head><title>{title} - Example Site</title></head><body>{NAV}{COOKIES}"
        f"<div class='container wrapper'>{main}{SIDEBAR}</div>{FOOTER}</body></html>"
    )


NEWS = (
    "The council voted on Tuesday to rebuild the old bridge over the river, which has been closed since the flood of "
    "last spring, and set aside four million for the work.",
    "Residents had complained for months that the detour adds half an hour to the way to school, and that the buses "
    "no longer stop in the lower part of the town.",
    "The mayor said that the first piles would be driven in autumn. “We have waited long enough,” she told reporters "
    "after the meeting, which lasted until late in the evening.",
)
CHINESE = (
    "市议会周二投票决定重建河上的老桥，这座桥自去年春天的洪水以来一直关闭，议会为此拨款四百万元，工程预计需要两年时间。",
    "居民们几个月来一直抱怨，绕行使上学的路程增加了半个小时，公共汽车也不再停靠在城镇的低洼地区，生活十分不便。",
    "市长说，第一批桩将在秋天打入河床。她在持续到深夜的会议结束后对记者说：“我们已经等得够久了。”",
)
RUSSIAN = (
    "Городской совет во вторник проголосовал за восстановление старого моста через реку, который закрыт после "
    "прошлогоднего наводнения, и выделил на работы четыре миллиона.",
    "Жители несколько месяцев жаловались, что объезд удлиняет дорогу в школу на полчаса, а автобусы больше не "
    "останавливаются в нижней части города.",
    "Мэр сообщила, что первые сваи забьют осенью. «Мы ждали достаточно долго», — сказала она журналистам после "
    "заседания, которое длилось до позднего вечера.",
)
POSTS = (
    "Has anyone managed to get the old scanner to work with the new kernel? Mine is found, but every scan ends after "
    "a few lines with an error about the device being busy.",
    "I had the same problem. It went away when I unloaded the printer module first, because both of them talk to the "
    "same port and the printer never lets go of it.",
    "That was it, thank you very much! For the record, I also had to add my user to the scanner group and log in "
    "again before it worked without root.",
)
PRODUCT = (
    "This kettle boils a litre of water in less than three minutes and keeps it warm for an hour. Its handle stays "
    "cool, and the lid opens wide enough to clean the inside by hand.",
    "The base can be turned all the way round, so that it suits both left-handed and right-handed people. The cord "
    "is stored underneath when it is not in use.",
)
MANUAL = (
    "The function reads a table from a file and gives back an object with its rows. Files that end in a known "
    "suffix are decompressed while they are read, so that you need not unpack them before.",
    "If a row has fewer fields than the header, the missing ones are filled with the default that you pass; a row "
    "with more fields raises an error that names its line.",
)
CODE = "def load(path):\n    with open(path) as file:\n        return parse(file)"


def article(title: str, paragraphs: tuple[str, ...]) -> str:
    body = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    return f"<main><article class='post entry'><h1>{title}</h1><div class=entry-content>{body}</div></article></main>"


THREAD = (
    "<div class=thread id=posts><h1>Scanner is busy</h1>"
    + "".join(
        f"<div class='post message' id=post{i}><div class='post-author userinfo'><a href=/u{i}>user{i}</a></div>"
        f"<div class='post-content message-body'><p>{post}</p></div></div>"
        for i, post in enumerate(POSTS)
    )
    + "</div>"
)
SHOP = (
    "<div class='product product-detail' itemscope itemtype='http://schema.org/Product'>"
    "<h1 itemprop=name>Kettle 3000</h1><div class=product-description itemprop=description>"
    + "".join(f"<p>{part}</p>" for part in PRODUCT)
    + "</div></div>"
)
DOCS = (
    f"<main role=main><div class='document body' itemprop=articleBody><section><h1>Reading tables</h1>"
    f"<p>{MANUAL[0]}</p><div class='highlight-python'><pre>{CODE}</pre></div><p>{MANUAL[1]}</p></section></div></main>"
)
PAGES = {
    "news": (
        page("Bridge", article("Bridge to be rebuilt", NEWS)),
        NEWS,
        "https://news.example.com/2024/05/bridge-to-be-rebuilt",
    ),
    "Chinese": (page("重建老桥", article("重建老桥", CHINESE), "zh"), CHINESE, "https://example.cn/news/1234.html"),
    "Russian": (page("Мост", article("Мост восстановят", RUSSIAN), "ru"), RUSSIAN, "https://example.ru/novosti/most"),
    "forum": (page("Scanner", THREAD), POSTS, "https://forum.example.com/viewtopic.php?t=12"),
    "product": (page("Kettle 3000", SHOP), PRODUCT, "https://shop.example.com/products/kettle-3000"),
    "documentation": (page("Reading tables", DOCS), (*MANUAL, CODE), "https://docs.example.com/guide/tables.html"),
}


def extract(html: str, url: str | None = None, **options: object) -> str:
    return engine_loader(ExtractSection.model_validate({"extractor": Learned().model_dump(), **options}))()(html, url)


@pytest.mark.parametrize("with_url", [True, False], ids=["url", "no url"])
@pytest.mark.parametrize("name", PAGES)
def test_main_text_is_kept_and_boilerplate_dropped(name: str, with_url: bool) -> None:
    html, wanted, url = PAGES[name]
    text = extract(html, url if with_url else None)
    positions = [text.find(part) for part in wanted]
    assert -1 not in positions
    assert [mark for mark in BOILERPLATE if mark in text] == []


def test_engine_writes_markdown() -> None:
    html, *_ = PAGES["documentation"]
    text = engine_loader(ExtractSection(extractor=Learned(format="markdown")))()(html, None)
    assert f"```\n{CODE}\n```" in text


@pytest.mark.parametrize("html", ["", " \n ", "<html></html>", "<!-- x -->", "<script>x</script>", "\x01", "\ud800"])
def test_pages_without_main_text(html: str) -> None:
    assert extract(html).strip() in ("", "?")


def test_the_node_limit_is_exact() -> None:
    html = article("Bridge", NEWS)
    assert NEWS[0] in extract(html, max_nodes=html.count("<"))
    with pytest.raises(PageRefused) as refused:
        extract(html, max_nodes=html.count("<") - 1)
    assert refused.value.cause == "too_many_nodes"


@pytest.mark.parametrize(
    ("html", "cause"),
    [
        ("<div>" * 300 + "x", "too_deep"),
        ("<div>" * 200_000 + "x", "too_deep"),
        ("<ul><li>x" * 200, "too_deep"),
        ("<p>x" * 200_000, "too_many_nodes"),
        ("<b>x" * 200_000, "too_many_nodes"),
        ("<p><font a=b>x" * 100_000, "too_many_nodes"),
        ("<" * 200_000, "too_many_nodes"),
    ],
)
def test_pages_beyond_a_limit_are_refused(html: str, cause: str) -> None:
    with pytest.raises(PageRefused) as refused:
        extract(html)
    assert refused.value.cause == cause


HOSTILE = {
    "many blocks": "<p>x" * 60_000,
    "end tags": "</p>x" * 60_000,
    "links left open": "<a href=x>y " * 100_000,
    "one attribute": f"<p class='{'Ab-' * 700_000}'>x",
    "many attributes": f"<div {' '.join(f'a{i}=b' for i in range(100_000))}>x",
    "attributes that differ": "".join(f"<p class=c{i}>x" for i in range(30_000)),
    "references": "&" * 500_000,
    "digits of a reference": "&#" + "9" * 1_000_000,
    "schema.org types": "<script>" + '"@type"' * 200_000,
    "metas": "<meta name=generator content=x>" * 100_000,
    "titles": f"<title>{'word ' * 200_000}</title>x",
    "words in one block": "word " * 500_000,
    "one word": "x" * 2_000_000,
    "halves of characters": "<p>\ud800" * 1000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pages_within_the_limits_are_extracted(name: str) -> None:
    words = set(re.findall(r"\w+", HOSTILE[name]))
    assert set(re.findall(r"\w+", extract(HOSTILE[name]))) <= words


@given(st.text("<>/=\"'abdivpltr &;!-\n\ud800\uffff😀", max_size=200))
@settings(max_examples=100)
def test_any_markup_gives_the_same_text_twice(html: str) -> None:
    engine = engine_loader(ExtractSection())()
    assert engine(html, None) == engine(html, None)


@pytest.mark.parametrize("url", ["", "no url", "http://[broken", "https://", "http://" + "a." * 5000])
def test_malformed_urls_do_not_fail(url: str) -> None:
    html, wanted, _ = PAGES["news"]
    assert wanted[1] in extract(html, url)
