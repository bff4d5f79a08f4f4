"""What is counted as saved and as lost by a short-cut."""

from __future__ import annotations

import pytest

from benchmarks.quality import shortcuts
from benchmarks.quality.shortcuts import Chain, Page, measure
from gristmill.classifiers import language
from gristmill.classifiers.language import LanguageIdentifier

GERMAN = "<p>Die Bäckerei an der Ecke öffnet jeden Morgen um sechs Uhr und verkauft frische Brötchen.</p>" * 4
ENGLISH = "<p>The bakery on the corner opens every morning at six o'clock and sells fresh rolls to all.</p>" * 4


@pytest.fixture(scope="module")
def identifier() -> LanguageIdentifier:
    return LanguageIdentifier.load()


def chain(lang: str, kept: bool = True, sampled: str | None = None, **away: bool) -> Chain:
    return Chain(lang, kept, *(away.get(name, False) for name in Chain._fields[2:5]), sampled or lang, False)


def test_lost_is_what_the_full_chain_keeps_and_a_shortcut_turns_away(identifier: LanguageIdentifier) -> None:
    pages = [Page(None, ENGLISH), Page(None, GERMAN), Page(None, GERMAN), Page(None, ENGLISH), Page(None, ENGLISH)]
    chains = [chain("en", url_lists=True), chain("de"), chain("en"), chain("en", sampled="nl"), chain("en", kept=False)]
    found = measure(pages, chains, frozenset({"en"}), identifier)
    assert found.kept == {0, 2, 3}
    assert found.lost("url_lists") == {0}
    assert found.away["language_guess"] == {1, 2}
    assert found.lost("language_guess") == {2}
    assert found.lost("identifier_sample") == {3}
    assert found.lost(*shortcuts.SHORTCUTS) == {0, 2, 3}
    assert shortcuts._figures(found, 5)["loss_total"] == 1.0
    assert shortcuts._figures(found, 5)["saved_language_guess"] == 0.4


def test_the_full_chain_shows_the_identifier_all_of_a_text(identifier: LanguageIdentifier) -> None:
    text = "x" * 10_000
    with shortcuts._whole_texts():
        assert len(language.sample(text)) == 10_000
    assert len(language.sample(text)) < 2100
