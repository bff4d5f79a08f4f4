"""The format ``text``: one document per file."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from gristmill.corpus.document import Origin
from gristmill.corpus.record import Dropped, Failed, Raw
from gristmill.transforms.read.source_format import Coverage, Items, SourceFormat
from gristmill.transforms.read.source_unit import SourceUnit
from gristmill.transforms.read.stored_file import open_planned
from gristmill.transforms.read.unit_division import group_small_files

if TYPE_CHECKING:
    from gristmill.transforms.read.source_section import SourceSection

_BINARY = re.compile("[\0-\x08\x0e-\x1a\x1c-\x1f\x7f-\x9f]")
"""Control characters except white space and escape (which begins terminal colour codes)."""


def read_text_files(unit: SourceUnit, source: SourceSection, max_bytes: int) -> Items:
    """Yield one item per file of the unit. Coverage is in bytes."""
    covered = 0
    for file in unit.files:
        origin = Origin(unit.source, file.path, 0, file.size)
        if file.size > max_bytes:
            covered += file.size
            yield Dropped(origin, "too_large", detail=str(file.size))
            continue
        with open_planned(source.root, file) as opened:
            data = opened.read()
        covered += len(data)
        yield item_from_file(data, origin, source.text_media_type)
    return Coverage(covered, unit.size)


def item_from_file(data: bytes, origin: Origin, media_type: str) -> Raw | Dropped | Failed:
    """Return the text of a file. Fails with not_text if the bytes are not text."""
    text = decode_text(data)
    if text is None:
        return Failed(origin, "not_text", "neither UTF-8, UTF-16 with a byte order mark nor Latin-1 text")
    return Raw(origin, media_type, text) if text.strip() else Dropped(origin, "empty")


def decode_text(data: bytes) -> str | None:
    """Decode by byte order mark, else as UTF-8, else as Latin-1 without control characters; None if there is a NUL."""
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
        return None if utf16 or _BINARY.search(text) else text
    return None if "\0" in text else text


TEXT = SourceFormat(
    name="text",
    description="one document per file",
    plan=group_small_files,
    read=read_text_files,
    core_megabytes_per_second=2.0,
)
