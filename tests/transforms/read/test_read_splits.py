"""Any division of an archive into ranges yields every record once, kept, dropped and failed ones alike."""

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

from gristmill.corpus.record import Raw
from gristmill.transforms.read.archive_reader import _next_record, find_boundary, is_splittable, read_archive
from gristmill.transforms.read.member_codecs import detect_codec
from gristmill.transforms.read.source_format import Coverage, Item
from gristmill.transforms.read.stored_file import StoredFile
from gristmill.transforms.read.warc_records import begins_record
from tests.transforms.read.packing import lz4

MAX_BYTES = 2**24


class Archive(NamedTuple):
    """A file's bytes, and its records when read as one range: for each, a description and the digest of its payload."""

    name: str
    data: bytes
    records: list[tuple[object, bytes]]

    @classmethod
    def of(cls, name: str, data: bytes) -> Archive:
        items, coverage = read_range(name, data, 0, len(data))
        assert coverage == Coverage(len(data), len(data))
        return cls(name, data, items)

    def assert_same_records(self, cuts: Iterable[int]) -> None:
        """Assert that the ranges between ``cuts`` yield the same records."""
        edges = [0, *sorted(cuts), len(self.data)]
        parts = [read_range(self.name, self.data, *pair) for pair in pairwise(edges)]
        assert [item for items, _ in parts for item in items] == self.records, f"{self.name} at {edges}"
        assert (
            sum(coverage.covered for _, coverage in parts)
            == sum(coverage.expected for _, coverage in parts)
            == len(self.data)
        )

    def cuts(self, rng: random.Random) -> list[int]:
        """Return one to eight cuts, half of them anywhere and half of them at a record or next to it."""
        offsets = [origin.offset for (_, origin, *_), _ in self.records] or [0]  # type: ignore[misc, attr-defined]
        near = (rng.choice(offsets) + rng.randint(-1, 1) for _ in range(8))
        anywhere = (rng.randint(0, len(self.data)) for _ in range(8))
        cuts = [rng.choice(pair) for pair in zip(near, anywhere, strict=True)]
        return [min(max(cut, 0), len(self.data)) for cut in cuts[: rng.randint(1, 8)]]


def read_range(name: str, data: bytes, start: int, end: int) -> tuple[list[tuple[object, bytes]], Coverage]:
    stored = StoredFile(io.BytesIO(data), len(data))
    reader = read_archive(stored, "s", name, start, end, MAX_BYTES)
    items = []
    while True:
        try:
            items.append(describe(next(reader)))
        except StopIteration as stop:
            return items, stop.value


def describe(item: Item) -> tuple[object, bytes]:
    if not isinstance(item, Raw):
        return (type(item).__name__, item.origin, *item[1:]), b""
    payload = item.payload.encode() if isinstance(item.payload, str) else item.payload
    return ("Raw", item.origin, item.media_type, item.charset), blake2b(payload).digest()


# -- real archives ----------------------------------------------------------------------------------------------------

ARCHIVES = 70
"""Archives below ``warc/``: two of pages, 14 of Common Crawl, 54 unusual ones."""


def real_archives(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "warc").rglob("*") if path.is_file() and "warc" + "/gold" not in str(path))


def check_partitions(folder: Path, partitions: int, max_bytes: int) -> int:
    """Check random partitions of files of up to ``max_bytes`` bytes; return their number."""
    tried = 0
    for path in real_archives(folder):
        if path.stat().st_size > max_bytes:
            continue
        archive = Archive.of(path.name, path.read_bytes())
        for number in range(partitions):
            archive.assert_same_records(archive.cuts(random.Random(number)))
            tried += 1
    return tried


def test_partitions_of_small_real_archives(shared_data: Path) -> None:
    assert check_partitions(shared_data, 10, 2**20) == 10 * (ARCHIVES - 2)


