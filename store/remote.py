"""Reading from object stores and web servers, with retries.

Every partial read is a range request whose length is checked. Transient errors are retried after a delay: server errors
(5xx), too many requests (408, 425, 429), broken connections, and responses that are cut short or time out. Permanent
errors (no such file, no permission, any other 4xx) are raised at once.

A web server may answer a range request with the whole file. fsspec accepts such a response as the range if its length
fits; here the response must state that it is the requested range.
"""

from __future__ import annotations

import asyncio
import errno
import io
import random
import re
from collections.abc import Callable
from time import sleep
from typing import Any, TypeVar

from fsspec.asyn import sync

from gristmill.errors import InputError

RETRY_DELAYS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Seconds before each retry. Up to a quarter is added at random, so that many workers do not retry all at once."""

TIMEOUT_SECONDS = 120.0
"""How long a web server may take for one response, of at most a few MiB."""

_BUFFER = 4 * 2**20
_TRANSIENT_STATUSES = frozenset({408, 425, 429})
_CLIENT_LIBRARIES = frozenset({"aiohttp", "aiobotocore", "botocore", "gcsfs", "google", "urllib3"})
_PERMANENT_ERRORS = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError)
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+)", re.IGNORECASE)

T = TypeVar("T")


def with_retries(read: Callable[[], T], url: str) -> T:
    """Return ``read()``, retried after each of ``RETRY_DELAYS`` if the error is transient.

    Raises FileNotFoundError, PermissionError or InputError at once, OSError after the last retry; each names ``url``.
    """
    for delay in (*RETRY_DELAYS, None):
        try:
            return read()
        except Exception as error:
            if not is_transient(error):
                raise _with_url(error, url) from error
            if delay is None:
                attempts = len(RETRY_DELAYS) + 1
                message = f"reading failed {attempts} times, the last time with {type(error).__name__}: {error}"
                raise OSError(errno.EIO, " ".join(message.split()), url) from error
            sleep(max(delay * random.uniform(1, 1.25), _retry_after(error)))
    raise AssertionError("the last attempt returns or raises")


def is_transient(error: Exception) -> bool:
    """Whether the same read may succeed a little later."""
    status = _status(error)
    if status is not None:
        return status >= 500 or status in _TRANSIENT_STATUSES
    if isinstance(error, _PERMANENT_ERRORS) or "Credentials" in type(error).__name__:
        return False
    connection_errors = (OSError, EOFError, asyncio.TimeoutError)
    return isinstance(error, connection_errors) or type(error).__module__.partition(".")[0] in _CLIENT_LIBRARIES


def size(filesystem: Any, path: str) -> int:
    """The size of the file at ``path`` in bytes. Raises FileNotFoundError."""
    if _is_http(filesystem):
        total, _ = with_retries(lambda: sync(filesystem.loop, _http, filesystem, path, 0, 1), path)
        return int(total)

    def look_up() -> int:
        filesystem.invalidate_cache()
        info = filesystem.info(path)
        if info["type"] != "file":
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
        return int(info["size"])

    return with_retries(look_up, path)


def read_range(filesystem: Any, path: str, start: int, end: int) -> bytes:
    """The bytes ``[start, end)`` of a file that is at least ``end`` bytes long."""
    if start == end:
        return b""

    def read() -> bytes:
        if _is_http(filesystem):
            _, data = sync(filesystem.loop, _http, filesystem, path, start, end)
        else:
            data = filesystem.cat_file(path, start=start, end=end)
        if len(data) != end - start:
            raise EOFError(f"requested {end - start} bytes from {start}, received {len(data)}")
        return bytes(data)

    return with_retries(read, path)


def read_file(filesystem: Any, path: str) -> bytes:
    """All bytes of a small file."""
    return with_retries(lambda: bytes(filesystem.cat_file(path)), path)


def open_remote(filesystem: Any, path: str) -> io.BufferedReader:
    """Open a seekable file that is read in blocks of 4 MiB."""
    return io.BufferedReader(_RemoteFile(filesystem, path, size(filesystem, path)), _BUFFER)


class _RemoteFile(io.RawIOBase):
    def __init__(self, filesystem: Any, path: str, size: int) -> None:
        self._filesystem, self._path, self._size = filesystem, path, size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = max(0, offset + (0, self._position, self._size)[whence])
        return self._position

    def readinto(self, buffer: Any) -> int:
        end = min(self._position + len(buffer), self._size)
        if end <= self._position:
            return 0
        data = read_range(self._filesystem, self._path, self._position, end)
        buffer[: len(data)] = data
        self._position = end
        return len(data)


async def _http(filesystem: Any, url: str, start: int, end: int) -> tuple[int, bytes]:
    """The size of a file and its bytes ``[start, end)``, or fewer if the file is shorter."""
    return await asyncio.wait_for(_request_range(filesystem, url, start, end), TIMEOUT_SECONDS)


async def _request_range(filesystem: Any, url: str, start: int, end: int) -> tuple[int, bytes]:
    session = await filesystem.set_session()
    headers = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
    async with session.get(filesystem.encode_url(url), headers=headers) as response:
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
        if response.status == 416 and match and match[3] == "0":
            return 0, b""
        response.raise_for_status()
        if response.status != 206 and start == 0 and (whole := response.content_length) is not None and whole <= end:
            return whole, await response.read()
        if response.status != 206 or match is None or match[1] is None:
            raise InputError(f"{url}: the server does not support range requests; copy the file to storage that does")
        if int(match[1]) != start:
            raise EOFError(f"requested bytes from {start}, received {match[0]!r}")
        return int(match[3]), await response.read()


def _is_http(filesystem: Any) -> bool:
    return "https" in ((name,) if isinstance(name := filesystem.protocol, str) else name)


def _status(error: Exception) -> int | None:
    """The HTTP status of an error, if it has one; fsspec wraps some in a FileNotFoundError."""
    source: Any = error.__cause__ if isinstance(error, FileNotFoundError) else error
    status = source.status if hasattr(source, "status") else getattr(source, "code", None)
    return status if isinstance(status, int) else None


def _retry_after(error: Exception) -> float:
    """The seconds that the server asks to wait (``Retry-After``), at most a minute."""
    value = (getattr(error, "headers", None) or {}).get("Retry-After", "")
    return min(float(value), 60.0) if value.isdigit() else 0.0


def _with_url(error: Exception, url: str) -> Exception:
    """A permanent error whose message names the file."""
    status = _status(error)
    if status in (404, 410) or (status is None and isinstance(error, FileNotFoundError)):
        return FileNotFoundError(errno.ENOENT, "no such file", url)
    if status in (401, 403) or (status is None and isinstance(error, PermissionError)):
        return PermissionError(errno.EACCES, "no permission to read this file", url)
    return error if status is None else InputError(f"cannot read {url}: the server responded with status {status}")
