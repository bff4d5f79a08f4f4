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
from gristmill.transforms.read.parquet_pages import RowGroupPages, TooManyBytesError, check_schema
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
_READ_RATIO = 1000  # most bytes that are read for each byte of a file, beside the following
_FREE_BYTES = 2**29
_BYTES_PER_BATCH = 2**17  # that are counted at least: a batch of few rows takes 40 us, a row group 200 us
_FREE_ROWS = 2**18  # a file of more has at least one byte for each
_MAX_FOOTER_BYTES = 2**22  # or this share of the file; Arrow takes up to 250 bytes in memory for each
_FOOTER_SHARE = 64
_MAX_ITEMS = 2**17  # of the lists in a row; the JSON of more is longer than that of kept columns may be
_DAMAGE = (pa.ArrowException, OSError, ValueError, RecursionError)
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
        watched = _WatchedFile(opened, file.size)
        try:
            encrypted = opened.read(len(_ENCRYPTED_MAGIC)) == _ENCRYPTED_MAGIC
            parquet = None if encrypted else _open_parquet(watched, file.size)
        except _DAMAGE as error:
            watched.reraise()
            yield Failed(Origin(unit.source, file.path, 0, file.size), "unreadable", _one_line(error))
            return Coverage(file.size, file.size)
        if parquet is None:
            raise InputError(f"{file.path} is encrypted; decrypt it, or set `paths` to the files to read")
        if not parquet.metadata.num_rows:  # its columns may have no type either
            return Coverage(0, 0)
        columns = find_columns(file.path, parquet.schema_arrow, source)
        leaves = _leaves(parquet, columns)
        row = 0
        for group in range(parquet.num_row_groups):
            end = row + parquet.metadata.row_group(group).num_rows
            detail = "fewer rows than the file announces"  # written to rejects
            try:
                for values in _group_rows(parquet, watched, group, columns, leaves):
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


def _open_parquet(file: _WatchedFile, size: int) -> pq.ParquetFile:
    """Open a file. Raises ValueError if the numbers of rows in its footer contradict each other or the file's size."""
    parquet = pq.ParquetFile(pa.PythonFile(file, mode="r"), buffer_size=_READ_BYTES, pre_buffer=False)
    dictionaries = [column.name for column in _columns(parquet.schema_arrow) if types.is_dictionary(column.type)]
    if dictionaries:  # read as such; converting their indices, Arrow rejects a whole column for one value of bad UTF-8
        source = pa.PythonFile(file, mode="r")
        parquet = pq.ParquetFile(source, buffer_size=_READ_BYTES, pre_buffer=False, read_dictionary=dictionaries)
    rows = [parquet.metadata.row_group(group).num_rows for group in range(parquet.num_row_groups)]
    if min(rows, default=0) < 0 or sum(rows) != parquet.metadata.num_rows:
        raise ValueError(f"{parquet.metadata.num_rows} rows, but row groups of {sum(rows)} rows")
    if sum(rows) > max(size, _FREE_ROWS):
        raise ValueError(f"{sum(rows)} rows in {size} bytes")
    return parquet


