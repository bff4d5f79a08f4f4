"""What one process made, another one finds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gristmill.store.cache import kept

SLOW = """
import sys, time
from gristmill.store.cache import kept
def make():
    print("made", flush=True)
    time.sleep(1)
    return b"content"
print(bytes(kept("lists/one", make)))
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRISTMILL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def counted(content: bytes) -> tuple[list[None], Callable[[], bytes]]:
    """A maker of ``content``, and a list that grows with every call."""
    calls: list[None] = []

    def make() -> bytes:
        calls.append(None)
        return content

    return calls, make


@pytest.mark.parametrize("content", [b"content", bytes(100_000)])
def test_what_was_made_is_kept(cache: Path, content: bytes) -> None:
    calls, make = counted(content)
    assert [bytes(kept("lists/one", make)) for _ in range(3)] == [content] * 3
    assert len(calls) == 1
    assert bytes(kept("lists/two", lambda: b"other")) == b"other"


@pytest.mark.parametrize("damage", [b"", b"content", b"\0" * 39], ids=["empty", "short", "wrong"])
def test_what_is_damaged_is_made_again(cache: Path, damage: bytes) -> None:
    kept("lists/one", lambda: b"content")
    (cache / "lists" / "one").write_bytes(damage)
    calls, make = counted(b"content")
    assert [bytes(kept("lists/one", make)) for _ in range(2)] == [b"content"] * 2
    assert len(calls) == 1


def test_without_a_folder_it_is_made_every_time(cache: Path) -> None:
    cache.write_bytes(b"a file where the folder should be")
    calls, make = counted(b"content")
    assert [bytes(kept("lists/one", make)) for _ in range(2)] == [b"content"] * 2
    assert len(calls) == 2


def test_without_a_home_it_is_made_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("GRISTMILL_CACHE", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    calls, make = counted(b"content")
    assert [bytes(kept("lists/one", make)) for _ in range(2)] == [b"content"] * 2
    assert len(calls) == 2


def test_an_error_of_the_maker_is_its_own_and_nothing_is_kept(cache: Path) -> None:
    def fail() -> bytes:
        raise OSError("no such list")

    with pytest.raises(OSError, match="no such list"):
        kept("lists/one", fail)
    assert bytes(kept("lists/one", lambda: b"content")) == b"content"


def test_processes_that_ask_at_the_same_time_make_it_once(cache: Path) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", SLOW], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = "".join(process.communicate(timeout=60)[0] for process in processes)
    assert said.count("made") == 1
    assert said.count("b'content'") == 3
