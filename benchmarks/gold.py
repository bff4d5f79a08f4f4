"""The pages whose main text people have marked, from three collections, and which of them no model was trained on.

- ``warc``: pages of ``GRISTMILL_DATA/warc`` with the text that ``gold.jsonl.gz`` gives for them (WCXB);
- ``more``: more pages of the same benchmark, the Web Content eXtraction Benchmark;
- ``news``: news pages in Greek, Polish, Russian, Chinese and English (DANIEL).

**The split.** A page is held out if its host falls into one of ``PARTS`` parts by hash, so all pages of a site are on
one side. What is trained on gold pages leaves the held-out ones alone, and figures are told for those.

**The measure** is word-level F1, that of WCXB: both texts lower-cased, words are ``\\w+``, precision and recall over
the two multisets of words. A page with an empty gold text is met by an empty text only.
"""

from __future__ import annotations

import gzip
import json
import lzma
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from inputs import DATA, real_archives

from gristmill.classifiers.language import LanguageIdentifier
from gristmill.corpus.record import Raw, UnitSummary
from gristmill.extraction.decode import decode, scrub
from gristmill.transforms.read.reader import Item, Limits, read_unit
from gristmill.transforms.read.source_section import SourceSection
from gristmill.transforms.read.unit_plan import plan_units

PARTS = 5

_WORD = re.compile(r"\w+")


class GoldPage(NamedTuple):
    """A page as an engine gets it, and what an engine should give. ``lang`` is that of the gold text."""

    id: str
    url: str
    set: str
    page_type: str
    lang: str
    html: str
    text: str
    held_out: bool


def pages() -> list[GoldPage]:
    """All gold pages, in the order of their files. Read anew each time."""
    return [*_warc_pages(), *_more_pages(), *_news_pages()]


def held_out(url: str, id: str = "") -> bool:
    """Whether no model may be trained on a page; a page whose URL names no host goes by its ``id``."""
    return int.from_bytes(blake2b((host(url) or id).encode(), digest_size=8).digest(), "little") % PARTS == 0


def host(url: str) -> str:
    """The lower-cased host of ``url``, without port and a leading ``www.``; "" where there is none."""
    try:
        name = urlsplit(url).hostname
    except ValueError:
        name = None
    return (name or "").removeprefix("www.")


def words(text: str) -> Counter[str]:
    """The multiset of words that the measure compares."""
    return Counter(_WORD.findall(text.lower()))


def f1(found: str, gold: Counter[str]) -> float:
    """Word-level F1 of a text against the words of the gold text, 0 to 1."""
    have = words(found)
    both = (have & gold).total()
    every = have.total() + gold.total()
    return 2 * both / every if every else 1.0


def read_items(archive: Path) -> Iterator[Item | UnitSummary]:
    """What Gristmill's reader makes of an archive."""
    section = SourceSection(name="gold", format="warc", root=str(archive.parent), paths=(archive.name,))
    for unit in plan_units(section, archive.stat().st_size):
        yield from read_unit(unit, section, Limits())


def raw_pages(archive: Path) -> Iterator[Raw]:
    """The pages of an archive."""
    return (item for item in read_items(archive) if isinstance(item, Raw))


def text_of(raw: Raw) -> str:
    """A page's markup as text."""
    return raw.payload if isinstance(raw.payload, str) else decode(raw.payload, raw.charset)


def _warc_pages() -> Iterator[GoldPage]:
    marked = {row["record_id"].strip("<>"): row for row in _rows(DATA / "warc" / "gold.jsonl.gz")}
    for archive in real_archives():
        for raw in raw_pages(archive):
            row = marked.get(str(raw.origin.record_id).strip("<>"))
            if row:
                yield _page(row, row["record_id"], "warc", row["lang"], text_of(raw))


def _more_pages() -> Iterator[GoldPage]:
    for row in _rows(DATA / "gold" / "wcxb-more.jsonl.xz"):
        yield _page(row, row["id"], "more", _language(row["text"]), scrub(row["html"]))


def _news_pages() -> Iterator[GoldPage]:
    for row in _rows(DATA / "gold" / "news-multilingual.jsonl.xz"):
        yield _page(row, row["id"], "news", row["lang"], scrub(row["html"]))


def _page(row: dict[str, Any], id: str, set: str, lang: str, html: str) -> GoldPage:
    return GoldPage(id, row["url"], set, row["page_type"], lang, html, row["text"], held_out(row["url"], id))


def _language(text: str) -> str:
    return _identifier().identify(text)[0]


@cache
def _identifier() -> LanguageIdentifier:
    return LanguageIdentifier.load()


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path) if path.suffix == ".gz" else lzma.open(path) as file:
        yield from map(json.loads, file)
