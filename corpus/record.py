"""Records and their outcomes: kept as a document, dropped for a reason, or failed with a cause.

Every record that is read reaches the stage's writer, whatever its outcome. Nothing is filtered out on the way, so a
stage's records are counted in one place and the counts must balance.
"""

from __future__ import annotations

from typing import NamedTuple

from gristmill.corpus.document import Document, Origin


class Raw(NamedTuple):
    """A record as read, before extraction.

    ``media_type`` is in lower case and without parameters (``text/html``, ``text/plain``). ``payload`` is the undecoded
    body of a page, or the text itself if the source contains text. ``charset`` is the one that the transport declared.
    """

    origin: Origin
    media_type: str
    payload: bytes | str
    charset: str | None = None


class Dropped(NamedTuple):
    """A record that a rule drops: the first rule that it fails, in the recipe's order, and all others that it fails."""

    origin: Origin
    reason: str
    also: tuple[str, ...] = ()
    detail: str = ""


class Failed(NamedTuple):
    """A record that could not be processed: a short machine-readable cause and a sentence for people."""

    origin: Origin
    cause: str
    detail: str = ""


class UnitSummary(NamedTuple):
    """The reader's count of a unit, independent of its output: one side of the balance.

    ``records`` counts every record, including those that failed. ``covered`` is the number of bytes (or rows) that
    consecutive records and reported gaps span; it must equal ``expected``, the size of the unit's range.
    """

    records: int
    covered: int
    expected: int


Record = Raw | Document | Dropped | Failed
