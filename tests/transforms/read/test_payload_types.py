"""What payloads are, by their first bytes."""

from __future__ import annotations

import io
import tarfile
import zipfile

import pytest

from gristmill.transforms.read.payload_types import begins_like_page, binary_type, feed_or_image_type


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, "application/epub+zip" if name == "mimetype" else "<x/>")
    return out.getvalue()


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"))
    return out.getvalue()


OPEN_XML = "application/vnd.openxmlformats-officedocument"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"%PDF-1.4\nall ASCII", "application/pdf"),
        (b"\r\n%PDF-1.7\n\xe2\xe3", "application/pdf"),
        (b"%!PS-Adobe-3.0\n", "application/postscript"),
        (b"{\\rtf1\\ansi text}", "application/rtf"),
        (b"d8:announce30:http://x.example/announce", "application/x-bittorrent"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png"),
        (b"GIF89a\1\0\1\0", "image/gif"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "image/jpeg"),
        (b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp"),
        (b"BM\x36\0\0\0\0\0\0\0\x36", "image/bmp"),
        (b"\0\0\1\0\1\0\x10\x10", "image/x-icon"),
        (b"\0\0\0\x20ftypavif\0", "image/avif"),
        (b"\0\0\0\x18ftypmp42\0", "video/mp4"),
        (b"\x1aE\xdf\xa3\1\0", "video/webm"),
        (b"ID3\4\0\0\0", "audio/mpeg"),
        (b"\xff\xfb\x90\x44\0\0", "audio/mpeg"),
        (b"OggS\0\2", "application/ogg"),
        (b"CWS\x09\x30\1\0\0", "application/x-shockwave-flash"),
        (b"wOFF\0\1\0\0", "font/woff"),
        (b"wOF2\0\1\0\0", "font/woff2"),
        (b"\0\1\0\0\0\x0c\0\x80", "font/ttf"),
        (bytes(8) + b"\1\0\2\0" + bytes(22) + b"LP", "application/vnd.ms-fontobject"),
        (zipped("a.txt"), "application/zip"),
        (zipped("[Content_Types].xml", "word/document.xml"), f"{OPEN_XML}.wordprocessingml.document"),
        (zipped("[Content_Types].xml", "xl/workbook.xml"), f"{OPEN_XML}.spreadsheetml.sheet"),
        (zipped("mimetype", "a.xhtml"), "application/epub+zip"),
        (zipped("META-INF/MANIFEST.MF"), "application/java-archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0", "application/x-ole-storage"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "application/x-7z-compressed"),
        (b"Rar!\x1a\7\1\0", "application/vnd.rar"),
        (tarred(), "application/x-tar"),
        (b"\0asm\1\0\0\0", "application/wasm"),
        (b"\xca\xfe\xba\xbe\0\0\0\x34", "application/java-vm"),
        (b"\x7fELF\2\1\1\0", "application/x-elf"),
        (b"MZ\x90\0\3\0\0\0", "application/vnd.microsoft.portable-executable"),
        (b"SQLite format 3\0", "application/vnd.sqlite3"),
        (bytes(range(256)) * 8, "application/octet-stream"),
        (bytes(100), "application/octet-stream"),
    ],
)
def test_binary_formats(body: bytes, kind: str) -> None:
    assert binary_type(body) == kind
    assert not begins_like_page(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"words",
        b"<html>" + bytes(range(32)) * 9,
        b"GIF89a is a format of images.",
        b"BMW, MZ and ID3 are abbreviations. PAR1 too.",
        b"wOFF or OTTO? II* or MM. RIFF and fLaC.",
        b"PDF files begin with %PDF-1.4",
        b"words " * 99 + b"\0\1",
        "Grüße".encode("utf-16"),
        "<p>Grüße aus der Stadt".encode("utf-16-le"),
        "Die Straßen der Stadt".encode("utf-16-be"),
        "上海市是中国的城市。".encode("utf-16") * 20,
        "上海市是中国的城市。".encode("gb18030") * 20,
        "これは文章です。".encode("iso2022_jp") * 20,
        "한국어 문장입니다. ".encode("iso2022_kr") * 20,
        "Съешь ещё этих булок".encode("koi8-r"),
    ],
)
def test_texts_are_not_binary(body: bytes) -> None:
    assert binary_type(body) is None


@pytest.mark.parametrize(
    "body",
    [
        b"<head>",
        b"\n\t <HEAD >",
        b"<title>x",
        b"<meta charset=utf-8>",
        b"<script>",
        b"<body\nclass=x>",
        b"<p>x",
        b"<br/>",
        b"<h1>x",
        b"<table>",
        b"<!-- x --!><head>",
        b"<!-- unclosed",
        b"<?xml version='1.0'?>\n<!DOCTYPE html PUBLIC '-'>",
        b"<?xml version='1.0'?><html xmlns='x'>",
        "\ufeff<html>".encode(),
        "<html>".encode("utf-16"),
        "<html>".encode("utf-16-be"),
    ],
)
def test_openings_of_pages(body: bytes) -> None:
    assert begins_like_page(body)


@pytest.mark.parametrize(
    "body", [b"", b"words <p>", b"<header2>", b"<htmlx>", b"<", b"<!doctype svg>", b"<rss>", b"{}"]
)
def test_other_openings(body: bytes) -> None:
    assert not begins_like_page(body)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<?xml version='1.0'?>\n<!-- x -->\n<rss version='2.0'>", "application/rss+xml"),
        (b"<rss version='2.0'>", "application/rss+xml"),
        (b"<feed xmlns='x'>", "application/atom+xml"),
        (b"<?xml version='1.0'?><rdf:RDF xmlns='x'>", "application/rdf+xml"),
        (b"<?xml version='1.0'?><svg>", "image/svg+xml"),
        (b"<!DOCTYPE svg PUBLIC '-'><svg>", "image/svg+xml"),
        (b"<?xml version='1.0'?><urlset>", "application/xml"),
        (b"<svg><path></svg><p>x", None),
        (b"<?xml version='1.0'?><!DOCTYPE html>", None),
        (b"<?xml version='1.0'?><div>", None),
        (b"<html><rss>", None),
        (b"<feedback>", None),
        (b"", None),
    ],
)
def test_feeds_and_images_of_text(body: bytes, kind: str | None) -> None:
    assert feed_or_image_type(body) == kind
