"""Reads the items of test sets from JSON lines, JSON, CSV and Parquet files."""

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
from gristmill.transforms.contamination.decontaminate_section import BenchmarkSection

_GLOB = frozenset("*?[")

_PROMPT = re.compile(r"\A\s*(?:question|problem|q)\s*:\s*", re.IGNORECASE)
"""The prefix that an evaluation harness puts before a question; files exported from it retain the prefix."""


class BenchmarkItem(NamedTuple):
    """A test item: its question, and its choices and answer as ``rest``. Without a layout all text is the question."""

    question: str
    rest: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Question, choices and answer, one per line, as in a copy of the item."""
        return "\n".join([self.question, *self.rest])


def read_items(benchmark: BenchmarkSection) -> Iterator[BenchmarkItem]:
    """Yield the items by file name and position.

    Raises InputError if a file is missing or cannot be read, or if an item lacks one of the benchmark's fields.
    """
    layouts = LAYOUTS[benchmark.layout] if benchmark.layout else ()
    for path in benchmark.paths:
        for url in expand_path(path):
            for number, item in enumerate(_read(url, layouts, header=benchmark.fields is not None)):
                place = f"{url}, item {number}"
                if layouts:
                    yield _by_layout(item, layouts, place)
                else:
                    yield BenchmarkItem("\n".join(_strings(_select(item, benchmark.fields, place))))


def expand_path(path: str) -> list[str]:
    """Return the files that match a path or glob pattern, sorted. Raises InputError if there are none."""
    filesystem, inner = storage.url_to_fs(path)
    names = filesystem.glob(inner) if _GLOB & set(inner) else [inner] * filesystem.exists(inner)
    if not names:
        raise InputError(f"no file matches {path}: check `paths` and `excused` under refine.decontaminate")
    return [filesystem.unstrip_protocol(name) for name in sorted(names)]


def _read(url: str, layouts: tuple[Layout, ...], header: bool) -> Iterator[Any]:
    """Yield the items of one file: mappings, or lists of cells for a CSV file without a header."""
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
                raise InputError(f"{url}: unsupported file type; use .jsonl, .json, .csv or .parquet, also with .gz")
        except (ValueError, EOFError, OSError, csv.Error, pa.ArrowInvalid) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{url} cannot be read as the format of its name: {error}") from error


def _csv_items(lines: io.TextIOWrapper, layouts: tuple[Layout, ...], header: bool) -> Iterator[Any]:
    """Yield rows as mappings by the file's header, or by the columns of a layout if the first row is not a header."""
    rows = csv.reader(lines)
    if not layouts and not header:
        yield from rows
        return
    first = next(rows, [])
    has_header = header or any(set(layout.question) <= set(first) for layout in layouts)
    columns = first if has_header else next((list(layout.columns) for layout in layouts if layout.columns), first)
    if columns is not first:
        yield dict(zip(columns, first, strict=False))
    yield from (dict(zip(columns, row, strict=False)) for row in rows if row)


def _json_items(text: str) -> Iterator[Any]:
    """Yield the items of a JSON array, or the value of each line."""
    if text.lstrip().startswith("["):
        yield from json.loads(text)
    else:
        yield from (json.loads(line) for line in text.splitlines() if line.strip())


def _by_layout(item: Any, layouts: tuple[Layout, ...], place: str) -> BenchmarkItem:
    """Return an item by the layout with the most fields present, the first of equals.

    Choices and answer may be absent; a missing question raises InputError.
    """
    fitting = [layout for layout in layouts if any(_texts(item, layout.question))]
    if not fitting:
        wanted = " or ".join(sorted({layout.question[0] for layout in layouts}))
        raise InputError(f"{place} has no field {wanted}: use the layout of another test set, or set `fields`")
    layout = max(fitting, key=lambda layout: sum(_field(item, field) is not _MISSING for field in layout.fields))
    question = _PROMPT.sub("", "\n".join(_texts(item, layout.question)))
    return BenchmarkItem(question, tuple(_texts(item, (*layout.choices, *layout.answer))))


def _texts(item: Any, fields: Iterable[str]) -> list[str]:
    return [text for field in fields for text in _strings(_field(item, field))]


def _select(item: Any, fields: list[str] | None, place: str) -> Any:
    if fields is None:
        return item
    values = [_field(item, field) for field in fields]
    for field, value in zip(fields, values, strict=True):
        if value is _MISSING:
            raise InputError(f"{place} has no field {field!r}: correct `fields`, or remove it to use all text")
    return values


_MISSING = object()


def _field(value: Any, field: str) -> Any:
    """Return the value of a dotted field, a list of values for a list; ``_MISSING`` if it is absent."""
    key, _, rest = field.partition(".")
    if isinstance(value, list):
        inner = [_field(element, field) for element in value]
        return [element for element in inner if element is not _MISSING] or _MISSING
    if not isinstance(value, dict) or key not in value:
        return _MISSING
    return _field(value[key], rest) if rest else value[key]


def _strings(value: Any) -> Iterator[str]:
    """Yield every string in a value, at any depth, in order. Numbers are labels and scores, not text."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
