"""How many bytes the pages of a Parquet file take in memory, seen before Arrow decompresses them.

What a footer says of sizes need not be true, and a value that stands once in a page may stand in every row of a batch.
Headers of pages are in Thrift's compact protocol (parquet-format, "Data Pages").
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

MAX_BATCH_BYTES = 3 * 2**27
"""Most bytes that a batch of rows may take: its dictionaries, its pages, and its values if they are repeated."""

MAX_PAGE_BYTES = 2**28
"""Most bytes that a page may take. Common writers limit pages to between 1 and 100 MB."""

MAX_SCHEMA_DEPTH = 1000
"""Most groups of columns inside each other. Arrow survives a few thousand."""

_VALUE_BYTES = 16  # of a value and its levels, at most, beside the bytes of strings
_LONG_BYTES = MAX_BATCH_BYTES // 8  # if a dictionary might add more to a batch, its values are measured
_MEASURED_VALUES = 2**20  # more are not measured, which takes 0.1 us each
_COMMON_HEADER_BYTES = 2**10  # more are copied only for a longer header
_MAX_HEADER_BYTES = 2**22
_MAX_DEPTH = 8
_DICTIONARY_PAGE = 2
_DICTIONARY_ENCODINGS = (2, 8)
_DELTA_BYTE_ARRAY = 7
_DELTA_LENGTHS = (6, _DELTA_BYTE_ARRAY)
_BOOLEANS, _BYTE, _INTEGERS = (1, 2), 3, (4, 5, 6)
_BINARY, _LISTS, _STRUCT = 8, (9, 10), 12
_UNCOMPRESSED = "none"
_CODECS = {
    "UNCOMPRESSED": _UNCOMPRESSED,
    "SNAPPY": "snappy",
    "GZIP": "gzip",
    "ZSTD": "zstd",
    "BROTLI": "brotli",
    "LZ4_RAW": "lz4_raw",
}
_LENGTH = struct.Struct("<I")


class PageHeader(NamedTuple):
    """What a page's header says, and how long the header itself is."""

    type: int
    size: int
    stored_size: int
    values: int
    encoding: int
    header_size: int


class TooManyBytesError(ValueError):
    """A batch of rows would take too many bytes."""


class RowGroupPages:
    """The pages of those column chunks of a row group that Arrow reads, ``batch_rows`` rows at once."""

    def __init__(self, parquet: pq.ParquetFile, group: int, columns: Iterable[int], batch_rows: int) -> None:
        metadata = parquet.metadata.row_group(group)
        if metadata.num_columns != len(parquet.schema):
            raise ValueError(f"{metadata.num_columns} columns, but a schema of {len(parquet.schema)}")
        self._columns = [
            ColumnPages(metadata.column(column), parquet.schema.column(column), batch_rows) for column in columns
        ]
        ranges = sorted((column.next, column.end) for column in self._columns)
        if any(start < end for (_, end), (start, _) in pairwise(ranges)):
            raise ValueError("the chunks of columns overlap")

    def begin_batch(self) -> None:
        """Forget the pages that were read for the last batch."""
        for column in self._columns:
            column.begin_batch()

    def add(self, position: int, data: bytes) -> int:
        """Look at the bytes read at ``position``; return the size of the pages that begin there.

        Raises TooManyBytesError, or another ValueError for a malformed header.
        """
        end = position + len(data)
        size = sum(column.add(position, data) for column in self._columns if position <= column.next < end)
        if size and sum(column.batch_bytes for column in self._columns) > MAX_BATCH_BYTES:
            raise TooManyBytesError(f"rows that take more than {MAX_BATCH_BYTES} bytes in memory")
        return size


