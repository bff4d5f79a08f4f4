"""Beam transforms for extraction: records to documents, and the document files of a unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gristmill.corpus.document import DOCUMENT_SCHEMA, ID_BYTES, Document, Origin
from gristmill.corpus.record import Dropped, Failed, Raw, Record, UnitSummary
from gristmill.extraction.extract_record import ExtractionTools, extract_records
from gristmill.extraction.extract_section import ExtractSection
from gristmill.store.attempts import ROW_GROUP_BYTES, Attempt
from gristmill.store.counts import RecordCounts
from gristmill.store.group_counts import GROUPS, Amount, GroupCounter
from gristmill.store.stage_directory import StageDirectory
from gristmill.transforms.core.core_beam import MapBatches, WriteUnits

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
"""One row per record that was dropped or failed before it had text; ``fate`` is ``dropped`` or ``failed``."""

_MAX_ROWS = 20_000
_BATCH_SIZE = 32
_BATCH_BYTES = 4 * 2**20


class ExtractText(MapBatches):
    """Turns raw records into documents with text and language, or into dropped or failed records."""

    def __init__(self, section: ExtractSection) -> None:
        super().__init__(partial(_Extract, section), _BATCH_SIZE, _payload_size, _BATCH_BYTES)


class WriteDocuments(WriteUnits):
    """Writes the documents and the rejects of each unit."""

    def __init__(self, stage: StageDirectory) -> None:
        super().__init__(stage, DocumentWriter)


class DocumentWriter:
    """Writes a unit's documents in row groups of about 16 MiB of text, and its rejects."""

    def __init__(self, attempt: Attempt) -> None:
        self.documents = attempt.table("documents", DOCUMENT_SCHEMA)
        self.rejects = attempt.table("rejects", REJECTS_SCHEMA)
        self.pending: list[Document] = []
        self.pending_bytes = 0
        self.rejected: list[Dropped | Failed] = []
        self.counts: dict[str, Counter[str]] = {"dropped": Counter(), "failed": Counter()}
        self.groups = GroupCounter()
        self.text_bytes = 0

    def add(self, item: Record) -> int:
        if isinstance(item, Document):
            self.pending.append(item)
            self.pending_bytes += len(item.text)
            if self.pending_bytes >= ROW_GROUP_BYTES or len(self.pending) >= _MAX_ROWS:
                self._flush_documents()
        elif isinstance(item, Dropped | Failed):
            self.counts[_outcome(item)][_reason(item)] += 1
            self.rejected.append(item)
            if len(self.rejected) >= _MAX_ROWS:
                self._flush_rejects()
        else:
            raise TypeError(f"cannot write {type(item).__name__}: extraction must run before WriteDocuments")
        return 1

    def finish(self, end: UnitSummary) -> tuple[RecordCounts, Mapping[str, Any]]:
        self._flush_documents()
        self._flush_rejects()
        for reasons in self.counts.values():
            for reason, records in reasons.items():
                self.groups.add(None, reason, Amount(records))
        counts = RecordCounts(
            end.records, self.documents.rows, self.counts["dropped"], self.counts["failed"], end.covered, end.expected
        )
        return counts, {"text_bytes": self.text_bytes, GROUPS: self.groups.rows()}

    def _flush_documents(self) -> None:
        if self.pending:
            table = documents_table(self.pending)
            self.text_bytes += pc.sum(table["text_bytes"]).as_py()
            self.groups.add_columns(table["lang"], pa.nulls(table.num_rows), table["text_bytes"])
            self.documents.write(table)
            self.pending, self.pending_bytes = [], 0

    def _flush_rejects(self) -> None:
        if self.rejected:
            self.rejects.write(rejects_table(self.rejected))
            self.rejected = []


def documents_table(documents: list[Document]) -> pa.Table:
    """A table with ``DOCUMENT_SCHEMA``."""
    origins = [document.origin for document in documents]
    texts = pa.array([document.text for document in documents], pa.large_string())
    return pa.table(
        {
            "id": [document.id for document in documents],
            "source": [origin.source for origin in origins],
            "text": texts,
            "text_bytes": pc.binary_length(texts),
            "url": [origin.url for origin in origins],
            "date": [origin.date for origin in origins],
            "lang": [document.lang for document in documents],
            "lang_score": [document.lang_score for document in documents],
            "warc": [_warc_location(origin) for origin in origins],
            "meta": [origin.meta for origin in origins],
        },
        schema=pa.schema([(f.name, _without_dictionary(f.type)) for f in DOCUMENT_SCHEMA]),
    )


def rejects_table(rejects: list[Dropped | Failed]) -> pa.Table:
    """A table with ``REJECTS_SCHEMA``."""
    rows = [
        {
            "id": reject.origin.id,
            "fate": _outcome(reject),
            "reason": _reason(reject),
            "also": list(reject.also) if isinstance(reject, Dropped) else [],
            "detail": reject.detail,
            **reject.origin._asdict(),
        }
        for reject in rejects
    ]
    return pa.Table.from_pylist(rows, schema=REJECTS_SCHEMA)


class _Extract:
    """The function of ``ExtractText``; ``close`` ends the extraction process, if there is one."""

    def __init__(self, section: ExtractSection) -> None:
        self.section = section
        self.tools = ExtractionTools.load(section)

    def __call__(self, records: list[Record]) -> list[Record]:
        return extract_records(records, self.section, self.tools)

    def close(self) -> None:
        self.tools.engine.close()


def _payload_size(record: Record) -> int:
    return len(record.payload) if isinstance(record, Raw) else 0


def _outcome(reject: Dropped | Failed) -> str:
    return "dropped" if isinstance(reject, Dropped) else "failed"


def _reason(reject: Dropped | Failed) -> str:
    return reject.reason if isinstance(reject, Dropped) else reject.cause


def _warc_location(origin: Origin) -> dict[str, Any]:
    return {"file": origin.file, "offset": origin.offset, "length": origin.length, "record_id": origin.record_id}


def _without_dictionary(type: pa.DataType) -> pa.DataType:
    return type.value_type if pa.types.is_dictionary(type) else type
