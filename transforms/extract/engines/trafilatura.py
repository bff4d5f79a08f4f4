"""trafilatura: the thorough one, in Python over lxml's tree.

Its result does not depend on pages seen before: its one stateful cache belongs to ``deduplicate``, which is off; its
others memoise pure functions (tested).
"""

from __future__ import annotations

import logging

import trafilatura
from trafilatura.settings import Extractor as Options

from gristmill.transforms.extract.engines import quick_xpaths
from gristmill.transforms.extract.engines.engine import Engine, Limits
from gristmill.transforms.extract.engines.markup import measured
from gristmill.transforms.extract.section import Trafilatura

# Every page without text would be a line of warning; the ledger counts them.
logging.getLogger("trafilatura").setLevel(logging.CRITICAL)


def load(choice: Trafilatura, limits: Limits) -> Engine:
    quick_xpaths.install()
    options = Options(
        output_format="markdown" if choice.format == "markdown" else "txt",
        fast=choice.fast,
        precision=choice.focus == "precision",
        recall=choice.focus == "recall",
        comments=choice.comments,
        tables=choice.tables,
        dedup=False,
        with_metadata=False,
    )

    def engine(html: str, url: str | None) -> str:
        tree = measured(html, limits, reopens=False)
        return "" if tree is None else trafilatura.extract(tree, options=options) or ""

    return engine
