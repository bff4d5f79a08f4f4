"""A faster version of jusText's paragraph builder for trafilatura: the same paragraphs and the same classes.

jusText replays the tree as SAX events with the names and attributes of each element, computes two paths for every
paragraph, even empty ones, and joins a paragraph's text whenever its length is needed. This version walks the tree,
extends the path on the way, and joins a text once. jusText's own code still splits and classifies the paragraphs.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache

from justext.core import ParagraphMaker
from justext.paragraph import Paragraph
from lxml.html import HtmlElement  # type: ignore[import-untyped]
from trafilatura import external

_IRREGULAR_SPACE = re.compile(r"\s{2,}|[^\S \n]")


@cache
def install() -> None:
    """Replace trafilatura's paragraph builder in this process."""
    stopwords = external.jt_stoplist_init

    def cached_stopwords() -> frozenset[str]:
        """A frozenset caches its hash, with which jusText looks up words; a tuple of 154,484 does not."""
        frozen = frozenset(stopwords())
        external.JT_STOPLIST = frozen
        return frozen

    external.ParagraphMaker = FastParagraphMaker
    external.JT_STOPLIST = external.JT_STOPLIST and frozenset(external.JT_STOPLIST)
    external.jt_stoplist_init = cached_stopwords


class FastParagraphMaker(ParagraphMaker):  # type: ignore[misc]
    """Makes the same paragraphs as its base class, except for ``xpath``, which trafilatura does not use."""

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
        """Reads an element, its content and its tail."""
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
    """The path of open elements, outermost first; ``dom`` is its string form in jusText."""

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
    """A paragraph that caches its text until more is added."""

    def __init__(self, path: _Path) -> None:
        super().__init__(path)
        self._text: str | None = None

    @property
    def text(self) -> str:
        if self._text is None:
            self._text = _collapse_space("".join(self.text_nodes).strip())
        return self._text

    def append_text(self, text: str) -> str:
        self._text = None
        collapsed = _collapse_space(text)
        self.text_nodes.append(collapsed)
        return collapsed

    def stopwords_density(self, stopwords: Collection[str]) -> float:
        words = self.text.split()
        return sum(word.lower() in stopwords for word in words) / len(words) if words else 0


def _collapse_space(text: str) -> str:
    """Replaces each run of white space by a line break if it contains one, otherwise by a space."""
    return _IRREGULAR_SPACE.sub(lambda run: "\n" if "\n" in run[0] or "\r" in run[0] else " ", text)
