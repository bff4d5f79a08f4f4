"""Texts to be judged: what people marked as main text, whole pages with all that surrounds it, reference pages, novels.

So some are as a corpus wants them and some are junk. Novels are cut into pieces; every text has at most ``LONGEST``
characters. The order is fixed.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import gold
from inputs import DATA
from resiliparse.extract.html2text import extract_plain_text

LONGEST = 20_000
REFERENCE = ("win32-docs-en", *(f"phpdoc-{lang}" for lang in ("en", "de", "es", "ja", "ru", "tr", "zh")))
NOVELS = ("books-en", "eltec-fra", "eltec-deu")


class JudgedText(NamedTuple):
    """``kind`` says where it comes from; ``lang`` is its language, as far as its collection says."""

    kind: str
    lang: str
    text: str


def judged_texts(every: int = 1) -> list[JudgedText]:
    """All texts, or one in ``every``."""
    return list(islice(_texts(), 0, None, every))


def _texts() -> Iterator[JudgedText]:
    for page in gold.pages():
        yield JudgedText("main text", page.lang, page.text[:LONGEST])
        yield JudgedText("whole page", page.lang, extract_plain_text(page.html, main_content=False)[:LONGEST])
    for name in REFERENCE:
        for row in islice(_rows(DATA / "text" / f"{name}.jsonl.gz"), 0, None, 100 if name == "win32-docs-en" else 40):
            yield JudgedText("reference", row["lang"], row["text"][:LONGEST])
    for name in NOVELS:
        for row in islice(_rows(DATA / "text" / f"{name}.jsonl.gz"), 20):
            yield JudgedText("novel", row["lang"], row["text"][LONGEST : 2 * LONGEST])


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)
