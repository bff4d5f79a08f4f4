"""The quarantine list: records whose pages hang, crash or exhaust the extraction process.

Such a page fails by a timer or by chance: on another machine it may succeed. A run with such pages writes
``quarantine.jsonl`` to its ``extract`` directory, one line per page. If a recipe names the list
(``extract.quarantine``), these records fail at once with the listed cause, so that a run produces the same bytes
everywhere.

Lines are JSON with ``id`` (the document's, in hex), ``cause`` and ``detail``; the other fields are for people.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from gristmill.errors import InputError
from gristmill.store import storage
from gristmill.store.keys import canonical_json

CAUSES = frozenset({"crash", "memory", "timeout"})
"""Failure causes that are not counted limits."""

_FIELDS = ("cause", "detail", "source", "url", "file", "offset", "record_id")


class QuarantineEntry(NamedTuple):
    """Why a listed record fails."""

    cause: str
    detail: str


Quarantine = Mapping[bytes, QuarantineEntry]
"""By the record's id."""


def load_quarantine(url: str | None) -> Quarantine:
    """Reads the list at ``url``; without a URL it is empty. Raises InputError if the file is missing or invalid."""
    if url is None:
        return {}
    try:
        lines = storage.read_bytes(url).splitlines()
        return dict(_parse_line(line) for line in lines if line.strip())
    except FileNotFoundError:
        raise InputError(f"extract.quarantine: no file {url}; correct the path") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(
            f"extract.quarantine: {url} is not a quarantine list; use the quarantine.jsonl of an extract directory"
        ) from None


def quarantine_lines(rejects: Iterable[Mapping[str, Any]]) -> bytes:
    """The quarantine list of ``rejects`` (rows of ``REJECTS_SCHEMA``) in order, without those of other causes."""
    return b"".join(
        canonical_json({"id": row["id"].hex(), **{key: row[key] for key in _FIELDS}}) + b"\n"
        for row in ({**row, "cause": row["reason"]} for row in rejects)
        if row["cause"] in CAUSES
    )


def _parse_line(line: bytes) -> tuple[bytes, QuarantineEntry]:
    entry = json.loads(line)
    reason = QuarantineEntry(entry["cause"], entry["detail"])
    if reason.cause not in CAUSES or not isinstance(reason.detail, str):
        raise ValueError(line)
    return bytes.fromhex(entry["id"]), reason
