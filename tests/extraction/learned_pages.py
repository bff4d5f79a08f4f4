"""Shared helpers of the learned engine's tests: pages of random tags, and its modules as plain Python."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

from hypothesis import strategies as st

from gristmill.corpus.arrays import Float32s
from gristmill.extraction import learned
from gristmill.extraction.engines.extraction_engine import MarkupLimits
from gristmill.extraction.learned.block_features import BlockContext, compute_features
from gristmill.extraction.learned.html_blocks import Page
from gristmill.extraction.learned.html_tags import TAGS
from gristmill.extraction.learned.text_scan import lead_words
from gristmill.extraction.learned.word_bags import Ints

MANY_NODES = 10**9

SKIPPED = ("nav", "footer", "script", "style", "template", "svg", "iframe", "textarea", "select", "video")
NAMES = {number: tag for tag, number in TAGS.items()}

_BLOCK_TAGS = (
    *(
        "div",
        "p",
        "ul",
        "li",
        "table",
        "tr",
        "td",
        "th",
        "tbody",
        "caption",
        "pre",
        "blockquote",
        "h2",
        "h3",
        "section",
    ),
    *("form", "dl", "dt", "dd", "option"),
)
_INLINE_TAGS = ("a", "b", "strong", "i", "span", "label", "my-tag")
PIECES = (
    *(f"<{tag}>" for tag in (*_BLOCK_TAGS, *_INLINE_TAGS)),
    *(f"</{tag}>" for tag in (*_BLOCK_TAGS, *_INLINE_TAGS)),
    *(f"<{tag}>hidden</{tag}>" for tag in SKIPPED),
    *("<br>", "<hr>", "<!-- x -->", "one", " two ", "\n", "&amp;", "&nbsp;", "三", "😀"),
)


def markup(pieces: Sequence[str]) -> st.SearchStrategy[str]:
    """Pages that repeat a few of these pieces in any order, so that combinations of them occur often."""
    some = st.lists(st.sampled_from(pieces), min_size=1, max_size=8)
    return some.flatmap(lambda few: st.lists(st.sampled_from(few), max_size=40)).map("".join)


MARKUP = markup(PIECES)
"""Pages of random tags: closed and unclosed, wrongly nested, table parts outside tables."""


def parse_page(html: str, depth: int = 256) -> Page:
    return Page(html, MarkupLimits(MANY_NODES, depth))


def features_of(page: Page) -> tuple[Float32s, Ints, BlockContext]:
    return compute_features(page, [lead_words(text) for text in page.texts])


def outline(page: Page) -> str:
    """A page's elements and blocks in the form ``div(a p(b))``, without the body."""
    drawn: list[str] = []
    open_elements = [0]

    def close_until(element: int) -> None:
        while open_elements[-1] != element:
            open_elements.pop()
            drawn.append(")")

    blocks = list(zip(page.texts, page.element, page.order, strict=True))[::-1]
    for element in range(1, len(page.parents) + 1):
        while blocks and blocks[-1][2] == element:
            text, owner, _ = blocks.pop()
            close_until(owner)
            drawn.append(f" {text}")
        if element < len(page.parents):
            close_until(page.parents[element])
            open_elements.append(element)
            drawn.append(f" {NAMES[page.tags[element]]}(")
    close_until(0)
    assert not blocks
    return "".join(drawn).replace("( ", "(").strip()


class _SourceFinder(MetaPathFinder):
    """Finds the sources of the learned engine's modules, even where they are compiled."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, name = fullname.rpartition(".")
        return spec_from_file_location(fullname, FOLDER / f"{name}.py") if package == learned.__name__ else None


FOLDER = Path(str(learned.__file__)).parent


def modules() -> dict[str, ModuleType]:
    """The learned engine's modules by name, compiled if they are."""
    return {path.stem: import_module(f"{learned.__name__}.{path.stem}") for path in FOLDER.glob("[a-z]*.py")}


@cache
def plain_modules() -> dict[str, ModuleType]:
    """The learned engine's modules as plain Python; they import each other, not the compiled ones."""
    real, finder = modules(), _SourceFinder()
    try:
        sys.meta_path.insert(0, finder)
        for name in real:
            del sys.modules[f"{learned.__name__}.{name}"]
        return modules()
    finally:
        sys.meta_path.remove(finder)
        for name, module in real.items():
            sys.modules[f"{learned.__name__}.{name}"] = module
            setattr(learned, name, module)
