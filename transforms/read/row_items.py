"""Rows with named columns, as JSONL, Parquet and other tabular sources have them, and the items made of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, timezone
from typing import Any

from pydantic import Field

from gristmill.corpus.document import Origin
from gristmill.corpus.recipe_section import Section
from gristmill.corpus.record import Dropped, Failed, Raw
from gristmill.transforms.read.dates import normalise_date

_SURROGATES = re.compile("[\ud800-\udfff]")


class Fields(Section):
    """The columns of a row that hold a document. ``meta.url`` is the field ``url`` of the column ``meta``."""

    text: str = Field(default="text", description="Column of the text; a.b names the field b of the column a.")
    id: str | None = Field(
        default=None,
        description="Column of an id that is unique in the source; null: the id derives from file name and position.",
    )
    url: str | None = Field(default=None, description="Column of the URL.")
    date: str | None = Field(
        default=None, description="Column of the date: ISO 8601 or 14 digits; other values are ignored."
    )

    def columns(self) -> list[str]:
        """Return the columns that are read, each once."""
        return sorted({name for name in (self.text, self.id, self.url, self.date) if name is not None})


def item_from_row(origin: Origin, row: Mapping[str, Any], fields: Fields) -> Raw | Dropped | Failed:
    """Return the text of a row, with the id, URL and date that the row holds.

    A string that is not UTF-8 is given as bytes. Fails with bad_utf8 if the text is one, with missing_text if it is no
    string at all; drops empty texts. An id, URL or date that is not of its type costs no document: it becomes null.
    """
    text = _value(row, fields.text)
    origin = origin._replace(
        record_id=_string(_value(row, fields.id)),
        url=_string(_value(row, fields.url)),
        date=_date(_value(row, fields.date)),
    )
    if isinstance(text, bytes):
        return Failed(origin, "bad_utf8", f"{fields.text!r} is not UTF-8: {_utf8_error(text)}")
    if not isinstance(text, str):
        return Failed(origin, "missing_text", f"{fields.text!r} is {'null' if text is None else type(text).__name__}")
    if not text.strip():
        return Dropped(origin, "empty")
    return Raw(origin, "text/plain", replace_surrogates(text))


def drop_too_large(item: Raw | Dropped | Failed, max_bytes: int) -> Raw | Dropped | Failed:
    """Return ``item``, or a ``Dropped`` if its payload is longer than ``max_bytes`` in UTF-8."""
    if isinstance(item, Raw) and len(item.payload) * 4 > max_bytes:
        size = len(item.payload.encode()) if isinstance(item.payload, str) else len(item.payload)
        if size > max_bytes:
            return Dropped(item.origin, "too_large", detail=str(size))
    return item


def replace_surrogates(text: str) -> str:
    """Return ``text`` with lone surrogates replaced, so that it can be encoded as UTF-8."""
    try:
        text.encode()  # several times as fast as the regular expression
    except UnicodeEncodeError:
        return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text)
    return text


def _value(row: Mapping[str, Any], column: str | None) -> Any:
    """Return the value of a column, or of a nested one by its dotted name; a column of that very name comes first."""
    if column is None:
        return None
    if column in row:
        return row[column]
    for dot in re.finditer(r"\.", column):
        parent = row.get(column[: dot.start()])
        if isinstance(parent, Mapping) and (value := _value(parent, column[dot.end() :])) is not None:
            return value
    return None


def _utf8_error(data: bytes) -> str:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return f"{error.reason} at byte {error.start}"
    return ""


def _string(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return replace_surrogates(str(value)) or None


def _date(value: Any) -> str | None:
    if isinstance(value, datetime):
        value = value if value.tzinfo is None else value.astimezone(timezone.utc).replace(tzinfo=None)
    return normalise_date(value.isoformat() if isinstance(value, date) else value if isinstance(value, str) else "")
