"""Gold pages: pages whose main text people have marked, from three collections; which of them are held out; and F1.

- ``warc``: pages of ``GRISTMILL_DATA/warc`` with the main text that ``gold.jsonl.gz`` holds for them (WCXB);
- ``more``: further pages of the same benchmark, the Web Content eXtraction Benchmark;
- ``news``: news pages in Greek, Polish, Russian, Chinese and English (DANIEL).

**The split.** A page is held out if its host falls into one of ``PARTS`` parts by hash, so all pages of a site are on
the same side. No model is trained on held-out pages, and figures are reported for those.

**The measure** is word-level F1 as in WCXB: both texts are lower-cased, words are ``\\w+``, and precision and recall
are those of the two multisets of words. For a page with an empty gold text only an empty text is right.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from hashlib import blake2b
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from benchmarks.harness.real_data import DATA, read_pages, read_rows, real_archives
from gristmill.classifiers.language import LanguageIdentifier
from gristmill.corpus.record import Raw
from gristmill.extraction.charset_decoding import decode, remove_unencodable

PARTS = 5

_WORD = re.compile(r"\w+")


class GoldPage(NamedTuple):
    """A page as an extraction engine receives it, and its main text. ``lang`` is the language of the main text."""

    id: str
    url: str
    set: str
    page_type: str
    lang: str
    html: str
    text: str
    held_out: bool


def gold_pages() -> list[GoldPage]:
    """Return all gold pages in the order of their files. Reads the files at each call."""
    return [*_warc_pages(), *_more_pages(), *_news_pages()]


def is_held_out(url: str, id: str = "") -> bool:
    """Return whether no model may be trained on a page; ``id`` decides if the URL has no host."""
    return in_held_out_part(host_of(url) or id)


def in_held_out_part(name: str) -> bool:
    """Return whether ``name`` (a host, a book, a manual page) falls into the held-out part of ``PARTS``."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little") % PARTS == 0


def host_of(url: str) -> str:
    """Return the lower-cased host of ``url`` without port and leading ``www.``; "" if it has none."""
    try:
        name = urlsplit(url).hostname
    except ValueError:
        name = None
    return (name or "").removeprefix("www.")


def word_counts(text: str) -> Counter[str]:
    """Return the multiset of words that the measure compares."""
    return Counter(_WORD.findall(text.lower()))


def word_f1(text: str, gold: Counter[str]) -> float:
    """Return the word-level F1 of a text against the words of the gold text, from 0 to 1."""
    extracted = word_counts(text)
    common = (extracted & gold).total()
    total = extracted.total() + gold.total()
    return 2 * common / total if total else 1.0


def html_of(page: Raw) -> str:
    """Return the HTML of a page as text."""
    return page.payload if isinstance(page.payload, str) else decode(page.payload, page.charset)


def _warc_pages() -> Iterator[GoldPage]:
    rows = {row["record_id"].strip("<>"): row for row in read_rows(DATA / "warc" / "gold.jsonl.gz")}
    for archive in real_archives():
        for page in read_pages(archive):
            row = rows.get(str(page.origin.record_id).strip("<>"))
            if row:
                yield _gold_page(row, row["record_id"], "warc", row["lang"], html_of(page))


def _more_pages() -> Iterator[GoldPage]:
    for row in read_rows(DATA / "gold" / "wcxb-more.jsonl.xz"):
        yield _gold_page(row, row["id"], "more", _language(row["text"]), remove_unencodable(row["html"]))


def _news_pages() -> Iterator[GoldPage]:
    for row in read_rows(DATA / "gold" / "news-multilingual.jsonl.xz"):
        yield _gold_page(row, row["id"], "news", row["lang"], remove_unencodable(row["html"]))


def _gold_page(row: dict[str, Any], id: str, set: str, lang: str, html: str) -> GoldPage:
    return GoldPage(id, row["url"], set, row["page_type"], lang, html, row["text"], is_held_out(row["url"], id))


def _language(text: str) -> str:
    return _identifier().identify(text)[0]


@cache
def _identifier() -> LanguageIdentifier:
    return LanguageIdentifier.load()
