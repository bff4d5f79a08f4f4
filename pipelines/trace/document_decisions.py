"""What every stage decided about documents, as rows of the stages' own files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import yaml

from gristmill.corpus.arrays import Int64s
from gristmill.corpus.document import ID_BYTES
from gristmill.pipelines.trace.find_documents import Found, matching_rows
from gristmill.pipelines.trace.stage_files import Row, StageFiles, map_files
from gristmill.store import storage

SIDECARS = {"signals": "signals", "scores": "scores", "judge": "verdicts", "dedup": "removals", "refine": "edits"}
"""Each stage with a file that has one row for each extracted document, in order: ``Stage.sidecar`` of every stage.

They are listed again because importing all stages takes longer than a trace.
"""

STAGES = ("extract", *SIDECARS, "tokenizer", "tokenize", "groups", "mix", "train")
"""The stages that a trace reads."""

_RECORD = ("file", "offset", "length", "record_id")


def read_documents(stages: Mapping[str, StageFiles], found: Iterable[Found], sources: Mapping[str, Row]) -> list[Row]:
    """Return the records at the places ``found``, with their outcome and the decisions of every stage.

    ``decisions`` has an entry per stage, in order, until the one that dropped the record: the row of the stage's
    sidecar, or what the stage recorded elsewhere. ``sources`` are those of the recipe by name.
    """

    def read(one: Found) -> list[Row]:
        return list((_documents if one.kind == "documents" else _rejects)(stages, one.unit, one.rows, sources))

    return [document for documents in map_files(stages["extract"].directory.url, read, found) for document in documents]


def recipe_sources(work: str) -> dict[str, Row]:
    """The sources of the work directory's recipe by name; none if the recipe cannot be read."""
    try:
        recipe = yaml.safe_load(storage.read_bytes(storage.join(work, "recipe.yaml")))
        return {source["name"]: source for source in recipe["sources"]}
    except (OSError, yaml.YAMLError, TypeError, KeyError):
        return {}


def _documents(stages: Mapping[str, StageFiles], unit: str, rows: Int64s, sources: Mapping[str, Row]) -> Iterator[Row]:
    extract = stages["extract"]
    entry = extract.by_document[unit].file("documents")
    documents = extract.rows(entry, rows, without="text")
    sidecars = {
        stage: stages[stage].rows(stages[stage].by_document[unit].file(kind), rows)
        for stage, kind in SIDECARS.items()
        if stage in stages
    }
    tokens = _tokens(stages, unit, {document["id"] for document in documents})
    for place, (row, document) in enumerate(zip(rows.tolist(), documents, strict=True)):
        decisions: Row = {
            "extract": {
                "file": extract.name(entry),
                "row": row,
                "text_bytes": document["text_bytes"],
                "lang": document["lang"],
                "lang_score": plain(document["lang_score"]),
            }
        }
        stage = reason = None
        for stage, table in sidecars.items():
            decision = table[place]
            decisions[stage] = plain(decision)
            if reason := decision.get("reason") or decision.get("duplicate"):
                break
        else:
            decisions |= tokens.get(document["id"], {})
        yield {
            "id": document["id"].hex(),
            "source": document["source"],
            "url": document["url"],
            "date": document["date"],
            "meta": json.loads(document["meta"]) if document["meta"] else None,
            "record": _record(document["warc"], sources.get(document["source"])),
            "fate": "dropped" if reason else "kept",
            "stage": stage if reason else None,
            "reason": reason or None,
            "decisions": decisions,
        }


def _rejects(stages: Mapping[str, StageFiles], unit: str, rows: Int64s, sources: Mapping[str, Row]) -> Iterator[Row]:
    extract = stages["extract"]
    for row in extract.rows(extract.by_document[unit].file("rejects"), rows):
        yield {
            "id": row["id"].hex(),
            "source": row["source"],
            "url": row["url"],
            "date": row["date"],
            "meta": None,
            "record": _record(row, sources.get(row["source"])),
            "fate": row["fate"],
            "stage": "extract",
            "reason": row["reason"],
            "decisions": {"extract": {name: row[name] for name in ("fate", "reason", "also", "detail")}},
        }


def _tokens(stages: Mapping[str, StageFiles], unit: str, ids: Iterable[bytes]) -> dict[bytes, Row]:
    """The decisions of ``tokenizer``, ``tokenize`` and ``groups`` about the documents of a unit."""
    if "tokenize" not in stages:
        return {}
    tokenize, tokenizer = stages["tokenize"], stages["tokenizer"]
    (trained,) = tokenizer.manifest.receipts
    shared = {"file": tokenizer.name(trained.file("tokenizer")), "vocab_size": trained.summary["vocab_size"]}
    receipt = tokenize.by_document[unit]
    payload, index = receipt.file("tokens"), receipt.file("token_index")
    rows = matching_rows(tokenize, index, {"id": pa.array(sorted(ids), pa.binary(ID_BYTES))})
    groups: list[Row] = []
    if "groups" in stages:
        groups = stages["groups"].rows(stages["groups"].by_document[unit].file("groups"), rows)
    found: dict[bytes, Row] = {}
    for place, row in enumerate(tokenize.rows(index, rows)):
        range_ = {name: row[name] for name in ("bucket", "start", "end")}
        found[row["id"]] = {"tokenizer": shared, "tokenize": {"file": tokenize.name(payload), **range_}}
        if groups:
            found[row["id"]]["groups"] = groups[place]
    return found


def _record(origin: Mapping[str, Any], source: Mapping[str, Any] | None) -> Row:
    """Where a record is in its source; the root and the format are those of the recipe."""
    source = source or {}
    return {
        "root": source.get("root"),
        "format": source.get("format"),
        **{name: origin[name] for name in _RECORD},
    }


def plain(value: Any) -> Any:
    """``value`` as JSON: ids in hex, numbers with four decimals."""
    match value:
        case bytes():
            return value.hex()
        case float():
            return round(value, 4)
        case list():
            return [plain(item) for item in value]
        case dict():
            return {name: plain(item) for name, item in value.items()}
    return value
