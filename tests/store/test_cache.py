"""The cache: what one process has computed, others read."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gristmill.store.cache import cached_bytes

SLOW = """
import sys, time
from gristmill.store.cache import cached_bytes
def compute():
    print("computed", flush=True)
    time.sleep(1)
    return b"content"
print(bytes(cached_bytes("lists/one", compute)))
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRISTMILL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def counted(content: bytes) -> tuple[list[None], Callable[[], bytes]]:
    """A function that returns ``content``, and a list that grows with every call."""
    calls: list[None] = []

    def compute() -> bytes:
        calls.append(None)
        return content

    return calls, compute


@pytest.mark.parametrize("content", [b"content", bytes(100_000)])
def test_an_entry_is_computed_once(cache: Path, content: bytes) -> None:
    calls, compute = counted(content)
    assert [bytes(cached_bytes("lists/one", compute)) for _ in range(3)] == [content] * 3
    assert len(calls) == 1
    assert bytes(cached_bytes("lists/two", lambda: b"other")) == b"other"


@pytest.mark.parametrize("damage", [b"", b"content", b"\0" * 39], ids=["empty", "short", "wrong"])
def test_a_damaged_entry_is_computed_again(cache: Path, damage: bytes) -> None:
    cached_bytes("lists/one", lambda: b"content")
    (cache / "lists" / "one").write_bytes(damage)
    calls, compute = counted(b"content")
    assert [bytes(cached_bytes("lists/one", compute)) for _ in range(2)] == [b"content"] * 2
    assert len(calls) == 1


def test_without_a_folder_every_call_computes(cache: Path) -> None:
    cache.write_bytes(b"a file where the folder should be")
    calls, compute = counted(b"content")
    assert [bytes(cached_bytes("lists/one", compute)) for _ in range(2)] == [b"content"] * 2
    assert len(calls) == 2


def test_without_a_home_directory_every_call_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("GRISTMILL_CACHE", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    calls, compute = counted(b"content")
    assert [bytes(cached_bytes("lists/one", compute)) for _ in range(2)] == [b"content"] * 2
    assert len(calls) == 2


def test_an_error_while_computing_is_raised_and_nothing_is_stored(cache: Path) -> None:
    def fail() -> bytes:
        raise OSError("no such list")

    with pytest.raises(OSError, match="no such list"):
        cached_bytes("lists/one", fail)
    assert bytes(cached_bytes("lists/one", lambda: b"content")) == b"content"


def test_concurrent_processes_compute_an_entry_once(cache: Path) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", SLOW], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    output = "".join(process.communicate(timeout=60)[0] for process in processes)
    assert output.count("computed") == 1
    assert output.count("b'content'") == 3
