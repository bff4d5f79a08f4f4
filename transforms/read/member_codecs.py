"""Compressed files as rows of members, each decompressed by itself.

A member is a gzip member, a zstd or LZ4 frame, a bzip2 or xz stream. Decoders that run over a whole file hide where
one member ends and the next begins, and at damage give up or lose what they had decoded already. Here a member is a
generator of chunks that returns where it ended and what was wrong: every stored byte is used, or known to be damaged.
"""

from __future__ import annotations

import bz2
import lzma
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import zstandard
from fastwarc.stream_io import Lz4Reader
from zlib_ng import zlib_ng

from gristmill.transforms.read.stored_file import Stored

_ZlibError: Any = zlib_ng.error
_ERRORS = (_ZlibError, zstandard.ZstdError, lzma.LZMAError, EOFError, OSError, ValueError)  # the last two: bz2's
_PLAIN_CHUNK = 2**16
_LZ4_CHUNK = 2**18


class End(NamedTuple):
    """Where a member ended; with ``damage`` ("truncated", "corrupt"), where the damaged member begins."""

    offset: int
    damage: str = ""


Chunks: TypeAlias = Generator[bytes, None, End]


class Codec(NamedTuple):
    """``magics``: how members begin; ``member(stored, offset, step)``: chunks, from ``step`` stored bytes at a time.

    ``verbatim`` is the most bytes in a row that a member can hold as they were before compression, so that another
    file's members, which are stored like that for they cannot be compressed again, might be taken for its own.
    """

    suffix: str
    magics: tuple[bytes, ...]
    member: Callable[..., Chunks]
    verbatim: int

    def at(self, stored: Stored, offset: int) -> bool:
        """Whether a member may begin at ``offset``."""
        return stored.at(offset, 6).startswith(self.magics)

    def walk(self, stored: Stored, offset: int) -> tuple[End, bool]:
        """Where the member at ``offset`` ends, and whether all of it that is there could be decompressed."""
        chunks, produced = self.member(stored, offset), False
        while True:
            try:
                produced |= bool(next(chunks))
            except StopIteration as stop:
                end: End = stop.value
                return end, produced and end.damage != "corrupt"


def _member(new: Callable[[], Any], feed: int, stored: Stored, offset: int, step: int | None = None) -> Chunks:
    """``feed`` bounds how much one call can expand to."""
    decoder = new()
    position, produced = offset, 0
    step = step or feed
    while not decoder.eof:
        data = stored.at(position, step)
        if not data:
            return End(offset, "truncated")
        try:
            chunk = decoder.decompress(data)
        except _ERRORS:
            yield from _up_to_damage(new(), stored, offset, position, step, produced)
            return End(offset, "corrupt")
        position += len(data)
        produced += len(chunk)
        if chunk:
            yield chunk
    return End(position - len(decoder.unused_data))


def _up_to_damage(
    decoder: Any, stored: Stored, offset: int, damaged: int, step: int, produced: int
) -> Generator[bytes, None, None]:
    """What the step at ``damaged`` holds before the damage: decoders drop it, so it is fed again byte by byte."""
    for position in range(offset, damaged, step):
        decoder.decompress(stored.at(position, step))
    for byte in stored.at(damaged, step):
        try:
            chunk = decoder.decompress(bytes((byte,)))
        except _ERRORS:
            return
        if chunk:
            yield chunk


def _lz4_member(stored: Stored, offset: int, step: int | None = None) -> Chunks:
    end = _lz4_end(stored, offset)
    if end is None:
        return End(offset, "truncated")
    frame = _Slice(stored, offset, end)
    reader = Lz4Reader(frame)
    try:
        while chunk := reader.read(_LZ4_CHUNK):
            yield chunk
    except OSError:
        if frame.failure is not None:
            raise frame.failure from None
        return End(offset, "corrupt")
    return End(end)


def _lz4_end(stored: Stored, offset: int) -> int | None:
    """Where the LZ4 frame at ``offset`` ends (LZ4 frame format 1.6.4); None where the file ends first."""
    flags = stored.at(offset + 4, 1)
    if not flags:
        return None
    block_checksum, content_size, content_checksum, dictionary = (flags[0] >> bit & 1 for bit in (4, 3, 2, 0))
    position = offset + 7 + 8 * content_size + 4 * dictionary
    while len(header := stored.at(position, 4)) == 4:
        size = int.from_bytes(header, "little") & 0x7FFFFFFF
        position += 4
        if not size:
            end = position + 4 * content_checksum
            return end if end <= stored.size else None
        position += size + 4 * block_checksum
        if position > stored.size:
            return None
    return None


