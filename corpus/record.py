"""What can become of a record on its way through a stage.

Every record that is read flows to the stage's writer, whatever becomes of it: kept as a document, dropped for a reason,
or failed for a cause. Nothing is filtered out half-way, so a stage's books are counted in one place and must balance.
"""

from __future__ import annotations

from typing import NamedTuple

from gristmill.corpus.document import Document, Origin


class Raw(NamedTuple):
    """A record as read, before its text is known.

    ``media_type`` is lower-case without parameters (``text/html``, ``text/plain``). ``payload`` is the undecoded body
    of a page, or the text itself where the source has it as text. ``charset`` is what the transport declared, if any.
    """

    origin: Origin
    media_type: str
    payload: bytes | str
    charset: str | None = None


class Dropped(NamedTuple):
    """A record that a rule turned away: the first rule in the recipe's order, and every other one that it fails too."""

    origin: Origin
    reason: str
    also: tuple[str, ...] = ()
    detail: str = ""


class Failed(NamedTuple):
    """A record that could not be worked on: a short machine-readable cause and a sentence for people."""

    origin: Origin
    cause: str
    detail: str = ""


class UnitSummary(NamedTuple):
    """The reader's own count of a unit, taken apart from what it gave out: the left side of the equation.

    ``records`` counts every record met, those that failed included. ``covered`` is the number of bytes (or rows) that
    consecutive records and named gaps span; it must equal ``expected``, the size of the unit's range.
    """

    records: int
    covered: int
    expected: int


Record = Raw | Document | Dropped | Failed
