"""Compressed files as sequences of members, each decompressed by itself.

A member is a gzip member, a zstd or LZ4 frame, or a bzip2 or xz stream. Decoders that run over a whole file hide where
one member ends and the next begins, and lose decoded data when they meet damage. Here a member is a generator of chunks
that returns where the member ended and whether it is damaged: every stored byte is used, or known to be damaged.
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

from gristmill.transforms.read.stored_file import StoredFile

_ZlibError: Any = zlib_ng.error
_ERRORS = (_ZlibError, zstandard.ZstdError, lzma.LZMAError, EOFError, OSError, ValueError)  # the last two from bz2
_MAX_ZSTD_WINDOW = 2**30
"""Bytes of a window, and so of memory. Every level of zstd needs less; ``--long`` up to 30 is within it."""

_LARGE_FILE = 2**28
"""Bytes of a file whose windows may be as large as zstd allows: dumps of ``--long=31`` are published."""

_MAX_XZ_MEMORY = 2**30
_PLAIN_CHUNK = 2**16
_LZ4_CHUNK = 2**18


class MemberEnd(NamedTuple):
    """The offset behind a member; with ``damage`` ("truncated" or "corrupt"), the offset of the damaged member.

    ``limit`` is a limit of ours, if the member is too large for it and otherwise intact.
    """

    offset: int
    damage: str = ""
    limit: str = ""

    def describe_damage(self, after: int) -> str:
        """Return a sentence about a damaged member and what is lost behind it."""
        because = f": {self.limit}; compress the file with a smaller one" * bool(self.limit)
        return f"stored bytes from {self.offset} up to {after} cannot be decompressed{because}"


Chunks: TypeAlias = Generator[bytes, None, MemberEnd]


class Codec(NamedTuple):
    """A compression format.

    Attributes:
        suffix: File extension.
        magics: Byte sequences with which a member begins.
        read_member: Yields the chunks of a member, given ``(stored, offset, step)``: reads ``step`` bytes at a time.
        max_verbatim: Most consecutive bytes that a member can store uncompressed. Members of another file, which cannot
            be compressed again, are stored like that, and so could be mistaken for members of this file.
        head_bytes: Stored bytes of a member in which its first line must end; 0 if it may end anywhere. A header may
            have a name of any length, and data that only looks like a member must not be read to its end.
    """

    suffix: str
    magics: tuple[bytes, ...]
    read_member: Callable[..., Chunks]
    max_verbatim: int
    head_bytes: int = 2**13

    def begins_at(self, stored: StoredFile, offset: int) -> bool:
        """Return whether a member may begin at ``offset``."""
        return stored.read_at(offset, 6).startswith(self.magics)

    def check_member(self, stored: StoredFile, offset: int) -> tuple[MemberEnd, bool]:
        """Return where the member at ``offset`` ends, and whether all its bytes that exist can be decompressed."""
        chunks, produced = self.read_member(stored, offset), False
        while True:
            try:
                produced |= bool(next(chunks))
            except StopIteration as stop:
                end: MemberEnd = stop.value
                return end, produced and end.damage != "corrupt"


def _read_member(
    new_decoder: Callable[[], Any], default_step: int, stored: StoredFile, offset: int, step: int | None = None
) -> Chunks:
    """Yield chunks; ``default_step`` limits how many bytes one call to the decoder can expand to."""
    decoder = new_decoder()
    position = offset
    step = step or default_step
    while not decoder.eof:
        data = stored.read_at(position, step)
        if not data:
            return MemberEnd(offset, "truncated")
        try:
            chunk = decoder.decompress(data)
        except _ERRORS as error:
            yield from _read_up_to_damage(new_decoder(), stored, offset, position, step)
            return MemberEnd(offset, "corrupt", _exceeded_limit(str(error)))
        position += len(data)
        if chunk:
            yield chunk
    return MemberEnd(position - len(decoder.unused_data))


def _exceeded_limit(message: str) -> str:
    """Return which of our limits the message of a decoder is about; empty if none."""
    if "too much memory" in message:
        return "a zstd window is larger than 1 GiB"
    return "xz needs more than 1 GiB of memory" if "Memory usage limit" in message else ""


def _read_up_to_damage(
    decoder: Any, stored: StoredFile, offset: int, damaged: int, step: int
) -> Generator[bytes, None, None]:
    """Yield what the step at ``damaged`` holds before the damage.

    Decoders drop that data when they raise, so it is decoded again byte by byte.
    """
    for position in range(offset, damaged, step):
        decoder.decompress(stored.read_at(position, step))
    for byte in stored.read_at(damaged, step):
        try:
            chunk = decoder.decompress(bytes((byte,)))
        except _ERRORS:
            return
        if chunk:
            yield chunk


def _read_lz4_member(stored: StoredFile, offset: int, step: int | None = None) -> Chunks:
    end = _lz4_frame_end(stored, offset)
    if end is None:
        return MemberEnd(offset, "truncated")
    frame = _FrameFile(stored, offset, end)
    reader = Lz4Reader(frame)
    try:
        while chunk := reader.read(_LZ4_CHUNK):
            yield chunk
    except OSError:
        if frame.failure is not None:
            raise frame.failure from None
        return MemberEnd(offset, "corrupt")
    return MemberEnd(end)


def _lz4_frame_end(stored: StoredFile, offset: int) -> int | None:
    """Return where the LZ4 frame at ``offset`` ends (LZ4 frame format 1.6.4); None if the file ends first."""
    flags = stored.read_at(offset + 4, 1)
    if not flags:
        return None
    block_checksum, content_size, content_checksum, dictionary = (flags[0] >> bit & 1 for bit in (4, 3, 2, 0))
    position = offset + 7 + 8 * content_size + 4 * dictionary
    while len(header := stored.read_at(position, 4)) == 4:
        size = int.from_bytes(header, "little") & 0x7FFFFFFF
        position += 4
        if not size:
            end = position + 4 * content_checksum
            return end if end <= stored.size else None
        position += size + 4 * block_checksum
        if position > stored.size:
            return None
    return None


class _FrameFile:
    """A range of a stored file as a readable file that tells failures of storage from a damaged frame."""

    def __init__(self, stored: StoredFile, start: int, end: int) -> None:
        self._stored, self._position, self._end = stored, start, end
        self.failure: OSError | None = None

    def read(self, size: int = -1) -> bytes:
        remaining = self._end - self._position
        try:
            data = self._stored.read_at(self._position, remaining if size < 0 else min(size, remaining))
        except OSError as error:
            self.failure = error
            raise
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        raise OSError("a frame can only be read forwards")

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        pass


_ZSTD_FRAME = b"\x28\xb5\x2f\xfd"
_ZSTD_DICTIONARY = b"\x5d\x2a\x4d\x18"
_SKIPPABLE = tuple(bytes((0x50 + nibble, 0x2A, 0x4D, 0x18)) for nibble in range(16))


def _zstd_codec(stored: StoredFile) -> Codec:
    """Return the zstd codec with the file's own dictionary, if the file begins with one (WARC-zst 1.0, section 3)."""
    window = _MAX_ZSTD_WINDOW if stored.size < _LARGE_FILE else 2 * _MAX_ZSTD_WINDOW
    decompressor = zstandard.ZstdDecompressor(dict_data=_zstd_dictionary(stored), max_window_size=window)
    read_frame = partial(_read_member, decompressor.decompressobj, 2**10)

    def read_member(stored: StoredFile, offset: int, step: int | None = None) -> Chunks:
        if not stored.read_at(offset, 4).startswith(_SKIPPABLE):
            return (yield from read_frame(stored, offset, step))
        end = offset + 8 + int.from_bytes(stored.read_at(offset + 4, 4), "little")
        return MemberEnd(end) if end <= stored.size else MemberEnd(offset, "truncated")

    return Codec(".zst", (_ZSTD_FRAME, *_SKIPPABLE), read_member, 2**17, 2**18)


