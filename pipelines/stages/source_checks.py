"""Checks of a recipe's sources and languages that tell a wrong recipe from input with a few broken records.

A source of the wrong ``format``, or with the wrong ``fields``, fails record by record, which balances; a misspelt
column of JSONL is null in every document. So the launcher reads the first records of each source before the first job,
and compares the failures of each source with its ``max_failed`` once all of it has been read.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from itertools import islice
from typing import Any

from gristmill.classifiers.language import UNDETERMINED, LanguageIdentifier
from gristmill.corpus.record import Failed
from gristmill.errors import InputError
from gristmill.pipelines.recipe import Recipe
from gristmill.store.counts import RecordCounts, total_counts
from gristmill.store.receipts import Manifest
from gristmill.transforms.core.tasks import Task
from gristmill.transforms.read.format_table import FORMATS
from gristmill.transforms.read.json_lines import JSONL, read_rows
from gristmill.transforms.read.language_codes import LANGUAGE_CODES
from gristmill.transforms.read.member_codecs import detect_codec, read_members
from gristmill.transforms.read.row_items import has_column
from gristmill.transforms.read.source_section import SourceSection
from gristmill.transforms.read.source_unit import PlannedFile
from gristmill.transforms.read.stored_file import StoredFile, open_planned
from gristmill.transforms.read.unit_reader import SourceWork

FEW_RECORDS = 10
"""Fewer records than these do not tell a wrong format from a broken file."""

FIRST_RECORDS = 1000
"""Records that the launcher reads of each source; a source with fewer is small."""

_HEAD_BYTES = 2**16
_MAX_KEYS = 20


def check_first_records(pending: Iterable[Task]) -> list[str]:
    """Read the first records of each source's pending units, and return a sentence for each column that none has.

    Raises InputError if most of the first 1,000 records of a source's first unit fail: they cannot be what the recipe
    says. A few broken records may be those of a broken file, unless the file looks like one of another format.
    """
    by_source: dict[str, list[SourceWork]] = defaultdict(list)
    for task in sorted(pending, key=lambda task: (task.input["path"], task.input["range"])):
        by_source[task.input["source"]].append(task.work)
    notices = []
    for works in by_source.values():
        _require_few_broken(works[0])
        if works[0].unit.format == JSONL.name:  # a table has its columns in every row
            notices += _missing_columns(works)
    return notices


def _require_few_broken(work: SourceWork) -> None:
    unit, source, limits = work
    with closing(FORMATS[unit.format].read(unit, source, limits.max_bytes)) as items:
        first = list(islice(items, FIRST_RECORDS))
    causes = Counter(item.cause for item in first if isinstance(item, Failed))
    if causes.total() <= max(source.max_failed, 0.5) * len(first):
        return
    head = _head(source, unit.files[0])
    if len(first) >= FEW_RECORDS or _other_format(source, head):
        share = f"{causes.total():,} of the first {len(first):,} records of {unit.files[0].path}"
        raise InputError(_sentence(source, share, causes, head))


def _missing_columns(works: list[SourceWork]) -> list[str]:
    """Name each column that none of the first 1,000 rows has; more files are read while one is missing."""
    source = works[0].source
    missing = _named_columns(source)
    names: dict[str, None] = {}
    count = 0
    for row in islice(_rows(works), FIRST_RECORDS if missing else 0):
        if row is None:
            continue
        missing = {column: key for column, key in missing.items() if not has_column(row, column)}
        if not missing:
            break
        names |= dict.fromkeys(_column_names(row))
        count += 1
    return [
        f"source {source.name!r}: none of the first {count:,} rows has the column {column!r} that `{key}` names "
        f"(there are {', '.join(islice(names, _MAX_KEYS))})"
        for column, key in missing.items()
        if count
    ]


def _named_columns(source: SourceSection) -> dict[str, str]:
    """Return the columns that the recipe names, by the key that names each, except the text: rows without it fail."""
    fields = {column: f"fields.{key}" for key, column in source.fields.by_key().items() if key != "text"}
    return dict.fromkeys(source.keep_columns, "keep_columns") | fields


def _rows(works: list[SourceWork]) -> Iterator[dict[str, Any] | None]:
    for unit, source, limits in works[:FIRST_RECORDS]:
        with closing(read_rows(unit, source, limits.max_bytes)) as rows:
            yield from rows


def _column_names(row: Mapping[str, Any], parent: str = "") -> Iterator[str]:
    for name, value in row.items():
        if isinstance(value, Mapping) and value and not parent:
            yield from _column_names(value, f"{name}.")
        else:
            yield f"{parent}{name}"


def require_few_failures(manifest: Manifest, recipe: Recipe) -> None:
    """Raise InputError if more records of a source failed than its ``max_failed`` allows."""
    for source in recipe.sources:
        receipts = [receipt for receipt in manifest.receipts if receipt.input["source"] == source.name]
        counts = total_counts(receipt.counts for receipt in receipts)
        if has_too_many_failures(counts, source.max_failed):
            failed = Counter(counts.failed)
            raise InputError(_sentence(source, f"{failed.total():,} of {counts.records:,} records", failed))


def has_too_many_failures(counts: RecordCounts, max_failed: float) -> bool:
    """Return whether more than a share ``max_failed`` of the records failed.

    In a source of fewer than 1,000 records, one failure may be a large share: there, half of the records may fail, as
    long as they are no more than ``max_failed`` allows among 1,000.
    """
    allowed_if_small = min(max_failed * FIRST_RECORDS, counts.records / 2)
    return sum(counts.failed.values()) > max(max_failed * counts.records, allowed_if_small)


def require_known_languages(recipe: Recipe) -> None:
    """Raise InputError if the recipe names a language that the language model does not know."""
    known = {UNDETERMINED[0], *LanguageIdentifier.load(recipe.extract.language.model).languages}
    if any(source.fields.lang is not None for source in recipe.sources):
        known |= set(LANGUAGE_CODES.values())  # a source may declare what the model does not know
    named = {
        "extract.languages": recipe.extract.languages or (),
        "judge.languages": recipe.judge.languages or (),
        "judge.overlays": [overlay.lang for overlay in recipe.judge.overlays if overlay.lang is not None],
        **{f"languages of the score {scorer.name!r}": scorer.languages or () for scorer in recipe.scores},
    }
    for key, languages in named.items():
        if unknown := [language for language in languages if language not in known]:
            raise InputError(
                f"{key}: the language model knows no language {unknown[0]!r}; use its codes, such as en, de or zh"
            )


def _sentence(source: SourceSection, share: str, causes: Counter[str], head: bytes = b"") -> str:
    ((cause, _),) = causes.most_common(1)
    return (
        f"source {source.name!r}: {share} failed, most of them with {cause}; {_cure(source, cause, head)}, "
        f"or allow it with `max_failed` (now {source.max_failed:g})"
    )


def _cure(source: SourceSection, cause: str, head: bytes) -> str:
    """Return what is most likely to be corrected, given the first bytes of a file, decompressed."""
    if found := _other_format(source, head):
        return f"the file looks like {found}: correct `format` ({source.format}) or `paths`"
    if cause == "missing_text":
        keys = _keys_of(head)
        return f"set `fields.text` to the column of the text{f' (there are {keys})' if keys else ''}"
    return "correct `format`, `root` or `paths`"


def _head(source: SourceSection, file: PlannedFile) -> bytes:
    """Return the first 64 KiB of a file, decompressed if a known codec begins there."""
    with open_planned(source.root, file) as opened:
        stored = StoredFile(opened, file.size)
        codec = detect_codec(stored, "", lambda head: False)
        if codec is None:
            return stored.read_at(0, _HEAD_BYTES)
        head = b""
        for chunk in read_members(codec, stored, 0, lambda offset: False):
            head += chunk
            if len(head) >= _HEAD_BYTES:
                break
        return head


def _other_format(source: SourceSection, head: bytes) -> str | None:
    """Return the format that a file seems to have; None if that is not clear, or the source has it."""
    found = _format_of(head)
    return None if {found, source.format} <= {"warc", "wet"} or found == source.format else found


def _format_of(head: bytes) -> str | None:
    """Return the source format whose files begin like ``head``; None if that is not clear."""
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith((b"WARC/", b"filedesc://")):
        return "warc"
    return "jsonl" if _keys_of(head) else None


def _keys_of(head: bytes) -> str:
    """Return the keys of the object on the first line; none if it is not a JSON object."""
    try:
        row = json.loads(head.partition(b"\n")[0].decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return ""
    return ", ".join(islice(row, _MAX_KEYS)) if isinstance(row, dict) else ""
