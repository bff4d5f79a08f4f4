"""The source formats. A new format is a row here, and the module that describes it."""

from __future__ import annotations

from gristmill.transforms.read.archive_formats import WARC, WET
from gristmill.transforms.read.code_files import CODE
from gristmill.transforms.read.json_lines import JSONL
from gristmill.transforms.read.parquet_rows import PARQUET
from gristmill.transforms.read.source_format import SourceFormat
from gristmill.transforms.read.text_files import TEXT

_FORMATS = (
    WARC,
    WET,
    JSONL,
    PARQUET,
    TEXT,
    CODE,
)

FORMATS: dict[str, SourceFormat] = {format.name: format for format in _FORMATS}
"""Formats by name, in the order in which the recipe's schema lists them."""


def formats_with_key(key: str) -> list[str]:
    """Return the names of the formats that use a key of a source section."""
    return [format.name for format in FORMATS.values() if key in format.keys]
