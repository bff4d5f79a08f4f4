"""Gristmill's own engine: a small network that reads the blocks of a page, trained on pages with reviewed main text.

A page is read in one pass to blocks of text over a tree of elements (``page``), told to the network in numbers and
words (``features``, ``clues``), judged (``network``), and cut where the expected F1 is greatest (``choose``).
Nothing in it depends on the processor, on pages seen before or on time; what it takes grows linearly with the page.

The model was trained by ``benchmarks/train_extractor.py``, which says on what. Figures: ``benchmarks/results``.
"""

from __future__ import annotations

from functools import cache

from threadpoolctl import ThreadpoolController

from gristmill.extraction.engines.engine import ExtractionEngine, Limits
from gristmill.extraction.extract_section import Learned
from gristmill.extraction.learned import MODEL
from gristmill.extraction.learned.characters import lead_words
from gristmill.extraction.learned.choose import choose, whole_rows, without_holes
from gristmill.extraction.learned.clues import element_clues, page_clues
from gristmill.extraction.learned.features import features
from gristmill.extraction.learned.network import Network, Told
from gristmill.extraction.learned.page import Page
from gristmill.extraction.learned.render import render


def load(choice: Learned, limits: Limits) -> ExtractionEngine:
    network, threads = model(), ThreadpoolController()

    def engine(html: str, url: str | None) -> str:
        page = Page(html, limits)
        with threads.limit(limits=1, user_api="blas"):  # for products this small, threads only wait for each other
            blocks = main_blocks(page, html, url, network)
        return render(page, blocks, choice.format)

    return engine


@cache
def model() -> Network:
    """The shipped network."""
    return Network.load(MODEL)


def main_blocks(page: Page, html: str, url: str | None, network: Network) -> list[int]:
    """The indices of the blocks that are main text."""
    if not page.texts:
        return []
    told = tell(page, html, url)
    likely = network.probabilities(told)
    words = told.where.words
    return without_holes(choose(whole_rows(likely, words, page), words), page)


def tell(page: Page, html: str, url: str | None) -> Told:
    """What the network hears of a page that has text."""
    leads = [lead_words(text) for text in page.texts]
    numbers, tags, where = features(page, leads)
    clues = element_clues(page.attributes, (where.last > where.first).tolist())
    return Told(numbers, tags, where, page.parents, clues, leads, page_clues(page, html, url))