def test_partitions_of_large_real_archives(shared_data: Path) -> None:
    archive = Archive.of("pages-1.warc.gz", (shared_data / "warc" / "pages-1.warc.gz").read_bytes())
    for number in range(3):
        archive.assert_same_records(archive.cuts(random.Random(number)))
    assert len(archive.records) == 1001


@pytest.mark.slow
def test_200_partitions_of_every_real_archive(shared_data: Path) -> None:
    assert check_partitions(shared_data, 200, 2**40) == 200 * ARCHIVES


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
    """Return an archive whose third record holds an archive verbatim, with bodies of the lengths in ``inner``."""
    pack = PACKERS[suffix]
    stored = [pack(record(noise(900, n), n)) for n in range(6)]
    hidden = b"".join(pack(record(noise(size, n), 1000 + n)) for n, size in enumerate(inner))
    stored[2] = RAW[suffix](record(hidden, 2))
    assert hidden[:2000] in stored[2]
    return b"".join(stored)


# A block of raw bytes has at most 65,535 bytes in gzip, 131,072 in zstd, and 4 MiB in LZ4.
INNER = {
    "a few small": [500] * 4,
    "just in one block": [1000] * 60,
    "over many blocks": [1000] * 900,
    "one over many blocks": [900_000],
    "one, and small ones": [300_000, *[700] * 200],
}


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("inner", INNER)
def test_an_archive_inside_a_record_has_no_boundaries(suffix: str, inner: str) -> None:
    archive = Archive.of(f"a.warc{suffix}", nested(suffix, INNER[inner]))
    assert len(archive.records) == 6
    stored = StoredFile(io.BytesIO(archive.data), len(archive.data))
    codec = detect_codec(stored, archive.name, begins_record)
    starts = {origin.offset for (_, origin, *_), _ in archive.records}  # type: ignore[misc, attr-defined]
    false_start = _next_record(stored, codec, sorted(starts)[2] + 1)
    assert false_start not in starts  # a record of the inner archive
    assert find_boundary(stored, codec, false_start) in {*starts, len(archive.data)}
    for number in range(10):
        archive.assert_same_records([false_start, *archive.cuts(random.Random(number))])


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
    assert any(kind[0] == "Failed" for kind, _ in archive.records)  # type: ignore[index]
    for number in range(20):
        archive.assert_same_records(archive.cuts(random.Random(number)))


# -- what is split ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "records", "splittable"),
    [(".gz", 2, True), (".gz", 1, False), (".zst", 2, True), (".lz4", 2, True), ("", 2, False)],
)
def test_archives_compressed_by_record_are_splittable(suffix: str, records: int, splittable: bool) -> None:
    pack = PACKERS.get(suffix, bytes)
    data = b"".join(pack(record(noise(900, n), n)) for n in range(records))
    assert is_splittable(StoredFile(io.BytesIO(data), len(data)), f"a.warc{suffix}", len(data)) is splittable


@pytest.mark.parametrize("delta", [-1, 0, 1])
def test_a_file_is_splittable_if_the_first_unit_has_a_boundary(delta: int) -> None:
    first = gzipped(record(noise(900, 1), 1))
    data = first + gzipped(record(noise(900, 2), 2))
    assert is_splittable(StoredFile(io.BytesIO(data), len(data)), "a.warc.gz", len(first) + delta) is (delta > 0)


@pytest.mark.parametrize(("length", "is_boundary"), [(2**16, False), (2**16 + 1, True)])
def test_how_many_intact_bytes_make_a_boundary(length: int, is_boundary: bool) -> None:
    """A member that begins a record is a boundary if the intact members are longer than a block of raw bytes."""
    first, last = (gzipped(record(noise(900, n), n)) for n in (1, 2))
    long = next(data for n in range(65_000, 65_600) if len(data := raw_gzip(record(noise(n, 3), 3))) == length)
    data = first + long + b"garbage" * 9 + last
    stored = StoredFile(io.BytesIO(data), len(data))
    codec = detect_codec(stored, "a.warc.gz", begins_record)
    assert find_boundary(stored, codec, 1) == (len(first) if is_boundary else len(data) - len(last))
