"""Any partition of an archive into ranges gives every record once: kept, dropped and failed ones alike."""

from __future__ import annotations

import io
import random
import zlib
from collections.abc import Callable, Iterable
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
import zstandard

from gristmill.corpus.record import Dropped, Failed, Raw
from gristmill.transforms.read.archive_reader import Span, _next_record, boundary, read_archive, splittable
from gristmill.transforms.read.member_codecs import codec_of
from gristmill.transforms.read.stored_file import Stored
from gristmill.transforms.read.warc_records import begins_record
from tests.transforms.read.packing import lz4

MAX_BYTES = 2**24
Item = Raw | Dropped | Failed


class Archive(NamedTuple):
    """A file's bytes, and its records as they are read in one go: (place and fate, digest of the payload) each."""

    name: str
    data: bytes
    whole: list[tuple[object, bytes]]

    @classmethod
    def of(cls, name: str, data: bytes) -> Archive:
        items, span = ranged(name, data, 0, len(data))
        assert span == Span(len(data), len(data))
        return cls(name, data, items)

    def require(self, cuts: Iterable[int]) -> None:
        """The ranges between ``cuts`` give what the whole gives."""
        edges = [0, *sorted(cuts), len(self.data)]
        parts = [ranged(self.name, self.data, *pair) for pair in pairwise(edges)]
        assert [item for items, _ in parts for item in items] == self.whole, f"{self.name} at {edges}"
        assert sum(span.covered for _, span in parts) == sum(span.expected for _, span in parts) == len(self.data)

    def cuts(self, rng: random.Random) -> list[int]:
        """One to eight cuts: half of them anywhere, half of them at a record or beside it."""
        places = [place.offset for (_, place, *_), _ in self.whole] or [0]  # type: ignore[misc, attr-defined]
        near = (rng.choice(places) + rng.randint(-1, 1) for _ in range(8))
        anywhere = (rng.randint(0, len(self.data)) for _ in range(8))
        cuts = [rng.choice(pair) for pair in zip(near, anywhere, strict=True)]
        return [min(max(cut, 0), len(self.data)) for cut in cuts[: rng.randint(1, 8)]]


def ranged(name: str, data: bytes, start: int, end: int) -> tuple[list[tuple[object, bytes]], Span]:
    stored = Stored(io.BytesIO(data), len(data))
    reader = read_archive(stored, "s", name, start, end, MAX_BYTES)
    items = []
    while True:
        try:
            items.append(told(next(reader)))
        except StopIteration as stop:
            return items, stop.value


def told(item: Item) -> tuple[object, bytes]:
    if not isinstance(item, Raw):
        return (type(item).__name__, item.origin, *item[1:]), b""
    payload = item.payload.encode() if isinstance(item.payload, str) else item.payload
    return ("Raw", item.origin, item.media_type, item.charset), blake2b(payload).digest()


# -- real archives ----------------------------------------------------------------------------------------------------

ARCHIVES = 70
"""Archives below ``warc/``: two of pages, 14 of Common Crawl, 54 odd ones."""


def real_archives(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "warc").rglob("*") if path.is_file() and "warc" + "/gold" not in str(path))


def partitioned(folder: Path, partitions: int, most: int) -> int:
    """How many partitions of files up to ``most`` bytes were tried."""
    tried = 0
    for path in real_archives(folder):
        if path.stat().st_size > most:
            continue
        archive = Archive.of(path.name, path.read_bytes())
        for number in range(partitions):
            archive.require(archive.cuts(random.Random(number)))
            tried += 1
    return tried


def test_partitions_of_small_real_archives(shared_data: Path) -> None:
    assert partitioned(shared_data, 10, 2**20) == 10 * (ARCHIVES - 2)


def test_partitions_of_large_real_archives(shared_data: Path) -> None:
    archive = Archive.of("pages-1.warc.gz", (shared_data / "warc" / "pages-1.warc.gz").read_bytes())
    for number in range(3):
        archive.require(archive.cuts(random.Random(number)))
    assert len(archive.whole) == 1001


@pytest.mark.slow
def test_200_partitions_of_every_real_archive(shared_data: Path) -> None:
    assert partitioned(shared_data, 200, 2**40) == 200 * ARCHIVES


# -- archives inside archives -----------------------------------------------------------------------------------------


def record(body: bytes, n: int) -> bytes:
    block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + body
    head = b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:%d>\r\nContent-Type: application/http\r\n" % n
    return head + b"Content-Length: %d\r\n\r\n" % len(block) + block + b"\r\n\r\n"


def gzipped(data: bytes, level: int = 6) -> bytes:
    packer = zlib.compressobj(level, wbits=31)
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzipped,
    ".zst": zstandard.ZstdCompressor().compress,
    ".lz4": lz4,
}


def raw_gzip(data: bytes) -> bytes:
    return gzipped(data, level=0)


