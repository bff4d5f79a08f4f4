"""Storage by URL: the same behaviour on local files and on an S3 server."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gristmill.store import storage


def test_create_does_not_overwrite(storage_root: str) -> None:
    url = storage.join(storage_root, "receipts", "a.json")
    assert storage.create(url, b"first")
    assert not storage.create(url, b"second")
    assert storage.read_bytes(url) == b"first"


def test_of_concurrent_creates_one_wins(storage_root: str) -> None:
    url = storage.join(storage_root, "receipts", "raced.json")
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: storage.create(url, str(n).encode()), range(8)))
    assert sum(won) == 1
    assert storage.read_bytes(url) == str(won.index(True)).encode()


def test_replace_overwrites(storage_root: str) -> None:
    url = storage.join(storage_root, "manifest.json")
    storage.replace(url, b"old")
    storage.replace(url, b"new")
    assert storage.read_bytes(url) == b"new"


def test_put_file_twice_leaves_one_file(storage_root: str, tmp_path: Path) -> None:
    url = storage.join(storage_root, "documents", "x-1234.bin")
    for _ in range(2):
        with storage.scratch(storage_root) as folder:
            (folder / "part").write_bytes(b"data")
            storage.put_file(folder / "part", url)
    assert storage.listing(storage.join(storage_root, "documents")) == {"x-1234.bin": 4}


def test_the_listing_of_a_missing_folder_is_empty(storage_root: str) -> None:
    assert storage.listing(storage.join(storage_root, "nowhere")) == {}


def test_glob_returns_relative_paths_and_sizes(storage_root: str) -> None:
    for name in ("a/1.txt", "a/2.txt", "a/b/3.txt", "a/4.md"):
        storage.replace(storage.join(storage_root, name), name.encode())
    assert storage.glob(storage_root, "a/*.txt") == [("a/1.txt", 7), ("a/2.txt", 7)]
    assert storage.glob(storage_root, "**/*.txt") == [("a/1.txt", 7), ("a/2.txt", 7), ("a/b/3.txt", 9)]


def test_an_input_is_seekable(storage_root: str) -> None:
    url = storage.join(storage_root, "data.bin")
    storage.replace(url, bytes(range(256)))
    with storage.open_input(url) as file:
        file.seek(100)
        assert file.read(3) == bytes([100, 101, 102])


def test_the_error_for_a_missing_file_names_it(storage_root: str) -> None:
    with pytest.raises(FileNotFoundError, match="absent"):
        storage.read_bytes(storage.join(storage_root, "absent.txt"))


@pytest.mark.parametrize("size", [0, 1, 3 * 65536, 3 * 65536 + 1, 10**6])
def test_a_fingerprint_depends_on_the_size_and_both_ends(tmp_path: Path, size: int) -> None:
    def fingerprint(data: bytes) -> str:
        (tmp_path / "file").write_bytes(data)
        return storage.fingerprint(str(tmp_path / "file"), len(data))

    data = bytes(size)
    assert fingerprint(data) == fingerprint(data)
    assert fingerprint(data) != fingerprint(data + b"\0")
    if size:
        assert fingerprint(data) != fingerprint(data[:-1] + b"\1")
        assert fingerprint(data) != fingerprint(b"\1" + data[1:])


def test_a_scratch_folder_is_deleted(tmp_path: Path) -> None:
    with storage.scratch(str(tmp_path)) as folder:
        (folder / "part").write_bytes(b"data")
    assert list(tmp_path.iterdir()) == []
