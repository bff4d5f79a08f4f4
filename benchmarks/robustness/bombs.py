"""Small files that ask for much memory or time: what becomes of each in the reader of its format.

Each file is read in a process of its own, as a worker reads it. Peak memory is that of this process, libraries
included; seconds are those of reading. A file is balanced if the reader counts as many records as it yields, and covers
all that it was given.

    python -m benchmarks bombs            # all files
    python -m benchmarks bombs --quick    # the same files, the largest of them smaller

The last line is one JSON object: ``cases``, ``unbalanced`` (or without an answer), ``over_1500_mb``, ``over_10_s``,
``largest_mb`` and ``slowest_s``.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import signal
import sys
import time
import zlib
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from benchmarks.harness.benchmark_main import benchmark_main, empty_work_folder
from benchmarks.harness.process_cost import run_command, run_forked
from benchmarks.harness.result_tables import CONSOLE, result_table
from gristmill.corpus.record import Dropped, Raw, UnitSummary
from gristmill.pipelines.work_directory import current, read_ledger
from gristmill.transforms.read.source_section import SourceSection
from gristmill.transforms.read.unit_planning import plan_units
from gristmill.transforms.read.unit_reader import ReadLimits, read_unit

MOST_MB, MOST_SECONDS = 1500, 10
_TIMEOUT = 15
_QUICK_MB = 200
_MB = 2**20


class BombOutcome(NamedTuple):
    """The outcomes of a file's records and their numbers, its size, and what reading it took."""

    outcomes: dict[str, int]
    balanced: bool
    mb: float
    seconds: float
    size: int = 0

    @property
    def text(self) -> str:
        return ", ".join(f"{outcome} {count:,}" for outcome, count in sorted(self.outcomes.items()))

    def as_expected(self, bomb: Bomb) -> bool:
        return not bomb.expected or self.text == bomb.expected


class Bomb(NamedTuple):
    """A file; ``make`` writes it, given its path and the number of megabytes of its content.

    ``expected`` is what must become of its records, as the table shows it; with ``in_run`` it is part of the run, too.
    """

    suffix: str
    make: Callable[[Path, int], object]
    mb: int = 0
    source: dict[str, Any] = {}  # noqa: RUF012
    expected: str = ""
    in_run: bool = False

    @property
    def format(self) -> str:
        return self.suffix.split(".")[1]


def main() -> None:
    benchmark_main(measure, description=__doc__, quick="content of at most 200 MB", needs_data=False)


def measure(options: Namespace) -> dict[str, float]:
    work = empty_work_folder("bombs")
    outcomes = {}
    columns = ("file", "bytes", "outcomes", "MB", "seconds", "")
    table = result_table("bombs", columns, left=("file", "outcomes"))
    for number, (name, bomb) in enumerate(BOMBS.items()):
        folder = work / "files" / f"{number:02}"
        folder.mkdir(parents=True)
        path = folder / f"a{bomb.suffix}"
        run_forked(_make, name, path, min(bomb.mb, _QUICK_MB) if options.quick else bomb.mb)
        outcomes[name] = one = read_bomb(name, path)
        if not bomb.in_run:
            path.unlink()
        remark = "" if one.as_expected(bomb) else f"expected {bomb.expected}"
        table.add_row(name, f"{one.size:,}", one.text, f"{one.mb:.0f}", f"{one.seconds:.1f}", remark)
    CONSOLE.print(table)
    return figures(outcomes) | run_all(work)


def figures(outcomes: dict[str, BombOutcome]) -> dict[str, float]:
    """Return the figures of reading the files."""
    every = outcomes.values()
    return {
        "cases": len(outcomes),
        "unexpected": sum(not one.as_expected(BOMBS[name]) for name, one in outcomes.items()),
        "unbalanced": sum(not one.balanced for one in every),
        "over_1500_mb": sum(one.mb > MOST_MB for one in every),
        "over_10_s": sum(one.seconds > MOST_SECONDS for one in every),
        "largest_mb": round(max(one.mb for one in every)),
        "slowest_s": max(one.seconds for one in every),
    }