def raw_zstd(data: bytes) -> bytes:
    """One frame of raw blocks (RFC 8878, section 3.1.1)."""
    blocks = [data[at : at + 2**17] for at in range(0, len(data), 2**17)]
    heads = [
        (len(block) << 3 | (number == len(blocks) - 1)).to_bytes(3, "little") for number, block in enumerate(blocks)
    ]
    return b"\x28\xb5\x2f\xfd\xa0" + len(data).to_bytes(4, "little") + b"".join(map(bytes.__add__, heads, blocks))


def raw_lz4(data: bytes) -> bytes:
    """One frame of uncompressed blocks of 4 MiB (LZ4 frame format 1.6.4)."""
    blocks = [data[at : at + 2**22] for at in range(0, len(data), 2**22)]
    heads = [(len(block) | 2**31).to_bytes(4, "little") for block in blocks]
    return b"\x04\x22\x4d\x18\x60\x70\x73" + b"".join(map(bytes.__add__, heads, blocks)) + bytes(4)


RAW: dict[str, Callable[[bytes], bytes]] = {".gz": raw_gzip, ".zst": raw_zstd, ".lz4": raw_lz4}


def noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


def nested(suffix: str, inner: list[int]) -> bytes:
    """An archive whose third record holds, as it is, an archive with bodies of the lengths in ``inner``."""
    pack = PACKERS[suffix]
    stored = [pack(record(noise(900, n), n)) for n in range(6)]
    hidden = b"".join(pack(record(noise(size, n), 1000 + n)) for n, size in enumerate(inner))
    stored[2] = RAW[suffix](record(hidden, 2))
    assert hidden[:2000] in stored[2]
    return b"".join(stored)


# Of gzip a block of raw bytes has at most 65,535 of them, of zstd 131,072, of LZ4 4 MiB.
INNER = {
    "a few small": [500] * 4,
    "just in one block": [1000] * 60,
    "over many blocks": [1000] * 900,
    "one over many blocks": [900_000],
    "one, and small ones": [300_000, *[700] * 200],
}


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("inner", INNER)
def test_an_archive_in_a_record_is_no_place_to_split(suffix: str, inner: str) -> None:
    archive = Archive.of(f"a.warc{suffix}", nested(suffix, INNER[inner]))
    assert len(archive.whole) == 6
    stored = Stored(io.BytesIO(archive.data), len(archive.data))
    codec = codec_of(stored, archive.name, begins_record)
    starts = {place.offset for (_, place, *_), _ in archive.whole}  # type: ignore[misc, attr-defined]
    false = _next_record(stored, codec, sorted(starts)[2] + 1)
    assert false not in starts  # what begins there looks like a record
    assert boundary(stored, codec, false) in {*starts, len(archive.data)}
    for number in range(10):
        archive.require([false, *archive.cuts(random.Random(number))])


@pytest.mark.parametrize("damage", ["cut", "flipped", "garbage"])
def test_damage_behind_a_nested_archive(damage: str) -> None:
    data = bytearray(nested(".gz", [1000] * 300))
    if damage == "cut":
        del data[-300:]
    elif damage == "flipped":
        data[len(data) // 2] ^= 255
    else:
        data[-2000:-2000] = b"garbage" * 30
    archive = Archive.of("a.warc.gz", bytes(data))
    assert any(kind[0] == "Failed" for kind, _ in archive.whole)  # type: ignore[index]
    for number in range(20):
        archive.require(archive.cuts(random.Random(number)))


# -- what is split ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "records", "splits"),
    [(".gz", 2, True), (".gz", 1, False), (".zst", 2, True), (".lz4", 2, True), ("", 2, False)],
)
def test_what_is_compressed_record_by_record_is_split(suffix: str, records: int, splits: bool) -> None:
    pack = PACKERS.get(suffix, bytes)
    data = b"".join(pack(record(noise(900, n), n)) for n in range(records))
    assert splittable(Stored(io.BytesIO(data), len(data)), f"a.warc{suffix}", len(data)) is splits


@pytest.mark.parametrize("beside", [-1, 0, 1])
def test_a_file_is_split_where_a_boundary_lies_in_the_first_unit(beside: int) -> None:
    first = gzipped(record(noise(900, 1), 1))
    data = first + gzipped(record(noise(900, 2), 2))
    assert splittable(Stored(io.BytesIO(data), len(data)), "a.warc.gz", len(first) + beside) is (beside > 0)


@pytest.mark.parametrize(("length", "found"), [(2**16, False), (2**16 + 1, True)])
def test_how_far_members_must_lead_on_before_damage(length: int, found: bool) -> None:
    """A member that begins a record is a boundary if sound members follow for more than a block of raw bytes."""
    first, last = (gzipped(record(noise(900, n), n)) for n in (1, 2))
    long = next(one for n in range(65_000, 65_600) if len(one := raw_gzip(record(noise(n, 3), 3))) == length)
    data = first + long + b"garbage" * 9 + last
    stored = Stored(io.BytesIO(data), len(data))
    codec = codec_of(stored, "a.warc.gz", begins_record)
    assert boundary(stored, codec, 1) == (len(first) if found else len(data) - len(last))
