"""Documents: their schema, their origin and their ids.

A document's id is 16 bytes that depend only on the name of the source and on the record's own name, never on a mount, a
bucket, a worker or the order of arrival. So a page has the same id on every machine and in every run.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

import pyarrow as pa

ID_BYTES = 16

ORIGIN_TYPE = pa.struct(
    [("file", pa.string()), ("offset", pa.int64()), ("length", pa.int64()), ("record_id", pa.string())]
)

DOCUMENT_SCHEMA = pa.schema(
    [
        pa.field("id", pa.binary(ID_BYTES), nullable=False),
        pa.field("source", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("text", pa.large_string(), nullable=False),
        pa.field("text_bytes", pa.int64(), nullable=False),
        pa.field("url", pa.string()),
        pa.field("date", pa.string()),
        pa.field("lang", pa.dictionary(pa.int32(), pa.string())),
        pa.field("lang_score", pa.float32()),
        pa.field("warc", ORIGIN_TYPE),
        pa.field("meta", pa.string()),
    ]
)
"""One document per row.

``text_bytes`` is the size of ``text`` in UTF-8, so that bytes can be counted without reading texts. ``date`` is RFC
3339 in UTC and sorts by time as text; ``warc`` locates the source record. ``meta`` holds the columns that the recipe
keeps (``keep_columns``), as a JSON object with sorted keys; it is null if there are none.
"""


class Origin(NamedTuple):
    """The location of a record in its source, sufficient to fetch it again.

    ``file`` is relative to the source's root. ``offset`` and ``length`` are bytes of the file as stored for archives
    (one gzip member of a WARC.gz), bytes of the decompressed text for JSON lines, and the row (length 1) for Parquet.
    ``lang`` is the language that the source declares, ``meta`` the kept columns as JSON.
    """

    source: str
    file: str
    offset: int
    length: int
    record_id: str | None = None
    url: str | None = None
    date: str | None = None
    lang: str | None = None
    meta: str | None = None

    @property
    def id(self) -> bytes:
        """The document's 16-byte id, from the record's own id if it has one, else from its file and offset."""
        return document_id(self.source, self.record_id or f"{self.file}#{self.offset}")


class Document(NamedTuple):
    """A text with its origin and language: one row of ``DOCUMENT_SCHEMA``."""

    origin: Origin
    text: str
    lang: str | None = None
    lang_score: float | None = None

    @property
    def id(self) -> bytes:
        return self.origin.id


def document_id(source: str, name: str) -> bytes:
    """The 16-byte id of the record ``name`` of ``source``."""
    return blake2b(f"{source}\0{name}".encode("utf-8", "surrogatepass"), digest_size=ID_BYTES).digest()
