# cython: annotation_typing=False, boundscheck=False, initializedcheck=False
"""A page as the learned engine sees it: its blocks of text in order, and the elements around them.

A *block* is a run of text that no block-level tag interrupts: a paragraph, a list item, a table cell, the text of a
``<div>`` between two of its children. *Elements* are the block-level ones and ``<body>``, a parent before its children.
Inline tags build nothing: they only say from where to where text is linked or bold; ``<br>`` is kept as ``BREAK``.

The walk is HTML's parsing algorithm (WHATWG HTML, 13.2) as far as text sees it: end tags that may be left out, scopes
that an end tag does not reach beyond, tables, formatting that goes on until its end tag. Nothing is moved out of
tables. Every step goes forward in the page, or up from an open element, of which a limit bounds the number; so
time grows linearly with the page, whatever its markup.

Where there is a C compiler this very module is compiled (``page.pxd`` names its types); elsewhere it runs as it stands.
"""

from __future__ import annotations

import re
from array import array
from html import unescape

from gristmill.extraction.engines.engine import Limits, Refused
from gristmill.extraction.learned.tags import (
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
"""A line break inside a block. (A page that holds this control character has a line break there.)"""

_P, _PRE, _TABLE_NUMBER = TAGS["p"], TAGS["pre"], TAGS["table"]
_MANY_TAGS = 128
_HUGE = re.compile(r"&#[0-9]{9,}")


def attribute_values(written: str) -> dict[str, str]:
    """The attributes of a tag, from what is written behind its name. Of two of one name the first counts."""
    values: dict[str, str] = {}
    size = len(written)
    at = 0
    while at < size:
        if written[at] <= " " or written[at] == "/":
            at += 1
            continue
        begin = at
        at += 1
        while at < size and written[at] > " " and written[at] != "=" and written[at] != "/":
            at += 1
        name = written[begin:at].lower()
        while at < size and written[at] <= " ":
            at += 1
        value = ""
        if at < size and written[at] == "=":
            at += 1
            while at < size and written[at] <= " ":
                at += 1
            if at < size and (written[at] == '"' or written[at] == "'"):
                begin = at + 1
                at = written.find(written[at], begin)
                if at < 0:
                    at = size
                value = written[begin:at]
                at += 1
            else:
                begin = at
                while at < size and written[at] > " ":
                    at += 1
                value = written[begin:at]
            if "&" in value:
                value = _resolved(value)
        values.setdefault(name, value)
    return values


def _resolved(text: str) -> str:
    """Text with its character references resolved."""
    try:
        return unescape(text)
    except ValueError:  # a number of more digits than Python reads: of no character anyway
        return unescape(_HUGE.sub("&#xFFFD", text))


def _kind(name: str) -> int:
    kind = KINDS.get(name, -1)
    return kind if kind >= 0 else KINDS.get(name.lower(), 0)


class Page:
    """What a page holds; lists of one length for its blocks, and of another for its elements, of which 0 is the body.

    Of blocks: ``texts``, with white space collapsed but in ``<pre>``; the ``element`` that each stands in; in ``order``
    how many elements were opened before it; how many of its characters are ``linked`` and ``bold``.
    Of elements: ``parents`` (-1 for the body), ``depths``, ``tags``, ``attributes`` as they are written, and ``ends``:
    those inside ``e`` are ``e + 1`` up to ``ends[e]``. Besides the ``title``, and the attributes of ``metas``.

    Raises ``Refused`` where the page has more markup nodes, or elements nest deeper, than the limits allow.
    """

    def __init__(self, html: str, limits: Limits) -> None:
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
        # The open elements, from the body inwards: what they are, which element (the one around a hidden one), and
        # what was linked and bold before a cell of a table began.
        self.open_kinds = array("i", bytes(4 * max_depth))
        self.open_elements = array("i", bytes(4 * max_depth))
        self.open_linked = array("i", bytes(4 * max_depth))
        self.open_bold = array("i", bytes(4 * max_depth))
        self.open_counts = array("i", bytes(4 * _MANY_TAGS))
        self.open_kinds[0] = KINDS["body"]
        self.height = 1
        self.current = 0
        self.hidden_from = 0  # the place among the open elements of one that hides what is in it, or 0
        self.is_linked = False
        self.bold_depth = 0
        self.has_body = False
        self.fresh = True  # whether the next text begins a block
        self.run: list[str] = []  # the pieces of the block in the making
        self.preformatted = False
        self._walk()
        self._pop_to(0)
        self._finish_block()

    def _walk(self) -> None:
        html = self.html
        size = self.size
        most = self.limits.nodes
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
            if nodes > most:
                raise Refused("too_many_nodes", f"more than {most} markup nodes")
            first = html[opening + 1]
            if "a" <= first <= "z" or "A" <= first <= "Z":
                at = self._start_tag(opening + 1)
            elif first == "/":
                at = self._end_tag(opening + 2)
            elif first == "!" and html.startswith("--", opening + 2):
                at = self._after("-->", opening + 2)
            elif first == "!" or first == "?":
                at = self._after(">", opening + 2)
            else:
                if not self.hidden_from:
                    self._text(opening, opening + 1)
                at = opening + 1

    def _after(self, what: str, at: int) -> int:
        """Where ``what`` has passed, or the page's end."""
        found = self.html.find(what, at)
        return found + len(what) if found >= 0 else self.size

    def _name_end(self, at: int) -> int:
        """Where a tag's name ends that begins at ``at``."""
        html = self.html
        while at < self.size:
            character = html[at]
            if character <= " " or character == ">" or character == "/":
                break
            at += 1
        return at

    def _tag_end(self, at: int) -> int:
        """Where the ``>`` of a tag is, looked for from the end of its name; quoted values may hold others."""
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
        """Deals with the start tag whose name begins at ``at``; gives the place behind it and behind its text."""
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
            self._break()
        elif kind & META:
            self.metas.append(self.html[name_end:end])
        elif kind & BODY and not self.has_body:
            self.has_body = True
            self.attributes[0] = self.html[name_end:end]

    def _break(self) -> None:
        if not self.fresh and not self.hidden_from:
            self.run.append(BREAK)

    def _text_only(self, kind: int, name: str, name_end: int, end: int) -> int:
        """Passes over an element that holds only text; gives the place behind its end tag."""
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
                self.title = _resolved(html[at:close])
        elif kind & NUMBER and not self.hidden_from:
            self._open(kind, html[name_end:end], False)
            self._text(at, close)
            self._pop_to(self.height - 1)
        return self._after(">", close)

    def _open(self, kind: int, attributes: str, closed: bool) -> None:
        """Opens an element, after those that its start ends are closed."""
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
                self._make_way(kind)
            elif not kind & TABLE:
                return
        elif kind & OPTION and self.open_kinds[self.height - 1] & OPTION:
            self._pop_to(self.height - 1)
        if kind & HIDES and closed:
            return
        height = self.height
        if height >= self.limits.depth:
            raise Refused("too_deep", f"elements nest deeper than {self.limits.depth}")
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
                self.fresh = True
        self.open_kinds[height] = kind
        self.open_elements[height] = self.current
        self.open_linked[height] = self.is_linked
        self.open_bold[height] = self.bold_depth
        self.height += 1
        self.open_counts[kind & NUMBER] += 1
        if kind & EMPTY:
            self._pop_to(height)

    def _end_tag(self, at: int) -> int:
        """Deals with the end tag whose name begins at ``at``; gives the place behind it."""
        html = self.html
        name_end = self._name_end(at)
        kind = _kind(html[at:name_end])
        if kind:
            number = kind & NUMBER
            if number:
                if self.open_counts[number] or kind & HEADING:
                    self._close(kind)
                elif number == _P and not self.hidden_from:
                    self.fresh = True
            elif kind & LINK:
                self.is_linked = False
            elif kind & BOLD:
                if self.bold_depth:
                    self.bold_depth -= 1
            elif kind & BREAKS:
                self._break()
        if name_end < self.size and html[name_end] == ">":
            return name_end + 1
        return self._after(">", name_end)

    def _close(self, kind: int) -> None:
        """Closes the innermost element that an end tag fits, and all within it, where it is in the tag's scope."""
        number = kind & NUMBER
        place = self.height - 1
        while place > 0:
            there = self.open_kinds[place]
            if there & NUMBER == number or kind & there & HEADING:
                self._pop_to(place)
                return
            if kind & (IN_TABLE | TABLE):
                if there & SCOPE and not there & CELL:
                    return
            elif there & SCOPE or (kind & ITEM and there & LIST):
                return
            place -= 1

    def _end_p(self) -> None:
        """Closes the paragraph that is open, if one is within reach."""
        place = self.height - 1
        while place > 0:
            there = self.open_kinds[place]
            if there & NUMBER == _P:
                self._pop_to(place)
                return
            if there & (ENDS_P | SCOPE):  # a paragraph around that one was closed as it began
                return
            place -= 1

    def _end_item(self, role: int) -> None:
        """Closes the item or term that another of its kind follows."""
        place = self.height - 1
        while place > 0:
            there = self.open_kinds[place]
            if there & role:
                self._pop_to(place)
                return
            if not there & TRANSPARENT:
                return
            place -= 1

    def _make_way(self, kind: int) -> None:
        """Closes what a part of a table, or a table right in a table, cannot stand in."""
        place = self.height - 1
        while place > 0:
            there = self.open_kinds[place]
            if there & TABLE:
                self._pop_to(place if kind & TABLE else place + 1)
                return
            if there & CELL:
                if kind & TABLE:
                    return
                self._pop_to(place)
            elif (there & ROW and kind & CELL) or (there & ROWS and kind & (CELL | ROW)):
                self._pop_to(place + 1)
                return
            elif there & SCOPE:
                return
            place -= 1

    def _pop_to(self, height: int) -> None:
        """Closes the innermost open elements until there are ``height``."""
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
                self.fresh = True

    def _text(self, start: int, end: int) -> None:
        """Adds a piece of text to the block in the making, or begins a block with it."""
        html = self.html
        if self.fresh and not self.open_counts[_PRE]:
            while start < end and html[start] <= " ":
                start += 1
            if start == end:
                return
        piece = html[start:end]
        if "&" in piece:
            piece = _resolved(piece)
        if self.fresh:
            if piece.isspace():
                return
            self._finish_block()
            self.fresh = False
            self.preformatted = self.open_counts[_PRE] > 0
            self.element.append(self.current)
            self.order.append(len(self.tags))
            self.linked.append(0)
            self.bold.append(0)
        self.run.append(piece)
        if self.is_linked or self.bold_depth:
            length = len(piece.strip())
            if self.is_linked:
                self.linked[-1] += length
            if self.bold_depth:
                self.bold[-1] += length

    def _finish_block(self) -> None:
        """Puts down the text of the block in the making; one of nothing but space and breaks is none."""
        if len(self.element) > len(self.texts):
            text = "".join(self.run)
            text = text.strip("\r\n" + BREAK) if self.preformatted else " ".join(text.split()).strip(" " + BREAK)
            if text:
                self.texts.append(text)
            else:
                for known in (self.element, self.order, self.linked, self.bold):
                    known.pop()
        self.run = []
