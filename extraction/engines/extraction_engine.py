"""The interface of an extraction engine: decoded HTML, and the page's URL if known, to main text."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

ExtractionEngine = Callable[[str, str | None], str]
"""Returns the main text of a page, "" if it has none. Raises ``PageRefused``, and whatever its parser raises.

The URL is a hint. The result depends on the page alone: not on earlier pages, and not on the caller's stack depth.
"""


class OpenEngine(Protocol):
    """An engine that is ready for pages, with its child process if it needs one."""

    def __call__(self, html: str, url: str | None = None) -> str: ...

    def close(self) -> None:
        """Release the child process; the next page starts a new one."""


class MarkupLimits(NamedTuple):
    """The largest page that an engine accepts, in counts, so that the outcome is the same on every machine."""

    nodes: int
    depth: int


class PageRefused(Exception):  # noqa: N818, an outcome and not an error
    """The page yields no text: ``cause`` is the failure cause for machines, ``detail`` a sentence for people."""

    def __init__(self, cause: str, detail: str) -> None:
        super().__init__(cause, detail)
        self.cause = cause
        self.detail = detail
