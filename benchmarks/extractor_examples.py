"""What the network of Gristmill's own extractor learns from: pages, and of each block how much of it is main text.

Gold pages tell it themselves. Other real pages are told by other extractors: by rs-trafilatura, whose text stands for
main text on English ones, and, on all pages, as further answers for the network to give, by rs-trafilatura,
trafilatura and resiliparse. A block's share is that of its words which the longest common subsequence of the page's
words and the text's words holds. No held-out page, and no page of a held-out page's site, is among them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import gold
import numpy as np
import numpy.typing as npt
import rs_trafilatura
import trafilatura
from inputs import real_archives
from rapidfuzz.distance import LCSseq
from resiliparse.extract.html2text import extract_plain_text

from gristmill.classifiers.language import LanguageIdentifier
from gristmill.extraction.engines.engine import Limits, Refused
from gristmill.extraction.learned.bags import Ints
from gristmill.extraction.learned.engine import tell
from gristmill.extraction.learned.features import Floats
from gristmill.extraction.learned.network import Told
from gristmill.extraction.learned.page import Page

TYPES = ("article", "service", "product", "forum", "collection", "listing", "documentation")
MAX_BLOCKS = 6_000
GUESSED = 0.5
"""How much a page counts whose main text another extractor told."""

_LIMITS = Limits(nodes=1_000_000, depth=1_000)
_MAX_TABLE = 400_000_000
_WORD = re.compile(r"\w+")


class Example(NamedTuple):
    """A page of ``n`` blocks. ``shares [n, 4]``: of main text, and of the text of the three other extractors.

    ``words [n]``, ``size``: words of each block, and of the main text. ``weight``: how much the page counts as main
    text. ``kind``: its type's place in ``TYPES``, or -1. ``site``: its host.
    """

    told: Told
    shares: Floats
    words: Ints
    size: float
    weight: float
    kind: int
    site: str
    set: str
    held_out: bool


def gold_examples() -> Iterator[Example]:
    """All gold pages, held-out ones too."""
    for page in gold.pages():
        kind = TYPES.index(page.page_type) if page.page_type in TYPES else -1
        shares = None if page.held_out else _others(page.html, page.url)
        example = _example(page.html, page.url, page.text, shares)
        if example:
            site = gold.host(page.url) or page.id
            yield example._replace(weight=1.0, kind=kind, site=site, set=page.set, held_out=page.held_out)


def other_examples() -> Iterator[Example]:
    """The pages of the archives that are no gold pages and stand on no held-out site."""
    marked = {page.id.strip("<>") for page in gold.pages() if page.set == "warc"}
    identifier = LanguageIdentifier.load()
    for archive in real_archives():
        for raw in gold.raw_pages(archive):
            url, id = raw.origin.url or "", str(raw.origin.record_id)
            if id in marked or gold.held_out(url, id) or raw.media_type == "text/plain":
                continue
            html = gold.text_of(raw)
            texts = _others(html, url)
            example = _example(html, url, texts[0], texts)
            if example:
                english = identifier.identify(texts[0])[0] == "en"
                yield example._replace(weight=GUESSED * english, site=gold.host(url) or id, set="other")


def _others(html: str, url: str) -> list[str]:
    texts = []
    for extract in (
        lambda: rs_trafilatura.extract(html, url=url).main_content,
        lambda: trafilatura.extract(html),
        lambda: extract_plain_text(html, main_content=True),
    ):
        text = ""
        with suppress(Exception):  # they fail on some pages, and have nothing to say then
            text = extract() or ""
        texts.append(text)
    return texts


def _example(html: str, url: str, text: str, others: list[str] | None) -> Example | None:
    try:
        page = Page(html, _LIMITS)
    except Refused:
        return None
    if not 0 < len(page.texts) <= MAX_BLOCKS:
        return None
    blocks = [_WORD.findall(block.lower()) for block in page.texts]
    shares = [_shares(blocks, other) for other in (text, *(others or ("", "", "")))]
    return Example(
        tell(page, html, url),
        np.stack(shares, 1).astype(np.float32),
        np.array([len(block) for block in blocks]),
        float(max(1, len(_WORD.findall(text.lower())))),
        0.0,
        -1,
        "",
        "",
        False,
    )


def _shares(blocks: list[list[str]], text: str) -> npt.NDArray[np.float64]:
    """Of each block, the share of words that stand in ``text`` in the same order."""
    numbers: dict[str, int] = {}
    have = [numbers.setdefault(word, len(numbers)) for block in blocks for word in block]
    want = [numbers.setdefault(word, len(numbers)) for word in _WORD.findall(text.lower())]
    owner = np.repeat(np.arange(len(blocks)), [len(block) for block in blocks])
    found = np.zeros(len(blocks))
    if have and want and len(have) * len(want) < _MAX_TABLE:
        steps: Any = LCSseq.opcodes(have, want)
        for step in steps:
            if step.tag == "equal":
                np.add.at(found, owner[step.src_start : step.src_end], 1)
    return found / np.maximum([len(block) for block in blocks], 1)
