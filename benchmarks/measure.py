"""A function alone in a process of its own: what it returned, and the most memory that was held meanwhile.

The process is forked from one that has imported the mill and done nothing else, so imports are paid for once and are in
every figure alike. Memory is resident memory: of the process itself as the kernel noted it (``VmHWM``, exact), or of
the process and all of its descendants as they were seen ten times a second, whichever is more. Pages that programs
share are counted in each. A child that runs no program of its own counts with the pages that are its own alone, since
the others are its parent's; in its first moments it is left out, as it may be about to run a program, and until then
has all of its parent's. Linux only: it is read from ``/proc``.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence, Set
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_LOOK_SECONDS = 0.1
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
_FORK = get_context("fork")


def alone(function: Callable[P, T], *args: P.args, **options: P.kwargs) -> tuple[T, float]:
    """What ``function`` returns, and the peak of resident memory in MB. Raises SystemExit where it fails."""
    receiver, sender = _FORK.Pipe(duplex=False)
    process = _FORK.Process(target=_report, args=(sender, function, args, options))
    process.start()
    sender.close()
    peak = 0
    while not receiver.poll(_LOOK_SECONDS):
        peak = max(peak, tree_bytes(process.pid or 0))
    try:
        result, own = receiver.recv()
    except EOFError:
        raise SystemExit(f"{function.__name__} failed: its traceback stands above") from None
    finally:
        process.join()
    return result, max(peak, own) / 1e6


class Cost(NamedTuple):
    """What a command took: seconds of wall time, seconds of all processors, and the peak of resident memory in MB."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


def command(words: Sequence[str], environment: Mapping[str, str], log: Path) -> Cost:
    """Run a command whose output goes to ``log``. Raises SystemExit where it fails.

    Seconds of processors are those of the command and all of its descendants as they were last seen, ten times a
    second; of a process that ends, what it did since then is missing.
    """
    begun = time.monotonic()
    peak = 0
    spent: dict[int, float] = {}
    with log.open("wb") as file:
        process = subprocess.Popen(words, env={**os.environ, **environment}, stdout=file, stderr=subprocess.STDOUT)
        while process.poll() is None:
            peak = max(peak, tree_bytes(process.pid))
            spent |= _cpu_seconds(process.pid)
            time.sleep(_LOOK_SECONDS)
    if process.returncode:
        raise SystemExit(f"{Path(words[0]).name} ended with {process.returncode}: see {log}")
    return Cost(time.monotonic() - begun, sum(spent.values()), peak / 1e6)


def tree_bytes(pid: int) -> int:
    """Resident bytes of a process and its descendants, as they are now."""
    return sum(processes({pid}).values())


def processes(roots: Set[int]) -> dict[int, int]:
    """Resident bytes of each process of ``roots`` and of all of their descendants, by number, as they are now."""
    alive = _alive()
    found: dict[int, int] = {}
    generation = roots & alive.keys()
    while generation:
        forked = {one for one in generation - roots if alive[one].stack == alive[alive[one].parent].stack}
        found |= {one: _own_bytes(one) if one in forked else alive[one].resident for one in generation}
        generation = {
            child
            for child, process in alive.items()
            if process.parent in generation
            and (process.stack != alive[process.parent].stack or process.seconds > _LOOK_SECONDS)
        }
    return found


def _own_bytes(pid: int) -> int:
    """Resident bytes that a process shares with no other."""
    try:
        told = Path("/proc", str(pid), "smaps_rollup").read_text()
    except OSError:  # it ended meanwhile
        return 0
    return 1024 * sum(map(int, re.findall(r"^Private_\w+:\s+(\d+) kB", told, re.MULTILINE)))


def _cpu_seconds(root: int) -> dict[int, float]:
    """Seconds of processors that a process and each of its descendants took until now, forked ones included."""
    alive = _alive()
    found: dict[int, float] = {}
    generation = {root} & alive.keys()
    while generation:
        found |= {one: alive[one].cpu_seconds for one in generation}
        generation = {child for child, process in alive.items() if process.parent in generation}
    return found


class _Process(NamedTuple):
    parent: int
    resident: int
    cpu_seconds: float
    seconds: float
    """How long it has been there."""
    stack: str
    """Where its stack begins: another place in each program that is run, the same in a forked process."""


def _alive() -> dict[int, _Process]:
    found = {}
    now = float(Path("/proc/uptime").read_text().split()[0])
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            stat = Path("/proc", name, "stat").read_text(errors="replace")
        except OSError:  # it ended meanwhile
            continue
        fields = stat.rpartition(")")[2].split()  # from the third field of proc(5) on
        found[int(name)] = _Process(
            int(fields[1]),
            int(fields[21]) * _PAGE,
            (int(fields[11]) + int(fields[12])) / _TICKS,
            now - int(fields[19]) / _TICKS,
            fields[25],
        )
    return found


def _report(
    sender: Connection, function: Callable[..., T], args: tuple[object, ...], options: dict[str, object]
) -> None:
    result = function(*args, **options)
    peak = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert peak is not None
    sender.send((result, int(peak[1]) * 1024))
