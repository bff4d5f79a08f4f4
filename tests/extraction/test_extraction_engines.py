"""Every engine: main text, limits, independence of earlier pages, and quality on real pages."""

from __future__ import annotations

import json
import lzma
import re
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.errors import InputError
from gristmill.extraction.engines import markup_limits
from gristmill.extraction.engines.engine_definition import EngineDefinition
from gristmill.extraction.engines.engine_table import ENGINES
from gristmill.extraction.engines.extraction_engine import MarkupLimits, PageRefused
from gristmill.extraction.engines.gristmill_engine import Learned
from gristmill.extraction.engines.markup_limits import parse_within_limits
from gristmill.extraction.engines.open_engine import InProcessEngine, engine_definition, engine_loader, open_engine
from gristmill.extraction.engines.resiliparse_engine import Resiliparse
from gristmill.extraction.engines.rs_trafilatura_engine import RsTrafilatura
from gristmill.extraction.engines.trafilatura_engine import Trafilatura
from gristmill.extraction.extract_section import ExtractorChoice, ExtractSection
from tests.extraction import misbehaving_engines

SENTENCE = "The quick brown fox jumps over the lazy dog, and then it runs back to its den in the wood. "
ARTICLE = (
    "<html><head><title>Fox</title><script>var x = 1;</script></head><body><nav><a href='/'>Home</a></nav>"
    f"<article><h1>About a fox</h1><p>{SENTENCE * 3}</p><p>{SENTENCE * 4}</p></article>"
    "<footer>Imprint</footer></body></html>"
)
NEEDS_RS = pytest.mark.skipif(
    find_spec("rs_trafilatura") is None,
    reason="ENGINE MISSING: pip install 'gristmill[rs-trafilatura]' to run this test",
)


def rs(**options: str) -> ParameterSet:
    """rs-trafilatura as a test parameter, skipped if it is not installed."""
    return pytest.param(RsTrafilatura.model_validate(options), marks=NEEDS_RS, id="rs-trafilatura")


THIRD_PARTY = [pytest.param(Trafilatura(), id="trafilatura"), pytest.param(Resiliparse(), id="resiliparse"), rs()]
EXTRACTORS = [pytest.param(Learned(), id="gristmill"), *THIRD_PARTY]
PARTS = (
    f"<html><body><article><h1>Den</h1><p>{SENTENCE * 3}</p><ol><li>first thing<li>second thing</ol><h2>Code</h2>"
    f"<pre><code>def f():\n    return 1</code></pre><p>{SENTENCE * 3}</p>"
    "<table><tr><th>key<th>value<tr><td>one<td>two</table></article></body></html>"
)


def extract_text(html: str, section: ExtractSection) -> str:
    """The text by the section's engine, in this process."""
    return engine_loader(section)()(html, None)


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


@pytest.mark.parametrize("extractor", THIRD_PARTY)
def test_the_depth_limit_is_exact(extractor: ExtractorChoice) -> None:
    section = ExtractSection(extractor=extractor, max_depth=300)
    assert "quick brown fox" in extract_text(nested(300), section)
    for depth in (301, 3000):
        with pytest.raises(PageRefused, match="too_deep"):
            extract_text(nested(depth), section)


@pytest.mark.parametrize("extractor", EXTRACTORS)
def test_the_node_limit_is_exact(extractor: ExtractorChoice) -> None:
    page = f"<html><body><article><h1>Fox</h1><p>{SENTENCE * 7}</p></article></body></html>"
    nodes = page.count("<")
    extract_text(page, ExtractSection(extractor=extractor, max_nodes=nodes))
    with pytest.raises(PageRefused, match="too_many_nodes"):
        extract_text(page, ExtractSection(extractor=extractor, max_nodes=nodes - 1))


@pytest.mark.parametrize("extractor", THIRD_PARTY)
def test_the_attribute_limit_is_exact(extractor: ExtractorChoice) -> None:
    def page(attributes: int) -> str:
        return ARTICLE + "<p " + " ".join(f"a{i}=1" for i in range(attributes)) + ">"

    section = ExtractSection(extractor=extractor)
    assert extract_text(page(markup_limits.MAX_ATTRIBUTES), section)
    with pytest.raises(PageRefused, match="too_many_nodes"):
        extract_text(page(markup_limits.MAX_ATTRIBUTES + 1), section)


def test_unclosed_formatting_is_limited_for_html5_parsers_only() -> None:
    blocks = 100
    page = "".join(f"<p><font color={i}>x" for i in range(blocks))
    limit = 2 * blocks * blocks // markup_limits.MAX_GROWTH
    assert extract_text(page, ExtractSection(extractor=Resiliparse(), max_nodes=limit))
    with pytest.raises(PageRefused, match="too_many_nodes"):
        extract_text(page, ExtractSection(extractor=Resiliparse(), max_nodes=limit - 1))
    extract_text(page, ExtractSection(extractor=Trafilatura(), max_nodes=limit - 1))
    closed = "<p><font color=1>x</font>" * blocks
    assert extract_text(closed, ExtractSection(extractor=Resiliparse(), max_nodes=3 * blocks))


@pytest.mark.parametrize("extractor", EXTRACTORS)
@given(html=st.text("<>/=\"'abdivpltr &;!-\n", max_size=200))
@settings(max_examples=60)
def test_any_markup_gives_text(extractor: ExtractorChoice, html: str) -> None:
    assert isinstance(extract_text(html, ExtractSection(extractor=extractor)), str)


