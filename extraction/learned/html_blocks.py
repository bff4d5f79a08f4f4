# cython: annotation_typing=False, boundscheck=False, initializedcheck=False
"""Parses a page into blocks of text in document order and the elements that contain them.

A *block* is a run of text that no block-level tag interrupts: a paragraph, a list item, a table cell, the text of a
``<div>`` between two of its children. *Elements* are the block-level elements and ``<body>``, parents before children.
Inline tags create no elements; they only mark text as linked or bold. ``<br>`` becomes the character ``BREAK``.

This is HTML's parsing algorithm (WHATWG HTML, 13.2) as far as it affects text: omitted end tags, scopes that end tags
do not cross, tables, formatting that lasts until its end tag. Nothing is moved out of tables (no foster parenting).
Every step moves forward in the page or up the stack of open elements, whose depth is limited, so time grows linearly
with the page, whatever its markup.

Compiled where there is a C compiler, with the types in ``html_blocks.pxd``; otherwise it runs as plain Python.
"""

from __future__ import annotations

from array import array

from gristmill.extraction.engines.extraction_engine import MarkupLimits, PageRefused
from gristmill.extraction.learned.html_attributes import resolve_references
from gristmill.extraction.learned.html_tags import (
    BODY,
    BOLD,
    BREAKS,
    CELL,
    EMPTY,
    ENDS_P,
    HEADING,
    HIDES,
    IN_TABLE,
    ITEM,
    KINDS,
    LINK,
    LIST,
    META,
    NUMBER,
    OPTION,
    ROW,
    ROWS,
    SCOPE,
    TABLE,
    TAGS,
    TERM,
    TEXT_ONLY,
    TITLE,
    TRANSPARENT,
)

BREAK = "\x01"
"""A line break inside a block. (This control character in a page is read as a line break too.)"""

_P, _PRE, _TABLE_NUMBER = TAGS["p"], TAGS["pre"], TAGS["table"]
_MANY_TAGS = 128


def _kind(name: str) -> int:
    kind = KINDS.get(name, -1)
    return kind if kind >= 0 else KINDS.get(name.lower(), 0)


