"""Training examples for the network of Gristmill's own extractor: pages, and the share of main text in each block.

Gold pages have their main text. Other real pages are labelled by other extractors: the text of rs-trafilatura is taken
for the main text of English ones. On all pages the texts of rs-trafilatura, trafilatura and resiliparse are further
outputs to predict. The share of a block is the share of its words that are in the longest common subsequence of the
page's words and the text's words. Held-out pages and other pages of their sites are never used for training.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
import rs_trafilatura
import trafilatura
from rapidfuzz.distance import LCSseq
from resiliparse.extract.html2text import extract_plain_text

from benchmarks.harness.gold_pages import gold_pages, host_of, html_of, is_held_out
from benchmarks.harness.real_data import read_pages, real_archives
from gristmill.classifiers.language import LanguageIdentifier
from gristmill.corpus.arrays import Float32s, Float64s
from gristmill.extraction.engines.extraction_engine import MarkupLimits, PageRefused
from gristmill.extraction.learned.block_network import PageFeatures
from gristmill.extraction.learned.html_blocks import Page
from gristmill.extraction.learned.learned_engine import build_features
from gristmill.extraction.learned.word_bags import Ints

TYPES = ("article", "service", "product", "forum", "collection", "listing", "documentation")
MAX_BLOCKS = 6_000
GUESSED = 0.5
"""Weight of a page whose main text comes from another extractor."""

_LIMITS = MarkupLimits(nodes=1_000_000, depth=1_000)
_MAX_TABLE_CELLS = 400_000_000
_WORD = re.compile(r"\w+")


class Example(NamedTuple):
    """A page of ``n`` blocks.

    Attributes:
        features: the input of the network.
        shares: ``[n, 4]``, the share of main text in each block, and of the text of the three other extractors.
        words: ``[n]``, the number of words of each block.
        size: the number of words of the main text.
        weight: the weight of the page in the loss of main text.
        kind: the index of its type in ``TYPES``, or -1.
        site: its host.
    """

    features: PageFeatures
    shares: Float32s
    words: Ints
    size: float
    weight: float
    kind: int
    site: str
    set: str
    held_out: bool


def gold_examples() -> Iterator[Example]:
    """Yield all gold pages, including held-out ones."""
    for page in gold_pages():
        kind = TYPES.index(page.page_type) if page.page_type in TYPES else -1
        shares = None if page.held_out else _other_texts(page.html, page.url)
        example = _example(page.html, page.url, page.text, shares)
        if example:
            site = host_of(page.url) or page.id
            yield example._replace(weight=1.0, kind=kind, site=site, set=page.set, held_out=page.held_out)


def other_examples() -> Iterator[Example]:
    """Yield the pages of the archives that are not gold pages and not from a held-out site."""
    gold_ids = {page.id.strip("<>") for page in gold_pages() if page.set == "warc"}
    identifier = LanguageIdentifier.load()
    for archive in real_archives():
        for raw in read_pages(archive):
            url, id = raw.origin.url or "", str(raw.origin.record_id)
            if id in gold_ids or is_held_out(url, id) or raw.media_type == "text/plain":
                continue
            html = html_of(raw)
            texts = _other_texts(html, url)
            example = _example(html, url, texts[0], texts)
            if example:
                english = identifier.identify(texts[0])[0] == "en"
                yield example._replace(weight=GUESSED * english, site=host_of(url) or id, set="other")


def _other_texts(html: str, url: str) -> list[str]:
    texts = []
    for extract in (
        lambda: rs_trafilatura.extract(html, url=url).main_content,
        lambda: trafilatura.extract(html),
        lambda: extract_plain_text(html, main_content=True),
    ):
        text = ""
        with suppress(Exception):  # they fail on some pages, which then have no text
            text = extract() or ""
        texts.append(text)
    return texts


def _example(html: str, url: str, text: str, other_texts: list[str] | None) -> Example | None:
    try:
        page = Page(html, _LIMITS)
    except PageRefused:
        return None
    if not 0 < len(page.texts) <= MAX_BLOCKS:
        return None
    blocks = [_WORD.findall(block.lower()) for block in page.texts]
    shares = [_shares(blocks, other) for other in (text, *(other_texts or ("", "", "")))]
    return Example(
        build_features(page, html, url),
        np.stack(shares, 1).astype(np.float32),
        np.array([len(block) for block in blocks]),
        float(max(1, len(_WORD.findall(text.lower())))),
        0.0,
        -1,
        "",
        "",
        False,
    )


def _shares(blocks: list[list[str]], text: str) -> Float64s:
    """Return the share of the words of each block that are in ``text`` in the same order."""
    numbers: dict[str, int] = {}
    page_words = [numbers.setdefault(word, len(numbers)) for block in blocks for word in block]
    text_words = [numbers.setdefault(word, len(numbers)) for word in _WORD.findall(text.lower())]
    block_of = np.repeat(np.arange(len(blocks)), [len(block) for block in blocks])
    common = np.zeros(len(blocks))
    if page_words and text_words and len(page_words) * len(text_words) < _MAX_TABLE_CELLS:
        steps: Any = LCSseq.opcodes(page_words, text_words)
        for step in steps:
            if step.tag == "equal":
                np.add.at(common, block_of[step.src_start : step.src_end], 1)
    return common / np.maximum([len(block) for block in blocks], 1)
