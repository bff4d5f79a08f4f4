"""The detection of pages in an unwanted language before extraction."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pytest

from gristmill.classifiers.language import LanguageIdentifier
from gristmill.extraction import language_guess
from gristmill.extraction.language_guess import unwanted_language

GERMAN = (
    "Die Bäckerei an der Ecke öffnet jeden Morgen um sechs Uhr und verkauft frische Brötchen.",
    "Am Sonntag bleibt sie geschlossen, weil der Bäcker mit seiner Familie in die Berge fährt.",
    "Im Sommer stehen Tische auf dem Gehweg, und die Nachbarn trinken dort ihren Kaffee.",
    "Wer später kommt, findet meist nur noch das dunkle Brot, das viele am liebsten mögen.",
)
ENGLISH = (
    "The bakery on the corner opens every morning at six o'clock and sells fresh rolls.",
    "On Sundays it stays closed, because the baker drives to the mountains with his family.",
    "In summer there are tables on the pavement, where the neighbours drink their coffee.",
    "Those who come later mostly find the dark bread only, which many people like best.",
)
EN = frozenset({"en"})


@pytest.fixture(scope="module")
def identifier() -> LanguageIdentifier:
    return LanguageIdentifier.load()


def page(paragraphs: tuple[str, ...], lang: str = "", before: str = "") -> str:
    body = "".join(f"<p class=text>{text}</p>\n" for text in paragraphs)
    return f"<html lang='{lang}'><head><title>-</title></head><body>{before}{body}</body></html>"


def test_a_page_in_an_unwanted_language_is_detected(identifier: LanguageIdentifier) -> None:
    found = unwanted_language(page(GERMAN), EN, identifier)
    assert found is not None
    assert found[0] == "de"
    assert found[1] >= language_guess.MIN_SCORE


@pytest.mark.parametrize("wanted", [EN, frozenset({"fr", "en"})])
def test_a_page_in_a_wanted_language_passes(identifier: LanguageIdentifier, wanted: frozenset[str]) -> None:
    assert unwanted_language(page(ENGLISH), wanted, identifier) is None


def test_the_declared_language_is_ignored(identifier: LanguageIdentifier) -> None:
    assert unwanted_language(page(GERMAN, lang="en"), EN, identifier) is not None
    assert unwanted_language(page(ENGLISH, lang="de"), EN, identifier) is None


def test_one_half_in_a_wanted_language_is_a_veto(identifier: LanguageIdentifier) -> None:
    assert unwanted_language(page(GERMAN + ENGLISH), EN, identifier) is None
    assert unwanted_language(page(ENGLISH + GERMAN), EN, identifier) is None


def test_menus_in_a_wanted_language_are_a_veto(identifier: LanguageIdentifier) -> None:
    menu = "".join(f"<li><a href=/{n}>{text}</a></li>" for n, text in enumerate(ENGLISH * 6))
    assert unwanted_language(page(GERMAN, before=menu), EN, identifier) is None


@pytest.mark.parametrize(
    "html", ["", "plain words without any markup", "<p>zu kurz</p>", "<p>" + "1 2 3 " * 200 + "</p>", "</p" * 50]
)
def test_too_little_text_never_decides(identifier: LanguageIdentifier, html: str) -> None:
    assert unwanted_language(html, EN, identifier) is None


def test_script_is_not_text(identifier: LanguageIdentifier) -> None:
    script = "<script>" + "if (a < b && b > c) { for (const each of list) { each.render(); } }\n" * 200 + "</script>"
    found = unwanted_language(page(GERMAN, before=script), EN, identifier)
    assert found is not None
    assert found[0] == "de"


def test_news_pages_in_five_languages_are_rarely_mistaken(shared_data: Path, identifier: LanguageIdentifier) -> None:
    with lzma.open(shared_data / "gold" / "news-multilingual.jsonl.xz") as file:
        pages = [json.loads(line) for line in file]
    for lang in ("el", "en", "pl", "ru", "zh"):
        wanted = frozenset({lang})
        unwanted = [page["lang"] for page in pages if unwanted_language(page["html"], wanted, identifier)]
        assert unwanted.count(lang) == 0
        assert len(unwanted) >= 0.75 * sum(page["lang"] != lang for page in pages)
