"""``gristmill inspect``: documents, and every decision that was made about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.pipelines.stages import STAGES
from gristmill.pipelines.trace.find_documents import find_records, parse_id
from gristmill.pipelines.trace.stage_files import open_stages
from gristmill.pipelines.work_directory import current
from gristmill.store import storage
from gristmill.store.receipts import Receipt
from gristmill.store.stage_directory import StageDirectory

_SIDECARS = {stage.name: stage.sidecar for stage in STAGES if stage.sidecar}


class Selection(NamedTuple):
    """Which documents to show; None matches any."""

    source: str | None
    url: str | None
    reason: str | None
    id: str | None = None

    def matches(self, row: Mapping[str, Any]) -> bool:
        return (
            self.source in (None, row["source"])
            and (self.id is None or self.id.lower() == row["id"])
            and (self.url is None or self.url in (row["url"] or ""))
            and self.reason in (None, row["reason"], str(row["reason"]).partition(":")[0])
        )


def inspect_documents(work: str, selection: Selection, count: int) -> Iterator[dict[str, Any]]:
    """Yield at most ``count`` matching records: provenance, outcome, reason, every stage's decision, and the text."""
    yield from islice((row for row in _records(work, selection.id) if selection.matches(row)), count)


def _records(work: str, id: str | None) -> Iterator[dict[str, Any]]:
    """Every record, or those of the units that contain the id."""
    directories = current(work)
    units = (
        None
        if id is None
        else {found.unit for found in find_records(open_stages(work, ["extract"])["extract"], [parse_id(id)])}
    )
    manifests = {stage: directory.read_manifest() for stage, directory in directories.items()}
    receipts = {stage: manifests[stage].by_document() for stage in _SIDECARS if stage in manifests}
    for receipt in manifests["extract"].receipts:
        if units is not None and receipt.unit not in units:
            continue
        sidecars = {
            stage: _table(directories[stage], by_document[receipt.unit], _SIDECARS[stage])
            for stage, by_document in receipts.items()
            if receipt.unit in by_document
        }
        yield from _documents(directories["extract"], receipt, sidecars)
        yield from _rejects(directories["extract"], receipt)


def _table(directory: StageDirectory, receipt: Receipt, kind: str) -> pa.Table:
    with storage.open_input(directory.file_url(receipt.file(kind))) as file:
        return pq.read_table(file)


def _documents(extract: StageDirectory, receipt: Receipt, sidecars: Mapping[str, pa.Table]) -> Iterator[dict[str, Any]]:
    row = 0
    with storage.open_input(extract.file_url(receipt.file("documents"))) as opened:
        file = pq.ParquetFile(opened)
        for group in range(file.num_row_groups):
            for document in file.read_row_group(group).to_pylist():
                decisions = {stage: table.slice(row, 1).to_pylist()[0] for stage, table in sidecars.items()}
                yield _with_decisions(document, decisions)
                row += 1


def _with_decisions(document: dict[str, Any], decisions: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """A document with its outcome; the reason is that of the first stage that removed it."""
    verdict, removal, edit = (decisions.get(stage, {}) for stage in ("judge", "dedup", "refine"))
    reason = verdict.get("reason") or removal.get("duplicate") or edit.get("reason")
    history = {
        "id": document["id"].hex(),
        "source": document["source"],
        "url": document["url"],
        "date": document["date"],
        "lang": document["lang"],
        "lang_score": _rounded(document["lang_score"]),
        "record": document["warc"],
        "fate": "dropped" if reason else "kept",
        "reason": reason,
        "value": _rounded(verdict.get("value")),
        "threshold": _rounded(verdict.get("threshold")),
        "also": [
            {"rule": rule["rule"], "value": _rounded(rule["value"]), "threshold": _rounded(rule["threshold"])}
            for rule in verdict.get("also", [])
        ],
        "signals": {name: _rounded(value) for name, value in decisions.get("signals", {}).items() if name != "cuts"},
    }
    if "scores" in decisions:
        scores = decisions["scores"].items()
        history |= {"scores": {name.removeprefix("score:"): _rounded(value) for name, value in scores}}
    if edit.get("hits"):
        history |= {"test_items": [_describe_hit(hit) for hit in edit["hits"]]}
    if removal.get("removed"):
        history |= {"match": removal["match"].hex(), "jaccard": _rounded(removal["jaccard"])}
    elif removal:
        history |= {"cluster": removal["cluster"]}
    if edit.get("detail"):
        history |= {"test_item": edit["detail"]}
    if edit.get("edits"):
        history |= {"edits": [f"{e['entity']} {e['start']}–{e['end']}" for e in edit["edits"]]}
    return history | {"text": document["text"]}


def _rejects(extract: StageDirectory, receipt: Receipt) -> Iterator[dict[str, Any]]:
    for row in _table(extract, receipt, "rejects").to_pylist():
        record = {name: row.pop(name) for name in ("file", "offset", "length", "record_id")}
        yield {**row, "id": row["id"].hex(), "record": record}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _describe_hit(hit: Mapping[str, Any]) -> str:
    """A test item that a document contains, the share of it, and its places in the extracted text."""
    places = ", ".join(f"{place['start']}–{place['end']}" for place in hit["places"])
    return f"{hit['benchmark']}:{hit['item']} {hit['share']:.0%} {places}"
