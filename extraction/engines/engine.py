"""What an engine is: a function from the decoded HTML of a page, and its URL where it has one, to its main text."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

ExtractionEngine = Callable[[str, str | None], str]
"""The main text of a page, "" where there is none. Raises ``Refused``, and whatever its parser raises.

The URL is a hint. Its answer depends on the page alone: not on pages seen before, and not on the caller's stack.
"""


class OpenEngine(Protocol):
    """An engine ready for pages, which holds a process where it needs one of its own."""

    def __call__(self, html: str, url: str | None = None) -> str: ...

    def close(self) -> None:
        """Let go of what is held; the next page takes it again."""


class Limits(NamedTuple):
    """The most that a page may have, counted, so that it meets the same fate on every machine."""

    nodes: int
    depth: int


class Refused(Exception):  # noqa: N818, an answer and not an error
    """A page that gives no text: ``cause`` in one word for machines, ``detail`` in a sentence for people."""

    def __init__(self, cause: str, detail: str) -> None:
        super().__init__(cause, detail)
        self.cause = cause
        self.detail = detail
