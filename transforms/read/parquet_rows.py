"""The format ``parquet``: one document per row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import types

from gristmill.corpus.document import Origin
from gristmill.corpus.record import Failed
from gristmill.errors import InputError
from gristmill.transforms.read.row_items import drop_too_large, item_from_row
from gristmill.transforms.read.source_format import Coverage, Items, SourceFormat
from gristmill.transforms.read.source_unit import SourceUnit
from gristmill.transforms.read.stored_file import open_planned
from gristmill.transforms.read.surrogates import replace_surrogates
from gristmill.transforms.read.unit_division import one_unit_per_file

if TYPE_CHECKING:
    from gristmill.transforms.read.source_section import SourceSection

_BATCH_ROWS = 256  # most rows in memory at once
_BATCH_BYTES = 32 * 2**20  # about as many bytes in memory at once, if rows are long
_READ_BYTES = 8 * 2**20  # read at once from each column; otherwise Arrow holds a row group's whole columns in memory
_DAMAGE = (pa.ArrowException, OSError, ValueError)
_ENCRYPTED_MAGIC = b"PARE"
_BINARY_TYPES = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary(), pa.string_view(): pa.binary_view()}

_LIST_TYPES = (
    types.is_list,
    types.is_large_list,
    types.is_fixed_size_list,
    types.is_list_view,
    types.is_large_list_view,
)


class Column(NamedTuple):
    """A column of a file: the names from the top of the schema down to it, and its type."""

    path: tuple[str, ...]
    type: pa.DataType

    @property
    def name(self) -> str:
        return ".".join(self.path)


def read_parquet(unit: SourceUnit, source: SourceSection, max_bytes: int) -> Items:
    """Yield the rows of a file in order. Coverage is in rows, or in bytes if the file is no Parquet at all.

    Raises InputError if a column is missing or of a wrong type, or the file is encrypted. Failures: unreadable (the
    file, as one record), corrupt (each row from the damage to the end of its row group), bad_utf8, missing_text.
    """
    (file,) = unit.files
    with open_planned(source.root, file) as opened:
        watched = _WatchedFile(opened)
        try:
            encrypted = opened.read(len(_ENCRYPTED_MAGIC)) == _ENCRYPTED_MAGIC
            parquet = None if encrypted else _open_parquet(watched)
        except _DAMAGE as error:
            watched.reraise()
            yield Failed(Origin(unit.source, file.path, 0, file.size), "unreadable", _one_line(error))
            return Coverage(file.size, file.size)
        if parquet is None:
            raise InputError(f"{file.path} is encrypted; decrypt it, or set `paths` to the files to read")
        if not parquet.metadata.num_rows:  # its columns may have no type either
            return Coverage(0, 0)
        columns = find_columns(file.path, parquet.schema_arrow, source)
        row = 0
        for group in range(parquet.num_row_groups):
            end = row + parquet.metadata.row_group(group).num_rows
            detail = "fewer rows than the file announces"  # written to rejects
            try:
                for values in _group_rows(parquet, group, columns):
                    item = item_from_row(Origin(unit.source, file.path, row, 1), values, source)
                    yield drop_too_large(item, max_bytes)
                    row += 1
            except _DAMAGE as error:
                watched.reraise()
                detail = _one_line(error)
            for lost in range(row, end):
                yield Failed(Origin(unit.source, file.path, lost, 1), "corrupt", detail)
            row = end
        return Coverage(row, parquet.metadata.num_rows)


def find_columns(file: str, schema: pa.Schema, source: SourceSection) -> dict[str, Column]:
    """Return the columns to read, by name. Raises InputError if one is missing, ambiguous or of a wrong type.

    A column that is only kept may have any type.
    """
    columns = list(_columns(schema))
    fields = source.fields
    kept = {name: _find_column(file, columns, name, "keep_columns") for name in source.keep_columns}
    found = {name: _find_column(file, columns, name, "fields") for name in fields.columns()}
    for key, is_valid, wanted in (
        ("text", _is_text, "strings"),
        ("id", _is_id, "strings or integers"),
        ("url", _is_url, "strings"),
        ("date", _is_date, "strings, dates or timestamps"),
        ("lang", _is_url, "strings"),
    ):
        name = getattr(fields, key)
        if name is None or is_valid(_stored_type(found[name].type)):
            continue
        others = [column.name for column in columns if _is_text(_stored_type(column.type))] if key == "text" else []
        remedy = f"set `fields.{key}` to a column of {wanted}" + (f": {' or '.join(others)}" if others else "")
        raise InputError(f"{file}: column {name!r} has the type {found[name].type}; {remedy}, or convert the column")
    return kept | found


def _columns(fields: Iterable[pa.Field], parents: tuple[str, ...] = ()) -> Iterator[Column]:
    for field in fields:
        column = Column((*parents, field.name), field.type)
        yield column
        if types.is_struct(field.type):
            yield from _columns(field.type, column.path)


def _find_column(file: str, columns: list[Column], name: str, key: str) -> Column:
    named = [column for column in columns if column.name == name]
    matches = [column for column in named if len(column.path) == 1] or named
    if not matches:
        names = ", ".join(column.name for column in columns if not types.is_struct(column.type))
        raise InputError(f"{file} has no column {name!r}; set `{key}` to columns among {names}")
    if len(matches) > 1:
        raise InputError(f"{file} has {len(matches)} columns {name!r}; rename all but one")
    return matches[0]


def _stored_type(type: pa.DataType) -> pa.DataType:
    if isinstance(type, pa.BaseExtensionType):
        type = type.storage_type
    return type.value_type if types.is_dictionary(type) else type


def _is_text(type: pa.DataType) -> bool:
    return type in _BINARY_TYPES or type in _BINARY_TYPES.values()


# A column without any value has the type null in some files; only the text needs values.
def _is_id(type: pa.DataType) -> bool:
    return _is_text(type) or bool(types.is_integer(type) or types.is_null(type))


def _is_url(type: pa.DataType) -> bool:
    return _is_text(type) or bool(types.is_null(type))


def _is_date(type: pa.DataType) -> bool:
    return _is_text(type) or bool(types.is_date(type) or types.is_timestamp(type) or types.is_null(type))


def _open_parquet(file: _WatchedFile) -> pq.ParquetFile:
    """Open a file. Raises ValueError if the numbers of rows in its footer contradict each other."""
    parquet = pq.ParquetFile(pa.PythonFile(file, mode="r"), buffer_size=_READ_BYTES)
    dictionaries = [column.name for column in _columns(parquet.schema_arrow) if types.is_dictionary(column.type)]
    if dictionaries:  # read as such; converting their indices, Arrow rejects a whole column for one value of bad UTF-8
        source = pa.PythonFile(file, mode="r")
        parquet = pq.ParquetFile(source, buffer_size=_READ_BYTES, read_dictionary=dictionaries)
    rows = [parquet.metadata.row_group(group).num_rows for group in range(parquet.num_row_groups)]
    if min(rows, default=0) < 0 or sum(rows) != parquet.metadata.num_rows:
        raise ValueError(f"{parquet.metadata.num_rows} rows, but row groups of {sum(rows)} rows")
    return parquet


def _group_rows(parquet: pq.ParquetFile, group: int, columns: dict[str, Column]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a row group, with values by column name; nested columns are named by their dotted names."""
    metadata = parquet.metadata.row_group(group)
    row_bytes = metadata.total_byte_size // max(1, metadata.num_rows)
    batch_rows = min(_BATCH_ROWS, max(1, _BATCH_BYTES // max(1, row_bytes)))
    for batch in parquet.iter_batches(batch_rows, [group], list(columns), use_threads=False):
        values = [_values(_array(batch, column.path)) for column in columns.values()]
        for row in zip(*values, strict=True):
            yield dict(zip(columns, row, strict=True))


def _array(batch: pa.RecordBatch, path: tuple[str, ...]) -> pa.Array:
    top, *nested = path
    return pc.struct_field(batch.column(top), nested) if nested else batch.column(top)


def _values(array: pa.Array) -> list[Any]:
    """Return Python values: text as str, or as bytes if it is not UTF-8, and null for what Python cannot express.

    Arrow's own conversion of nested values fails for one value of bad UTF-8 or one date that Python cannot express.
    """
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if types.is_timestamp(array.type):
        array = _timestamps(array)
    if types.is_struct(array.type):
        return _structs(array)
    if types.is_map(array.type):
        return _maps(array)
    if any(is_list(array.type) for is_list in _LIST_TYPES):
        return _split(_values(pc.list_flatten(array)), array)
    if types.is_float16(array.type) or types.is_float32(array.type):  # 0.1, not the double that is closest to it
        return [None if value is None else float(str(np.float32(value))) for value in array.to_pylist()]
    if array.type in _BINARY_TYPES.values():
        return [None if value is None else _decoded(value) for value in array.to_pylist()]
    try:
        return array.to_pylist()  # type: ignore[no-any-return]
    except UnicodeDecodeError:
        return _values(array.cast(_BINARY_TYPES[array.type]))
    except (ValueError, OverflowError):  # a date before the year 1 or after 9999
        return [_value_or_none(value) for value in array]


def _structs(array: pa.StructArray) -> list[Any]:
    names = [field.name for field in array.type]
    rows = zip(*map(_values, array.flatten()), strict=True)
    validity = array.is_valid().to_pylist()
    return [dict(zip(names, row, strict=True)) if valid else None for valid, row in zip(validity, rows, strict=True)]


def _maps(array: pa.MapArray) -> list[Any]:
    """Return maps as dictionaries, or as lists of pairs if their keys are nested; of equal keys the last one counts."""
    lists = array.cast(pa.list_(pa.struct([array.type.key_field, array.type.item_field])))
    keys, values = map(_values, pc.list_flatten(lists).flatten())
    as_pairs = types.is_nested(array.type.key_type)
    entries = _split(list(zip(keys, values, strict=True)), lists)
    return [entry if entry is None or as_pairs else dict(entry) for entry in entries]


def _split(values: list[Any], array: pa.Array) -> list[Any]:
    """Return the values of lists as lists, given the values of all of them."""
    rest = iter(values)
    lengths = pc.list_value_length(array).to_pylist()
    return [None if length is None else list(islice(rest, length)) for length in lengths]


def _timestamps(array: pa.Array) -> pa.Array:
    """Return timestamps with a time zone in UTC, whatever zones this machine knows, and none in nanoseconds."""
    if array.type.tz is not None:
        array = array.cast(pa.timestamp(array.type.unit, "UTC"))
    return array.cast(pa.timestamp("us", array.type.tz), safe=False) if array.type.unit == "ns" else array


def _value_or_none(value: pa.Scalar) -> Any:
    try:
        return value.as_py()
    except (ValueError, OverflowError):
        return None


def _decoded(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _one_line(error: Exception) -> str:
    return replace_surrogates(" ".join(str(error).split()))[:500]


class _WatchedFile:
    """A file that remembers an exception of its storage, since Arrow does not tell it from damaged data."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._failure: Exception | None = None
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        try:
            return self._file.read(size)
        except Exception as error:
            self._failure = error
            raise

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def reraise(self) -> None:
        if self._failure is not None:
            raise self._failure

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True


PARQUET = SourceFormat(
    name="parquet",
    description="one document per row",
    plan=one_unit_per_file,
    read=read_parquet,
    keys=frozenset({"fields", "keep_columns"}),
    core_megabytes_per_second=0.5,
)
