"""Whether pages come out in their own characters: replacement characters and mojibake, by language and by charset.

First, the gold pages as they lie: their main text by the default recipe. A page counts for ``replacement`` where its
text has U+FFFD, and for ``mojibake`` where its text shows signs of bytes read in a wrong charset (``signs``) and the
text that people marked does not. Pages that were damaged before they were stored count apart: those whose bytes hold
U+FFFD, and those that are well-formed UTF-8, of which there is only one reading. Pages of the WARC files are bytes as
they came; those of the other collections are given as text and so are well-formed, and show that nothing is broken.

Second, the news pages and Japanese reference texts, encoded anew in the charsets of their languages, and declared by
the transport, by the page, by both in disagreement, wrongly, or not at all. A page is recovered where it decodes to
exactly what was encoded. Characters that a charset lacks are character references, as on the web.

Last, what decoding costs for a page.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import gold
from inputs import DATA, real_archives, require_data
from rich.console import Console
from rich.table import Table

from gristmill.corpus.document import Document, Origin
from gristmill.corpus.record import Raw
from gristmill.extraction.decode import decode
from gristmill.extraction.extract_record import Tools, extract_record
from gristmill.extraction.extract_section import ExtractSection

CHARSETS = {
    "el": ("iso-8859-7", "windows-1253"),
    "pl": ("iso-8859-2", "windows-1250"),
    "ru": ("windows-1251", "koi8-r", "iso-8859-5"),
    "zh": ("gb2312", "gb18030", "big5"),
    "ja": ("shift_jis", "euc-jp", "iso-2022-jp"),
    "en": ("windows-1252", "iso-8859-1"),
}
FOR_ALL = ("utf-8", "utf-16-le", "utf-16-be")
_CODECS = {"gb2312": "gb18030", "shift_jis": "cp932", "big5": "big5hkscs", "iso-8859-1": "cp1252"}
REFERENCES = 0.02
"""Largest share of characters that a charset may lack: a page with more was never written in it."""

DECLARED = {
    "transport": ("{}", ""),
    "page": ("", "{}"),
    "page, transport says UTF-8": ("utf-8", "{}"),
    "page, transport says windows-1252": ("windows-1252", "{}"),
    "nowhere": ("", ""),
    "UTF-8": ("utf-8", ""),
    "windows-1252": ("windows-1252", ""),
}
"""How a charset is declared: what the transport and the page say, {} for the right charset."""

_META = re.compile(r"<meta[^>]*charset[^>]*>|<\?xml[^>]*\?>", re.IGNORECASE)
_RUN = re.compile(r"[^\x00-\x7f]{2,}")
_LATIN_WORD = re.compile(r"[À-ÿ]{4,}")


def signs(text: str) -> bool:
    """Whether a text shows mojibake, at least twice.

    Either runs of characters that are, as bytes of a one-byte charset, well-formed UTF-8 ("Ã©", "â€™", "РїСЂ"); or
    words of nothing but accented Latin letters, which is what Greek, Cyrillic and Chinese look like in windows-1252.
    """
    runs = sum(_is_utf_8(run[0]) for run in _RUN.finditer(text))
    return runs >= 2 or len(_LATIN_WORD.findall(text)) >= 3


def _is_utf_8(run: str) -> bool:
    for codec in ("cp1252", "latin-1", "cp1251", "cp1253", "cp1250"):
        try:
            run.encode(codec).decode()
        except UnicodeError:
            continue
        return True
    return False


# -- gold pages -------------------------------------------------------------------------------------------------------


class Shares(NamedTuple):
    """Pages, and those of them that are damaged: as stored, and by reading them."""

    pages: int = 0
    stored: int = 0
    replacement: int = 0
    mojibake: int = 0

    def __add__(self, other: tuple[int, ...]) -> Shares:  # type: ignore[override]
        return Shares(*(a + b for a, b in zip(self, other, strict=True)))


def gold_pages() -> Iterator[tuple[str, Raw, str]]:
    """Language, page and marked text."""
    raws = {
        str(raw.origin.record_id).strip("<>"): raw for archive in real_archives() for raw in gold.raw_pages(archive)
    }
    for page in gold.pages():
        stored = raws.get(page.id.strip("<>")) if page.set == "warc" else None
        raw = Raw(Origin("gold", page.id, 0, 0), "text/html", page.html.encode(), None)
        yield page.lang, stored or raw, page.text


def judged(pages: Iterable[tuple[str, Raw, str]]) -> dict[str, Shares]:
    """Damage by language."""
    section = ExtractSection()
    tools = Tools.load(section)
    shares: dict[str, Shares] = defaultdict(Shares)
    for lang, raw, marked in pages:
        found = extract_record(raw, section, tools)
        text = found.text if isinstance(found, Document) else ""
        payload = raw.payload.encode() if isinstance(raw.payload, str) else raw.payload
        replaced, garbled = "\ufffd" in text, signs(text) and not signs(marked)
        stored = (replaced and "\ufffd".encode() in payload) or (garbled and _well_formed(payload))
        shares[lang] += (1, stored, replaced and not stored, garbled and not stored)
    return dict(shares)


def _well_formed(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


# -- encoded anew -----------------------------------------------------------------------------------------------------


def encoded(html: str, label: str) -> tuple[bytes, str] | None:
    """The bytes of a page and what they must decode to; None where the charset is not one for this page."""
    codec = _CODECS.get(label, label)
    lacking = len(html) - len(html.encode(codec, "ignore").decode(codec))
    if lacking > REFERENCES * len(html):
        return None
    data = html.encode(codec, "xmlcharrefreplace")
    return data, data.decode(codec)


def recovered(pages: Iterable[tuple[str, str]]) -> dict[tuple[str, str, str], list[bool]]:
    """(language, charset, how it is declared) → page by page, whether it was recovered."""
    found: dict[tuple[str, str, str], list[bool]] = defaultdict(list)
    for lang, html in pages:
        bare = _META.sub("", html).replace("\0", "").lstrip("\ufeff")
        for label in (*CHARSETS[lang], *FOR_ALL):
            for how, (transport, meta) in DECLARED.items():
                head = f'<meta charset="{meta.format(label)}">' if meta else ""
                pair = encoded(head + bare, label)
                if pair is not None:
                    found[lang, label, how].append(decode(pair[0], transport.format(label) or None) == pair[1])
    return dict(found)


def loose_pages(count: int) -> Iterator[tuple[str, str]]:
    """Language and HTML of ``count`` pages a language."""
    taken: dict[str, int] = defaultdict(int)
    for page in gold.pages():
        if page.set == "news" and page.lang in CHARSETS and "\ufffd" not in page.html and taken[page.lang] < count:
            taken[page.lang] += 1
            yield page.lang, page.html
    with gzip.open(DATA / "text" / "phpdoc-ja.jsonl.gz") as file:
        for line in islice(file, count):
            text = json.loads(line)["text"]
            yield "ja", f"<html><head><title>{text[:20]}</title></head><body><p>{text}</p></body></html>"


# -- all together -----------------------------------------------------------------------------------------------------


def decode_ms(pages: list[Raw]) -> float:
    """Milliseconds of decoding a page, the mean over pages as stored; the best of three rounds."""
    rounds = []
    for _ in range(3):
        begun = time.process_time()
        for raw in pages:
            decode(raw.payload, raw.charset)  # type: ignore[arg-type]
        rounds.append(time.process_time() - begun)
    return min(rounds) / len(pages) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="every 24th gold page, 8 pages a charset")
    quick = parser.parse_args().quick
    require_data()
    console = Console(width=150)
    every = list(gold_pages())
    shares = judged(every[:: 24 if quick else 1])
    table = Table("language", "pages", "damaged as stored", "replacement", "mojibake", title="gold pages")
    for lang, row in sorted(shares.items()):
        table.add_row(lang, *map(str, row))
    console.print(table)
    anew = recovered(loose_pages(8 if quick else 80))
    table = Table("language", "charset", "pages", *DECLARED, title="recovered exactly, by who declares what")
    for lang, labels in CHARSETS.items():
        for label in (*labels, *FOR_ALL):
            cells = [anew.get((lang, label, how), []) for how in DECLARED]
            told = [f"{sum(cell) / len(cell):.1%}" if cell else "–" for cell in cells]
            table.add_row(lang, label, str(len(cells[0])), *told)
    console.print(table)
    total = sum(shares.values(), Shares())
    figures = {
        "replacement_share": total.replacement / total.pages,
        "mojibake_share": total.mojibake / total.pages,
        **{f"replacement_share_{lang}": row.replacement / row.pages for lang, row in sorted(shares.items())},
        **{f"mojibake_share_{lang}": row.mojibake / row.pages for lang, row in sorted(shares.items())},
        **{f"recovered_{re.sub('[^a-z0-9]+', '_', how.lower())}": _share(anew, how) for how in DECLARED},
        "decode_ms": decode_ms([raw for _, raw, _ in every if isinstance(raw.payload, bytes)]),
    }
    print(json.dumps({name: round(value, 4) for name, value in figures.items()}))


def _share(anew: dict[tuple[str, str, str], list[bool]], how: str) -> float:
    cells = [one for (_, _, declared), pages in anew.items() if declared == how for one in pages]
    return sum(cells) / len(cells)


if __name__ == "__main__":
    main()