class _Slice:
    """A range of a stored file as a readable file, which tells a failing storage from a damaged frame."""

    def __init__(self, stored: Stored, start: int, end: int) -> None:
        self._stored, self._position, self._end = stored, start, end
        self.failure: OSError | None = None

    def read(self, size: int = -1) -> bytes:
        left = self._end - self._position
        try:
            data = self._stored.at(self._position, left if size < 0 else min(size, left))
        except OSError as error:
            self.failure = error
            raise
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        raise OSError("a frame is read forwards")

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        pass


_ZSTD_FRAME = b"\x28\xb5\x2f\xfd"
_ZSTD_DICTIONARY = b"\x5d\x2a\x4d\x18"
_SKIPPABLE = tuple(bytes((0x50 + nibble, 0x2A, 0x4D, 0x18)) for nibble in range(16))


def _zstd(stored: Stored) -> Codec:
    """The codec with the file's own dictionary, where it begins with one (WARC-zst 1.0, section 3)."""
    decompressor = zstandard.ZstdDecompressor(dict_data=_dictionary(stored), max_window_size=2**31)
    frame = partial(_member, decompressor.decompressobj, 2**10)

    def member(stored: Stored, offset: int, step: int | None = None) -> Chunks:
        if not stored.at(offset, 4).startswith(_SKIPPABLE):
            return (yield from frame(stored, offset, step))
        end = offset + 8 + int.from_bytes(stored.at(offset + 4, 4), "little")
        return End(end) if end <= stored.size else End(offset, "truncated")

    return Codec(".zst", (_ZSTD_FRAME, *_SKIPPABLE), member, 2**17)


def _dictionary(stored: Stored) -> zstandard.ZstdCompressionDict | None:
    if stored.at(0, 4) != _ZSTD_DICTIONARY:
        return None
    data = stored.at(8, int.from_bytes(stored.at(4, 4), "little"))
    try:
        if data.startswith(_ZSTD_FRAME):
            data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
        return zstandard.ZstdCompressionDict(data)
    except _ERRORS:
        return None


_GZIP = Codec(".gz", (b"\x1f\x8b\x08",), partial(_member, lambda: zlib_ng.decompressobj(31), 2**13), 2**16)
_LZ4 = Codec(".lz4", (b"\x04\x22\x4d\x18",), _lz4_member, 2**22)
_XZ = Codec(".xz", (b"\xfd7zXZ\x00",), partial(_member, partial(lzma.LZMADecompressor, lzma.FORMAT_XZ), 2**10), 2**16)
_BZ2 = Codec(".bz2", (b"BZh",), partial(_member, bz2.BZ2Decompressor, 2**10), 0)


def codec_of(stored: Stored, path: str, plain: Callable[[bytes], bool]) -> Codec | None:
    """The codec of a file by its first bytes, by its name where they say nothing; None where ``plain`` knows them."""
    codecs = (_GZIP, _zstd(stored), _LZ4, _XZ, _BZ2)
    by_content = next((codec for codec in codecs if codec.at(stored, 0)), None)
    if by_content is not None or plain(stored.at(0, 2**12)):
        return by_content
    return next((codec for codec in codecs if path.lower().endswith(codec.suffix)), None)


def members(codec: Codec, stored: Stored, offset: int, goes_on: Callable[[int], bool]) -> Chunks:
    """The chunks of the member at ``offset`` and of those right behind it for which ``goes_on(their offset)``."""
    while True:
        end = yield from codec.member(stored, offset)
        if end.damage or end.offset >= stored.size or not codec.at(stored, end.offset) or not goes_on(end.offset):
            return end
        offset = end.offset


def plain_chunks(stored: Stored, offset: int) -> Chunks:
    """The rest of an uncompressed file."""
    while data := stored.at(offset, _PLAIN_CHUNK):
        yield data
        offset += len(data)
    return End(stored.size)
