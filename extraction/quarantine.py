"""Records whose page brought its extractor down, and the list that names them.

A page that hangs, crashes its parser or eats memory fails by a clock or by luck: on another machine it may pass. A run
that has such pages leaves ``quarantine.jsonl`` in its ``extract`` directory, a line for each. A recipe that names the
list (``extract.quarantine``) has them fail at once, each for its cause, and so gives the same bytes everywhere.

Lines are JSON with ``id`` (the document's, in hex), ``cause`` and ``detail``; the rest is for people.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from gristmill.errors import InputError
from gristmill.store import storage
from gristmill.store.keys import canonical

CAUSES = frozenset({"crash", "memory", "timeout"})
"""What a page fails for that is not counted."""

_TOLD = ("cause", "detail", "source", "url", "file", "offset", "record_id")


class Sentence(NamedTuple):
    """What a listed record fails for."""

    cause: str
    detail: str


Quarantine = Mapping[bytes, Sentence]
"""By the record's id."""


def load_quarantine(url: str | None) -> Quarantine:
    """The list at ``url``; empty without one. Raises InputError for what is no such list."""
    if url is None:
        return {}
    try:
        lines = storage.read_bytes(url).splitlines()
        return dict(_parsed(line) for line in lines if line.strip())
    except FileNotFoundError:
        raise InputError(f"no file {url}, which extract.quarantine names: correct its path") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{url} is no quarantine list: give the quarantine.jsonl of an extract directory") from None


def quarantine_lines(rejects: Iterable[Mapping[str, Any]]) -> bytes:
    """The list of those of ``rejects`` (rows of ``REJECTS_SCHEMA``) that belong on it, in their order."""
    return b"".join(
        canonical({"id": row["id"].hex(), **{key: row[key] for key in _TOLD}}) + b"\n"
        for row in ({**row, "cause": row["reason"]} for row in rejects)
        if row["cause"] in CAUSES
    )


def _parsed(line: bytes) -> tuple[bytes, Sentence]:
    entry = json.loads(line)
    sentence = Sentence(entry["cause"], entry["detail"])
    if sentence.cause not in CAUSES or not isinstance(sentence.detail, str):
        raise ValueError(line)
    return bytes.fromhex(entry["id"]), sentence
