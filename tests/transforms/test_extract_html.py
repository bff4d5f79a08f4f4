"""Main text of pages: limits, purity, and quality on real pages."""

from __future__ import annotations

import json
import lzma
import re
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.classifiers.language import LanguageIdentifier
from gristmill.corpus.document import Document, Origin
from gristmill.corpus.record import Dropped, Failed, Raw
from gristmill.transforms.extract import steps
from gristmill.transforms.extract.html import MAX_ATTRIBUTES, MAX_GROWTH, Refused, extract_text
from gristmill.transforms.extract.section import ExtractorChoice, ExtractSection, Resiliparse, Trafilatura, UrlSection
from gristmill.transforms.extract.steps import Tools, extract_html, extract_record
from gristmill.transforms.extract.urls import UrlFilter

SENTENCE = "The quick brown fox jumps over the lazy dog, and then it runs back to its den in the wood. "
ARTICLE = (
    "<html><head><title>Fox</title><script>var x = 1;</script></head><body><nav><a href='/'>Home</a></nav>"
    f"<article><h1>About a fox</h1><p>{SENTENCE * 3}</p><p>{SENTENCE * 4}</p></article>"
    "<footer>Imprint</footer></body></html>"
)
EXTRACTORS = [Trafilatura(), Resiliparse()]
ORIGIN = Origin("web", "a.warc.gz", 0, 1, url="http://site.example/")


@pytest.fixture(scope="module")
def tools() -> Tools:
    return Tools(UrlFilter([b"bad.example\n"], [b"casino\n"]), LanguageIdentifier.load())


