"""The benchmark of extraction engines, with engines made for the test."""

from __future__ import annotations

import pytest

from benchmarks.harness.gold_pages import GoldPage
from benchmarks.quality import extraction
from benchmarks.quality.extraction import BARE, DEFAULT, figures, run_engines
from gristmill.extraction.engines.extraction_engine import ExtractionEngine, PageRefused


def page(number: int, html: str, held_out: bool) -> GoldPage:
    return GoldPage(str(number), "", "warc", "article", "en", html, "one two", held_out)


PAGES = [page(1, "one two", True), page(2, "one two", False), page(3, "three", True)]


def refuse(html: str, url: str | None) -> str:
    raise PageRefused("too_deep", "far too deep")


def fail(html: str, url: str | None) -> str:
    raise ValueError(html)


ENGINES: dict[str, ExtractionEngine] = {
    BARE: lambda html, url: html,
    DEFAULT: lambda html, url: html,
    "refuse": refuse,
    "fail": fail,
}


def test_refused_pages_score_zero() -> None:
    results = run_engines(ENGINES, PAGES, 1)
    assert results[DEFAULT].scores == [1.0, 1.0, 0.0]
    assert results["refuse"].scores == results["fail"].scores == [0.0, 0.0, 0.0]
    assert results["refuse"].refused == ["too_deep"] * 3
    assert results["fail"].refused == ["ValueError"] * 3


def test_only_fast_engines_run_several_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def slow(html: str, url: str | None) -> str:
        calls.append(html)
        sum(range(2_000_000))
        return html

    results = run_engines({**ENGINES, "slow": slow}, PAGES, 3)
    assert len(calls) == len(PAGES)
    assert len(results["slow"].passes) == 1
    assert len(results[DEFAULT].passes) == 3
    assert len(results[DEFAULT].scores) == len(PAGES)


def test_f1_is_that_of_held_out_pages() -> None:
    by_name = figures(run_engines(ENGINES, PAGES, 1), PAGES)
    assert by_name["f1"] == 0.5
    assert by_name["f1_all_pages"] == pytest.approx(2 / 3)
    assert by_name["f1_refuse"] == 0.0
    assert by_name["speed_vs_trafilatura"] > 0
    assert f"f1_{BARE}" not in by_name


def test_every_engine_can_be_named_in_a_recipe() -> None:
    for choice in extraction.CHOICES.values():
        section = extraction.ExtractSection.model_validate({"extractor": choice})
        assert section.extractor.name == choice["name"]
