"""The choice of charset, and the normal form of stored text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.extraction.charset_decoding import codec_of, decode, meta_charset, remove_unencodable
from gristmill.extraction.text_cleanup import clean_text, normalize_line_endings

RUSSIAN = "Съешь ещё этих мягких французских булок, да выпей чаю. " * 8
CHINESE = "这是一个用来测试字符编码的中文句子。" * 8
JAPANESE = "これは文字コードを調べるための文章です。" * 8
FRENCH = "Voilà l'été à Besançon : une œuvre naïve, dit-on. " * 8


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("utf-8", "utf-8"),
        (" UTF8 ", "utf-8"),
        ("iso-8859-1", "cp1252"),
        ("us-ascii", "cp1252"),
        ("gb2312", "gb18030"),
        ("GBK", "gb18030"),
        ("ks_c_5601-1987", "cp949"),
        ("shift_jis", "cp932"),
        ("windows-31j", "cp932"),
        ("big5", "big5hkscs"),
        ("tis-620", "cp874"),
        ("windows-1251", "cp1251"),
        ("", None),
        (None, None),
        ("ru", None),
        ("hex", None),
        ("unicode_escape", None),
        ("utf-8\u2028", None),
    ],
)
def test_labels_follow_the_standard(label: str | None, codec: str | None) -> None:
    assert codec_of(label) == codec


@pytest.mark.parametrize(
    ("html", "label"),
    [
        (b'<meta charset="windows-1251">', "windows-1251"),
        (b"<META http-equiv=Content-Type content='text/html; charset=GB2312'>", "GB2312"),
        (b"<meta charset = 'koi8-r' >", "koi8-r"),
        (b"<!-- <meta charset=utf-7> --><meta charset=big5>", "big5"),
        (b"<!-- <meta charset=utf-7> --!><meta charset=big5>", "big5"),
        (b"<!--><meta charset=big5> -->", "big5"),
        (b"<!-- <meta charset=big5>", None),
        (b" " * 4069 + b"<meta charset=big5>" + b" " * 50, "big5"),
        (b" " * 4096 + b"<meta charset=big5>", None),
        (b"<p>charset=big5</p>", None),
        (b"", None),
    ],
)
def test_the_page_declares_its_charset_in_its_first_4_kib(html: bytes, label: str | None) -> None:
    assert meta_charset(html) == label


@pytest.mark.parametrize(
    ("text", "codec", "transport", "meta"),
    [
        pytest.param(RUSSIAN, "utf-8", "iso-8859-1", "windows-1251", id="valid UTF-8 beats declarations"),
        pytest.param(RUSSIAN, "cp1251", "windows-1251", None, id="transport"),
        pytest.param(RUSSIAN, "cp1251", None, "windows-1251", id="meta"),
        pytest.param(RUSSIAN, "cp1251", "iso-8859-1", "windows-1251", id="transport's default loses to meta"),
        pytest.param(RUSSIAN, "cp1251", "utf-8", "windows-1251", id="transport's wrong UTF-8 loses to meta"),
        pytest.param(RUSSIAN, "koi8-r", "koi8-r", "windows-1251", id="transport beats meta"),
        pytest.param(RUSSIAN, "cp1251", None, None, id="detected"),
        pytest.param(RUSSIAN, "cp1251", "iso-8859-1", None, id="detected other script beats windows-1252"),
        pytest.param(CHINESE, "gb18030", None, "gb2312", id="gb2312 is read as gb18030"),
        pytest.param(CHINESE, "gb18030", "no-such-charset", None, id="unknown label is no declaration"),
        pytest.param(JAPANESE, "cp932", None, "x-sjis", id="shift_jis"),
        pytest.param(JAPANESE, "iso2022_jp", "iso-2022-jp", None, id="ASCII with escapes"),
        pytest.param(FRENCH, "cp1252", "iso-8859-1", None, id="iso-8859-1 is read as windows-1252"),
        pytest.param(FRENCH, "utf-8-sig", "windows-1251", None, id="byte order mark"),
        pytest.param("\ufeff" + FRENCH, "utf-16-le", "utf-8", None, id="UTF-16 by its mark"),
        pytest.param(FRENCH, "utf-16-be", "utf-16be", None, id="UTF-16 by the transport"),
    ],
)
def test_precedence(text: str, codec: str, transport: str | None, meta: str | None) -> None:
    page = f'<meta charset="{meta}">{text}' if meta else text
    assert decode(page.encode(codec), transport) == page.removeprefix("\ufeff")


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", [RUSSIAN, CHINESE, JAPANESE, FRENCH, "", "<p>ÿþ"])
@pytest.mark.parametrize("declared", [None, "utf-8", "utf-16", "utf-16le", "windows-1251"])
def test_utf_16_is_detected_without_a_mark(codec: str, text: str, declared: str | None) -> None:
    page = f"<html><head><title>x</title></head><body><p>{text}</p></body></html>"
    assert decode(page.encode(codec), declared) == page


@pytest.mark.parametrize(("latin", "shows"), [(9, False), (10, True), (11, True)])
def test_utf_16_needs_a_nul_in_twenty_bytes(latin: int, shows: bool) -> None:
    text = "a" * latin + "汉" * (100 - latin)
    assert (decode(text.encode("utf-16-le")) == text) is shows
    assert (decode(text.encode("utf-16-be")) == text) is shows


@pytest.mark.parametrize(("aside", "shows"), [(19, True), (20, True), (21, False)])
def test_nuls_of_utf_16_are_in_the_same_byte_of_each_pair(aside: int, shows: bool) -> None:
    text = "a" * (100 - aside) + "一" * aside  # U+4E00
    assert (decode(text.encode("utf-16-le")) == text) is shows


@pytest.mark.parametrize(("length", "shows"), [(7, False), (8, True)])
def test_utf_16_needs_eight_nuls(length: int, shows: bool) -> None:
    assert (decode(("a" * length + "汉").encode("utf-16-be")) == "a" * length + "汉") is shows


GREEK = "Άρθρο της ημέρας: Άλλη μια φορά η Ελλάδα και ο κόσμος. Ό,τι άλλαξε χθες. " * 8


@pytest.mark.parametrize("codec", ["cp1253", "iso8859-7"])
@pytest.mark.parametrize("text", [GREEK, GREEK.replace("Ά", "Α")])
def test_the_greek_charsets_differ_in_one_letter(codec: str, text: str) -> None:
    assert decode(text.encode(codec)) == text


@pytest.mark.parametrize(
    ("text", "codec", "declared"),
    [
        (JAPANESE, "iso2022_jp", None),
        (JAPANESE, "iso2022_jp", "utf-8"),
        (JAPANESE, "iso2022_jp", "iso-2022-jp"),
        ("\x1b$" + FRENCH, "utf-8", None),
        ("\x1b$\xa0 plain words", "utf-8", None),
        ("\x1b[0m plain words", "utf-8", None),
    ],
)
def test_escapes_of_iso_2022(text: str, codec: str, declared: str | None) -> None:
    assert decode(text.encode(codec), declared) == text


def test_nuls_in_other_text_are_dropped() -> None:
    assert decode(b"a\0b" + "é".encode()) == "abé"
    assert decode(b"\0" * 100 + b"<p>text") == "<p>text"


def test_valid_utf_8_may_contain_replacement_characters() -> None:
    assert decode("\ufffd é".encode(), "windows-1252") == "\ufffd é"


def test_a_wrongly_declared_utf_16_is_ignored() -> None:
    assert decode(FRENCH.encode(), "utf-16") == FRENCH


@pytest.mark.parametrize(("well_formed", "expected"), [(3, False), (4, True), (5, True)])
def test_utf_8_with_errors_needs_four_valid_characters_per_error(well_formed: int, expected: bool) -> None:
    data = "é".encode() * well_formed + b"\xff "
    assert (decode(data, "windows-1252") == "é" * well_formed + "\ufffd ") is expected


@given(st.binary(max_size=300), st.sampled_from([None, "utf-8", "gbk", "iso-2022-jp", "utf-16", "windows-1252", "x"]))
@settings(max_examples=150)
def test_any_bytes_decode_to_encodable_text(data: bytes, transport: str | None) -> None:
    text = decode(data, transport)
    text.encode("utf-8")
    assert "\0" not in text


def test_lone_surrogates_are_replaced_and_nul_is_removed() -> None:
    assert remove_unencodable("a\ud800b\0c\U0001f600") == "a\ufffdbc\U0001f600"


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a\r\nb\rc\u2028d\u0085e", "a\nb\nc\nd\ne"),
        ("a\n\nb", "a\n\nb"),
        ("a\n\n\nb", "a\n\nb"),
        ("a\n \t\n\u00a0\nb", "a\n\nb"),
        ("  a  \t\n  b \n\n", "  a\n  b"),
        ("so\u00adft\ufeff", "soft"),
        ("e\u0301", "é"),
        ("x²", "x²"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("a\x00\x07\x7f\x9fb\tc", "ab\tc"),
        ("10\u00a0km", "10 km"),
        (" \n\n ", ""),
    ],
)
def test_clean_text(text: str, cleaned: str) -> None:
    assert clean_text(text) == cleaned


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("\r\n\t \x0b\x0c\u00a0\u00ad\u2028\u0301"), max_size=80))
@settings(max_examples=300)
def test_clean_text_is_idempotent_and_normalised(text: str) -> None:
    once = clean_text(text)
    assert clean_text(once) == once
    assert "\n\n\n" not in once
    assert unicodedata.is_normalized("NFC", once)
    assert all(line == line.rstrip() for line in once.split("\n"))
    assert not any(unicodedata.category(c) == "Cc" for c in once if c not in "\n\t")


def test_code_keeps_everything_but_its_line_endings() -> None:
    assert normalize_line_endings("if x:\r\n\ty  \r\n\r\n\r\n\u00a0z\r") == "if x:\n\ty  \n\n\n\u00a0z\n"
