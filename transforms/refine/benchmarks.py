"""Test sets as they are published: JSON lines, JSON, CSV or Parquet, each item as one text."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.corpus import storage
from gristmill.corpus.errors import InputError
from gristmill.transforms.refine.section import BenchmarkSection

_GLOB = frozenset("*?[")


def read_items(benchmark: BenchmarkSection) -> Iterator[str]:
    """The text of each item, in the order of the files' names and the items in them.

    Raises InputError where a file is missing or cannot be read, or an item lacks one of the benchmark's fields.
    """
    for path in benchmark.paths:
        for url in expand(path):
            for number, item in enumerate(_read(url, header=benchmark.fields is not None)):
                yield "\n".join(_strings(_picked(item, benchmark.fields, f"{url}, item {number}")))


def expand(path: str) -> list[str]:
    """The files that a path or glob pattern names, sorted. Raises InputError where there are none."""
    filesystem, inner = storage.url_to_fs(path)
    found = filesystem.glob(inner) if _GLOB & set(inner) else [inner] * filesystem.exists(inner)
    if not found:
        raise InputError(f"no benchmark file at {path}: check `paths` under decontaminate.benchmarks")
    return [filesystem.unstrip_protocol(name) for name in sorted(found)]


def _read(url: str, header: bool) -> Iterator[Any]:
    """Items of one file: mappings, or lists of cells for a CSV without a header."""
    with fsspec.open(url, "rb", compression="infer") as file:
        name = url.removesuffix(".gz")
        try:
            if name.endswith(".parquet"):
                yield from pq.read_table(file).to_pylist()
            elif name.endswith(".csv"):
                lines = io.TextIOWrapper(file, "utf-8-sig", newline="")
                yield from csv.DictReader(lines) if header else csv.reader(lines)
            elif name.endswith((".jsonl", ".json")):
                yield from _json_items(file.read().decode("utf-8-sig"))
            else:
                raise InputError(f"{url}: not a benchmark's format; use .jsonl, .json, .csv or .parquet (.gz too)")
        except (ValueError, EOFError, OSError, csv.Error, pa.ArrowInvalid) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{url} cannot be read as its name says: {error}") from error


def _json_items(text: str) -> Iterator[Any]:
    """A JSON array's items, or one value from each line."""
    if text.lstrip().startswith("["):
        yield from json.loads(text)
    else:
        yield from (json.loads(line) for line in text.splitlines() if line.strip())


def _picked(item: Any, fields: list[str] | None, place: str) -> Any:
    if fields is None:
        return item
    return [_field(item, field, place) for field in fields]


def _field(item: Any, field: str, place: str) -> Any:
    value = item
    for key in field.split("."):
        if not isinstance(value, dict) or key not in value:
            raise InputError(f"{place} has no field {field!r}: name its fields, or leave `fields` out for all its text")
        value = value[key]
    return value


def _strings(value: Any) -> Iterator[str]:
    """Every string in a value, at any depth, in order; numbers are labels and scores, not text."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
