"""The time and the peak memory of a function or a command that runs in a process of its own.

``run_forked`` forks from a process that has imported the pipeline and done nothing else, so imports are paid once and
are part of every memory figure. Memory is resident memory: the kernel's peak of the process itself (``VmHWM``, exact),
or the sum over the process and all of its descendants, sampled ten times a second, whichever is larger. Pages that
programs share count once for each program. A child that executes no program of its own (a forked worker) counts with
its private pages only, since the others are its parent's; a very young child is left out, as it may be about to execute
a program and until then holds all of its parent's pages. Linux only: the figures come from ``/proc``.
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

_SAMPLE_SECONDS = 0.1
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_FORK = get_context("fork")


class Cost(NamedTuple):
    """What a command took: wall time, time of all processors (both in seconds), peak of resident memory in MB."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


def run_forked(function: Callable[P, T], *args: P.args, **options: P.kwargs) -> tuple[T, float]:
    """Call ``function`` in a forked process; return its result and the peak of resident memory in MB.

    Raises SystemExit if it fails.
    """
    receiver, sender = _FORK.Pipe(duplex=False)
    process = _FORK.Process(target=_send_result, args=(sender, function, args, options))
    process.start()
    sender.close()
    sampled_peak = 0
    while not receiver.poll(_SAMPLE_SECONDS):
        sampled_peak = max(sampled_peak, resident_bytes(process.pid or 0))
    try:
        result, kernel_peak = receiver.recv()
    except EOFError:
        raise SystemExit(f"{function.__name__} failed: see its traceback above") from None
    finally:
        process.join()
    return result, max(sampled_peak, kernel_peak) / 1e6


def run_command(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Cost:
    """Run a command whose output goes to ``log``, with ``environment`` added to the environment variables.

    Raises SystemExit if it fails. Processor time is that of the command and all of its descendants as last sampled: up
    to a tenth of a second of each process is missing.
    """
    start = time.monotonic()
    peak = 0
    cpu_seconds: dict[int, float] = {}
    with log.open("wb") as file:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=file, stderr=subprocess.STDOUT)
        while process.poll() is None:
            peak = max(peak, resident_bytes(process.pid))
            cpu_seconds |= _cpu_seconds_by_pid(process.pid)
            time.sleep(_SAMPLE_SECONDS)
    if process.returncode:
        raise SystemExit(f"{Path(command[0]).name} exited with status {process.returncode}: see {log}")
    return Cost(time.monotonic() - start, sum(cpu_seconds.values()), peak / 1e6)


def resident_bytes(pid: int) -> int:
    """Return the resident bytes of a process and its descendants now."""
    return sum(resident_bytes_by_pid({pid}).values())


def resident_bytes_by_pid(roots: Set[int]) -> dict[int, int]:
    """Return the resident bytes of each of the processes ``roots`` and of all of their descendants now."""
    alive = _running_processes()
    resident: dict[int, int] = {}
    generation = roots & alive.keys()
    while generation:
        forked = {pid for pid in generation - roots if alive[pid].stack == alive[alive[pid].parent].stack}
        resident |= {pid: _private_bytes(pid) if pid in forked else alive[pid].resident for pid in generation}
        generation = {
            child
            for child, process in alive.items()
            if process.parent in generation
            and (process.stack != alive[process.parent].stack or process.age > _SAMPLE_SECONDS)
        }
    return resident


def peak_mb(pid: int | str) -> float:
    """Return the peak of resident memory of a process as the kernel recorded it; 0 if the process has ended."""
    try:
        status = Path("/proc", str(pid), "status").read_text()
    except OSError:
        return 0.0
    peak = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(peak[1]) * 1024 / 1e6 if peak else 0.0


def _private_bytes(pid: int) -> int:
    """Resident bytes that a process shares with no other process."""
    try:
        rollup = Path("/proc", str(pid), "smaps_rollup").read_text()
    except OSError:  # the process has ended
        return 0
    return 1024 * sum(map(int, re.findall(r"^Private_\w+:\s+(\d+) kB", rollup, re.MULTILINE)))


def _cpu_seconds_by_pid(root: int) -> dict[int, float]:
    """Processor time of a process and of each of its descendants so far, forked ones included."""
    alive = _running_processes()
    seconds: dict[int, float] = {}
    generation = {root} & alive.keys()
    while generation:
        seconds |= {pid: alive[pid].cpu_seconds for pid in generation}
        generation = {child for child, process in alive.items() if process.parent in generation}
    return seconds


class _Process(NamedTuple):
    parent: int
    resident: int
    cpu_seconds: float
    age: float
    """Seconds since it started."""
    stack: str
    """The start address of its stack: different for each program that is executed, the same in a forked process."""


def _running_processes() -> dict[int, _Process]:
    processes = {}
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            stat = Path("/proc", pid, "stat").read_text(errors="replace")
        except OSError:  # the process has ended
            continue
        fields = stat.rpartition(")")[2].split()  # starts at the third field of proc(5)
        processes[int(pid)] = _Process(
            int(fields[1]),
            int(fields[21]) * _PAGE_BYTES,
            (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND,
            uptime - int(fields[19]) / _TICKS_PER_SECOND,
            fields[25],
        )
    return processes


def _send_result(
    sender: Connection, function: Callable[..., T], args: tuple[object, ...], options: dict[str, object]
) -> None:
    result = function(*args, **options)
    sender.send((result, int(peak_mb("self") * 1e6)))
