"""What the tests of the learned engine share: pages of tags in any order, and its modules as plain Python."""

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

from gristmill.extraction import learned
from gristmill.extraction.engines.engine import Limits
from gristmill.extraction.learned.bags import Ints
from gristmill.extraction.learned.characters import lead_words
from gristmill.extraction.learned.features import Floats, Surroundings, features
from gristmill.extraction.learned.page import Page
from gristmill.extraction.learned.tags import TAGS

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
    """Pages of a few of these pieces in any order, many times each, so that they meet."""
    some = st.lists(st.sampled_from(pieces), min_size=1, max_size=8)
    return some.flatmap(lambda few: st.lists(st.sampled_from(few), max_size=40)).map("".join)


MARKUP = markup(PIECES)
"""Pages of tags in any order: closed and left open, nested wrongly, parts of tables outside of any."""


def of(html: str, depth: int = 256) -> Page:
    return Page(html, Limits(MANY_NODES, depth))


def told(page: Page) -> tuple[Floats, Ints, Surroundings]:
    return features(page, [lead_words(text) for text in page.texts])


def outline(page: Page) -> str:
    """A page's elements and blocks, drawn from its lists: ``div(a p(b))``, without the body around all."""
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


class _Sources(MetaPathFinder):
    """Finds the modules of the learned engine as they stand beside the compiled ones."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, name = fullname.rpartition(".")
        return spec_from_file_location(fullname, FOLDER / f"{name}.py") if package == learned.__name__ else None


FOLDER = Path(str(learned.__file__)).parent


def modules() -> dict[str, ModuleType]:
    """The modules of the learned engine as they are imported: compiled, where they are."""
    return {path.stem: import_module(f"{learned.__name__}.{path.stem}") for path in FOLDER.glob("[a-z]*.py")}


@cache
def plain_modules() -> dict[str, ModuleType]:
    """The modules of the learned engine as plain Python, compiled or not; they import each other and no other."""
    real, finder = modules(), _Sources()
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
