"""The folder of a run, by URL.

Checkpoints lie right under it. What is appended to, or written by libraries that know only local files, is worked on
in ``local``: the folder itself, or, where that is on an object store, a temporary one, and ``publish`` puts it there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from gristmill.store import storage


class Folder:
    """``url`` names the run's folder, ``local`` the place on this host where its files are worked on."""

    def __init__(self, url: str, local: Path) -> None:
        self.url, self.local = url, local

    def fetch(self, name: str) -> Path:
        """The local file of that name, with what is published of it, if anything."""
        path = self.local / name
        if self._is_remote and storage.exists(self.at(name)):
            path.write_bytes(storage.read_bytes(self.at(name)))
        return path

    def publish(self, name: str) -> None:
        """Put the local file where all can read it, over what is there."""
        if self._is_remote:
            storage.put_file(self.local / name, self.at(name))

    def at(self, name: str) -> str:
        return storage.join(self.url, name)

    @property
    def _is_remote(self) -> bool:
        return not storage.is_local(self.url)


@contextmanager
def opened(url: str) -> Iterator[Folder]:
    """The run's folder at ``url``, made if it is local and not there yet."""
    if storage.is_local(url):
        local = Path(storage.url_to_fs(url)[1])
        local.mkdir(parents=True, exist_ok=True)
        yield Folder(str(local), local)
    else:
        with TemporaryDirectory(prefix="gristmill-") as temporary:
            yield Folder(url, Path(temporary))


def write_durably(url: str, data: bytes) -> None:
    """Write a file whole or not at all, and on the disk itself before its name appears."""
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
