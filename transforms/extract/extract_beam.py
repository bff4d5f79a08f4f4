"""Beam's view of extraction: records to documents, and the document files of a unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any

import pyarrow as pa

from gristmill.corpus.document import DOCUMENT_SCHEMA, ID_BYTES, Document, Origin
from gristmill.corpus.record import Dropped, Failed, Raw, Record, UnitSummary
from gristmill.extraction.extract_record import Tools, extract_records
from gristmill.extraction.extract_section import ExtractSection
from gristmill.store.counts import RecordCounts
from gristmill.store.stage_directory import ROW_GROUP_BYTES, Attempt, StageDirectory
from gristmill.transforms.core.units import MapBatches, WriteUnits

REJECTS_SCHEMA = pa.schema(
    [
        pa.field("id", pa.binary(ID_BYTES), nullable=False),
        pa.field("fate", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("also", pa.list_(pa.string()), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("url", pa.string()),
        pa.field("date", pa.string()),
        pa.field("file", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("length", pa.int64(), nullable=False),
        pa.field("record_id", pa.string()),
    ]
)
"""One row for each record that left before it had text: ``fate`` is ``dropped`` or ``failed``."""

_ROWS = 20_000
_BATCH = 32
_BATCH_BYTES = 4 * 2**20


class ExtractText(MapBatches):
    """Raw records to documents with text and language, or to what became of them instead."""

    def __init__(self, section: ExtractSection) -> None:
        super().__init__(partial(_Extraction, section), _BATCH, _weight, _BATCH_BYTES)


class WriteDocuments(WriteUnits):
    """Documents, and rejects beside them, as the files of each unit."""

    def __init__(self, stage: StageDirectory) -> None:
        super().__init__(stage, DocumentFold)


class DocumentFold:
    """Collects a unit's records into row groups of about 16 MiB of text."""

    def __init__(self, attempt: Attempt) -> None:
        self.documents = attempt.table("documents", DOCUMENT_SCHEMA)
        self.rejects = attempt.table("rejects", REJECTS_SCHEMA)
        self.pending: list[Document] = []
        self.pending_bytes = 0
        self.rejected: list[Dropped | Failed] = []
        self.counts: dict[str, Counter[str]] = {"dropped": Counter(), "failed": Counter()}
        self.text_bytes = 0

    def add(self, item: Record) -> int:
        if isinstance(item, Document):
            self.pending.append(item)
            self.pending_bytes += len(item.text)
            if self.pending_bytes >= ROW_GROUP_BYTES or len(self.pending) >= _ROWS:
                self._flush_documents()
        elif isinstance(item, Dropped | Failed):
            self.counts[_fate(item)][_reason(item)] += 1
            self.rejected.append(item)
            if len(self.rejected) >= _ROWS:
                self._flush_rejects()
        else:
            raise TypeError(f"{type(item).__name__} reached the writer: a step is missing")
        return 1

    def finish(self, end: UnitSummary) -> tuple[RecordCounts, Mapping[str, Any]]:
        self._flush_documents()
        self._flush_rejects()
        counts = RecordCounts(
            end.records, self.documents.rows, self.counts["dropped"], self.counts["failed"], end.covered, end.expected
        )
        return counts, {"text_bytes": self.text_bytes}

    def _flush_documents(self) -> None:
        if self.pending:
            table = documents_table(self.pending)
            self.text_bytes += table.column("text").nbytes - 8 * (table.num_rows + 1)
            self.documents.write(table)
            self.pending, self.pending_bytes = [], 0

    def _flush_rejects(self) -> None:
        if self.rejected:
            self.rejects.write(rejects_table(self.rejected))
            self.rejected = []


def documents_table(documents: list[Document]) -> pa.Table:
    """Rows of ``DOCUMENT_SCHEMA``."""
    origins = [document.origin for document in documents]
    return pa.table(
        {
            "id": [document.id for document in documents],
            "source": [origin.source for origin in origins],
            "text": [document.text for document in documents],
            "url": [origin.url for origin in origins],
            "date": [origin.date for origin in origins],
            "lang": [document.lang for document in documents],
            "lang_score": [document.lang_score for document in documents],
            "warc": [_place(origin) for origin in origins],
        },
        schema=pa.schema([(f.name, _plain(f.type)) for f in DOCUMENT_SCHEMA]),
    )


def rejects_table(rejects: list[Dropped | Failed]) -> pa.Table:
    """Rows of ``REJECTS_SCHEMA``."""
    rows = [
        {
            "id": reject.origin.id,
            "fate": _fate(reject),
            "reason": _reason(reject),
            "also": list(reject.also) if isinstance(reject, Dropped) else [],
            "detail": reject.detail,
            **reject.origin._asdict(),
        }
        for reject in rejects
    ]
    return pa.Table.from_pylist(rows, schema=REJECTS_SCHEMA)


class _Extraction:
    """The step of ``EachBatch``; its extractor may hold a process, which ends with ``close``."""

    def __init__(self, section: ExtractSection) -> None:
        self.section = section
        self.tools = Tools.load(section)

    def __call__(self, records: list[Record]) -> list[Record]:
        return extract_records(records, self.section, self.tools)

    def close(self) -> None:
        self.tools.engine.close()


def _weight(record: Record) -> int:
    return len(record.payload) if isinstance(record, Raw) else 0


def _fate(reject: Dropped | Failed) -> str:
    return "dropped" if isinstance(reject, Dropped) else "failed"


def _reason(reject: Dropped | Failed) -> str:
    return reject.reason if isinstance(reject, Dropped) else reject.cause


def _place(origin: Origin) -> dict[str, Any]:
    return {"file": origin.file, "offset": origin.offset, "length": origin.length, "record_id": origin.record_id}


def _plain(type: pa.DataType) -> pa.DataType:
    return type.value_type if pa.types.is_dictionary(type) else type
