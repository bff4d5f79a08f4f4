"""Storage by URL: the same behaviour on local files and on an S3 server."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from gristmill.errors import InputError
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


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", ["[x].md", "a*.txt", "a1.txt"]),
        ("**/*", ["[x].md", "a*.txt", "a1.txt", "b/c/2.txt"]),
        ("**", ["[x].md", "a*.txt", "a1.txt", "b/c/2.txt"]),
        ("a?.txt", ["a*.txt", "a1.txt"]),
        ("a[0-9].txt", ["a1.txt"]),
        ("a1.txt", ["a1.txt"]),
        ("./b/*/2.txt", ["b/c/2.txt"]),
        ("b/c/2.txt", ["b/c/2.txt"]),
        ("*/*/*", ["b/c/2.txt"]),
        ("b", []),
        ("b/*", []),
        ("a1.txt/*", []),
        ("absent/*", []),
        ("absent/x", []),
    ],
)
@pytest.mark.parametrize("root", ["plain", "brackets [2024]", "star*", "what?"])
def test_only_the_pattern_has_wildcards(storage_root: str, root: str, pattern: str, expected: list[str]) -> None:
    for name in (f"{root}/{name}" for name in ("a1.txt", "a*.txt", "[x].md", "b/c/2.txt")):
        storage.replace(storage.join(storage_root, name), b"abc")
    for other in ("brackets 2", "stars", "what1"):  # what the root would match as a pattern
        storage.replace(storage.join(storage_root, other, "other.txt"), b"")
    folder = storage.join(storage_root, root)
    assert storage.glob(folder, pattern) == [(path, 3) for path in expected]
    assert storage.glob(folder + "/", pattern) == [(path, 3) for path in expected]


def test_an_invalid_pattern_is_an_error(storage_root: str) -> None:
    with pytest.raises(InputError, match=r"'a\*\*/b' is no valid pattern"):
        storage.glob(storage_root, "a**/b")


@pytest.fixture
def links(tmp_path: Path) -> str:
    """A folder as in a Hugging Face cache: files are links to content elsewhere."""
    blobs, root = tmp_path / "blobs", tmp_path / "root"
    (blobs / "folder").mkdir(parents=True)
    (root / "sub").mkdir(parents=True)
    (blobs / "1234").write_bytes(b"1234")
    (blobs / "folder" / "b.txt").write_bytes(b"b")
    for name, target in {
        "a.txt": "../blobs/1234",
        "sub/again.txt": "../a.txt",
        "folder": "../blobs/folder",
        "sub/loop": "..",
        "dangling.txt": "../blobs/absent",
        "itself.txt": "itself.txt",
    }.items():
        (root / name).symlink_to(target)
    return str(root)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a.txt", [("a.txt", 4)]),
        ("*.txt", [("a.txt", 4), ("dangling.txt", 0), ("itself.txt", 0)]),
        ("*/*.txt", [("folder/b.txt", 1), ("sub/again.txt", 4)]),
        ("folder/*", [("folder/b.txt", 1)]),
        ("sub/loop/*", [("sub/loop/a.txt", 4), ("sub/loop/dangling.txt", 0), ("sub/loop/itself.txt", 0)]),
        (
            "**/*",
            [("a.txt", 4), ("dangling.txt", 0), ("folder/b.txt", 1), ("itself.txt", 0), ("sub/again.txt", 4)],
        ),
        ("folder", []),
        ("dangling.txt", [("dangling.txt", 0)]),
    ],
)
def test_links_are_followed(links: str, pattern: str, expected: list[tuple[str, int]]) -> None:
    assert storage.glob(links, pattern) == expected


def test_the_root_may_be_a_link(links: str, tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(links)
    assert storage.glob(str(tmp_path / "linked"), "**/*") == storage.glob(links, "**/*")


def test_what_is_no_file_is_not_listed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    assert storage.glob(str(tmp_path), "*") == []


def test_links_of_remote_filesystems_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Linking(MemoryFileSystem):  # type: ignore[misc]
        """Lists two of its files as links, as SFTP does."""

        def find(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
            entries = super().find(*args, **kwargs)
            missing = {"name": "/linking/missing.txt", "size": 9, "type": "link"}
            return {name: {**entry, "type": "link", "size": 9} for name, entry in entries.items()} | {"m": missing}

    filesystem = Linking()
    filesystem.pipe_file("/linking/a.txt", b"abc")
    monkeypatch.setattr(storage, "url_to_fs", lambda url: (filesystem, "/linking"))
    assert storage.glob("memory://linking", "*.txt") == [("a.txt", 3), ("missing.txt", 0)]


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
