"""The folder of real data: ``GRISTMILL_DATA``, by default ``../shared/data`` relative to the repository."""

from __future__ import annotations

import gzip
import json
import lzma
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gristmill.corpus.record import Raw, UnitSummary
from gristmill.transforms.read.source_format import Item
from gristmill.transforms.read.source_section import SourceSection
from gristmill.transforms.read.unit_planning import plan_units
from gristmill.transforms.read.unit_reader import ReadLimits, read_unit

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("GRISTMILL_DATA", REPOSITORY.parent / "shared" / "data"))


def have_data() -> bool:
    """Return whether there is a folder of real data."""
    return (DATA / "warc").is_dir()


def require_data() -> None:
    """Raise SystemExit if there is no folder of real data."""
    if not have_data():
        raise SystemExit(f"REAL DATA MISSING: no folder {DATA}; set GRISTMILL_DATA")


def real_archives() -> list[Path]:
    """Return the archives that hold the 2,000 real pages."""
    return sorted((DATA / "warc").glob("pages-*.warc.gz"))


def archives_in(folder: str) -> list[Path]:
    """Return the files of a folder below ``warc``: ``odd`` or ``common-crawl``."""
    return sorted((DATA / "warc" / folder).iterdir())


def read_items(archive: Path) -> Iterator[Item | UnitSummary]:
    """Read an archive as Gristmill does: pages, dropped and failed records, and the summary of each unit."""
    name = archive.name.replace("[", "[[]")  # `paths` are glob patterns
    source = SourceSection(name="archive", format="warc", root=str(archive.parent), paths=(name,))
    for unit in plan_units(source, max(archive.stat().st_size, 1)):
        yield from read_unit(unit, source, ReadLimits())


def read_pages(archive: Path) -> Iterator[Raw]:
    """Yield the pages of an archive."""
    return (item for item in read_items(archive) if isinstance(item, Raw))


def stored_pages(archive: Path) -> Iterator[bytes]:
    """Yield the stored bytes of each page of an archive that is compressed record by record."""
    data = archive.read_bytes()
    for page in read_pages(archive):
        yield data[page.origin.offset : page.origin.offset + page.origin.length]


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a JSONL file compressed with gzip or xz."""
    with gzip.open(path) if path.suffix == ".gz" else lzma.open(path) as file:
        yield from map(json.loads, file)


def text_rows(collection: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a collection of texts: ``id``, ``text``, ``lang``."""
    return read_rows(DATA / "text" / f"{collection}.jsonl.gz")