def run_all(work: Path) -> dict[str, float]:
    """Run the files below ``work`` to the end of ``extract``, with one worker and with two, and compare."""
    names = [(f"{number:02}", bomb) for number, bomb in enumerate(BOMBS.values()) if bomb.in_run]
    sources = [
        {"name": f"bomb-{number}", "format": bomb.format, "root": str(work / "files" / number), "max_failed": 1.0}
        | bomb.source
        for number, bomb in names
    ]
    recipe = work / "recipe.yaml"
    recipe.write_text(json.dumps({"name": "bombs", "sources": sources}))  # JSON is YAML
    ledgers, manifests = [], []
    for workers in (1, 2):
        to = work / f"workers-{workers}"
        command = [sys.executable, "-m", "gristmill.pipelines.cli.main", "run", str(recipe), "--work", str(to)]
        cost = run_command([*command, "--workers", str(workers), "--until", "extract"], {}, work / f"{workers}.log")
        ledgers.append(read_ledger(str(to)))
        manifests.append(sha256(Path(current(str(to))["extract"].manifest_url).read_bytes()).hexdigest())
        print(
            f"{workers} workers: {cost.seconds:.1f} s ({cost.cpu_seconds:.1f} s of processors), {cost.peak_mb:.0f} MB"
        )
    return {
        "sources_run": len(sources),
        "runs_unbalanced": sum(not ledger["balanced"] for ledger in ledgers),
        "runs_differ": int(ledgers[0] != ledgers[1] or manifests[0] != manifests[1]),
    }


def read_bomb(name: str, path: Path) -> BombOutcome:
    """Read a file in a process of its own."""
    start = time.monotonic()
    try:
        one, mb = run_forked(_limited, use_bomb, name, path)
    except SystemExit as error:
        return BombOutcome({f"no answer: {error}": 1}, False, 0.0, time.monotonic() - start, path.stat().st_size)
    found: BombOutcome = one._replace(mb=mb, size=path.stat().st_size)
    return found


