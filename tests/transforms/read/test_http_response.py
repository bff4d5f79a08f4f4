"""HTTP responses: media types, charsets, and the decoding of bodies."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
import zstandard

from gristmill.transforms.read.body_decoding import BadContentEncodingError
from gristmill.transforms.read.http_response import HttpResponse, charset, decode_body, media_type, parse_response

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

PAGE = b"<html><p>" + b"words and more words " * 50
BROTLI_PAGE = bytes.fromhex("1b2204f8c5636c5d6bc87ba64817b2092b8569014860c8245c8c9cda577a837f0b")
"""PAGE, compressed with brotli 1.2."""

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
        ("none", TEXT),
        ("deflate", TEXT),
        ("zstd", TEXT),
        ("gzip, gzip", gzip.compress(TEXT, mtime=0)),
        ("gzip, gzip", gzip.compress(gzip.compress(TEXT, mtime=0), mtime=0)),
        ("gzip", gzip.compress(gzip.compress(TEXT, mtime=0), mtime=0)),
        ("", gzip.compress(gzip.compress(TEXT, mtime=0), mtime=0)),
        ("", gzip.compress(TEXT, mtime=0)),
        ("none", gzip.compress(TEXT, mtime=0)),
        ("utf-8", zstandard.compress(TEXT)),
        ("br", gzip.compress(TEXT, mtime=0)),
        ("gzip", zstandard.compress(TEXT)),
        ("", bz2.compress(TEXT)),
        ("", lzma.compress(TEXT)),
        ("zstd", zstandard.compress(TEXT[:100]) + zstandard.compress(TEXT[100:])),
    ],
)
def test_content_encoding(encoding: str, stored: bytes) -> None:
    assert decode_body(HttpResponse(200, {"content-encoding": encoding}, stored), 10**6) == TEXT


@pytest.mark.parametrize("encoding", ["", "gzip", "identity"])
@pytest.mark.parametrize("stored", [BROTLI_PAGE, zlib.compress(PAGE), raw_deflate(PAGE)])
def test_encodings_without_a_signature_are_found_by_the_page_in_them(encoding: str, stored: bytes) -> None:
    assert decode_body(HttpResponse(200, {"content-encoding": encoding}, stored), 10**6) == PAGE


@pytest.mark.parametrize(
    "stored",
    [
        "K. und L. schrieben über Käse".encode("cp1252") * 20,
        "<p>Käse".encode("cp1252"),
        "<p>Käse".encode("utf-16"),
        b"x^2 + y^2 = z^2",
        "\u8bdd".encode("gb18030") * 300,
    ],
)
@pytest.mark.parametrize("encoding", ["", "gzip", "br", "deflate", "zstd"])
def test_a_text_that_only_declares_an_encoding_is_used_as_it_is(encoding: str, stored: bytes) -> None:
    assert decode_body(HttpResponse(200, {"content-encoding": encoding}, stored), 10**6) == stored


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


LONG = b"<p>" + b" ".join(b"%x" % (n * 2654435761 % 2**32) for n in range(60_000))
"""More than two blocks of zstd, of which only whole ones can be decoded."""


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("zstd", zstandard.compress), ("deflate", zlib.compress), ("deflate", raw_deflate)],
)
def test_an_incomplete_body_is_decoded_as_far_as_possible(
    encoding: str, pack: Callable[[bytes], bytes], declared: bool
) -> None:
    stored = pack(LONG)
    headers = {"content-encoding": encoding} if declared else {}
    body = decode_body(HttpResponse(200, headers, stored[: len(stored) // 2]), 10**7)
    assert LONG.startswith(body)
    assert len(body) > len(LONG) // 5


@pytest.mark.parametrize("cut", range(26, len(BROTLI_PAGE)))
@pytest.mark.parametrize("headers", [{"content-encoding": "br"}, {}])
def test_an_incomplete_brotli_body_is_decoded_as_far_as_possible(cut: int, headers: dict[str, str]) -> None:
    body = decode_body(HttpResponse(200, headers, BROTLI_PAGE[:cut]), 10**6)
    assert PAGE.startswith(body)
    assert body


@pytest.mark.parametrize("encoding", ["gzip", "deflate", ""])
@pytest.mark.parametrize(
    "damage",
    [b"\x1f\x8b\x08", gzip.compress(TEXT, mtime=0)[:-8] + bytes(8), b"\x28\xb5\x2f\xfd\xff\xff"],
    ids=["only a header", "wrong checksum", "zstd"],
)
def test_a_damaged_body_fails(encoding: str, damage: bytes) -> None:
    with pytest.raises(BadContentEncodingError, match="cannot be decoded"):
        decode_body(HttpResponse(200, {"content-encoding": encoding}, damage), 10**6)


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
        (b"3 \r\nabc\r\n0002\r\nde\r\n0\r\nX-Time: 5\r\n\r\n", b"abcde"),
        (b"3\r\nabc\r\n2", b"abc"),
        (b"3\r\nabc\r\n0\r\n<p>behind", b"abc"),
        # Decoded already: texts that begin with a number.
        (b"2024\nA year", b"2024\nA year"),
        (b"5\r\nvowels and 21 others", b"5\r\nvowels and 21 others"),
        (b"a\nb\nc\n", b"a\nb\nc\n"),
        (b"0\r\n<p>zero", b"0\r\n<p>zero"),
    ],
)
def test_chunked_transfer_encoding(stored: bytes, body: bytes) -> None:
    assert decode_body(HttpResponse(200, {"transfer-encoding": "Chunked"}, stored), 10**6) == body


def chunked(body: bytes, size: int = 100) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])


@pytest.mark.parametrize(
    ("stored", "body"),
    [
        (chunked(PAGE), PAGE),
        (chunked(b"words " * 99), b"words " * 99),
        (chunked(PAGE)[:-50], PAGE[: len(PAGE) - 43]),
        (chunked(PAGE, 5000)[:-600], None),
        (chunked(PAGE)[:-2] + b"X-Time: 5\r\n\r\n", PAGE),
        (chunked(gzip.compress(PAGE, mtime=0)), PAGE),
        (gzip.compress(chunked(PAGE), mtime=0), PAGE),
        # No chunks.
        (b"5\r\nvowels and 21 others", b"5\r\nvowels and 21 others"),
        (b"2024\r\nA year", b"2024\r\nA year"),
        (b"3\nabc\n0\n\n", b"3\nabc\n0\n\n"),
        (b"0\r\n\r\n", b"0\r\n\r\n"),
        (b"1\r\n00:00:01,000 --> 00:00:02,000\r\nHello\r\n", b"1\r\n00:00:01,000 --> 00:00:02,000\r\nHello\r\n"),
        (b"3\r\nabc\r\nwrong<p>", b"3\r\nabc\r\nwrong<p>"),
    ],
)
def test_undeclared_chunks(stored: bytes, body: bytes | None) -> None:
    found = decode_body(HttpResponse(200, {}, stored), 10**6)
    if body is None:
        assert PAGE.startswith(found)
        assert len(found) > len(PAGE) // 3
    else:
        assert found == body


@pytest.mark.parametrize(
    ("headers", "stored"),
    [
        ({"transfer-encoding": "gzip, chunked"}, chunked(gzip.compress(TEXT, mtime=0))),
        ({"transfer-encoding": "gzip, chunked"}, gzip.compress(TEXT, mtime=0)),
        ({"transfer-encoding": "gzip, chunked"}, TEXT),
        ({"transfer-encoding": "gzip"}, gzip.compress(TEXT, mtime=0)),
        ({"transfer-encoding": "deflate, chunked"}, chunked(raw_deflate(TEXT))),
        ({"transfer-encoding": "chunked, chunked"}, chunked(TEXT)),
        (
            {"transfer-encoding": "gzip, chunked", "content-encoding": "br"},
            chunked(gzip.compress(BROTLI, mtime=0)),
        ),
        ({"transfer-encoding": "chunked", "content-encoding": "br"}, chunked(BROTLI)),
    ],
)
def test_transfer_encodings_are_removed_before_content_encodings(headers: dict[str, str], stored: bytes) -> None:
    assert decode_body(HttpResponse(200, headers, stored), 10**6) == TEXT


@pytest.mark.parametrize(
    ("block", "status", "headers", "body"),
    [
        (b"HTTP/2 200\r\nA: b\r\n\r\nx", 200, {"a": "b"}, b"x"),
        (b"HTTP/1.1 200 OK\nA: b\n\nx", 200, {"a": "b"}, b"x"),
        (b"HTTP/1.1 200 OK\r\n\r\nx", 200, {}, b"x"),
        (b"HTTP/1.1 200 OK\r\n", 200, {}, b""),
        (b"\r\nHTTP/1.1 200 OK\r\n\r\nx", 200, {}, b"x"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\nA: b\r\n\r\nx", 404, {"a": "b"}, b"x"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 5000 + b"HTTP/1.1 200 OK\r\n\r\nx", 200, {}, b"x"),
        (b"HTTP/1.1 200 OK\r\nA: b\r\na: c\r\n d\r\n\r\nx", 200, {"a": "b, c d"}, b"x"),
        (b"<html>", None, {}, b"<html>"),
    ],
)
def test_responses(block: bytes, status: int | None, headers: dict[str, str], body: bytes) -> None:
    assert parse_response(block) == (status, headers, body)


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
        ("image/png, text/html", b"", "text/html"),
        ("text/html, none", b"", "text/html"),
        ("text/html, */*", b"", "text/html"),
        ('text/html; a="b, text/plain"', b"", "text/html"),
        ("text/html charset=utf-8", b"", "text/html"),
        ("none", b"<html>", "text/html"),
        ("unknown/unknown", b"<html>", "text/html"),
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
        ("text/html charset=big5", "big5"),
        ("text/html; charset=big5, text/html", "big5"),
        ("text/html; charset=big5, text/html; charset=gbk", "gbk"),
        ("text/plain; charset=big5, text/html", None),
    ],
)
def test_charset(content_type: str, expected: str | None) -> None:
    assert charset(content_type) == expected
