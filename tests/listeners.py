"""Lists the sockets on which processes listen, from Linux's ``/proc``."""

from __future__ import annotations

import ipaddress
import re
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

_LISTEN = "0A"
_POLL_SECONDS = 0.05


class Listener(NamedTuple):
    """A TCP socket on which a process accepts connections."""

    address: str
    port: int
    command: str

    @property
    def is_loopback(self) -> bool:
        """Whether only processes of this machine can connect."""
        return ipaddress.ip_address(self.address).is_loopback


def listeners(roots: Iterable[int]) -> set[Listener]:
    """Return the TCP listeners of the processes ``roots`` and of all their descendants."""
    return {listener for pid in _descendants(roots) for listener in _listeners_of(pid)}


def namespace_listeners() -> set[Listener]:
    """Return the TCP listeners of all processes in this process's network namespace, without their commands."""
    return {Listener(address, port, "") for address, port, _ in _sockets(Path("/proc/self/net"))}


@contextmanager
def watched(*roots: int) -> Iterator[set[Listener]]:
    """Collect all TCP listeners that the processes ``roots`` and their descendants have while the block runs."""
    seen: set[Listener] = set()
    ended = threading.Event()

    def collect() -> None:
        while not ended.wait(_POLL_SECONDS):
            seen.update(listeners(roots))

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


def watch(process: subprocess.Popen[str], timeout: float, *others: int) -> set[Listener]:
    """Return all listeners until ``process``, which must succeed within ``timeout`` seconds, has ended."""
    with watched(process.pid, *others) as seen:
        try:
            _, stderr = process.communicate(timeout=timeout)
        finally:
            process.kill()
    assert process.returncode == 0, stderr
    return seen


def _descendants(roots: Iterable[int]) -> set[int]:
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found: set[int] = set()
    pending = list(roots)
    while pending:
        pid = pending.pop()
        if pid not in found:
            found.add(pid)
            pending += children.get(pid, [])
    return found


def _listeners_of(pid: int) -> Iterator[Listener]:
    process = Path("/proc", str(pid))
    inodes = set()
    with suppress(OSError):
        for fd in (process / "fd").iterdir():
            with suppress(OSError):
                if match := re.fullmatch(r"socket:\[(\d+)\]", str(fd.readlink())):
                    inodes.add(match[1])
    if not inodes:
        return
    with suppress(OSError):
        command = (process / "cmdline").read_text().replace("\0", " ").strip()
        for address, port, inode in _sockets(process / "net"):
            if inode in inodes:
                yield Listener(address, port, command)


def _sockets(tables: Path) -> Iterator[tuple[str, int, str]]:
    """Yield address, port and inode of each listening socket of a network namespace."""
    for table in ("tcp", "tcp6"):
        for line in (tables / table).read_text().splitlines()[1:]:
            _, local, _, state, *_ = fields = line.split()
            if state == _LISTEN:
                address, port = local.split(":")
                yield _address(address), int(port, 16), fields[9]


def _address(digits: str) -> str:
    """Return the address that ``/proc/net/tcp`` shows as 32-bit words in the byte order of the machine."""
    words = [bytes.fromhex(digits[start : start + 8]) for start in range(0, len(digits), 8)]
    address = ipaddress.ip_address(b"".join(word[:: -1 if sys.byteorder == "little" else 1] for word in words))
    return str(getattr(address, "ipv4_mapped", None) or address)
