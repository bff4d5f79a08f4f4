"""Hostile pages: every record is accounted for, and no worker dies."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from benchmarks.harness.hostile_pages import PAGES
from benchmarks.robustness import hostile
from gristmill.extraction.engines.engine_table import ENGINES
from gristmill.extraction.extract_record import ExtractionTools

LIMITS = {
    "depth 256, at the limit": "kept",
    "depth 257": "too_deep",
    "depth 257, left open": "too_deep",
    "depth 70,000": "too_deep",
    "depth 140,000, left open": "too_deep",
    "300 trees, each of depth 233": "too_deep",
    "one line, 50 MB": "dropped: too_large",
    "NUL bytes, 10 MB": "dropped: no_text",
    "NUL after every letter": "kept",
    "an entity bomb in XHTML": "kept",
    "an external entity": "kept",
    "&amp; 1,000,000 times": "too_many_nodes",
    "invalid UTF-8, cut characters": "too_many_nodes",
    "UTF-16 LE without a mark": "kept",
    "UTF-16 BE without a mark": "kept",
    "UTF-16 LE, cut in a character": "kept",
    "a million attributes": "too_many_nodes",
    "bodies, 140,000": "too_many_nodes",
    "nothing": "dropped: no_text",
}
"""The outcome of some pages in every engine but Gristmill's own; the benchmark `hostile` prints all of them."""


KEPT_BY_OWN = (
    "depth 257",
    "depth 257, left open",
    "300 trees, each of depth 233",
    "&amp; 1,000,000 times",
    "a million attributes",
    "bodies, 140,000",
)
OWN = {**LIMITS, **dict.fromkeys(KEPT_BY_OWN, "kept")}
"""The outcomes in Gristmill's own engine, which does not count ``<html>`` for depth and reads any page in one pass."""


@pytest.fixture(scope="module", params=list(ENGINES))
def engine(request: pytest.FixtureRequest) -> Iterator[tuple[str, ExtractionTools]]:
    name = request.param
    if name == "rs-trafilatura" and find_spec("rs_trafilatura") is None:
        pytest.skip("ENGINE MISSING: install the extra rs-trafilatura to run this test")
    tools = ExtractionTools.load(hostile.section_of(name))
    yield name, tools
    tools.engine.close()


@pytest.mark.parametrize("page", LIMITS)
def test_the_outcome_of_a_page(engine: tuple[str, ExtractionTools], page: str) -> None:
    name, tools = engine
    expected = (OWN if name == "gristmill" else LIMITS)[page]
    assert hostile.process_page(page, hostile.section_of(name), tools).outcome == expected


@pytest.mark.parametrize("page", ["an entity bomb in XHTML", "an external entity"])
def test_external_and_nested_entities_are_not_expanded(engine: tuple[str, ExtractionTools], page: str) -> None:
    _, tools = engine
    text = tools.engine(str(PAGES[page]()))
    assert "quick brown fox" in text
    assert "lollol" not in text
    assert "root:" not in text


def test_figures() -> None:
    outcomes = {
        "a": {"x": hostile.PageOutcome("kept", 1.0, 50.0), "y": hostile.PageOutcome("crash", 3.0, 0.0)},
        "b": {"x": hostile.PageOutcome("unaccounted", 2.0, 70.0)},
    }
    assert hostile.figures(outcomes) == {
        "crashes": 1,
        "unaccounted": 1,
        "slowest_s": 3.0,
        "largest_mb": 70,
        "slowest_s_a": 3.0,
        "slowest_s_b": 2.0,
    }