class Page:
    """A parsed page: parallel lists over its blocks, and parallel lists over its elements, the first being the body.

    Blocks:
        texts: The text, with white space collapsed except in ``<pre>``.
        element: The index of the innermost element that contains the block.
        order: How many elements were opened before the block.
        linked, bold: How many of its characters are in links, and bold.

    Elements:
        parents: The index of the parent; -1 for the body.
        depths, tags: Depth below the body, and number in ``TAGS``.
        ends: The elements inside ``e`` are ``e + 1`` up to ``ends[e]``.
        attributes: The source text of the attributes.

    ``title`` is the page's title, and ``metas`` the source text of the attributes of its ``<meta>`` tags.

    Raises ``PageRefused`` if the page has more markup nodes, or its elements nest deeper, than the limits allow.
    """

    def __init__(self, html: str, limits: MarkupLimits) -> None:
        self.html = html
        self.size = len(html)
        self.limits = limits
        max_depth = limits.depth
        self.texts: list[str] = []
        self.element: list[int] = []
        self.order: list[int] = []
        self.linked: list[int] = []
        self.bold: list[int] = []
        self.parents, self.depths, self.tags, self.ends, self.attributes = [-1], [0], [TAGS["body"]], [0], [""]
        self.title = ""
        self.metas: list[str] = []
        # The stack of open elements, from the body inwards: their kinds, their indices (for a hidden one, that of the
        # element around it), and the link and bold state before a table cell began.
        self.open_kinds = array("i", bytes(4 * max_depth))
        self.open_elements = array("i", bytes(4 * max_depth))
        self.open_linked = array("i", bytes(4 * max_depth))
        self.open_bold = array("i", bytes(4 * max_depth))
        self.open_counts = array("i", bytes(4 * _MANY_TAGS))
        self.open_kinds[0] = KINDS["body"]
        self.height = 1
        self.current = 0
        self.hidden_from = 0  # stack index of the open element whose content is ignored, or 0
        self.is_linked = False
        self.bold_depth = 0
        self.has_body = False
        self.starts_block = True  # whether the next text starts a block
        self.pieces: list[str] = []  # of the current block
        self.preformatted = False
        self._walk()
        self._pop_to(0)
        self._finish_block()

    def _walk(self) -> None:
        html = self.html
        size = self.size
        max_nodes = self.limits.nodes
        nodes = 0
        at = 0
        while at < size:
            opening = html.find("<", at)
            if opening < 0:
                opening = size
            if opening > at and not self.hidden_from:
                self._text(at, opening)
            if opening + 1 >= size:
                break
            nodes += 1
            if nodes > max_nodes:
                raise PageRefused("too_many_nodes", f"more than {max_nodes} markup nodes")
            first = html[opening + 1]
            if "a" <= first <= "z" or "A" <= first <= "Z":
                at = self._start_tag(opening + 1)
            elif first == "/":
                at = self._end_tag(opening + 2)
            elif first == "!" and html.startswith("--", opening + 2):
                at = self._comment_end(opening + 4)
            elif first == "!" or first == "?":
                at = self._after(">", opening + 2)
            else:
                if not self.hidden_from:
                    self._text(opening, opening + 1)
                at = opening + 1

    def _after(self, end: str, at: int) -> int:
        """The position behind the next ``end``, or the end of the page."""
        found = self.html.find(end, at)
        return found + len(end) if found >= 0 else self.size

    def _comment_end(self, at: int) -> int:
        """The position behind the comment whose text begins at ``at``: ``>`` and ``->`` there, ``-->`` or ``--!>``."""
        html = self.html
        if html.startswith(">", at):
            return at + 1
        if html.startswith("->", at):
            return at + 2
        while True:
            at = html.find("--", at)
            if at < 0:
                return self.size
            if html.startswith(">", at + 2):
                return at + 3
            if html.startswith("!>", at + 2):
                return at + 4
            at += 1

    def _name_end(self, at: int) -> int:
        """The end of the tag name that begins at ``at``."""
        html = self.html
        while at < self.size:
            character = html[at]
            if character <= " " or character == ">" or character == "/":
                break
            at += 1
        return at

    def _tag_end(self, at: int) -> int:
        """The position of a tag's ``>``, searched from the end of its name; quoted values may contain others."""
        html = self.html
        while at < self.size:
            character = html[at]
            at += 1
            if character == ">":
                return at - 1
            if character == "=":
                while at < self.size and html[at] <= " ":
                    at += 1
                if at < self.size and html[at] == '"':
                    at = html.find('"', at + 1) + 1
                elif at < self.size and html[at] == "'":
                    at = html.find("'", at + 1) + 1
                if not at:
                    break
        return self.size

    def _start_tag(self, at: int) -> int:
        """Processes the start tag whose name begins at ``at``; returns the position behind it and any raw text."""
        html = self.html
        name_end = self._name_end(at)
        kind = _kind(html[at:name_end])
        end = self._tag_end(name_end)
        if end >= self.size:
            return self.size
        if kind & NUMBER and not kind & (TEXT_ONLY | BODY):
            self._open(kind, html[name_end:end] if not kind & HIDES else "", html[end - 1] == "/")
        elif kind:
            if kind & TEXT_ONLY:
                return self._text_only(kind, html[at:name_end].lower(), name_end, end)
            self._inline(kind, name_end, end)
        return end + 1

    def _inline(self, kind: int, name_end: int, end: int) -> None:
        if kind & LINK:
            self.is_linked = True
        elif kind & BOLD:
            self.bold_depth += 1
        elif kind & BREAKS:
            self._line_break()
        elif kind & META:
            self.metas.append(self.html[name_end:end])
        elif kind & BODY and not self.has_body:
            self.has_body = True
            self.attributes[0] = self.html[name_end:end]

    def _line_break(self) -> None:
        if not self.starts_block and not self.hidden_from:
            self.pieces.append(BREAK)

    def _text_only(self, kind: int, name: str, name_end: int, end: int) -> int:
        """Processes an element with raw text content; returns the position behind its end tag."""
        html = self.html
        at = end + 1
        close = at
        while True:
            close = html.find("</", close)
            if close < 0:
                close = self.size
                break
            close += 2
            after = close + len(name)
            if html[close:after].lower() == name and (after == self.size or html[after] in " \t\n\f\r/>"):
                close -= 2
                break
        if kind & TITLE:
            if not self.title and not self.hidden_from:
                self.title = resolve_references(html[at:close])
        elif kind & NUMBER and not self.hidden_from:
            self._open(kind, html[name_end:end], False)
            self._text(at, close)
            self._pop_to(self.height - 1)
        return self._after(">", close)

    def _open(self, kind: int, attributes: str, closed: bool) -> None:
        """Opens an element, after closing those that its start tag ends."""
        if kind & ENDS_P:
            self._end_p()
            if kind & HEADING and self.open_kinds[self.height - 1] & HEADING:
                self._pop_to(self.height - 1)
            elif kind & ITEM:
                self._end_item(ITEM)
            elif kind & TERM:
                self._end_item(TERM)
        if kind & (IN_TABLE | TABLE):
            if self.open_counts[_TABLE_NUMBER]:
                self._close_for_table_part(kind)
            elif not kind & TABLE:
                return
        elif kind & OPTION and self.open_kinds[self.height - 1] & OPTION:
            self._pop_to(self.height - 1)
        if kind & HIDES and closed:
            return
        height = self.height
        if height >= self.limits.depth:
            raise PageRefused("too_deep", f"elements nest deeper than {self.limits.depth}")
        if not self.hidden_from:
            if kind & HIDES:
                self.hidden_from = height
            else:
                self.parents.append(self.current)
                self.depths.append(height)
                self.tags.append(kind & NUMBER)
                self.ends.append(0)
                self.attributes.append(attributes)
                self.current = len(self.tags) - 1
                self.starts_block = True
        self.open_kinds[height] = kind
        self.open_elements[height] = self.current
        self.open_linked[height] = self.is_linked
        self.open_bold[height] = self.bold_depth
        self.height += 1
        self.open_counts[kind & NUMBER] += 1
        if kind & EMPTY:
            self._pop_to(height)

    def _end_tag(self, at: int) -> int:
        """Processes the end tag whose name begins at ``at``; returns the position behind it."""
        html = self.html
        name_end = self._name_end(at)
        kind = _kind(html[at:name_end])
        if kind:
            number = kind & NUMBER
            if number:
                if self.open_counts[number] or kind & HEADING:
                    self._close(kind)
                elif number == _P and not self.hidden_from:
                    self.starts_block = True
            elif kind & LINK:
                self.is_linked = False
            elif kind & BOLD:
                if self.bold_depth:
                    self.bold_depth -= 1
            elif kind & BREAKS:
                self._line_break()
        if name_end < self.size and html[name_end] == ">":
            return name_end + 1
        return self._after(">", name_end)

    def _close(self, kind: int) -> None:
        """Closes the innermost element that the end tag matches, with all inside it, if it is in the tag's scope."""
        number = kind & NUMBER
        place = self.height - 1
        while place > 0:
            open_kind = self.open_kinds[place]
            if open_kind & NUMBER == number or kind & open_kind & HEADING:
                self._pop_to(place)
                return
            if kind & (IN_TABLE | TABLE):
                if open_kind & SCOPE and not open_kind & CELL:
                    return
            elif open_kind & SCOPE or (kind & ITEM and open_kind & LIST):
                return
            place -= 1

    def _end_p(self) -> None:
        """Closes the open paragraph, if one is in scope."""
        place = self.height - 1
        while place > 0:
            open_kind = self.open_kinds[place]
            if open_kind & NUMBER == _P:
                self._pop_to(place)
                return
            if open_kind & (ENDS_P | SCOPE):  # its start tag has closed any paragraph around it
                return
            place -= 1

    def _end_item(self, role: int) -> None:
        """Closes the open list item or term before another one."""
        place = self.height - 1
        while place > 0:
            open_kind = self.open_kinds[place]
            if open_kind & role:
                self._pop_to(place)
                return
            if not open_kind & TRANSPARENT:
                return
            place -= 1

    def _close_for_table_part(self, kind: int) -> None:
        """Closes the elements that cannot contain the table part (or directly nested table) about to be opened."""
        place = self.height - 1
        while place > 0:
            open_kind = self.open_kinds[place]
            if open_kind & TABLE:
                self._pop_to(place if kind & TABLE else place + 1)
                return
            if open_kind & CELL:
                if kind & TABLE:
                    return
                self._pop_to(place)
            elif (open_kind & ROW and kind & CELL) or (open_kind & ROWS and kind & (CELL | ROW)):
                self._pop_to(place + 1)
                return
            elif open_kind & SCOPE:
                return
            place -= 1

    def _pop_to(self, height: int) -> None:
        """Closes the innermost open elements until ``height`` are left."""
        while self.height > height:
            self.height -= 1
            kind = self.open_kinds[self.height]
            self.open_counts[kind & NUMBER] -= 1
            if kind & CELL:
                self.is_linked = self.open_linked[self.height] > 0
                self.bold_depth = self.open_bold[self.height]
            if self.hidden_from:
                if self.height == self.hidden_from:
                    self.hidden_from = 0
            else:
                element = self.open_elements[self.height]
                self.ends[element] = len(self.tags)
                self.current = self.parents[element]
                self.starts_block = True

    def _text(self, start: int, end: int) -> None:
        """Adds text to the current block, or starts a new block with it."""
        html = self.html
        if self.starts_block and not self.open_counts[_PRE]:
            while start < end and html[start] <= " ":
                start += 1
            if start == end:
                return
        piece = html[start:end]
        if "&" in piece:
            piece = resolve_references(piece)
        if self.starts_block:
            if piece.isspace():
                return
            self._finish_block()
            self.starts_block = False
            self.preformatted = self.open_counts[_PRE] > 0
            self.element.append(self.current)
            self.order.append(len(self.tags))
            self.linked.append(0)
            self.bold.append(0)
        self.pieces.append(piece)
        if self.is_linked or self.bold_depth:
            length = len(piece.strip())
            if self.is_linked:
                self.linked[-1] += length
            if self.bold_depth:
                self.bold[-1] += length

    def _finish_block(self) -> None:
        """Stores the text of the current block; discards a block of only white space and breaks."""
        if len(self.element) > len(self.texts):
            text = "".join(self.pieces)
            text = text.strip("\r\n" + BREAK) if self.preformatted else " ".join(text.split()).strip(" " + BREAK)
            if text:
                self.texts.append(text)
            else:
                for column in (self.element, self.order, self.linked, self.bold):
                    column.pop()
        self.pieces = []
