"""jusText's paragraphs, as trafilatura asks for them, made in less time: the same paragraphs, the same classes.

jusText has the tree told as SAX events, names and attributes looked up for each element; works out two paths for every
paragraph, empty ones and all; and joins a paragraph's text anew whenever its length is asked. Here the tree is walked,
the path grows with it, and a text is joined once. What makes a paragraph and how it is classed stays jusText's own.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache

from justext.core import ParagraphMaker
from justext.paragraph import Paragraph
from lxml.html import HtmlElement  # type: ignore[import-untyped]
from trafilatura import external

_UNEVEN = re.compile(r"\s{2,}|[^\S \n]")


@cache
def install() -> None:
    """Have trafilatura make its paragraphs here, in this process."""
    stopwords = external.jt_stoplist_init

    def remembered_stopwords() -> frozenset[str]:
        """A frozen set knows its hash, by which jusText looks its lower-cased words up; a tuple of 154,484 does not."""
        remembered = frozenset(stopwords())
        external.JT_STOPLIST = remembered
        return remembered

    external.ParagraphMaker = QuickMaker
    external.JT_STOPLIST = external.JT_STOPLIST and frozenset(external.JT_STOPLIST)
    external.jt_stoplist_init = remembered_stopwords


class QuickMaker(ParagraphMaker):  # type: ignore[misc]
    """Makes the paragraphs that its parent makes, but for their ``xpath``, which trafilatura does not ask."""

    @classmethod
    def make_paragraphs(cls, root: HtmlElement) -> list[Paragraph]:
        maker = cls()
        maker.read(root)
        maker.endDocument()
        paragraphs: list[Paragraph] = maker.paragraphs
        return paragraphs

    def __init__(self) -> None:
        super().__init__()
        self.path = _Path()
        self.paragraph = _Paragraph(self.path)

    def read(self, element: HtmlElement) -> None:
        """Take in an element, what is in it and what follows it."""
        if isinstance(element.tag, str):
            name = (None, element.tag.rpartition("}")[2])
            self.startElementNS(name, None, None)
            if element.text:
                self.characters(element.text)
            for child in element:
                self.read(child)
            self.endElementNS(name, None)
        if element.tail:
            self.characters(element.tail)

    def _start_new_pragraph(self) -> None:
        if self.paragraph and self.paragraph.contains_text():
            self.paragraphs.append(self.paragraph)
        self.paragraph = _Paragraph(self.path)


class _Path:
    """Names of the open elements, outermost first, as ``dom`` has them."""

    xpath = ""

    def __init__(self) -> None:
        self._paths: list[str] = []

    @property
    def dom(self) -> str:
        return self._paths[-1] if self._paths else ""

    def append(self, name: str) -> None:
        self._paths.append(f"{self._paths[-1]}.{name}" if self._paths else name)

    def pop(self) -> None:
        self._paths.pop()


class _Paragraph(Paragraph):  # type: ignore[misc]
    """A paragraph that remembers its text until more is added."""

    def __init__(self, path: _Path) -> None:
        super().__init__(path)
        self._text: str | None = None

    @property
    def text(self) -> str:
        if self._text is None:
            self._text = _even("".join(self.text_nodes).strip())
        return self._text

    def append_text(self, text: str) -> str:
        self._text = None
        even = _even(text)
        self.text_nodes.append(even)
        return even

    def stopwords_density(self, stopwords: Collection[str]) -> float:
        words = self.text.split()
        return sum(word.lower() in stopwords for word in words) / len(words) if words else 0


def _even(text: str) -> str:
    """Each run of white space as one line break where it holds one, else as one space."""
    return _UNEVEN.sub(lambda run: "\n" if "\n" in run[0] or "\r" in run[0] else " ", text)
