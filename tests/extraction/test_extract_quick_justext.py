"""jusText's paragraphs, made in less time: of any tree the same."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from justext.core import ParagraphMaker, classify_paragraphs, revise_paragraph_classification
from lxml import etree, html
from trafilatura import external

from gristmill.extraction.engines import quick_justext
from gristmill.extraction.engines.quick_justext import QuickMaker

STOPWORDS = ("the", "Of", "und", "σας")
TAGS = ["div", "p", "a", "br", "span", "h2", "li", "ul", "select", "option", "td", "o:p"]
TEXTS = [
    "",
    " ",
    "\n ",
    "\t",
    "the fox",
    " Of\r\nthe\u2003fox  ",
    "ΟΔΟΣ ΣΑΣ",
    "© the",
    "\u00a0",
    "x" * 60,
    "the of " * 30,
]


@st.composite
def trees(draw: st.DrawFn) -> html.HtmlElement:
    chance = random.Random(draw(st.integers(0, 2**32)))
    root = html.fromstring("<html><body></body></html>")
    elements = [root[0]]
    for _ in range(draw(st.integers(0, 40))):
        parent = chance.choice(elements[-6:])
        if chance.randrange(12):
            elements.append(etree.SubElement(parent, chance.choice(TAGS)))
            elements[-1].text = chance.choice(TEXTS)
            elements[-1].tail = chance.choice(TEXTS)
        else:
            comment = chance.choice([etree.Comment, etree.ProcessingInstruction])("told")
            comment.tail = chance.choice(TEXTS)
            parent.append(comment)
    return root


def told(maker: Any, tree: html.HtmlElement, stopwords: Any) -> list[tuple[Any, ...]]:
    """All that jusText and trafilatura look at in paragraphs, and what becomes of each."""
    paragraphs = maker.make_paragraphs(tree)
    classify_paragraphs(paragraphs, stopwords, 50, 150, 0.1, 0.2, 0.25, True)
    revise_paragraph_classification(paragraphs, 150)
    return [
        (
            one.text,
            len(one),
            one.dom_path,
            one.text_nodes,
            one.chars_count_in_links,
            one.tags_count,
            one.words_count,
            one.stopwords_density({"the", "of"}),
            one.links_density(),
            one.is_heading,
            one.cf_class,
            one.class_type,
            one.is_boilerplate,
        )
        for one in paragraphs
    ]


@given(tree=trees())
@settings(max_examples=300)
def test_paragraphs_are_those_of_justext(tree: html.HtmlElement) -> None:
    assert told(QuickMaker, tree, frozenset(STOPWORDS)) == told(ParagraphMaker, tree, STOPWORDS)


def test_trafilatura_makes_its_paragraphs_so_and_has_the_same_stop_words() -> None:
    quick_justext.install()
    assert external.ParagraphMaker is QuickMaker
    stopwords = external.JT_STOPLIST or external.jt_stoplist_init()
    assert isinstance(stopwords, frozenset)
    assert external.JT_STOPLIST is stopwords
    assert len(stopwords) > 100_000
    assert {"the", "und", "это"} <= stopwords