class ColumnPages:
    """The pages of a column chunk, given its bytes as they are read: in their order, and possibly more than once."""

    def __init__(self, chunk: pq.ColumnChunkMetaData, schema: pq.ColumnSchema, batch_rows: int) -> None:
        offsets = (chunk.data_page_offset, chunk.dictionary_page_offset or chunk.data_page_offset)
        self.next = min(offset for offset in offsets if offset > 0)
        """Position of the first byte that was not looked at."""
        self.end = self.next + chunk.total_compressed_size
        self._codec = _CODECS.get(chunk.compression)
        self._is_binary = chunk.physical_type == "BYTE_ARRAY"
        self._is_nested = schema.max_repetition_level > 0
        self._batch_rows = batch_rows
        self._longest = schema.length if chunk.physical_type == "FIXED_LEN_BYTE_ARRAY" else 0  # that may be repeated
        self._dictionary_bytes = 0
        self._dictionary: PageHeader | None = None  # as long as its bytes are collected
        self._held = bytearray()  # a part of a header or of a dictionary, up to ``next``
        self._batch = 0  # in which ``_row`` is
        self._row = 0  # at which the next page begins, unless the column is nested
        self._last_page_bytes = self._page_bytes = self._most_page_bytes = 0

    @property
    def batch_bytes(self) -> int:
        """Most bytes that the column takes in a batch."""
        repeated = 0 if self._is_nested else self._batch_rows * self._longest
        return self._dictionary_bytes + self._most_page_bytes + repeated

    def begin_batch(self) -> None:
        """Forget the pages that were read for the last batch, if nothing else tells which rows they hold."""
        if self._is_nested:
            self._page_bytes = self._most_page_bytes = self._last_page_bytes

    def add(self, position: int, data: bytes) -> int:
        """Look at the bytes read at ``position``; return the size of the pages that begin there."""
        size = 0
        view = memoryview(data)
        while position <= self.next < min(self.end, position + len(data)):
            rest = view[self.next - position :]
            if self._dictionary:
                self._collect(self._dictionary, rest)
                continue
            header = parse_page_header(self._held + rest[:_COMMON_HEADER_BYTES])
            if header is None and len(rest) > _COMMON_HEADER_BYTES:
                header = parse_page_header(self._held + rest[:_MAX_HEADER_BYTES])
            if header is None:
                if len(self._held) + len(rest) >= _MAX_HEADER_BYTES:
                    raise ValueError("the header of a page is too long")
                self._held += rest
                self.next += len(rest)
                break
            self.next += header.header_size - len(self._held)
            self._held.clear()
            size += header.size
            self._count(header)
            if not self._dictionary:
                self.next += header.stored_size
        return size

    def _count(self, header: PageHeader) -> None:
        if header.type == _DICTIONARY_PAGE:
            taken = self._dictionary_bytes = header.size + header.values * _VALUE_BYTES
            if self._is_binary:
                self._longest = max(0, header.size - header.values * _LENGTH.size)
                if self._longest * self._batch_rows > _LONG_BYTES and header.values <= _MEASURED_VALUES and self._codec:
                    self._dictionary = header
        else:
            taken = header.size
            if header.encoding == _DELTA_BYTE_ARRAY:
                self._longest = max(self._longest, header.size)
            if self._is_nested:
                repeats = header.encoding in (*_DICTIONARY_ENCODINGS, _DELTA_BYTE_ARRAY) or not self._is_binary
                taken += header.values * (_VALUE_BYTES + self._longest * repeats)
            elif header.encoding in _DELTA_LENGTHS:  # all lengths of a page are decoded at once
                taken += header.values * _VALUE_BYTES
            self._add_page(header, taken)
        if header.size > MAX_PAGE_BYTES:
            raise TooManyBytesError(f"a page of {header.size} bytes")

    def _add_page(self, header: PageHeader, taken: int) -> None:
        """Count a page for the batch in which its first row is, beside the one that ends there."""
        batch = self._row // self._batch_rows
        if not self._is_nested:
            self._row += header.values
            if batch != self._batch:
                self._batch, self._page_bytes = batch, self._last_page_bytes
        self._page_bytes += taken
        self._last_page_bytes = taken
        self._most_page_bytes = max(self._most_page_bytes, self._page_bytes)

    def _collect(self, header: PageHeader, rest: memoryview) -> None:
        """Add to the bytes of a dictionary, and measure its values when it is whole."""
        part = rest[: header.stored_size - len(self._held)]
        self._held += part
        self.next += len(part)
        if len(self._held) == header.stored_size:
            data = bytes(self._held)
            if self._codec != _UNCOMPRESSED:
                data = pa.Codec(self._codec).decompress(data, header.size).to_pybytes()
            self._longest = longest_value(data, header.values)
            self._held.clear()
            self._dictionary = None


