"""HTTP responses: media types, charsets, and the decoding of bodies."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest
import zstandard

from gristmill.transforms.read.http_response import (
    BadContentEncodingError,
    HttpResponse,
    charset,
    decode_body,
    media_type,
)

TEXT = b"<p>" + b"words and more words " * 50

BOMB = 50_000_000
BOMBS = {
    "gzip": gzip.compress(bytes(BOMB), mtime=0),
    "deflate": zlib.compress(bytes(BOMB)),
    "zstd": zstandard.compress(bytes(BOMB)),
    "br": bytes.fromhex(
        "cbffff3ff82700e2b14020f7fe8fffff7ff04f00c4611180eefd1fffffffe09f0088c30200ddfb3ffeffffc13f0110870500baf77ffcffff83"
        "7f02200e0b0074effff20f5e0fff04401c1600e8a0eb01"
    ),
    "gzip, gzip": gzip.compress(gzip.compress(bytes(BOMB), mtime=0), mtime=0),
    "gzip, deflate, zstd": zstandard.compress(zlib.compress(gzip.compress(bytes(BOMB), mtime=0))),
}

BROTLI = bytes.fromhex("1b1c04f8c5636c5d6bc87ba6486ec24a612900090ee1b4bed21bfe1d")
"""TEXT, compressed with brotli 1.2."""


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "stored"),
    [
        ("gzip", gzip.compress(TEXT, mtime=0)),
        ("GZip", gzip.compress(TEXT, mtime=0)),
        ("x-gzip", gzip.compress(TEXT, mtime=0)),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", raw_deflate(TEXT)),
        ("br", BROTLI),
        ("zstd", zstandard.compress(TEXT)),
        ("deflate, gzip", gzip.compress(zlib.compress(TEXT), mtime=0)),
        ("gzip,br,identity", BROTLI),
        ("zstd, deflate, gzip", gzip.compress(zlib.compress(zstandard.compress(TEXT)), mtime=0)),
        ("gzip", gzip.compress(TEXT[:100], mtime=0) + gzip.compress(TEXT[100:], mtime=0)),
        ("gzip", gzip.compress(TEXT, mtime=0) + b"garbage"),
        ("identity", TEXT),
        ("utf-8", TEXT),
        ("gzip", TEXT),
        ("br", TEXT),
    ],
)
def test_content_encoding(encoding: str, stored: bytes) -> None:
    assert decode_body(HttpResponse(200, {"content-encoding": encoding}, stored), 10**6) == TEXT


@pytest.mark.parametrize("encoding", BOMBS)
def test_decoding_stops_after_the_limit_in_little_memory(encoding: str) -> None:
    limit = 2**20
    tracemalloc.start()
    try:
        body = decode_body(HttpResponse(200, {"content-encoding": encoding}, BOMBS[encoding]), limit)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(body) == limit + 1
    assert not any(body)
    assert peak < 4 * limit


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
@pytest.mark.parametrize(("limit", "length"), [(len(TEXT) - 1, len(TEXT)), (len(TEXT), len(TEXT)), (10**6, len(TEXT))])
def test_the_limit_counts_decoded_bytes(encoding: str, limit: int, length: int) -> None:
    pack = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstandard.compress}[encoding]
    assert len(decode_body(HttpResponse(200, {"content-encoding": encoding}, pack(TEXT)), limit)) == length


def test_a_truncated_layer_is_too_large_and_not_decoded_further() -> None:
    """Decoding the truncated inner layer would give a little less than the limit, as if the body were complete."""
    inner = gzip.compress(bytes(range(256)) * 100, compresslevel=0, mtime=0)
    limit = len(inner) - 10
    body = decode_body(HttpResponse(200, {"content-encoding": "gzip, gzip"}, gzip.compress(inner, mtime=0)), limit)
    assert len(body) == limit + 1


def test_an_incomplete_body_is_decoded_as_far_as_possible() -> None:
    body = decode_body(HttpResponse(200, {"content-encoding": "gzip"}, gzip.compress(TEXT, mtime=0)[:-12]), 10**6)
    assert TEXT.startswith(body)
    assert body


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_a_body_that_cannot_be_decoded_and_is_not_text_fails(encoding: str) -> None:
    with pytest.raises(BadContentEncodingError, match=f"the body is not {encoding}"):
        decode_body(HttpResponse(200, {"content-encoding": encoding}, b"\xff\xfe\xfd\0" * 9), 10**6)


@pytest.mark.parametrize(
    ("stored", "body"),
    [
        (b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"abcde"),
        (b"3;x=y\r\nabc\r\n0\r\n\r\n", b"abc"),
        (b"3\nabc\n0\n\n", b"abc"),
        (b"0\r\n\r\n", b""),
        (b"<html>not chunked", b"<html>not chunked"),
        (b"3\r\nabc\r\nwrong<p>", b"abcwrong<p>"),
        (b"5\r\nab", b"ab"),
        (b"3\r\nabc", b"abc"),
        (b"", b""),
    ],
)
def test_chunked_transfer_encoding(stored: bytes, body: bytes) -> None:
    assert decode_body(HttpResponse(200, {"transfer-encoding": "Chunked"}, stored), 10**6) == body


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("text/html", b"", "text/html"),
        ("Text/HTML ;charset=utf-8", b"", "text/html"),
        ("text/html, text/html", b"", "text/html"),
        ("", b"<HTML lang=de>", "text/html"),
        ("", b"\xef\xbb\xbf\n<!-- x --> <!DOCTYPE html>", "text/html"),
        ("", b"<htmlx>", ""),
        ("", b"<!doctype svg>", ""),
        ("image/png", b"<html>", "image/png"),
    ],
)
def test_media_type(content_type: str, body: bytes, expected: str) -> None:
    assert media_type(content_type, body) == expected


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("text/html; charset=utf-8", "utf-8"),
        ("text/html;CHARSET='x y", "x"),
        ('text/html; charset = "ISO-8859-1"; a=b', "ISO-8859-1"),
        ("text/html", None),
        ("text/html; charset=", None),
    ],
)
def test_charset(content_type: str, expected: str | None) -> None:
    assert charset(content_type) == expected
