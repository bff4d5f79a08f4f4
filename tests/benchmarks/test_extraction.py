"""The benchmark of extraction engines, with engines of its own."""

from __future__ import annotations

import pytest

from benchmarks.harness.gold_pages import GoldPage
from benchmarks.quality import extraction
from benchmarks.quality.extraction import BARE, DEFAULT, figures, read_all
from gristmill.extraction.engines.extraction_engine import Engine, PageRefused


def page(number: int, html: str, held_out: bool) -> GoldPage:
    return GoldPage(str(number), "", "warc", "article", "en", html, "one two", held_out)


PAGES = [page(1, "one two", True), page(2, "one two", False), page(3, "three", True)]


def refuse(html: str, url: str | None) -> str:
    raise PageRefused("too_deep", "far too deep")


def fail(html: str, url: str | None) -> str:
    raise ValueError(html)


ENGINES: dict[str, Engine] = {
    BARE: lambda html, url: html,
    DEFAULT: lambda html, url: html,
    "refuse": refuse,
    "fail": fail,
}


def test_scores_are_by_page_and_refusals_score_nothing() -> None:
    read = read_all(ENGINES, PAGES, 1)
    assert read[DEFAULT].scores == [1.0, 1.0, 0.0]
    assert read["refuse"].scores == read["fail"].scores == [0.0, 0.0, 0.0]
    assert read["refuse"].refused == ["too_deep"] * 3
    assert read["fail"].refused == ["ValueError"] * 3


def test_only_fast_engines_are_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def slow(html: str, url: str | None) -> str:
        asked.append(html)
        sum(range(2_000_000))
        return html

    read = read_all({**ENGINES, "slow": slow}, PAGES, 3)
    assert len(asked) == len(PAGES)
    assert len(read["slow"].passes) == 1
    assert len(read[DEFAULT].passes) == 3
    assert len(read[DEFAULT].scores) == len(PAGES)


def test_figures_are_those_of_held_out_pages() -> None:
    found = figures(read_all(ENGINES, PAGES, 1), PAGES)
    assert found["f1"] == 0.5
    assert found["f1_all_pages"] == pytest.approx(2 / 3)
    assert found["f1_refuse"] == 0.0
    assert found["speed_vs_trafilatura"] > 0
    assert f"f1_{BARE}" not in found


def test_every_engine_is_one_that_a_recipe_may_name() -> None:
    for choice in extraction.CHOICES.values():
        section = extraction.ExtractSection.model_validate({"extractor": choice})
        assert section.extractor.name == choice["name"]
