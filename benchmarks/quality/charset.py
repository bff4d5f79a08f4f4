"""Whether pages come out in the right characters: replacement characters and mojibake, by language and by charset.

First, the gold pages as stored: their main text by the default recipe. A page counts as ``replacement`` if its text has
U+FFFD, and as ``mojibake`` if its text looks like bytes that were read in a wrong charset (``has_mojibake``) and the
gold text does not. Pages that were damaged before they were stored are counted separately: those whose bytes hold
U+FFFD, and those that are well-formed UTF-8, which can be read in one way only. Pages of the WARC files are bytes as
crawled; those of the other collections are stored as text and so are well-formed: they show that nothing is broken.

Second, the news pages and Japanese reference texts, re-encoded in the charsets of their languages, with the charset
declared by the transport, by the page, by both in disagreement, wrongly, or not at all. A page is recovered if it
decodes to exactly what was encoded. Characters that a charset lacks are written as character references, as on the web.

Last, the time that decoding a page takes.
"""

from __future__ import annotations

import re
from argparse import Namespace
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from benchmarks.harness.benchmark_main import benchmark_main
from benchmarks.harness.gold_pages import GoldPage, gold_pages
from benchmarks.harness.processor_time import seconds_in_turns
from benchmarks.harness.real_data import read_pages, real_archives, text_rows
from benchmarks.harness.result_tables import CONSOLE, result_table
from gristmill.corpus.document import Document, Origin
from gristmill.corpus.record import Raw
from gristmill.extraction.charset_decoding import decode
from gristmill.extraction.extract_record import ExtractionTools, extract_record
from gristmill.extraction.extract_section import ExtractSection

CHARSETS = {
    "el": ("iso-8859-7", "windows-1253"),
    "pl": ("iso-8859-2", "windows-1250"),
    "ru": ("windows-1251", "koi8-r", "iso-8859-5"),
    "zh": ("gb2312", "gb18030", "big5"),
    "ja": ("shift_jis", "euc-jp", "iso-2022-jp"),
    "en": ("windows-1252", "iso-8859-1"),
}
UNICODE_CHARSETS = ("utf-8", "utf-16-le", "utf-16-be")
_CODECS = {"gb2312": "gb18030", "shift_jis": "cp932", "big5": "big5hkscs", "iso-8859-1": "cp1252"}
MAX_MISSING_SHARE = 0.02
"""Maximum share of characters that a charset may lack: nobody writes pages with more of them in it."""

DECLARED = {
    "transport": ("{}", ""),
    "page": ("", "{}"),
    "page, transport says UTF-8": ("utf-8", "{}"),
    "page, transport says windows-1252": ("windows-1252", "{}"),
    "nowhere": ("", ""),
    "UTF-8": ("utf-8", ""),
    "windows-1252": ("windows-1252", ""),
}
"""How a charset is declared: by the transport and by the page; ``{}`` stands for the right charset."""

_META = re.compile(r"<meta[^>]*charset[^>]*>|<\?xml[^>]*\?>", re.IGNORECASE)
_NON_ASCII = re.compile(r"[^\x00-\x7f]{2,}")
_ACCENTED_WORD = re.compile(r"[À-ÿ]{4,}")


def main() -> None:
    benchmark_main(measure, description=__doc__, quick="every 24th gold page, 8 pages for each charset")


def measure(options: Namespace) -> dict[str, float]:
    marked = gold_pages()
    pages = list(stored_pages_of(marked))[:: 24 if options.quick else 1]
    damage = damage_by_language(pages)
    table = result_table("gold pages", ("language", "pages", "damaged as stored", "replacement", "mojibake"))
    for lang, row in sorted(damage.items()):
        table.add_row(lang, *map(str, row))
    CONSOLE.print(table)
    recovery = recovered(pages_to_encode(marked, 8 if options.quick else 80))
    text = ("language", "charset")
    table = result_table("recovered exactly, by declaration", (*text, "pages", *DECLARED), left=text)
    for lang, charsets in CHARSETS.items():
        for charset in (*charsets, *UNICODE_CHARSETS):
            cells = [recovery.get((lang, charset, declared), []) for declared in DECLARED]
            shares = [f"{sum(cell) / len(cell):.1%}" if cell else "–" for cell in cells]
            table.add_row(lang, charset, str(len(cells[0])), *shares)
    CONSOLE.print(table)
    total = sum(damage.values(), Damage())
    return {
        "replacement_share": total.replacement / total.pages,
        "mojibake_share": total.mojibake / total.pages,
        **{f"replacement_share_{lang}": row.replacement / row.pages for lang, row in sorted(damage.items())},
        **{f"mojibake_share_{lang}": row.mojibake / row.pages for lang, row in sorted(damage.items())},
        **{f"recovered_{_figure_name(declared)}": _recovered_share(recovery, declared) for declared in DECLARED},
        "decode_ms": decode_ms([page for _, page, _ in pages if isinstance(page.payload, bytes)]),
    }


# Gold pages as stored


