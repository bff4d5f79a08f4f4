"""A stream of decompressed bytes with a position, in bounded memory."""

from __future__ import annotations

import re
from collections.abc import Callable

from gristmill.transforms.read.member_codecs import Chunks, MemberEnd

EMPTY_LINE = re.compile(rb"\n\r*\n")
"""The end of a line and the empty line behind it."""

_LINE_ENDS = re.compile(rb"[\r\n]*")
_WHITE_SPACE = re.compile(rb"[ \t\r\n]*")


class ContentStream:
    """A position in a sequence of chunks.

    Bytes since the last ``release`` are buffered, so that rewinding is cheap; rewinding further decompresses again.

    Attributes:
        position: Offset of the next byte in the content.
        inside_record: Set by the parser while it is inside a record, which the next member may continue.
        end: The end of the last member, once it has been reached.
        read_again: Bytes that were read more than once because of ``rewind``.
    """

    def __init__(self, reopen: Callable[[int], Chunks]) -> None:
        """Read the chunks of ``reopen(0)``; ``reopen(position)`` yields the content from ``position`` on."""
        self.position = 0
        self.inside_record = False
        self.end: MemberEnd | None = None
        self.read_again = 0
        self._reopen = reopen
        self._chunks = reopen(0)
        self._base = 0
        self._buffer = bytearray()
        self._taken = b""  # the bytes just before the buffer that ``take`` did not buffer

    @property
    def size(self) -> int:
        """Bytes decompressed so far; the total once ``end`` is known."""
        return self._base + len(self._buffer)

    def at_end(self) -> bool:
        return not self.peek(1)

    def peek(self, length: int) -> bytes:
        """Return the next bytes without moving; fewer at the end."""
        while self.size < self.position + length and self._more():
            pass
        start = self.position - self._base
        with memoryview(self._buffer) as view:
            return bytes(view[start : start + length])

    def take(self, length: int) -> bytes:
        """Return the next bytes and move behind them; fewer at the end.

        Bytes that are not buffered yet bypass the buffer: most of an archive is read like that, with one copy.
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
        """Move ``length`` bytes forward without buffering them; return how many there were."""
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
        """Return the bytes up to and including the next line feed, but no more than ``limit``."""
        searched = self.position
        while True:
            index = self._buffer.find(b"\n", searched - self._base, self.position - self._base + limit)
            if index >= 0:
                return self.take(index + 1 - (self.position - self._base))
            searched = self.size
            if searched >= self.position + limit or not self._more():
                return self.take(limit)

    def release(self) -> None:
        """Discard the buffered bytes before the position."""
        del self._buffer[: self.position - self._base]
        self._base, self._taken = self.position, b""

    def rewind(self, position: int) -> None:
        """Move back to ``position``."""
        self.read_again += self.position - position
        if position < self._base and position >= self._base - len(self._taken):
            self._buffer[:0] = self._taken[position - self._base :]
            self._base, self._taken = position, b""
        elif position < self._base:
            self._taken = b""
            self.read_again += position
            self._chunks, self.end = self._reopen(position), None
            self._base = position
            self._buffer.clear()
        self.position = position

    def head(self, limit: int) -> bytes | None:
        """Return the lines before the next empty line and move behind it; None if it is not in the buffer."""
        start = self.position - self._base
        match = EMPTY_LINE.search(self._buffer, start - 1, start + limit) if start else None
        if match is None:
            return None
        self.position = self._base + match.end()
        return bytes(self._buffer[start : match.start() + 1])

    def skip_newlines(self) -> bool:
        """Move behind the line ends that follow, and forget them; return whether anything follows them."""
        while True:
            self.position = self._base + self._end_of(_LINE_ENDS)
            if self.position < self.size:
                return True
            self.release()
            if not self._more():  # only now: a member may end here
                return False

    def skip_blank_lines(self) -> None:
        """Move behind the lines of white space that follow, and forget them."""
        while (line_end := self._buffer.rfind(b"\n", self.position - self._base, self._end_of(_WHITE_SPACE))) >= 0:
            self.position = self._base + line_end + 1
            self.release()
            if self._end_of(_WHITE_SPACE) < len(self._buffer) or not self._more():
                return

    def _end_of(self, pattern: re.Pattern[bytes]) -> int:
        """Return where in the buffer a match at the position ends; the pattern may match nothing."""
        match = pattern.match(self._buffer, self.position - self._base)
        return match.end() if match else self.position - self._base

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


def drop_prefix(chunks: Chunks, length: int) -> Chunks:
    """Yield ``chunks`` without their first ``length`` bytes."""
    while True:
        try:
            chunk = next(chunks)
        except StopIteration as stop:
            end: MemberEnd = stop.value
            return end
        if len(chunk) > length:
            yield chunk[length:]
        length = max(0, length - len(chunk))
