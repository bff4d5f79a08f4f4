"""Gristmill's own extraction engine: a small neural network over the text blocks of a page, trained on reviewed pages.

A page is parsed in one pass into blocks of text within a tree of elements (``html_blocks``). The network
(``block_network``) gets numbers and words of each block (``block_features``, ``markup_words``) and returns how likely
each is main text; the blocks that maximise the expected F1 are kept (``block_selection``) and written as text
(``block_rendering``). The result depends neither on the processor, nor on earlier pages, nor on time; time and memory
grow linearly with the page.

``model_training/train_extractor.py`` trains the model and documents its data. Figures: ``benchmarks/results``.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

from threadpoolctl import ThreadpoolController

from gristmill.extraction.engines.extraction_engine import ExtractionEngine, MarkupLimits
from gristmill.extraction.learned import MODEL
from gristmill.extraction.learned.block_features import compute_features
from gristmill.extraction.learned.block_network import Network, PageFeatures
from gristmill.extraction.learned.block_rendering import render
from gristmill.extraction.learned.block_selection import average_table_rows, fill_gaps, select_blocks
from gristmill.extraction.learned.html_blocks import Page
from gristmill.extraction.learned.markup_words import element_words, page_words
from gristmill.extraction.learned.text_scan import lead_words


def load_learned_engine(output_format: Literal["text", "markdown"], limits: MarkupLimits) -> ExtractionEngine:
    network, threads = shipped_network(), ThreadpoolController()

    def engine(html: str, url: str | None) -> str:
        page = Page(html, limits)
        with threads.limit(limits=1, user_api="blas"):  # these matrix products are too small for several threads
            blocks = main_blocks(page, html, url, network)
        return render(page, blocks, output_format)

    return engine


@cache
def shipped_network() -> Network:
    return Network.load(MODEL)


def main_blocks(page: Page, html: str, url: str | None, network: Network) -> list[int]:
    """The indices of the blocks that are main text."""
    if not page.texts:
        return []
    features = build_features(page, html, url)
    probabilities = network.probabilities(features)
    words = features.context.words
    return fill_gaps(select_blocks(average_table_rows(probabilities, words, page), words), page)


def build_features(page: Page, html: str, url: str | None) -> PageFeatures:
    """The network's input for a page that has text."""
    leads = [lead_words(text) for text in page.texts]
    numbers, tags, context = compute_features(page, leads)
    elements = element_words(page.attributes, (context.last > context.first).tolist())
    return PageFeatures(numbers, tags, context, page.parents, elements, leads, page_words(page, html, url))