@pytest.fixture(scope="module")
def news(shared_data: Path) -> list[dict[str, str]]:
    with lzma.open(shared_data / "gold" / "news-multilingual.jsonl.xz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file][::16]


def nested(depth: int) -> str:
    """A page whose deepest element, inside html and body, is at ``depth``."""
    return "<html><body>" + "<div>" * (depth - 2) + SENTENCE * 5 + "</div>" * (depth - 2) + "</body></html>"


def word_f1(text: str, gold: str) -> float:
    """Word-level F1 of the Web Content Extraction Benchmark, over multisets."""
    got, wanted = (Counter(re.findall(r"\w+", part.lower())) for part in (text, gold))
    return 2 * (got & wanted).total() / max(1, got.total() + wanted.total())


@pytest.mark.parametrize("extractor", EXTRACTORS)
def test_main_text_without_navigation(extractor: ExtractorChoice) -> None:
    text = extract_text(ARTICLE, ExtractSection(extractor=extractor))
    assert text.count(SENTENCE.strip()) == 7
    assert not re.search("Home|Imprint|var x", text)


@pytest.mark.parametrize("extractor", EXTRACTORS)
@pytest.mark.parametrize("html", ["", "  ", "<html></html>", "<!-- x -->", "<script>x</script>", "\x01"])
def test_pages_without_text(extractor: ExtractorChoice, html: str) -> None:
    assert extract_text(html, ExtractSection(extractor=extractor)).strip() == ""


@pytest.mark.parametrize("extractor", EXTRACTORS)
def test_depth_at_and_beside_the_limit(extractor: ExtractorChoice) -> None:
    section = ExtractSection(extractor=extractor, max_depth=300)
    assert "quick brown fox" in extract_text(nested(300), section)
    for depth in (301, 3000):
        with pytest.raises(Refused, match="too_deep"):
            extract_text(nested(depth), section)


@pytest.mark.parametrize("extractor", EXTRACTORS)
def test_nodes_at_and_beside_the_limit(extractor: ExtractorChoice) -> None:
    nodes = ARTICLE.count("<")
    extract_text(ARTICLE, ExtractSection(extractor=extractor, max_nodes=nodes))
    with pytest.raises(Refused, match="too_many_nodes"):
        extract_text(ARTICLE, ExtractSection(extractor=extractor, max_nodes=nodes - 1))


@pytest.mark.parametrize("extractor", EXTRACTORS)
def test_attributes_at_and_beside_the_limit(extractor: ExtractorChoice) -> None:
    def page(attributes: int) -> str:
        return ARTICLE + "<p " + " ".join(f"a{i}=1" for i in range(attributes)) + ">"

    section = ExtractSection(extractor=extractor)
    assert extract_text(page(MAX_ATTRIBUTES), section)
    with pytest.raises(Refused, match="too_many_nodes"):
        extract_text(page(MAX_ATTRIBUTES + 1), section)


def test_formatting_left_open_is_a_bomb_for_resiliparse_alone() -> None:
    blocks = 100
    page = "".join(f"<p><font color={i}>x" for i in range(blocks))
    limit = 2 * blocks * blocks // MAX_GROWTH
    assert extract_text(page, ExtractSection(extractor=Resiliparse(), max_nodes=limit))
    with pytest.raises(Refused, match="too_many_nodes"):
        extract_text(page, ExtractSection(extractor=Resiliparse(), max_nodes=limit - 1))
    extract_text(page, ExtractSection(extractor=Trafilatura(), max_nodes=limit - 1))
    closed = "<p><font color=1>x</font>" * blocks
    assert extract_text(closed, ExtractSection(extractor=Resiliparse(), max_nodes=3 * blocks))


@pytest.mark.parametrize("extractor", EXTRACTORS)
@given(html=st.text("<>/=\"'abdivpltr &;!-\n", max_size=200))
@settings(max_examples=60)
def test_any_markup_gives_text(extractor: ExtractorChoice, html: str) -> None:
    assert isinstance(extract_text(html, ExtractSection(extractor=extractor)), str)


def test_a_page_s_text_does_not_depend_on_the_stack() -> None:
    page, section = nested(256), ExtractSection()
    usual = sys.getrecursionlimit()

    def below(frames: int) -> str:
        return below(frames - 1) if frames else extract_text(page, section)

    try:
        sys.setrecursionlimit(1000)
        assert below(0) == below(500) != ""
    finally:
        sys.setrecursionlimit(usual)


@pytest.mark.parametrize("extractor", EXTRACTORS)
def test_text_does_not_depend_on_pages_seen_before(extractor: ExtractorChoice, news: list[dict[str, str]]) -> None:
    section = ExtractSection(extractor=extractor)
    pages = [page["html"] for page in news]
    forward = [extract_text(page, section) for page in pages]
    backward = [extract_text(page, section) for page in reversed(pages)]
    assert forward == backward[::-1]
    assert forward[0] == extract_text(pages[0], section)


@pytest.mark.parametrize(("extractor", "floor"), [(Trafilatura(), 0.75), (Resiliparse(), 0.68)])
def test_quality_on_real_news(extractor: ExtractorChoice, floor: float, news: list[dict[str, str]]) -> None:
    section = ExtractSection(extractor=extractor)
    scores = [word_f1(extract_text(page["html"], section), page["text"]) for page in news]
    assert sum(scores) / len(scores) >= floor


def test_a_page_becomes_a_document(tools: Tools) -> None:
    document = extract_record(Raw(ORIGIN, "text/html", ARTICLE.encode()), ExtractSection(), tools)
    assert isinstance(document, Document)
    assert (document.origin, document.lang) == (ORIGIN, "en")
    assert document.text.startswith("About a fox\n")


@pytest.mark.parametrize(
    ("media_type", "payload", "charset", "text", "lang"),
    [
        (
            "text/plain",
            "A plain English text.  \r\n\r\n\r\n\r\nMore of it.",
            None,
            "A plain English text.\n\nMore of it.",
            "en",
        ),
        (
            "text/plain",
            "Ein schöner Satz über Bäume.".encode("cp1252"),
            "iso-8859-1",
            "Ein schöner Satz über Bäume.",
            "de",
        ),
        ("text/plain", "42\ud800", None, "42\ufffd", "und"),
        ("text/x-code", "if x:\r\n\ty()  \r\n\r\n\r\n\r\nz()", None, "if x:\n\ty()  \n\n\n\nz()", None),
    ],
)
def test_other_media_types(
    tools: Tools, media_type: str, payload: str | bytes, charset: str | None, text: str, lang: str | None
) -> None:
    document = extract_record(Raw(ORIGIN, media_type, payload, charset), ExtractSection(), tools)
    assert isinstance(document, Document)
    assert (document.text, document.lang) == (text, lang)


@pytest.mark.parametrize(
    ("raw", "options", "reason", "also"),
    [
        (Raw(ORIGIN, "text/html", b"<p> </p>"), {}, "no_text", ()),
        (Raw(ORIGIN, "text/plain", " \n"), {}, "no_text", ()),
        (Raw(ORIGIN, "text/x-code", "\n\n"), {}, "no_text", ()),
        (Raw(ORIGIN, "image/png", b"x"), {}, "media_type", ()),
        (Raw(ORIGIN, "text/plain", b"xxxxx"), {"max_bytes": 4}, "too_large", ()),
        (Raw(ORIGIN, "text/html", nested(257)), {}, "too_deep", ()),
        (Raw(ORIGIN, "text/html", ARTICLE), {"max_nodes": 5}, "too_many_nodes", ()),
        (Raw(ORIGIN, "text/html", ARTICLE), {"languages": ("de", "fr")}, "language", ()),
        (Raw(ORIGIN._replace(url="http://bad.example/casino"), "text/html", ARTICLE), {}, "url_domain", ("url_word",)),
        (Raw(ORIGIN._replace(url="http://bad.example/"), "image/png", b"x"), {}, "url_domain", ("media_type",)),
    ],
)
def test_dropped(tools: Tools, raw: Raw, options: dict[str, object], reason: str, also: tuple[str, ...]) -> None:
    result = extract_record(raw, ExtractSection.model_validate(options), tools)
    assert isinstance(result, Dropped)
    assert (result.origin, result.reason, result.also) == (raw.origin, reason, also)


def test_wanted_languages_and_all_code_are_kept(tools: Tools) -> None:
    section = ExtractSection(languages=("en",))
    assert isinstance(extract_record(Raw(ORIGIN, "text/html", ARTICLE), section, tools), Document)
    assert isinstance(extract_record(Raw(ORIGIN, "text/x-code", "x = 1"), section, tools), Document)


@pytest.mark.parametrize("error", [RecursionError("too deep"), ValueError("odd"), UnicodeError("odd")])
def test_an_extractor_s_error_is_a_failure(tools: Tools, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def broken(html: str, section: ExtractSection) -> str:
        raise error

    monkeypatch.setattr(steps, "extract_text", broken)
    result = extract_record(Raw(ORIGIN, "text/html", ARTICLE), ExtractSection(), tools)
    assert result == Failed(ORIGIN, "extract_error", f"{type(error).__name__}: {error}")


def test_want_of_memory_is_the_machine_s_fault(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    def starved(html: str, section: ExtractSection) -> str:
        raise MemoryError

    monkeypatch.setattr(steps, "extract_text", starved)
    with pytest.raises(MemoryError):
        extract_record(Raw(ORIGIN, "text/html", ARTICLE), ExtractSection(), tools)


def test_loose_pages(tools: Tools) -> None:
    section = ExtractSection()
    kept = extract_html(ARTICLE.encode(), None, section, tools)
    assert (kept["url"], kept["lang"]) == (None, "en")
    refused = extract_html(ARTICLE, "http://bad.example/casino", section, tools)
    assert (refused["dropped"], refused["also"]) == ("url_domain", ["url_word"])


def test_the_section_is_closed_and_read_from_plain_data() -> None:
    section = ExtractSection.model_validate(
        {"extractor": {"name": "resiliparse"}, "max_bytes": "1MiB", "url": {"words": ["w.txt"]}, "languages": ["en"]}
    )
    assert section.extractor == Resiliparse()
    assert (section.max_bytes, section.url, section.languages) == (2**20, UrlSection(words=("w.txt",)), ("en",))
    for wrong in ({"extractor": {"name": "resiliparse", "tables": True}}, {"languages": []}, {"max_depth": 1001}):
        with pytest.raises(ValueError, match=r"extract|languages|max_depth"):
            ExtractSection.model_validate(wrong)