def longest_value(data: bytes, count: int) -> int:
    """Return the length of the longest of ``count`` strings in the encoding PLAIN."""
    at = longest = 0
    try:
        for _ in range(count):
            (length,) = _LENGTH.unpack_from(data, at)
            at += _LENGTH.size + length
            if length > longest:
                longest = length
    except struct.error:
        raise ValueError("a dictionary is too short") from None
    return longest


def parse_page_header(data: bytes | bytearray) -> PageHeader | None:
    """Return the header at the beginning of ``data``; None if it is longer. Raises ValueError if it is malformed."""
    try:
        fields, end = _struct(data, 0, 0)
    except IndexError:
        return None
    size, stored_size = fields.get(2, 0), fields.get(3, 0)
    values, encoding = (
        max(fields.get(100 * page + key, 0) for page, key in places)
        for places in (((5, 1), (7, 1), (8, 1)), ((5, 2), (8, 4)))
    )
    if min(size, stored_size) < 0:
        raise ValueError("the header of a page has a negative size")
    return PageHeader(fields.get(1, 0), size, stored_size, values, encoding, end)


def check_schema(footer: bytes) -> None:
    """Raise ValueError for a schema that is nested so deeply that Arrow would overflow the stack."""
    at, kind = 0, 0
    try:
        while (head := footer[at]) >> 4 == 1 and kind not in _LISTS:
            kind, at = head & 15, at + 1
            if kind not in _LISTS:
                at = _unsigned(footer, at)[1]
        count = footer[at] >> 4
        at += 1
        if count == 15:
            count, at = _unsigned(footer, at)
        open_groups: list[int] = []  # by depth, the number of children still to come
        for _ in range(count):
            fields, at = _struct(footer, at, 0)
            while open_groups and not open_groups[-1]:
                open_groups.pop()
            if open_groups:
                open_groups[-1] -= 1
            if children := fields.get(5, 0):
                open_groups.append(children)
            if len(open_groups) > MAX_SCHEMA_DEPTH:
                raise ValueError(f"columns that are nested more than {MAX_SCHEMA_DEPTH} deep")
    except IndexError:
        raise ValueError("the footer is too short") from None


def _struct(data: bytes | bytearray, at: int, depth: int) -> tuple[dict[int, int], int]:
    """Return the integers of a structure by field id (100 n + id in the structure of field n) and its end."""
    if depth > _MAX_DEPTH:
        raise ValueError("the header of a page is nested too deeply")
    fields: dict[int, int] = {}
    key = 0
    while head := data[at]:
        at += 1
        delta, kind = head >> 4, head & 15
        if delta:
            key += delta
        else:
            key, at = _integer(data, at)
        if kind in _BOOLEANS:  # the value is in the kind
            continue
        if kind in _INTEGERS:
            fields[key], at = _integer(data, at)
        elif kind == _BYTE:
            at += 1
        elif kind == _BINARY:
            size, at = _unsigned(data, at)
            at += size
        elif kind == _STRUCT:
            nested, at = _struct(data, at, depth + 1)
            fields |= {100 * key + nested_key: value for nested_key, value in nested.items() if nested_key < 100}
        else:
            raise ValueError("the header of a page has a field of an unknown type")
    return fields, at + 1


def _integer(data: bytes | bytearray, at: int) -> tuple[int, int]:
    value, at = _unsigned(data, at)
    return value >> 1 ^ -(value & 1), at


def _unsigned(data: bytes | bytearray, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("the header of a page has a number that is too long")