def _limited(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function; end this process if that takes too much processor time."""
    signal.setitimer(signal.ITIMER_PROF, _TIMEOUT)
    return function(*arguments)


def use_bomb(name: str, path: Path) -> BombOutcome:
    """Read a file in this process, as a worker does."""
    bomb = BOMBS[name]
    fields = {"name": "bombs", "format": bomb.format, "root": str(path.parent), "paths": [path.name], **bomb.source}
    source = SourceSection.model_validate(fields)
    start = time.process_time()
    counts: Counter[str] = Counter()
    balanced = True
    for unit in plan_units(source, 2**30):
        records = 0
        for item in read_unit(unit, source, ReadLimits()):
            if isinstance(item, UnitSummary):
                balanced &= item.records == records and item.covered == item.expected
            else:
                records += 1
                counts[
                    "read" if isinstance(item, Raw) else item.reason if isinstance(item, Dropped) else item.cause
                ] += 1
    return BombOutcome(dict(counts), balanced, 0.0, time.process_time() - start)


def _make(name: str, path: Path, mb: int) -> None:
    BOMBS[name].make(path, mb)


def _zeros(mb: int, byte: bytes = b"0") -> Iterator[bytes]:
    for _ in range(mb):
        yield byte * _MB


def _parquet_dictionary(path: Path, mb: int, rows: int, column: str = "text") -> None:
    long = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["a" * mb * _MB]))
    table = pa.table({"text": pa.array(["a text"] * rows), column: long})
    pq.write_table(table, path, compression="zstd", store_schema=False, write_statistics=False)


def _parquet_rows(path: Path, mb: int, rows: int, short: int = 0, **options: Any) -> None:
    """Write ``short`` rows of a few bytes, and ``rows`` of ``mb`` megabytes."""
    schema = pa.schema({"text": pa.string()})
    settings = {"compression": "zstd", "use_dictionary": False, "write_statistics": False, **options}
    with pq.ParquetWriter(path, schema, **settings) as writer:
        if short:
            writer.write_batch(pa.record_batch({"text": ["a short text"] * short}))
        for _ in range(rows):
            writer.write_batch(pa.record_batch({"text": ["a" * mb * _MB]}))


def _parquet_lists(path: Path, mb: int) -> None:
    """Write a column of lists that hold one long string often."""
    items = pa.DictionaryArray.from_arrays(pa.array([0] * 64, pa.int32()), pa.array(["a" * mb * _MB]))
    lists = pa.ListArray.from_arrays(pa.array(range(0, 65, 16), pa.int32()), items)
    pq.write_table(pa.table({"text": ["a text"] * 4, "kept": lists}), path, store_schema=False, compression="zstd")


_BEFORE, _BEHIND = b'{"text": "before"}\n', b'{"text": "behind"}\n'


def _write(data: Callable[[], bytes]) -> Callable[[Path, int], object]:
    return lambda path, mb: path.write_bytes(data())


def _json_line(content: Callable[[], bytes]) -> Callable[[Path, int], object]:
    return _write(lambda: _BEFORE + content() + b"\n" + _BEHIND)


def _compressed(
    open_file: Callable[[Path], Any], begin: bytes = _BEFORE, end: bytes = b"\n" + _BEHIND, byte: bytes = b"0"
) -> Callable[[Path, int], object]:
    def make(path: Path, mb: int) -> None:
        with open_file(path) as file:
            file.write(begin)
            for chunk in _zeros(mb, byte):
                file.write(chunk)
            file.write(end)

    return make


_open_gzip = partial(gzip.open, mode="wb")


def _open_zstd(window_log: int) -> Callable[[Path], Any]:
    def open_file(path: Path) -> Any:
        parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=window_log)
        return zstandard.ZstdCompressor(compression_params=parameters).stream_writer(path.open("wb"))

    return open_file


def _open_xz(path: Path) -> Any:
    return lzma.open(path, "wb", filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 2**20}])


def _xz_dictionary(path: Path, mb: int) -> None:
    """Write a file whose header asks for a dictionary of 4 GB."""
    _compressed(_open_xz)(path, mb)
    data = bytearray(path.read_bytes())
    size = (data[12] + 1) * 4  # of the block header
    data[12 + 4] = 40  # the dictionary's size, 2^32 - 1
    data[12 + size - 4 : 12 + size] = zlib.crc32(data[12 : 12 + size - 4]).to_bytes(4, "little")
    path.write_bytes(data)


def _lz4(path: Path, mb: int) -> None:
    """Write a frame by hand (LZ4 frame format 1.6.4): 4 MB a block, each a run of one byte."""
    block = b"\x1f0\x01\x00" + b"\xff" * (4 * _MB // 255 - 1) + b"\x00\x50" + b"00000"
    header = b"\x04\x22\x4d\x18\x60\x70\x73"
    path.write_bytes(header + (len(block).to_bytes(4, "little") + block) * (mb // 4) + b"\0" * 4)


def _warc(http: bytes, more: bytes = b"", length: int | None = None) -> bytes:
    """Return a WARC record with fields ``more`` and a block ``http``, which may have a wrong ``length``."""
    head = b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: https://a.example/\r\n"
    head += b"Content-Type: application/http\r\n" + more
    head += b"Content-Length: %d\r\n\r\n" % (len(http) if length is None else length)
    return head + http + b"\r\n\r\n"


_OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
_PAGE = b"<html><body><p>A page.</p></body></html>"
_SMALL = _warc(_OK + b"\r\n" + _PAGE)


def _record(http: Callable[[int], bytes], more: bytes = b"") -> Callable[[Path, int], object]:
    """Return a function that writes a record between two small ones."""
    return lambda path, mb: path.write_bytes(_SMALL + _warc(http(mb), more) + _SMALL)


def _body(encoding: str, compress: Callable[[int], bytes]) -> Callable[[Path, int], object]:
    return _record(lambda mb: _OK + f"Content-Encoding: {encoding}\r\n\r\n".encode() + compress(mb))


def _zstd_body(mb: int, window_log: int = 27) -> bytes:
    parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=window_log)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return b"".join(map(compressor.compress, _zeros(mb))) + compressor.flush()


def _stream_body(new_compressor: Callable[[], Any], mb: int) -> bytes:
    compressor = new_compressor()
    return b"".join(map(compressor.compress, _zeros(mb))) + bytes(compressor.flush())


def _gzip_body(mb: int, layers: int = 1) -> bytes:
    body = _stream_body(lambda: zlib.compressobj(9, wbits=31), mb)
    for _ in range(layers - 1):
        body = gzip.compress(body)
    return body


_BROTLI_BODY = bytes.fromhex(
    "cbffff3f002460e2b14072effff8ffff078004401c1680eefd1fffffff00900088c302d0bdffe3ffff1f001200715800baf77f"
    "fcffff034002200e0b40f7fe8fffff7f004800c46101e8defff1ffff0f000980382c00ddfb3ffeffff012001108705a07bff37"
)
"""64 MB of the digit 0."""


def _many_fields(count: int, name: Callable[[int], bytes] = lambda number: b"x%d" % number) -> bytes:
    return b"".join(b"%s: a\r\n" % name(number) for number in range(count))


def _wrong_lengths(length: int) -> bytes:
    return _SMALL + _warc(_OK + b"\r\n" + _PAGE, length=length) * 10_000 + _SMALL


def _members(compress: Callable[[bytes], bytes], count: int, before: bytes, behind: bytes) -> bytes:
    """Return a compressed file with many empty members."""
    return compress(before) + compress(b"") * count + compress(behind)


def _arc(lines: bytes) -> bytes:
    return b"filedesc://a.arc 0.0.0.0 20200101000000 text/plain 4\nabc\n\n" + lines


def _arc_record(body: bytes) -> bytes:
    return b"https://a.example/ 0.0.0.0 20200101000000 text/html %d\n" % len(body) + body + b"\n"


BOMBS: dict[str, Bomb] = {
    "a value of 64 MB in a dictionary, 20,000 rows": Bomb(
        ".parquet", lambda p, mb: _parquet_dictionary(p, 64, 20_000), expected="corrupt 19,996, too_large 4"
    ),
    "a value of 8 MB in a dictionary, 100 rows": Bomb(
        ".parquet", lambda p, mb: _parquet_dictionary(p, 8, 100), expected="corrupt 52, read 48"
    ),
    "a kept value of 8 MB in a dictionary": Bomb(
        ".parquet",
        lambda p, mb: _parquet_dictionary(p, 8, 5, "kept"),
        source={"keep_columns": ["kept"]},
        expected="too_long 5",
    ),
    "a kept list of one value of 1 MB": Bomb(
        ".parquet", lambda p, mb: _parquet_lists(p, 1), source={"keep_columns": ["kept"]}, expected="too_long 4"
    ),
    "256 values of 8 MB, each the one before": Bomb(
        ".parquet",
        lambda p, mb: _parquet_rows(p, 8, 100, column_encoding={"text": "DELTA_BYTE_ARRAY"}),
        expected="corrupt 66, read 34",
    ),
    "a page of one value of 900 MB": Bomb(
        ".parquet", lambda p, mb: _parquet_rows(p, mb or 900, 1), 900, expected="corrupt 1"
    ),
    "20,000 short rows, then 64 of 32 MB": Bomb(
        ".parquet", lambda p, mb: _parquet_rows(p, 32, 64, 20_000), expected="corrupt 56, read 20,000, too_large 8"
    ),
    "an array 1,000,000 deep": Bomb(
        ".jsonl",
        _json_line(lambda: b'{"text": ' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}"),
        expected="bad_json 1, read 2",
        in_run=True,
    ),
    "an object 500,000 deep": Bomb(
        ".jsonl",
        _json_line(lambda: b'{"a":' * 500_000 + b"1" + b"}" * 500_000),
        expected="bad_json 1, read 2",
    ),
    "an id of 10,000,000 digits": Bomb(
        ".jsonl",
        _json_line(lambda: b'{"text": "a", "id": ' + b"9" * 10_000_000 + b"}"),
        source={"fields": {"id": "id"}},
        expected="bad_json 1, read 2",
    ),
    "an id of 1,000,000 letters": Bomb(
        ".jsonl",
        _json_line(lambda: b'{"text": "a", "id": "' + b"a" * 1_000_000 + b'"}'),
        source={"fields": {"id": "id"}},
        expected="read 2, too_long 1",
        in_run=True,
    ),
    "a URL of 200,000 labels": Bomb(
        ".jsonl",
        _json_line(lambda: b'{"text": "a", "url": "http://' + b"a." * 200_000 + b'"}'),
        source={"fields": {"url": "url"}},
        expected="read 2, too_long 1",
        in_run=True,
    ),
    "a URL of 4,000 labels": Bomb(
        ".jsonl",
        _json_line(lambda: b'{"text": "a", "url": "http://' + b"a." * 4_000 + b'"}'),
        source={"fields": {"url": "url"}},
        expected="read 3",
        in_run=True,
    ),
    "3,000 numbers of 4,300 digits": Bomb(
        ".jsonl",
        _json_line(lambda: b'{"text": "a", "n": [' + b",".join([b"9" * 4300] * 3000) + b"]}"),
        source={"keep_columns": ["n"]},
        expected="read 2, too_long 1",
    ),
    "1,000,000 keys": Bomb(
        ".jsonl",
        _json_line(lambda: b'{"text": "a"' + b"".join(b',"k%d":%d' % (n, n) for n in range(999_000)) + b"}"),
        source={"keep_columns": ["k1"]},
        expected="read 3",
    ),
    "5,000,000 empty arrays": Bomb(
        ".jsonl",
        _json_line(lambda: b'{"text": "a", "n": [' + b"[]," * 5_000_000 + b"[]]}"),
        expected="read 3",
    ),
    "5,000,000 empty arrays, kept": Bomb(
        ".jsonl",
        _json_line(lambda: b'{"text": "a", "n": [' + b"[]," * 5_000_000 + b"[]]}"),
        source={"keep_columns": ["n"]},
        expected="read 2, too_long 1",
    ),
    "2,500,000 lone surrogates": Bomb(
        ".jsonl", _json_line(lambda: b'{"text": "' + b"\\ud800" * 2_500_000 + b'"}'), expected="read 3"
    ),
    "a text of one line of 15 MB": Bomb(
        ".jsonl", _json_line(lambda: b'{"text": "' + b"a" * 15 * _MB + b'"}'), expected="read 3", in_run=True
    ),
    "a text file of one line of 15 MB": Bomb(
        ".text", _write(lambda: b"word " * 3 * _MB), expected="read 1", in_run=True
    ),
    "a line in gzip": Bomb(".jsonl.gz", _compressed(_open_gzip), 2000, expected="read 2, too_large 1"),
    "a line in bzip2": Bomb(
        ".jsonl.bz2", _compressed(partial(bz2.open, mode="wb")), 400, expected="read 2, too_large 1", in_run=True
    ),
    "a line in xz": Bomb(".jsonl.xz", _compressed(_open_xz), 1000, expected="read 2, too_large 1"),
    "empty lines in gzip": Bomb(".jsonl.gz", _compressed(_open_gzip, byte=b"\n"), 200, expected="read 2", in_run=True),
    "xz with a dictionary of 4 GB": Bomb(".jsonl.xz", _xz_dictionary, 500, expected="corrupt 1", in_run=True),
    "zstd with a window of 128 MB": Bomb(
        ".jsonl.zst", _compressed(_open_zstd(27)), 4000, expected="read 2, too_large 1"
    ),
    "zstd with a window of 1 GB": Bomb(".jsonl.zst", _compressed(_open_zstd(30)), 2000, expected="read 2, too_large 1"),
    "zstd with a window of 2 GB": Bomb(
        ".jsonl.zst", _compressed(_open_zstd(31)), 4000, expected="corrupt 1", in_run=True
    ),
    "200,000 empty gzip members": Bomb(
        ".jsonl.gz", _write(lambda: _members(gzip.compress, 200_000, _BEFORE, _BEHIND)), expected="read 2"
    ),
    "100,000 empty zstd frames": Bomb(
        ".jsonl.zst", _write(lambda: _members(zstandard.compress, 100_000, _BEFORE, _BEHIND)), expected="read 2"
    ),
    "100,000 empty bzip2 streams": Bomb(
        ".jsonl.bz2", _write(lambda: _members(bz2.compress, 100_000, _BEFORE, _BEHIND)), expected="read 2"
    ),
    "100,000 empty xz streams": Bomb(
        ".jsonl.xz", _write(lambda: _members(lzma.compress, 100_000, _BEFORE, _BEHIND)), expected="read 2"
    ),
    "WARC in gzip, 50,000 empty members": Bomb(
        ".warc.gz", _write(lambda: _members(gzip.compress, 50_000, _SMALL, _SMALL)), expected="read 2"
    ),
    "WARC in gzip, 50,000 times its magic number": Bomb(
        ".warc.gz",
        _write(lambda: gzip.compress(_SMALL) + b"\x1f\x8b\x08" * 50_000 + gzip.compress(_SMALL)),
        expected="corrupt 1, read 2",
    ),
    "WARC in gzip, empty lines": Bomb(
        ".warc.gz", _compressed(_open_gzip, _SMALL, _SMALL, b"\n"), 200, expected="read 2", in_run=True
    ),
    "WARC in gzip, a head without end": Bomb(
        ".warc.gz",
        _compressed(_open_gzip, _SMALL + b"WARC/1.0\r\nx: ", b"\n" + _SMALL),
        500,
        expected="bad_header 1, read 2",
    ),
    "WARC in zstd, a window of 2 GB": Bomb(
        ".warc.zst", _compressed(_open_zstd(31), _SMALL, _SMALL), 4000, expected="corrupt 1"
    ),
    "WARC in LZ4, zeros": Bomb(".warc.lz4", _lz4, 200, expected="garbage 1"),
    "a field of a record of 10 MB": Bomb(
        ".warc", _record(lambda mb: _OK, b"x: " + b"a" * 10_000_000 + b"\r\n"), expected="bad_header 1, read 2"
    ),
    "1,000,000 fields of a record": Bomb(
        ".warc", _record(lambda mb: _OK, _many_fields(1_000_000)), expected="bad_header 1, read 2", in_run=True
    ),
    "a record's id of 60,000 bytes": Bomb(
        ".warc",
        _record(lambda mb: _OK + b"\r\n" + _PAGE, b"WARC-Record-ID: <urn:" + b"a" * 60_000 + b">\r\n"),
        expected="read 2, too_long 1",
    ),
    "10,000 lengths of 10^15": Bomb(".warc", _write(lambda: _wrong_lengths(10**15)), expected="read 10,002"),
    "10,000 lengths of 1 MB": Bomb(".warc", _write(lambda: _wrong_lengths(10**6)), expected="read 10,002"),
    "10,000 lengths of 10^15 in gzip": Bomb(
        ".warc.gz", _write(lambda: gzip.compress(_wrong_lengths(10**15))), expected="read 10,002", in_run=True
    ),
    "1,000,000 fields of a response": Bomb(
        ".warc", _record(lambda mb: _OK + _many_fields(1_000_000) + b"\r\n" + _PAGE), expected="read 3", in_run=True
    ),
    "1,000,000 equal fields of a response": Bomb(
        ".warc", _record(lambda mb: _OK + _many_fields(1_000_000, lambda n: b"x") + b"\r\n" + _PAGE), expected="read 3"
    ),
    "a field of 1,000,000 lines": Bomb(
        ".warc", _record(lambda mb: _OK + b"x: a\r\n" + b" a\r\n" * 1_000_000 + b"\r\n" + _PAGE), expected="read 3"
    ),
    "500,000 interim responses": Bomb(
        ".warc",
        _record(lambda mb: b"HTTP/1.1 100 C\r\n\r\n" * 500_000 + _OK + b"\r\n" + _PAGE),
        expected="read 3",
        in_run=True,
    ),
    "100,000 declared encodings": Bomb(
        ".warc", _body("br, " * 100_000, lambda mb: bytes(range(128, 256)) * 1000), expected="read 3"
    ),
    "a charset behind 60,000 spaces": Bomb(
        ".warc",
        _record(
            lambda mb: b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=" + b" " * 60_000 + b";\r\n\r\n" + _PAGE
        ),
        expected="read 3",
    ),
    "a media type of 30,000 quotes": Bomb(
        ".warc",
        _record(lambda mb: b"HTTP/1.1 200 OK\r\nContent-Type: " + b',"' * 30_000 + b"\r\n\r\n" + _PAGE),
        expected="read 3",
    ),
    "a body in gzip": Bomb(".warc", _body("gzip", _gzip_body), 2000, expected="read 2, too_large 1"),
    "a body in gzip in gzip, 20 times": Bomb(
        ".warc", _body("gzip", lambda mb: _gzip_body(1, 20)), expected="binary:application/gzip 1, read 2", in_run=True
    ),
    "a body of 100,000 gzip members": Bomb(
        ".warc", _body("gzip", lambda mb: gzip.compress(b"a") * 100_000), expected="bad_content_encoding 1, read 2"
    ),
    "a body of 100,000 bzip2 streams": Bomb(
        ".warc", _body("", lambda mb: bz2.compress(b"a") * 100_000), expected="bad_content_encoding 1, read 2"
    ),
    "a body of 1,000,000 zstd frames": Bomb(
        ".warc", _body("zstd", lambda mb: zstandard.compress(b"a") * 1_000_000), expected="read 3"
    ),
    "a body in Brotli": Bomb(
        ".warc", _body("br", lambda mb: _BROTLI_BODY), expected="read 2, too_large 1", in_run=True
    ),
    "a body in Brotli, cut off": Bomb(
        ".warc", _body("br", lambda mb: _BROTLI_BODY[:40]), expected="read 2, too_large 1"
    ),
    "a body in bzip2": Bomb(
        ".warc", _body("", lambda mb: _stream_body(bz2.BZ2Compressor, mb)), 600, expected="read 2, too_large 1"
    ),
    "a body in xz": Bomb(
        ".warc", _body("", lambda mb: _stream_body(lzma.LZMACompressor, mb)), 300, expected="read 2, too_large 1"
    ),
    "a body in zstd, a window of 2 GB": Bomb(
        ".warc",
        _body("zstd", lambda mb: _zstd_body(mb, 31)),
        1000,
        expected="bad_content_encoding 1, read 2",
        in_run=True,
    ),
    "a body in zstd, a window of 128 MB": Bomb(
        ".warc", _body("zstd", _zstd_body), 2000, expected="read 2, too_large 1"
    ),
    "a body of 1,000,000 chunks": Bomb(
        ".warc",
        _record(lambda mb: _OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\na\n" * 1_000_000 + b"0\r\n\r\n"),
        expected="read 3",
    ),
    "5,000,000 fields behind the last chunk": Bomb(
        ".warc",
        _record(lambda mb: _OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n" + b"a:\n" * 5_000_000 + b"\x01"),
        expected="read 3",
    ),
    "a page of 1,000,000 elements in each other": Bomb(
        ".warc", _record(lambda mb: _OK + b"\r\n" + b"<div>" * 1_000_000), expected="read 3", in_run=True
    ),
    "a page that opens 4,000,000 comments": Bomb(
        ".warc", _record(lambda mb: _OK + b"\r\n" + b"<!--" * 4_000_000), expected="read 3", in_run=True
    ),
    "an archive in a body": Bomb(".warc", _body("gzip", lambda mb: gzip.compress(_SMALL * 60_000)), expected="read 3"),
    "ARC, lines of letters": Bomb(
        ".warc",
        _write(lambda: _arc((b"a" * 65_000 + b"\n") * 20 + _arc_record(_PAGE))),
        expected="garbage 1, read 1, record_type:filedesc 1",
    ),
    "ARC, lines of URLs": Bomb(
        ".warc",
        _write(lambda: _arc((b"a:b " * 16_000 + b"\n") * 20 + _arc_record(_PAGE))),
        expected="garbage 1, read 1, record_type:filedesc 1",
        in_run=True,
    ),
}


if __name__ == "__main__":
    main()