def _group_rows(
    parquet: pq.ParquetFile, file: _WatchedFile, group: int, columns: dict[str, Column], leaves: list[int]
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a row group, with values by column name; nested columns are named by their dotted names.

    Where a batch would take too much memory, the group is read again from its beginning, in smaller batches. Raises
    ValueError if a row would, or if the file expands to too many bytes.
    """
    metadata = parquet.metadata.row_group(group)
    row_bytes = metadata.total_byte_size // max(1, metadata.num_rows)
    batch_rows = min(_BATCH_ROWS, max(1, _BATCH_BYTES // max(1, row_bytes)))
    done = 0
    while True:
        seen = 0
        try:
            file.count(_BYTES_PER_BATCH)
            file.watch(RowGroupPages(parquet, group, leaves, batch_rows))
            for batch in parquet.iter_batches(batch_rows, [group], list(columns), use_threads=False):
                file.count(max(batch.nbytes, _BYTES_PER_BATCH))
                seen += batch.num_rows
                if seen > done:
                    for row in _batch_rows(batch.slice(batch.num_rows - (seen - done)), columns):
                        done += 1
                        yield row
                batch = None  # frees its memory before the next one is read
                file.begin_batch()
            return
        except _DAMAGE:
            if not file.is_excessive or batch_rows == 1:
                raise
        batch_rows = max(1, batch_rows // 4)


def _batch_rows(batch: pa.RecordBatch, columns: dict[str, Column]) -> Iterator[dict[str, Any]]:
    values = [_row_values(_array(batch, column.path)) for column in columns.values()]
    for row in zip(*values, strict=True):
        yield dict(zip(columns, row, strict=True))


def _leaves(parquet: pq.ParquetFile, columns: Iterable[str]) -> list[int]:
    """Return the indices of the columns of a file that hold the values of ``columns``."""
    prefixes = tuple(f"{column}." for column in columns)
    schema = parquet.schema
    return [index for index in range(len(schema)) if f"{schema.column(index).path}.".startswith(prefixes)]


def _array(batch: pa.RecordBatch, path: tuple[str, ...]) -> pa.Array:
    top, *nested = path
    return pc.struct_field(batch.column(top), nested) if nested else batch.column(top)


def _row_values(array: pa.Array) -> list[Any]:
    """Return Python values; lists that are too long in any case are lists of as many nulls."""
    if not types.is_nested(array.type) or _number_of_items(array) <= _MAX_ITEMS:
        return _values(array)
    rows = (array.slice(index, 1) for index in range(len(array)))
    return [[None] * size if (size := _number_of_items(row)) > _MAX_ITEMS else _values(row)[0] for row in rows]


def _number_of_items(array: pa.Array) -> int:
    """Return how many items all lists and maps in an array have together."""
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if types.is_struct(array.type):
        return max(map(_number_of_items, array.flatten()), default=0)
    if types.is_map(array.type):
        array = array.cast(pa.list_(pa.struct([array.type.key_field, array.type.item_field])))
    if not any(is_list(array.type) for is_list in _LIST_TYPES):
        return 0
    items = pc.list_flatten(array)
    return len(items) + _number_of_items(items)


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
    """A file that remembers an exception of its storage, since Arrow does not tell it from damaged data.

    It looks at the pages that are read, too, and gives none to Arrow that would take too much memory or time.
    """

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._failure: Exception | None = None
        self._pages: RowGroupPages | None = None
        self._size = size
        self._footer = 0  # its size in bytes, when it is known
        self._left = _FREE_BYTES + _READ_RATIO * size
        self.is_excessive = False
        self.closed = False

    def watch(self, pages: RowGroupPages) -> None:
        """Look at the pages of a row group, from which a first batch is read."""
        self._pages, self.is_excessive = pages, False

    def begin_batch(self) -> None:
        if self._pages:
            self._pages.begin_batch()

    def count(self, size: int) -> None:
        """Count bytes that were read and decoded. Raises ValueError if all of them are too many for the file."""
        self._left -= size
        if self._left < 0:
            raise ValueError("the file expands to too many bytes for its size")

    def read(self, size: int = -1) -> bytes:
        try:
            position = self._file.tell()
            data = self._file.read(size)
        except Exception as error:
            self._failure = error
            raise
        if self._pages is None:
            self._check_footer(position, data)
        if self._pages:
            try:
                self.count(self._pages.add(position, data))
            except TooManyBytesError:
                self.is_excessive = True
                raise
        return data

    def _check_footer(self, position: int, data: bytes) -> None:
        if position + len(data) == self._size and data.endswith(b"PAR1"):
            self._footer = int.from_bytes(data[-8:-4], "little")
            if self._footer > max(_MAX_FOOTER_BYTES, self._size // _FOOTER_SHARE):
                raise ValueError(f"a footer of {self._footer} bytes in a file of {self._size}")
        start = self._size - 8 - self._footer - position
        if self._footer and 0 <= start < len(data):
            check_schema(data[start : start + self._footer])

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
