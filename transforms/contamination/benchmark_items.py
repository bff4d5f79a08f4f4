"""Test sets as they are published: JSON lines, JSON, CSV or Parquet, each item as its question and the rest."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.errors import InputError
from gristmill.store import storage
from gristmill.transforms.contamination.benchmark_layouts import LAYOUTS, Layout
from gristmill.transforms.refine.refine_section import BenchmarkSection

_GLOB = frozenset("*?[")

_PROMPT = re.compile(r"\A\s*(?:question|problem|q)\s*:\s*", re.IGNORECASE)
"""What an evaluation puts before a question, and files made from it still have."""


class Item(NamedTuple):
    """A test item: its question, and its choices and answer, a text each. Without a layout all is the question."""

    question: str
    rest: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All of it in the order of the layout, as a copy of the item has it."""
        return "\n".join([self.question, *self.rest])


def read_items(benchmark: BenchmarkSection) -> Iterator[Item]:
    """Each item, in the order of the files' names and the items in them.

    Raises InputError where a file is missing or cannot be read, or an item lacks one of the benchmark's fields.
    """
    layouts = LAYOUTS[benchmark.layout] if benchmark.layout else ()
    for path in benchmark.paths:
        for url in expand(path):
            for number, item in enumerate(_read(url, layouts, header=benchmark.fields is not None)):
                place = f"{url}, item {number}"
                if layouts:
                    yield _laid_out(item, layouts, place)
                else:
                    yield Item("\n".join(_strings(_picked(item, benchmark.fields, place))))


def expand(path: str) -> list[str]:
    """The files that a path or glob pattern names, sorted. Raises InputError where there are none."""
    filesystem, inner = storage.url_to_fs(path)
    found = filesystem.glob(inner) if _GLOB & set(inner) else [inner] * filesystem.exists(inner)
    if not found:
        raise InputError(f"no benchmark file at {path}: check `paths` under decontaminate.benchmarks")
    return [filesystem.unstrip_protocol(name) for name in sorted(found)]


def _read(url: str, layouts: tuple[Layout, ...], header: bool) -> Iterator[Any]:
    """Items of one file: mappings, or lists of cells for a CSV without a header."""
    with fsspec.open(url, "rb", compression="infer") as file:
        name = url.removesuffix(".gz")
        try:
            if name.endswith(".parquet"):
                yield from pq.read_table(file).to_pylist()
            elif name.endswith(".csv"):
                yield from _csv_items(io.TextIOWrapper(file, "utf-8-sig", newline=""), layouts, header)
            elif name.endswith((".jsonl", ".json")):
                yield from _json_items(file.read().decode("utf-8-sig"))
            else:
                raise InputError(f"{url}: not a benchmark's format; use .jsonl, .json, .csv or .parquet (.gz too)")
        except (ValueError, EOFError, OSError, csv.Error, pa.ArrowInvalid) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{url} cannot be read as its name says: {error}") from error


def _csv_items(lines: io.TextIOWrapper, layouts: tuple[Layout, ...], header: bool) -> Iterator[Any]:
    """Rows by the file's header; where its first row is none and a layout has columns, by those."""
    rows = csv.reader(lines)
    if not layouts and not header:
        yield from rows
        return
    first = next(rows, [])
    named = header or any(set(layout.question) <= set(first) for layout in layouts)
    columns = first if named else next((list(layout.columns) for layout in layouts if layout.columns), first)
    if columns is not first:
        yield dict(zip(columns, first, strict=False))
    yield from (dict(zip(columns, row, strict=False)) for row in rows if row)


def _json_items(text: str) -> Iterator[Any]:
    """A JSON array's items, or one value from each line."""
    if text.lstrip().startswith("["):
        yield from json.loads(text)
    else:
        yield from (json.loads(line) for line in text.splitlines() if line.strip())


def _laid_out(item: Any, layouts: tuple[Layout, ...], place: str) -> Item:
    """An item by the layout of which it has most fields, the first of equals; it may lack choices and answers."""
    fitting = [layout for layout in layouts if any(_texts(item, layout.question))]
    if not fitting:
        wanted = " or ".join(sorted({layout.question[0] for layout in layouts}))
        raise InputError(f"{place} has no field {wanted}: take the layout of another test set, or name its `fields`")
    layout = max(fitting, key=lambda layout: sum(_found(item, field) is not _NOTHING for field in layout.fields))
    question = _PROMPT.sub("", "\n".join(_texts(item, layout.question)))
    return Item(question, tuple(_texts(item, (*layout.choices, *layout.answer))))


def _texts(item: Any, fields: Iterable[str]) -> list[str]:
    return [text for field in fields for text in _strings(_found(item, field))]


def _picked(item: Any, fields: list[str] | None, place: str) -> Any:
    if fields is None:
        return item
    values = [_found(item, field) for field in fields]
    for field, value in zip(fields, values, strict=True):
        if value is _NOTHING:
            raise InputError(f"{place} has no field {field!r}: name its fields, or leave `fields` out for all its text")
    return values


_NOTHING = object()


def _found(value: Any, field: str) -> Any:
    """What a dotted field holds, a list of it through lists; ``_NOTHING`` where it is not there."""
    key, _, rest = field.partition(".")
    if isinstance(value, list):
        inner = [_found(one, field) for one in value]
        return [one for one in inner if one is not _NOTHING] or _NOTHING
    if not isinstance(value, dict) or key not in value:
        return _NOTHING
    return _found(value[key], rest) if rest else value[key]


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