def test_text_does_not_depend_on_the_stack_depth() -> None:
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
def test_text_does_not_depend_on_earlier_pages(extractor: ExtractorChoice, news: list[dict[str, str]]) -> None:
    section = ExtractSection(extractor=extractor)
    pages = [page["html"] for page in news]
    forward = [extract_text(page, section) for page in pages]
    backward = [extract_text(page, section) for page in reversed(pages)]
    assert forward == backward[::-1]
    assert forward[0] == extract_text(pages[0], section)


@pytest.mark.parametrize(
    ("extractor", "floor"),
    [
        (Learned(), 0.78),
        (Trafilatura(), 0.75),
        (Resiliparse(), 0.68),
        pytest.param(RsTrafilatura(), 0.7, marks=NEEDS_RS),
    ],
)
def test_quality_on_real_news(extractor: ExtractorChoice, floor: float, news: list[dict[str, str]]) -> None:
    section = ExtractSection(extractor=extractor)
    scores = [word_f1(extract_text(page["html"], section), page["text"]) for page in news]
    assert sum(scores) / len(scores) >= floor


@pytest.mark.parametrize("extractor", THIRD_PARTY)
@pytest.mark.parametrize(
    ("constant", "cause", "page"),
    [
        ("MAX_REFERENCES", "too_many_nodes", lambda count: ARTICLE + "&amp;" * count),
        ("MAX_BODIES", "too_many_nodes", lambda count: ARTICLE + "<BODY>" * (count - 2)),
        ("MAX_CHILDREN", "too_many_nodes", lambda count: f"<html><body><div>{'<p>x</p>' * count}</div>"),
        ("MAX_DEEP", "too_deep", lambda count: f"<html><body>{'<div>' * 62}<p>x</p>{'<p>y</p>' * (count - 1)}"),
    ],
)
def test_markup_that_takes_quadratic_time_is_limited(
    extractor: ExtractorChoice, constant: str, cause: str, page: Callable[[int], str]
) -> None:
    section = ExtractSection(extractor=extractor)
    limit = getattr(markup_limits, constant)
    with pytest.raises(PageRefused, match=cause):
        extract_text(page(limit + 1), section)
    parse_within_limits(page(limit), MarkupLimits(section.max_nodes, section.max_depth), reopens_formatting=True)


@pytest.mark.parametrize("extractor", THIRD_PARTY)
def test_lists_code_tables_and_headings_stay_readable(extractor: ExtractorChoice) -> None:
    lines = extract_text(PARTS, ExtractSection(extractor=extractor)).splitlines()
    assert "Den" in lines
    assert {"first thing", "second thing"} <= {line.strip(" 12.-•*") for line in lines}
    assert any("def f():" in line for line in lines)
    assert any(re.search(r"one\W+two", line) for line in lines)


@pytest.mark.parametrize("extractor", [Trafilatura(format="markdown"), rs(format="markdown")])
def test_markdown(extractor: ExtractorChoice) -> None:
    text = extract_text(PARTS, ExtractSection(extractor=extractor))
    assert re.search(r"^# Den\n", text)
    assert re.search(r"^## Code$", text, re.MULTILINE)
    assert re.search(r"^1. first thing\n2. second thing$", text, re.MULTILINE)
    assert "```\ndef f():\n    return 1\n```" in text
    assert re.search(r"^\| one +\| two +\|", text, re.MULTILINE)


@pytest.mark.parametrize(
    "extractor",
    [
        Trafilatura(focus="precision"),
        Trafilatura(focus="recall"),
        pytest.param(RsTrafilatura(focus="recall"), marks=NEEDS_RS),
    ],
)
def test_focus(extractor: ExtractorChoice, news: list[dict[str, str]]) -> None:
    section, balanced = ExtractSection(extractor=extractor), ExtractSection(extractor=type(extractor)())
    changed = [len(extract_text(p["html"], section)) - len(extract_text(p["html"], balanced)) for p in news]
    assert sum(changed) < 0 if extractor.focus == "precision" else sum(changed) > 0


def test_a_missing_package_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        ENGINES, "rs-trafilatura", EngineDefinition(RsTrafilatura, misbehaving_engines.load, ("no-such-package",))
    )
    with pytest.raises(InputError, match=r"rs-trafilatura is not installed; run pip install 'gristmill\[no-such-pack"):
        open_engine(ExtractSection(extractor=RsTrafilatura()))


def test_an_engine_that_is_not_isolated_runs_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    section = ExtractSection(extractor=Resiliparse())
    monkeypatch.setitem(ENGINES, "resiliparse", replace(engine_definition(section), isolated=False))
    engine = open_engine(section)
    assert isinstance(engine, InProcessEngine)
    assert "quick brown fox" in engine(ARTICLE)
    engine.close()


def test_the_section_rejects_unknown_and_invalid_values() -> None:
    section = ExtractSection.model_validate(
        {"extractor": {"name": "resiliparse"}, "max_bytes": "1MiB", "max_memory": "1GiB", "languages": ["en"]}
    )
    assert section.extractor == Resiliparse()
    assert (section.max_bytes, section.max_memory, section.languages) == (2**20, 2**30, ("en",))
    for wrong in (
        {"extractor": {"name": "resiliparse", "tables": True}},
        {"extractor": {"name": "resiliparse", "format": "markdown"}},
        {"languages": []},
        {"max_depth": 1001},
        {"max_seconds": 0},
        {"max_memory": "1MiB"},
    ):
        with pytest.raises(ValueError, match=r"extract|languages|max_"):
            ExtractSection.model_validate(wrong)
