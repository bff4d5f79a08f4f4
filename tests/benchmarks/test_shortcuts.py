"""Which pages count as saved and as lost by a shortcut."""

from __future__ import annotations

import pytest

from benchmarks.quality import shortcuts
from benchmarks.quality.shortcuts import ChainResult, Page, outcomes
from gristmill.classifiers import language
from gristmill.classifiers.language import LanguageIdentifier

GERMAN = "<p>Die Bäckerei an der Ecke öffnet jeden Morgen um sechs Uhr und verkauft frische Brötchen.</p>" * 4
ENGLISH = "<p>The bakery on the corner opens every morning at six o'clock and sells fresh rolls to all.</p>" * 4


@pytest.fixture(scope="module")
def identifier() -> LanguageIdentifier:
    return LanguageIdentifier.load()


def result(lang: str, kept: bool = True, sampled: str | None = None, **dropped: bool) -> ChainResult:
    by_shortcut = (dropped.get(name, False) for name in ChainResult._fields[2:5])
    return ChainResult(lang, kept, *by_shortcut, sampled or lang, False)


def test_a_page_is_lost_if_the_full_chain_keeps_it_and_a_shortcut_drops_it(identifier: LanguageIdentifier) -> None:
    pages = [Page(None, ENGLISH), Page(None, GERMAN), Page(None, GERMAN), Page(None, ENGLISH), Page(None, ENGLISH)]
    results = [
        result("en", url_lists=True),
        result("de"),
        result("en"),
        result("en", sampled="nl"),
        result("en", kept=False),
    ]
    found = outcomes(pages, results, frozenset({"en"}), identifier)
    assert found.kept == {0, 2, 3}
    assert found.lost("url_lists") == {0}
    assert found.dropped["language_guess"] == {1, 2}
    assert found.lost("language_guess") == {2}
    assert found.lost("identifier_sample") == {3}
    assert found.lost(*shortcuts.SHORTCUTS) == {0, 2, 3}
    assert shortcuts.figures(found, 5)["loss_total"] == 1.0
    assert shortcuts.figures(found, 5)["saved_language_guess"] == 0.4


def test_the_identifier_of_the_full_chain_reads_whole_texts(identifier: LanguageIdentifier) -> None:
    text = "x" * 10_000
    with shortcuts._identify_whole_texts():
        assert len(language.language_sample(text)) == 10_000
    assert len(language.language_sample(text)) < 2100