def _zstd_dictionary(stored: StoredFile) -> zstandard.ZstdCompressionDict | None:
    if stored.read_at(0, 4) != _ZSTD_DICTIONARY:
        return None
    data = stored.read_at(8, int.from_bytes(stored.read_at(4, 4), "little"))
    try:
        if data.startswith(_ZSTD_FRAME):
            data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
        return zstandard.ZstdCompressionDict(data)
    except _ERRORS:
        return None


_GZIP = Codec(".gz", (b"\x1f\x8b\x08",), partial(_read_member, lambda: zlib_ng.decompressobj(31), 2**13), 2**16)
_LZ4 = Codec(".lz4", (b"\x04\x22\x4d\x18",), _read_lz4_member, 2**22, 0)
_XZ_DECODER = partial(lzma.LZMADecompressor, lzma.FORMAT_XZ, _MAX_XZ_MEMORY)
_XZ = Codec(".xz", (b"\xfd7zXZ\x00",), partial(_read_member, _XZ_DECODER, 2**10), 2**16)
_BZ2 = Codec(".bz2", (b"BZh",), partial(_read_member, bz2.BZ2Decompressor, 2**5), 0, 2**20)  # 45 bytes can be 46 MB


def detect_codec(stored: StoredFile, path: str, is_plain: Callable[[bytes], bool]) -> Codec | None:
    """Return the codec of a file, by its first bytes, else by its name; None if ``is_plain`` of the first bytes."""
    codecs = (_GZIP, _zstd_codec(stored), _LZ4, _XZ, _BZ2)
    by_content = next((codec for codec in codecs if codec.begins_at(stored, 0)), None)
    if by_content is not None or is_plain(stored.read_at(0, 2**12)):
        return by_content
    return next((codec for codec in codecs if path.lower().endswith(codec.suffix)), None)


def read_members(codec: Codec, stored: StoredFile, offset: int, continues: Callable[[int], bool]) -> Chunks:
    """Yield the chunks of the member at ``offset``, and of the members behind it while ``continues(their offset)``."""
    while True:
        end = yield from codec.read_member(stored, offset)
        if (
            end.damage
            or end.offset >= stored.size
            or not codec.begins_at(stored, end.offset)
            or not continues(end.offset)
        ):
            return end
        offset = end.offset


def plain_chunks(stored: StoredFile, offset: int) -> Chunks:
    """Yield the rest of an uncompressed file."""
    while data := stored.read_at(offset, _PLAIN_CHUNK):
        yield data
        offset += len(data)
    return MemberEnd(stored.size)
