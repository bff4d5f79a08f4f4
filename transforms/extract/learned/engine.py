"""Gristmill's own engine: a small network that reads the blocks of a page, trained on pages with reviewed main text.

A page is parsed by lexbor and flattened to blocks of text over a tree of elements (``page``), told to the network in
whole numbers (``features``, ``clues``), judged (``network``), and cut where the expected F1 is greatest (``choose``).
Nothing in it depends on the processor, on pages seen before or on time; what it takes grows linearly with the page.

The model was trained by ``benchmarks/train_extractor.py``, which says on what. Figures: ``benchmarks/results``.
"""

from __future__ import annotations

from functools import cache

from threadpoolctl import ThreadpoolController

from gristmill.transforms.extract.engines.engine import Engine, Limits
from gristmill.transforms.extract.engines.markup import counted
from gristmill.transforms.extract.learned import MODEL
from gristmill.transforms.extract.learned.choose import choose, whole_rows, without_holes
from gristmill.transforms.extract.learned.clues import element_clues, page_clues
from gristmill.transforms.extract.learned.features import features, lead_words
from gristmill.transforms.extract.learned.nesting import require_short_parse
from gristmill.transforms.extract.learned.network import Network
from gristmill.transforms.extract.learned.page import Ints, Page, parse
from gristmill.transforms.extract.learned.render import render
from gristmill.transforms.extract.section import Learned


def load(choice: Learned, limits: Limits) -> Engine:
    network, threads = model(), ThreadpoolController()

    def engine(html: str, url: str | None) -> str:
        data = html.encode("utf-8", "replace")
        require_short_parse(data, counted(data, limits, reopens=True))
        page = parse(data, limits.depth)
        with threads.limit(limits=1, user_api="blas"):  # for products this small, threads only wait for each other
            blocks = main_blocks(page, html, url, network)
        return render(page, blocks, choice.format)

    return engine


@cache
def model() -> Network:
    """The shipped network."""
    return Network.load(MODEL)


def main_blocks(page: Page, html: str, url: str | None, network: Network) -> Ints:
    """The indices of the blocks that are main text."""
    if not page.texts:
        return page.element
    leads = [lead_words(text) for text in page.texts]
    numbers, around, where = features(page, leads)
    clues = [element_clues(attributes) for attributes in page.attributes]
    kind = page_clues(page, html, url)
    likely = network.probabilities(numbers, around, where, page.ends, clues, leads, kind)
    return without_holes(choose(whole_rows(likely, where.words, page), where.words), page)
