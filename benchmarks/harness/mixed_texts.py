"""Texts of mixed quality for quality filters: main texts, whole pages with their boilerplate, reference pages, novels.

Novels are cut into pieces; every text has at most ``MAX_CHARACTERS`` characters. The order is fixed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from resiliparse.extract.html2text import extract_plain_text

from benchmarks.harness.gold_pages import gold_pages
from benchmarks.harness.real_data import text_rows

MAX_CHARACTERS = 20_000
REFERENCE = ("win32-docs-en", *(f"phpdoc-{lang}" for lang in ("en", "de", "es", "ja", "ru", "tr", "zh")))
NOVELS = ("books-en", "eltec-fra", "eltec-deu")


class MixedText(NamedTuple):
    """``kind`` is where the text comes from; ``lang`` is its language according to its collection."""

    kind: str
    lang: str
    text: str


def mixed_texts(step: int = 1) -> list[MixedText]:
    """Return every ``step``-th text."""
    return list(islice(_texts(), 0, None, step))


def _texts() -> Iterator[MixedText]:
    for page in gold_pages():
        yield MixedText("main text", page.lang, page.text[:MAX_CHARACTERS])
        whole = extract_plain_text(page.html, main_content=False)
        yield MixedText("whole page", page.lang, whole[:MAX_CHARACTERS])
    for name in REFERENCE:
        for row in islice(text_rows(name), 0, None, 100 if name == "win32-docs-en" else 40):
            yield MixedText("reference", row["lang"], row["text"][:MAX_CHARACTERS])
    for name in NOVELS:
        for row in islice(text_rows(name), 20):
            yield MixedText("novel", row["lang"], row["text"][MAX_CHARACTERS : 2 * MAX_CHARACTERS])
