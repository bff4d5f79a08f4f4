"""Opens files of foreign formats in a child process first, so that a damaged one cannot harm this process.

Libraries in C++ or Rust that load models trust what they read: a damaged file may end the process, never return, or
take all memory. So a file that somebody else may have written is opened in a child process with limits before this
process opens it. A success is remembered in the cache of this machine (``gristmill.store.cache``), so that it costs
about a second once, not in every worker.

The limits are far above what intact files take: they depend on the file's size, and a file that exceeds one is refused.
What the child and its libraries print is dropped, and it inherits no environment variables but those named here.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple

from gristmill.errors import InputError
from gristmill.store.cache import cached_bytes
from gristmill.store.keys import key_of, library_versions
from gristmill.store.trial_open_process import OPENED, OUT_OF_MEMORY

_BYTES_PER_SECOND = 10 << 20
_MEMORY_PER_BYTE = 8
_REPORT_BYTES = 2048
_SHOWN_CHARACTERS = 200

_INHERITED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE")
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "CUDA_VISIBLE_DEVICES": "",
    "HF_HUB_OFFLINE": "1",
}
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); "
    "from gristmill.store.trial_open_process import main; main()"
)

_opened: set[str] = set()
"""The keys of the trials that succeeded, for machines whose cache cannot be written."""


class Trial(NamedTuple):
    """How to try a kind of file.

    Attributes:
        open: A module-level function of a path, which raises an exception if the file is not of this kind.
        libraries: The distributions that open it; another version tries again.
        memory: Bytes that the child may take, beyond eight times the size of the file.
        seconds: Seconds that it may take, of the clock and of the processor, and one more for each 10 MiB.
    """

    open: Callable[[str], object]
    libraries: tuple[str, ...]
    memory: int = 1 << 30
    seconds: int = 30


def require_opens(trial: Trial, path: str | Path, name: str, remedy: str, identity: Any = None) -> None:
    """Raise InputError unless ``trial.open`` succeeds with the file or folder at ``path`` in a child process.

    ``name`` and ``remedy`` are for the error: what cannot be opened, and what to do. ``identity`` identifies the
    content of a temporary file; by default, a file is identified by its place, size and times.
    """
    files = _files(Path(path))
    key = key_of(
        trial.open.__module__, trial.open.__qualname__, library_versions(trial.libraries), identity or _identity(files)
    )
    if key in _opened:
        return
    size = sum(status.st_size for status in files)

    def attempt() -> bytes:
        fault = _fault(trial, str(path), size)
        if fault is not None:
            raise InputError(f"cannot load {name}: {fault}; {remedy}")
        return OPENED

    cached_bytes(f"opened-files/{key}", attempt)
    _opened.add(key)


def _files(path: Path) -> list[os.stat_result]:
    """The status of a file, or of all files in a folder. Raises OSError if there is none."""
    return [file.stat() for file in sorted(path.iterdir()) if file.is_file()] if path.is_dir() else [path.stat()]


def _identity(files: Iterable[os.stat_result]) -> list[tuple[int, ...]]:
    """What changes if a file is changed; ``st_ctime_ns`` cannot be set by a program."""
    return [(file.st_dev, file.st_ino, file.st_size, file.st_mtime_ns, file.st_ctime_ns) for file in files]


def _fault(trial: Trial, path: str, size: int) -> str | None:
    """Why the file cannot be opened; None if it can."""
    seconds, memory = trial.seconds + size // _BYTES_PER_SECOND, trial.memory + _MEMORY_PER_BYTE * size
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    command = [sys.executable, "-I", "-c", _START, json.dumps([entry or os.getcwd() for entry in sys.path])]
    arguments = [trial.open.__module__, trial.open.__qualname__, os.path.abspath(path), str(seconds), str(memory)]
    with TemporaryFile() as report:
        process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=report,
            stderr=subprocess.DEVNULL,
            env={**inherited, **_ENVIRONMENT},
            start_new_session=True,  # an interrupt of the launcher ends it below
        )
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = -signal.SIGALRM
        finally:
            process.kill()
            process.wait()
        report.seek(0)
        reported = report.read(_REPORT_BYTES)
    if status == 0:
        return None if reported == OPENED else _one_line(reported) or "no reason is given"
    if status in (-signal.SIGALRM, -signal.SIGXCPU):
        return f"that takes more than {seconds} s"
    if status in (OUT_OF_MEMORY, -signal.SIGKILL):
        return f"that takes more than {memory:,} bytes of memory"
    how = f"with {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
    return f"its library ends the process {how}"


def _one_line(reported: bytes) -> str:
    """Printable text: the child may be under the control of the file."""
    text = " ".join(reported.decode("utf-8", "replace").split())
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)[:_SHOWN_CHARACTERS]