class Damage(NamedTuple):
    """Numbers of pages: all, damaged before they were stored, and damaged by reading them."""

    pages: int = 0
    stored: int = 0
    replacement: int = 0
    mojibake: int = 0

    def __add__(self, other: tuple[int, ...]) -> Damage:  # type: ignore[override]
        return Damage(*(a + b for a, b in zip(self, other, strict=True)))


def has_mojibake(text: str) -> bool:
    """Return whether a text looks like bytes that were read in a wrong charset.

    It does if it has two or more runs of characters that are, as bytes of a one-byte charset, well-formed UTF-8 ("Ã©",
    "â€™", "РїСЂ"), or three or more words of nothing but accented Latin letters, which is what Greek, Cyrillic and
    Chinese look like in windows-1252.
    """
    runs = sum(_is_utf_8(run[0]) for run in _NON_ASCII.finditer(text))
    return runs >= 2 or len(_ACCENTED_WORD.findall(text)) >= 3


def _is_utf_8(run: str) -> bool:
    for codec in ("cp1252", "latin-1", "cp1251", "cp1253", "cp1250"):
        try:
            run.encode(codec).decode()
        except UnicodeError:
            continue
        return True
    return False


def stored_pages_of(marked: Iterable[GoldPage]) -> Iterator[tuple[str, Raw, str]]:
    """Yield the language, the page as stored, and the gold text of each gold page."""
    crawled = {
        str(page.origin.record_id).strip("<>"): page for archive in real_archives() for page in read_pages(archive)
    }
    for page in marked:
        stored = crawled.get(page.id.strip("<>")) if page.set == "warc" else None
        as_text = Raw(Origin("gold", page.id, 0, 0), "text/html", page.html.encode(), None)
        yield page.lang, stored or as_text, page.text


def damage_by_language(pages: Iterable[tuple[str, Raw, str]]) -> dict[str, Damage]:
    section = ExtractSection()
    tools = ExtractionTools.load(section)
    damage: dict[str, Damage] = defaultdict(Damage)
    for lang, page, gold_text in pages:
        result = extract_record(page, section, tools)
        text = result.text if isinstance(result, Document) else ""
        payload = page.payload.encode() if isinstance(page.payload, str) else page.payload
        replaced, garbled = "\ufffd" in text, has_mojibake(text) and not has_mojibake(gold_text)
        stored = (replaced and "\ufffd".encode() in payload) or (garbled and _is_well_formed(payload))
        damage[lang] += (1, stored, replaced and not stored, garbled and not stored)
    return dict(damage)


def _is_well_formed(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


# Re-encoded pages


def encoded(html: str, charset: str) -> tuple[bytes, str] | None:
    """Return the bytes of a page and what they must decode to; None if the charset does not suit the page."""
    codec = _CODECS.get(charset, charset)
    missing = len(html) - len(html.encode(codec, "ignore").decode(codec))
    if missing > MAX_MISSING_SHARE * len(html):
        return None
    data = html.encode(codec, "xmlcharrefreplace")
    return data, data.decode(codec)


def recovered(pages: Iterable[tuple[str, str]]) -> dict[tuple[str, str, str], list[bool]]:
    """Return for each (language, charset, declaration) whether each page was recovered."""
    results: dict[tuple[str, str, str], list[bool]] = defaultdict(list)
    for lang, html in pages:
        bare = _META.sub("", html).replace("\0", "").lstrip("\ufeff")
        for charset in (*CHARSETS[lang], *UNICODE_CHARSETS):
            for declared, (transport, meta) in DECLARED.items():
                head = f'<meta charset="{meta.format(charset)}">' if meta else ""
                pair = encoded(head + bare, charset)
                if pair is not None:
                    data, expected = pair
                    is_recovered = decode(data, transport.format(charset) or None) == expected
                    results[lang, charset, declared].append(is_recovered)
    return dict(results)


def pages_to_encode(marked: Iterable[GoldPage], count: int) -> Iterator[tuple[str, str]]:
    """Yield the language and the HTML of ``count`` pages in each language."""
    taken: dict[str, int] = defaultdict(int)
    for page in marked:
        if page.set == "news" and page.lang in CHARSETS and "\ufffd" not in page.html and taken[page.lang] < count:
            taken[page.lang] += 1
            yield page.lang, page.html
    for row in islice(text_rows("phpdoc-ja"), count):
        text = row["text"]
        yield "ja", f"<html><head><title>{text[:20]}</title></head><body><p>{text}</p></body></html>"


def _recovered_share(recovery: dict[tuple[str, str, str], list[bool]], declared: str) -> float:
    pages = [is_recovered for (_, _, how), cell in recovery.items() if how == declared for is_recovered in cell]
    return sum(pages) / len(pages)


def _figure_name(declared: str) -> str:
    return re.sub("[^a-z0-9]+", "_", declared.lower())


# Time


def decode_ms(pages: list[Raw]) -> float:
    """Return the milliseconds of decoding a page as stored: the mean over the pages, the fastest of three rounds."""

    def decode_all() -> None:
        for page in pages:
            decode(page.payload, page.charset)  # type: ignore[arg-type]

    return min(seconds_in_turns({"decode": decode_all}, 3)["decode"]) / len(pages) * 1e3


if __name__ == "__main__":
    main()
