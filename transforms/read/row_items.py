"""Rows with named columns, as JSONL, Parquet and other tabular sources have them, and the items made of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from pydantic import Field

from gristmill.corpus.document import Origin
from gristmill.corpus.recipe_section import Section
from gristmill.corpus.record import Dropped, Failed, Raw
from gristmill.transforms.read.dates import format_date, normalise_date
from gristmill.transforms.read.json_values import MAX_META_BYTES, is_longer, json_text, json_value
from gristmill.transforms.read.language_codes import normalise_language
from gristmill.transforms.read.surrogates import replace_surrogates

if TYPE_CHECKING:
    from gristmill.transforms.read.source_section import SourceSection


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
    lang: str | None = Field(
        default=None,
        description="Column of the language, which is believed: a BCP 47 tag or ISO 639 code, such as en, en-US or eng."
        " The language of rows with other values is identified.",
    )

    def by_key(self) -> dict[str, str]:
        """Return the columns that are named, by the key that names each."""
        keys = ("text", "id", "url", "date", "lang")
        return {key: column for key in keys if (column := getattr(self, key)) is not None}

    def columns(self) -> list[str]:
        """Return the columns that are read, each once."""
        return sorted(set(self.by_key().values()))


def item_from_row(origin: Origin, row: Mapping[str, Any], source: SourceSection) -> Raw | Dropped | Failed:
    """Return the text of a row, with the id, URL, date, language and kept columns that the row holds.

    A string that is not UTF-8 is given as bytes. Fails with bad_utf8 if the text is one, with missing_text if it is no
    string at all; drops empty texts. Any other value that is not of its type costs no document: it becomes null.
    A kept column that is certainly too long is not turned into JSON: the row is dropped with the reason too_long.
    """
    fields = source.fields
    text = _value(row, fields.text)
    too_long = next((name for name in source.keep_columns if is_longer(_value(row, name), MAX_META_BYTES)), None)
    origin = origin._replace(
        record_id=_string(_value(row, fields.id)),
        url=_string(_value(row, fields.url)),
        date=_date(_value(row, fields.date)),
        lang=_language(_value(row, fields.lang)),
        meta=_meta(row, source.keep_columns) if source.keep_columns and too_long is None else None,
    )
    if isinstance(text, bytes):
        return Failed(origin, "bad_utf8", f"{fields.text!r} is not UTF-8: {_utf8_error(text)}")
    if not isinstance(text, str):
        return Failed(origin, "missing_text", f"{fields.text!r} is {'null' if text is None else type(text).__name__}")
    if not text.strip():
        return Dropped(origin, "empty", () if too_long is None else ("too_long",))
    if too_long is not None:
        return Dropped(origin, "too_long", detail=f"keep_columns: {too_long!r} is longer than {MAX_META_BYTES} bytes")
    return Raw(origin, source.text_media_type, replace_surrogates(text))


def drop_too_large(item: Raw | Dropped | Failed, max_bytes: int) -> Raw | Dropped | Failed:
    """Return ``item``, or a ``Dropped`` if its payload is longer than ``max_bytes`` in UTF-8."""
    if isinstance(item, Raw) and len(item.payload) * 4 > max_bytes:
        size = len(item.payload.encode()) if isinstance(item.payload, str) else len(item.payload)
        if size > max_bytes:
            return Dropped(item.origin, "too_large", detail=str(size))
    return item


def has_column(row: Mapping[str, Any], column: str) -> bool:
    """Return whether a row has a column, by the rules of ``item_from_row``; its value may be null."""
    if column in row:
        return True
    parents = ((row.get(column[: dot.start()]), column[dot.end() :]) for dot in re.finditer(r"\.", column))
    return any(isinstance(parent, Mapping) and has_column(parent, name) for parent, name in parents)


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
    if isinstance(value, date):
        return format_date(value)
    return normalise_date(value) if isinstance(value, str) else None


def _language(value: Any) -> str | None:
    return normalise_language(value) if isinstance(value, str) else None


def _meta(row: Mapping[str, Any], columns: tuple[str, ...]) -> str | None:
    kept = {column: json_value(_value(row, column)) for column in columns}
    values = {column: value for column, value in kept.items() if value is not None}
    return json_text(values) if values else None
