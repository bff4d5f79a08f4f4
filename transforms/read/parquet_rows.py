"""Records that are rows with named columns, and Parquet files of them."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from datetime import date, datetime, timezone
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.corpus.document import Origin
from gristmill.corpus.record import Dropped, Failed, Raw
from gristmill.errors import InputError
from gristmill.transforms.read.archive_reader import Span
from gristmill.transforms.read.dates import normalise_date
from gristmill.transforms.read.source_section import Fields
from gristmill.transforms.read.source_unit import UnitFile

_BATCH = 256  # rows held at once
_DAMAGE = (pa.ArrowException, OSError, ValueError)
_SURROGATES = re.compile("[\ud800-\udfff]")


def row_of(origin: Origin, row: Mapping[str, Any], fields: Fields) -> Raw | Dropped | Failed:
    """The text of a row with the names that it gives itself. Fails with missing_text, drops what is empty."""
    text = row.get(fields.text)
    origin = origin._replace(
        record_id=_string(_column(row, fields.id)),
        url=_string(_column(row, fields.url)),
        date=_date(_column(row, fields.date)),
    )
    if not isinstance(text, str):
        return Failed(origin, "missing_text", f"{fields.text!r} is {'null' if text is None else type(text).__name__}")
    if not text.strip():
        return Dropped(origin, "empty")
    return Raw(origin, "text/plain", encodable(text))


def read_parquet(
    opened: IO[bytes], file: UnitFile, source: str, fields: Fields, max_bytes: int
) -> Generator[Raw | Dropped | Failed, None, Span]:
    """Rows in order. Covers rows; the bytes of a file that is no Parquet at all.

    Raises InputError where a column is missing. Failures: unreadable (the file), corrupt (the rest of a row group),
    missing_text.
    """
    watched = _Watched(opened)
    try:
        parquet = pq.ParquetFile(pa.PythonFile(watched, mode="r"))
        names = parquet.schema_arrow.names
    except _DAMAGE as error:
        watched.reraise()
        yield Failed(Origin(source, file.path, 0, file.size), "unreadable", _one_line(error))
        return Span(file.size, file.size)
    for column in fields.columns():
        if column not in names:
            raise InputError(f"{file.path} has no column {column!r}; set `fields` to some of {', '.join(names)}")
    row = 0
    for group in range(parquet.num_row_groups):
        end = row + parquet.metadata.row_group(group).num_rows
        fault = "fewer rows than the file announces"
        try:
            for batch in parquet.iter_batches(_BATCH, [group], fields.columns(), use_threads=False):
                for values in batch.to_pylist():
                    yield _sized(row_of(Origin(source, file.path, row, 1), values, fields), max_bytes)
                    row += 1
        except _DAMAGE as error:
            watched.reraise()
            fault = _one_line(error)
        if row < end:
            yield Failed(Origin(source, file.path, row, end - row), "corrupt", fault)
            row = end
    return Span(row, parquet.metadata.num_rows)


def encodable(text: str) -> str:
    """``text`` with lone surrogates replaced, so that it can be written as UTF-8."""
    return text if text.isascii() else _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text)


def _sized(item: Raw | Dropped | Failed, max_bytes: int) -> Raw | Dropped | Failed:
    if isinstance(item, Raw) and len(item.payload) * 4 > max_bytes:
        size = len(item.payload.encode()) if isinstance(item.payload, str) else len(item.payload)
        if size > max_bytes:
            return Dropped(item.origin, "too_large", detail=str(size))
    return item


def _column(row: Mapping[str, Any], name: str | None) -> Any:
    return None if name is None else row.get(name)


def _string(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return encodable(str(value)) or None


def _date(value: Any) -> str | None:
    if isinstance(value, datetime):
        value = value if value.tzinfo is None else value.astimezone(timezone.utc).replace(tzinfo=None)
    return normalise_date(value.isoformat() if isinstance(value, date) else value if isinstance(value, str) else "")


def _one_line(error: Exception) -> str:
    return encodable(" ".join(str(error).split()))[:500]


class _Watched:
    """A file that remembers what its storage raised: Arrow reports damaged data and failing storage alike."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._failure: Exception | None = None
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        try:
            return self._file.read(size)
        except Exception as error:
            self._failure = error
            raise

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def reraise(self) -> None:
        if self._failure is not None:
            raise self._failure

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True
