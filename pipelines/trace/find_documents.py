"""Finds records by id or URL: the unit, file and row of ``extract`` in which each is."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gristmill.corpus.arrays import Int64s
from gristmill.corpus.document import ID_BYTES
from gristmill.errors import InputError
from gristmill.pipelines.trace.stage_files import StageFiles, map_files, open_file, read_columns
from gristmill.store.receipts import FileEntry, Receipt

KINDS = ("documents", "rejects")
"""The files of ``extract``: records with text, and those dropped or failed before they had any."""

_ID = re.compile(rf"[0-9a-fA-F]{{{2 * ID_BYTES}}}")


class Found(NamedTuple):
    """The ``rows``, sorted, of one file of a unit that hold what was looked for; ``kind`` is one of ``KINDS``."""

    unit: str
    kind: str
    rows: Int64s


def is_id(text: str) -> bool:
    """Whether ``text`` is a document id in hex."""
    return _ID.fullmatch(text) is not None


def parse_id(text: str) -> bytes:
    """The bytes of a document id. Raises InputError if ``text`` is none."""
    if not is_id(text):
        raise InputError(f"{text!r} is not a document id, which has {2 * ID_BYTES} hexadecimal digits")
    return bytes.fromhex(text)


def find_records(
    extract: StageFiles,
    ids: Collection[bytes],
    urls: Collection[str] = (),
    sources: Collection[str] | None = None,
) -> list[Found]:
    """Return where the records with these ids, or exactly these URLs, are, in the order of the units.

    Only units of ``sources`` are read, if that is not None.
    """
    values = {"id": pa.array(sorted(ids), pa.binary(ID_BYTES)), "url": pa.array(sorted(urls), pa.string())}
    wanted = {name: array for name, array in values.items() if len(array)}

    def find(item: tuple[Receipt, str]) -> Found:
        receipt, kind = item
        return Found(receipt.unit, kind, matching_rows(extract, receipt.file(kind), wanted))

    searched = [
        (receipt, kind)
        for receipt in extract.manifest.receipts
        if sources is None or receipt.input["source"] in sources
        for kind in KINDS
        if receipt.file(kind).rows
    ]
    return [found for found in map_files(extract.directory.url, find, searched) if len(found.rows)]


def matching_rows(stage: StageFiles, entry: FileEntry, wanted: dict[str, pa.Array]) -> Int64s:
    """Return the rows of a table in which a column has one of the values ``wanted`` of it."""
    with open_file(stage.directory.file_url(entry)) as file:
        table = read_columns(file, range(file.num_row_groups), list(wanted))
    masks = [pc.is_in(table[name], value_set=values).to_numpy() for name, values in wanted.items()]
    return np.flatnonzero(np.any(masks, axis=0))
