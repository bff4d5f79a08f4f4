"""A stream of decompressed bytes with a place in it, in bounded memory."""

from __future__ import annotations

import re
from collections.abc import Callable

from gristmill.transforms.read.member_codecs import Chunks, End

EMPTY_LINE = re.compile(rb"\n\r*\n")
"""The end of the line before, and an empty line."""


class Content:
    """``reopen(position)`` gives the chunks from ``position`` of the content on.

    Bytes since the last ``release`` are kept, so that going back is cheap; going back further decompresses again.
    ``wanted`` is the reader's note to the chunks: whether it stands inside of something that must go on.
    """

    def __init__(self, reopen: Callable[[int], Chunks]) -> None:
        self.position = 0
        self.wanted = False
        self.end: End | None = None
        self._reopen = reopen
        self._chunks = reopen(0)
        self._base = 0
        self._buffer = bytearray()
        self._taken = b""  # the bytes right before the buffer, where ``take`` went past it

    @property
    def size(self) -> int:
        """Bytes decompressed so far; all of them once ``end`` is known."""
        return self._base + len(self._buffer)

    def at_end(self) -> bool:
        return not self.peek(1)

    def peek(self, length: int) -> bytes:
        """The next bytes; fewer at the end."""
        while self.size < self.position + length and self._more():
            pass
        at = self.position - self._base
        with memoryview(self._buffer) as view:
            return bytes(view[at : at + length])

    def take(self, length: int) -> bytes:
        """The next bytes, and go behind them; fewer at the end.

        What is not in the buffer does not go through it: most of an archive is taken like that, in one copy.
        """
        target = self.position + length
        if target <= self.size or self.end is not None:
            data = self.peek(length)
        else:
            parts = [bytes(memoryview(self._buffer)[self.position - self._base :])]
            reached, rest = self.size, b""
            while reached < target and (chunk := self._next()) is not None:
                parts.append(chunk)
                reached += len(chunk)
            if reached > target:
                parts[-1], rest = parts[-1][: target - reached], parts[-1][target - reached :]
            data = self._taken = b"".join(parts)
            self._base, self._buffer = self.position + len(data), bytearray(rest)
        self.position += len(data)
        return data

    def skip(self, length: int) -> int:
        """Go ``length`` bytes on without keeping them; returns how many there were."""
        target = self.position + length
        while self.size < target:
            self._base += len(self._buffer)
            self._buffer.clear()
            self._taken = b""
            if not self._more():
                break
        start, self.position = self.position, min(target, self.size)
        return self.position - start

    def line(self, limit: int) -> bytes:
        """Up to and with the next line feed, but no more than ``limit`` bytes."""
        seen = self.position
        while True:
            at = self._buffer.find(b"\n", seen - self._base, self.position - self._base + limit)
            if at >= 0:
                return self.take(at + 1 - (self.position - self._base))
            seen = self.size
            if seen >= self.position + limit or not self._more():
                return self.take(limit)

    def release(self) -> None:
        """Forget the bytes before the present place."""
        del self._buffer[: self.position - self._base]
        self._base, self._taken = self.position, b""

    def rewind(self, position: int) -> None:
        """Go back to ``position``."""
        if position < self._base and position >= self._base - len(self._taken):
            self._buffer[:0] = self._taken[position - self._base :]
            self._base, self._taken = position, b""
        elif position < self._base:
            self._taken = b""
            self._chunks, self.end = self._reopen(position), None
            self._base = position
            self._buffer.clear()
        self.position = position

    def head(self, limit: int) -> bytes | None:
        """The lines before the next empty one, and go behind that; None where not all of it is in the buffer."""
        at = self.position - self._base
        match = EMPTY_LINE.search(self._buffer, at - 1, at + limit) if at else None
        if match is None:
            return None
        self.position = self._base + match.end()
        return bytes(self._buffer[at : match.start() + 1])

    def newlines(self) -> bool:
        """Go behind the line ends that follow; whether anything follows them."""
        while True:
            at = self.position - self._base
            if at == len(self._buffer) and not self._more():
                return False
            if self._buffer[at] not in b"\r\n":
                return True
            self.position += 1  # no further: a member may end here

    def _more(self) -> bool:
        chunk = self._next()
        if chunk is None:
            return False
        self._buffer += chunk
        return True

    def _next(self) -> bytes | None:
        if self.end is not None:
            return None
        try:
            return next(self._chunks)
        except StopIteration as stop:
            self.end = stop.value
            return None


def dropping(chunks: Chunks, length: int) -> Chunks:
    """``chunks`` without their first ``length`` bytes."""
    while True:
        try:
            chunk = next(chunks)
        except StopIteration as stop:
            end: End = stop.value
            return end
        if len(chunk) > length:
            yield chunk[length:]
        length = max(0, length - len(chunk))
