"""The fast paragraph builder makes the same paragraphs as jusText."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from justext.core import ParagraphMaker, classify_paragraphs, revise_paragraph_classification
from lxml import etree, html
from trafilatura import external

from gristmill.extraction.engines import fast_justext
from gristmill.extraction.engines.fast_justext import FastParagraphMaker

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
            comment = chance.choice([etree.Comment, etree.ProcessingInstruction])("comment")
            comment.tail = chance.choice(TEXTS)
            parent.append(comment)
    return root


def classified(maker: Any, tree: html.HtmlElement, stopwords: Any) -> list[tuple[Any, ...]]:
    """The properties of paragraphs that jusText and trafilatura use, and their classes."""
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
def test_paragraphs_match_justext(tree: html.HtmlElement) -> None:
    assert classified(FastParagraphMaker, tree, frozenset(STOPWORDS)) == classified(ParagraphMaker, tree, STOPWORDS)


def test_trafilatura_uses_the_fast_builder_and_the_same_stop_words() -> None:
    fast_justext.install()
    assert external.ParagraphMaker is FastParagraphMaker
    stopwords = external.JT_STOPLIST or external.jt_stoplist_init()
    assert isinstance(stopwords, frozenset)
    assert external.JT_STOPLIST is stopwords
    assert len(stopwords) > 100_000
    assert {"the", "und", "это"} <= stopwords
