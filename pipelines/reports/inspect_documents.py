"""``gristmill inspect``: documents, and every decision that was taken about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.pipelines.work_directory import current
from gristmill.store import storage
from gristmill.store.stage_directory import Manifest, Receipt, StageDirectory


class Selection(NamedTuple):
    """Which documents to look at; None for any."""

    source: str | None
    url: str | None
    reason: str | None

    def fits(self, row: Mapping[str, Any]) -> bool:
        return (
            self.source in (None, row["source"])
            and (self.url is None or self.url in (row["url"] or ""))
            and self.reason in (None, row["reason"], str(row["reason"]).partition(":")[0])
        )


def inspect_documents(work: str, selection: Selection, count: int) -> Iterator[dict[str, Any]]:
    """At most ``count`` records that fit: provenance, fate, reason, what each stage says, and the text if any."""
    yield from islice((row for row in _records(work) if selection.fits(row)), count)


def _records(work: str) -> Iterator[dict[str, Any]]:
    directories = current(work)
    manifests = {stage: directory.read_manifest() for stage, directory in directories.items()}
    sidecars = {stage: _by_document(manifests.get(stage)) for stage in _SIDECARS}
    for receipt in manifests["extract"].receipts:
        files = {
            stage: _table(directories[stage], found[receipt.unit], kind)
            for stage, kind in _SIDECARS.items()
            if receipt.unit in (found := sidecars[stage])
        }
        yield from _documents(directories["extract"], receipt, files)
        yield from _rejects(directories["extract"], receipt)


_SIDECARS = {"signals": "signals", "scores": "scores", "judge": "verdicts", "dedup": "removals", "refine": "edits"}


def _by_document(manifest: Manifest | None) -> dict[str, Receipt]:
    return {str(r.input["documents"]): r for r in manifest.receipts} if manifest else {}


def _table(directory: StageDirectory, receipt: Receipt, kind: str) -> pa.Table:
    with storage.open_input(directory.file_url(receipt.file(kind))) as file:
        return pq.read_table(file)


def _documents(extract: StageDirectory, receipt: Receipt, sidecars: Mapping[str, pa.Table]) -> Iterator[dict[str, Any]]:
    row = 0
    with storage.open_input(extract.file_url(receipt.file("documents"))) as opened:
        file = pq.ParquetFile(opened)
        for group in range(file.num_row_groups):
            for document in file.read_row_group(group).to_pylist():
                yield _told(document, {stage: table.slice(row, 1).to_pylist()[0] for stage, table in sidecars.items()})
                row += 1


def _told(document: dict[str, Any], said: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """A document with its fate: the first stage that let it go says why."""
    verdict, removal, edit = (said.get(stage, {}) for stage in ("judge", "dedup", "refine"))
    reason = verdict.get("reason") or removal.get("duplicate") or edit.get("reason")
    told = {
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
            {"rule": one["rule"], "value": _rounded(one["value"]), "threshold": _rounded(one["threshold"])}
            for one in verdict.get("also", [])
        ],
        "signals": {name: _rounded(value) for name, value in said.get("signals", {}).items() if name != "cuts"},
    }
    if "scores" in said:
        told |= {"scores": {name.removeprefix("score:"): _rounded(value) for name, value in said["scores"].items()}}
    if edit.get("hits"):
        told |= {"test_items": [_hit(hit) for hit in edit["hits"]]}
    if removal.get("removed"):
        told |= {"match": removal["match"].hex(), "jaccard": _rounded(removal["jaccard"])}
    elif removal:
        told |= {"cluster": removal["cluster"]}
    if edit.get("detail"):
        told |= {"test_item": edit["detail"]}
    if edit.get("edits"):
        told |= {"edits": [f"{e['entity']} {e['start']}–{e['end']}" for e in edit["edits"]]}
    return told | {"text": document["text"]}


def _rejects(extract: StageDirectory, receipt: Receipt) -> Iterator[dict[str, Any]]:
    for row in _table(extract, receipt, "rejects").to_pylist():
        record = {name: row.pop(name) for name in ("file", "offset", "length", "record_id")}
        yield {**row, "id": row["id"].hex(), "record": record}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _hit(hit: Mapping[str, Any]) -> str:
    """A test item that a document holds, with how much of it, and where in the extracted text."""
    places = ", ".join(f"{place['start']}–{place['end']}" for place in hit["places"])
    return f"{hit['benchmark']}:{hit['item']} {hit['share']:.0%} {places}"
