"""The folder of a training run, by URL.

Checkpoints are written directly to it. Files that are appended to, or written by libraries that only support local
files, are written in ``local``: the folder itself, or, if that is on an object store, a temporary folder from which
``publish`` uploads them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gristmill.store import storage

TOKENIZER = "tokenizer.json"
"""The tokenizer of the mix. If it is in the folder when training ends, it is exported with the model."""


class RunFolder:
    """The run's folder at ``url``, and the folder ``local`` on this host in which its files are written."""

    def __init__(self, url: str, local: Path) -> None:
        self.url, self.local = url, local

    def fetch(self, name: str) -> Path:
        """Return the local file ``name``, downloaded first if it has been published to an object store."""
        path = self.local / name
        if self._is_remote and storage.exists(self.at(name)):
            path.write_bytes(storage.read_bytes(self.at(name)))
        return path

    def publish(self, name: str) -> None:
        """Upload the local file ``name``, replacing an older version; does nothing for a local folder."""
        if self._is_remote:
            storage.put_file(self.local / name, self.at(name))

    def append(self, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append lines of JSON to the file ``name``; they are on the disk, or in the store, when this returns."""
        path = self.local / name
        if not path.exists():
            self.fetch(name)
        with open(path, "ab") as file:
            file.write(b"".join(json.dumps(row).encode() + b"\n" for row in rows))
            file.flush()
            os.fsync(file.fileno())
        self.publish(name)

    def read(self, name: str) -> bytes | None:
        """Return the content of the file ``name``; None if it does not exist."""
        return storage.read_bytes(self.at(name)) if storage.exists(self.at(name)) else None

    def at(self, name: str) -> str:
        """Return the URL of the file ``name``."""
        return storage.join(self.url, name)

    @property
    def _is_remote(self) -> bool:
        return not storage.is_local(self.url)


@contextmanager
def open_run_folder(url: str) -> Iterator[RunFolder]:
    """The run's folder at ``url``; a local folder is created if it does not exist."""
    if storage.is_local(url):
        local = Path(storage.url_to_fs(url)[1])
        local.mkdir(parents=True, exist_ok=True)
        yield RunFolder(str(local), local)
    else:
        with TemporaryDirectory(prefix="gristmill-") as temporary:
            yield RunFolder(url, Path(temporary))


def write_durably(url: str, data: bytes) -> None:
    """Write a file atomically; a local file is flushed to the disk before its name appears."""
    if not storage.is_local(url):
        storage.replace(url, data)
        return
    path = Path(storage.url_to_fs(url)[1])
    part = path.with_name(f".{path.name}.part")
    with open(part, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
