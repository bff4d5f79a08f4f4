"""Files are opened in a child process first: what harms the child is one sentence here, and a success is remembered."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from gristmill.errors import InputError
from gristmill.store import trial_open
from gristmill.store.trial_open import Trial, require_opens


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRISTMILL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(trial_open, "_opened", set())
    return tmp_path / "cache"


def read(path: str) -> None:
    """Opens files whose content says what to do; it runs in the child."""
    match Path(path).read_text():
        case "raise":
            raise ValueError("line 1\nline 2 \x1b[31m\u202e")
        case "raise nothing":
            raise ValueError
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "exit":
            os._exit(3)
        case "hang":
            while True:
                time.sleep(1)
        case "memory":
            bytearray(1 << 31)
        case "write":
            Path(path).write_bytes(b"x" * (1 << 20))
        case "print":
            print("opened", flush=True)
            raise ValueError("printed")
        case "environment":
            raise ValueError(json.dumps(sorted(set(os.environ) & {"A_SECRET", "OMP_NUM_THREADS"})))


TRIAL = Trial(read, ("numpy",), seconds=5)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("raise", "line 1 line 2 \ufffd[31m\ufffd"),
        ("raise nothing", "ValueError"),
        ("crash", "its library ends the process with SIGSEGV"),
        ("exit", "its library ends the process with status 3"),
        ("memory", "that takes more than"),
        ("write", "[Errno 27] File too large"),
        ("print", "printed"),
        ("environment", '["OMP_NUM_THREADS"]'),
    ],
)
def test_the_error_is_one_sentence(
    tmp_path: Path, content: str, reason: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET", "1")
    file = tmp_path / "file"
    file.write_text(content)
    with pytest.raises(InputError) as raised:
        require_opens(TRIAL, file, "the model m", "give another")
    message = str(raised.value)
    assert message.startswith(f"cannot load the model m: {reason}")
    assert message.endswith("; give another")
    assert message.isprintable()
    assert capfd.readouterr() == ("", "")


def test_a_file_that_takes_too_long_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("hang")
    with pytest.raises(InputError, match="that takes more than 1 s; give another"):
        require_opens(TRIAL._replace(seconds=1), file, "the model m", "give another")


def test_a_success_is_remembered_until_the_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("intact")
    require_opens(TRIAL, file, "m", "give another")
    assert len(list((cache / "opened-files").iterdir())) == 1
    with monkeypatch.context() as patched:
        patched.setattr(trial_open, "_fault", None)  # as in another process: only the cache is known
        patched.setattr(trial_open, "_opened", set())
        require_opens(TRIAL, file, "m", "give another")
    file.write_text("exit")
    with pytest.raises(InputError):
        require_opens(TRIAL, file, "m", "give another")


def test_a_copy_is_known_by_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("first", "second"):
        (tmp_path / name).write_text("intact")
    require_opens(TRIAL, tmp_path / "first", "m", "give another", "hash")
    monkeypatch.setattr(trial_open, "_fault", None)
    require_opens(TRIAL, tmp_path / "second", "m", "give another", "hash")


def test_without_a_cache_each_process_tries_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRISTMILL_CACHE", "/proc/none")
    file = tmp_path / "file"
    file.write_text("intact")
    require_opens(TRIAL, file, "m", "give another")
    monkeypatch.setattr(trial_open, "_fault", None)
    require_opens(TRIAL, file, "m", "give another")


def test_any_change_of_a_folder_is_a_new_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    monkeypatch.setattr(trial_open, "_fault", lambda trial, path, size: tried.append(size))
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / name).write_text("1234")
        for _ in range(2):
            require_opens(TRIAL, folder, "m", "give another")
    assert tried == [4, 8]
