"""Reading from storage that fails now and then: object stores and web servers.

Every read of a part is a request of its own for a range of bytes, checked for its length. Whatever is asked is asked
again after a pause where it failed for what may pass: server errors (5xx), too many requests (408, 425, 429),
connections that break, answers that end early or do not come. What will not pass (no such file, no permission, any
other 4xx) fails at once.

A web server may answer a request for a range with the whole file. fsspec takes such an answer for the range where its
length allows; here the answer must say that it is the range that was asked for.
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

PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Seconds between one try and the next, each up to a quarter longer, so that many workers do not come back at once."""

ANSWER_SECONDS = 120.0
"""How long a web server may take for one answer, of at most a few MiB."""

_BUFFER = 4 * 2**20
_PASSING = frozenset({408, 425, 429})
_CLIENTS = frozenset({"aiohttp", "aiobotocore", "botocore", "gcsfs", "google", "urllib3"})
_NEVER = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError)
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+)", re.IGNORECASE)

T = TypeVar("T")


def patiently(read: Callable[[], T], url: str) -> T:
    """``read()``, tried again after each of ``PAUSES`` where what failed may pass.

    Raises FileNotFoundError, PermissionError and InputError at once, OSError after the last try; each names ``url``.
    """
    for seconds in (*PAUSES, None):
        try:
            return read()
        except Exception as error:
            if not may_pass(error):
                raise _named(error, url) from error
            if seconds is None:
                told = f"{len(PAUSES) + 1} tries to read it failed, the last with {type(error).__name__}: {error}"
                raise OSError(errno.EIO, " ".join(told.split()), url) from error
            sleep(max(seconds * random.uniform(1, 1.25), _asked_pause(error)))
    raise AssertionError("the last try returns or raises")


def may_pass(error: Exception) -> bool:
    """Whether the same read may succeed a little later."""
    status = _status(error)
    if status is not None:
        return status >= 500 or status in _PASSING
    if isinstance(error, _NEVER) or "Credentials" in type(error).__name__:
        return False
    kinds = (OSError, EOFError, asyncio.TimeoutError)
    return isinstance(error, kinds) or type(error).__module__.partition(".")[0] in _CLIENTS


def size(filesystem: Any, path: str) -> int:
    """Bytes of the file at ``path``; raises FileNotFoundError where there is none."""
    if _is_http(filesystem):
        found, _ = patiently(lambda: sync(filesystem.loop, _http, filesystem, path, 0, 1), path)
        return int(found)

    def look() -> int:
        filesystem.invalidate_cache()
        info = filesystem.info(path)
        if info["type"] != "file":
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
        return int(info["size"])

    return patiently(look, path)


def read_range(filesystem: Any, path: str, start: int, end: int) -> bytes:
    """Bytes ``[start, end)`` of a file that has them."""
    if start == end:
        return b""

    def read() -> bytes:
        if _is_http(filesystem):
            _, data = sync(filesystem.loop, _http, filesystem, path, start, end)
        else:
            data = filesystem.cat_file(path, start=start, end=end)
        if len(data) != end - start:
            raise EOFError(f"{len(data)} bytes came for the {end - start} from {start}")
        return bytes(data)

    return patiently(read, path)


def read_whole(filesystem: Any, path: str) -> bytes:
    """All bytes of a small file."""
    return patiently(lambda: bytes(filesystem.cat_file(path)), path)


def open_remote(filesystem: Any, path: str) -> io.BufferedReader:
    """A seekable file that is read ahead in blocks of 4 MiB."""
    return io.BufferedReader(_RemoteFile(filesystem, path, size(filesystem, path)), _BUFFER)


class _RemoteFile(io.RawIOBase):
    def __init__(self, filesystem: Any, path: str, size: int) -> None:
        self._filesystem, self._path, self._size = filesystem, path, size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

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
    """The size of the file, and its bytes ``[start, end)``, fewer where it ends first."""
    return await asyncio.wait_for(_asked(filesystem, url, start, end), ANSWER_SECONDS)


async def _asked(filesystem: Any, url: str, start: int, end: int) -> tuple[int, bytes]:
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
            raise InputError(f"{url}: the server gives no ranges of files; copy the file to where ranges can be read")
        if int(match[1]) != start:
            raise EOFError(f"bytes from {start} were asked for, and {match[0]!r} came")
        return int(match[3]), await response.read()


def _is_http(filesystem: Any) -> bool:
    return "https" in ((kind,) if isinstance(kind := filesystem.protocol, str) else kind)


def _status(error: Exception) -> int | None:
    """The HTTP status that an error tells of; fsspec hides some behind a FileNotFoundError."""
    told: Any = error.__cause__ if isinstance(error, FileNotFoundError) else error
    found = told.status if hasattr(told, "status") else getattr(told, "code", None)
    return found if isinstance(found, int) else None


def _asked_pause(error: Exception) -> float:
    """Seconds that the server asks to wait (Retry-After), at most a minute."""
    asked = (getattr(error, "headers", None) or {}).get("Retry-After", "")
    return min(float(asked), 60.0) if asked.isdigit() else 0.0


def _named(error: Exception, url: str) -> Exception:
    """A permanent error as one that names its file."""
    status = _status(error)
    if status in (404, 410) or (status is None and isinstance(error, FileNotFoundError)):
        return FileNotFoundError(errno.ENOENT, "no such file", url)
    if status in (401, 403) or (status is None and isinstance(error, PermissionError)):
        return PermissionError(errno.EACCES, "the storage denies permission to read it", url)
    return error if status is None else InputError(f"{url} cannot be read: the server answers {status}")
