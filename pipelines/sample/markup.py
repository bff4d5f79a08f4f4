"""Markup of the sample's texts: a subset of Markdown, and posts of forum threads.

Blocks are separated by blank lines: ``## heading``, ``- item``, ``1. item``, ``> quotation``, ``| table |`` with its
first row as header, code between fences of three backticks, or else a paragraph. Inside a line, code is between single
backticks. A line ``@ name, time`` starts a post.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from typing import NamedTuple

_CODE = re.compile(r"`([^`]+)`")
_POST = re.compile(r"^@ (.+)\n", re.MULTILINE)
_NUMBER = re.compile(r"\d+\. ")


class Post(NamedTuple):
    """A post of a forum thread: its author and time, and its HTML."""

    byline: str
    html: str


def to_html(text: str) -> str:
    """The HTML of ``text``, one block per line."""
    return "\n".join(map(_block, _blocks(text)))


def posts(text: str) -> list[Post]:
    """The posts of a thread, in order."""
    _, *parts = _POST.split(text)
    return [Post(byline, to_html(body)) for byline, body in zip(parts[::2], parts[1::2], strict=True)]


def _blocks(text: str) -> Iterator[str]:
    """The blocks of ``text``; blank lines inside a fence do not separate blocks."""
    for number, part in enumerate(text.split("```")):
        if number % 2:
            yield f"```{part}"
        else:
            yield from (block.strip("\n") for block in re.split(r"\n\s*\n", part) if block.strip())


def _block(block: str) -> str:
    lines = block.split("\n")
    first = lines[0]
    if first.startswith("```"):
        return f"<pre><code>{escape(block[3:].strip())}</code></pre>"
    if first.startswith("## "):
        return f"<h2>{_inline(first[3:])}</h2>"
    if first.startswith("> "):
        return f"<blockquote><p>{_inline(' '.join(line[2:] for line in lines))}</p></blockquote>"
    if first.startswith("- "):
        return _list("ul", [line[2:] for line in lines])
    if _NUMBER.match(first):
        return _list("ol", [_NUMBER.sub("", line, count=1) for line in lines])
    if first.startswith("| "):
        return _table([[cell.strip() for cell in line.strip("|").split("|")] for line in lines])
    return f"<p>{_inline(' '.join(lines))}</p>"


def _inline(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(text, quote=False))


def _list(tag: str, items: list[str]) -> str:
    return f"<{tag}>" + "".join(f"<li>{_inline(item)}</li>" for item in items) + f"</{tag}>"


def _table(rows: list[list[str]]) -> str:
    head, *body = ["".join(f"<{{0}}>{_inline(cell)}</{{0}}>" for cell in row) for row in rows]
    cells = [f"<tr>{head.format('th')}</tr>", *(f"<tr>{row.format('td')}</tr>" for row in body)]
    return f"<table>{''.join(cells)}</table>"
