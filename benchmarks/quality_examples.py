"""What the quality model that ships is made of: English texts worth reading, and what else pages are full of.

Positive are main texts that people marked in articles, documentation, forum threads and news (``gold.py``), passages of
classic books, and pages of two manuals. Negative is what stands around those main texts on the same pages (menus,
teasers, notices, footers), and pages that list or sell things: the main text that people marked there, and all that can
be seen of them. So the model tells running text from furniture and shop windows; it knows nothing of truth, and its
taste is that of these sources.

No page of a held-out site (``gold.held_out``), no held-out book and no held-out manual page is learned from. Before
texts are learned, addresses, long numbers, markup and every word that fewer than ``MIN_GROUPS`` sites, books or manual
pages have are taken out: a model's vocabulary holds what many say, and nothing of one page alone.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from itertools import islice

import gold
from inputs import DATA, real_archives
from resiliparse.extract.html2text import extract_plain_text

from gristmill.classifiers.examples import Example
from gristmill.classifiers.language import LanguageIdentifier

GOOD_TYPES = ("article", "documentation", "forum", "news")
SHOP_TYPES = ("collection", "listing", "product")
CHARACTERS = 5_000
"""Of a text, as much is learned; most pages are shorter."""

PASSAGE = 2_000
PASSAGES_OF_A_BOOK = 15
MANUALS = {"win32-docs-en": 600, "phpdoc-en": 300}
MIN_WORDS = 50
MIN_GROUPS = 3

_WORD = re.compile(r"\w+")
_NO_WORD = re.compile(r"""\S*(?:@|//|www\.|[<>]|\]\(|=["']|\w\.[A-Za-z]|(?:\d\D{0,2}?){5})\S*""")


def examples() -> tuple[list[Example], list[Example]]:
    """What may be learned from, and what is held out. ``group`` is the site, the book or the manual's page."""
    learned: list[Example] = []
    held_out: list[Example] = []
    for example, apart in (*_gold(), *_books(), *_manuals()):
        if len(_WORD.findall(example.text)) >= MIN_WORDS:
            (held_out if apart else learned).append(example)
    return _of_common_words(learned), held_out


def web_pages() -> list[str]:
    """The English ones of the 2,000 real pages, as a fast extractor reads them: such texts the model will be given."""
    identifier = LanguageIdentifier.load()
    texts = [_main_text(gold.text_of(raw)) for archive in real_archives() for raw in gold.raw_pages(archive)]
    found = identifier.identify_many(texts)
    return [text for text, (lang, _) in zip(texts, found, strict=True) if lang == "en"]


def books() -> Iterator[tuple[str, str]]:
    """Name and text of every book."""
    with gzip.open(DATA / "text" / "books-en.jsonl.gz") as file:
        for row in map(json.loads, file):
            yield row["id"], row["text"]


def passages(text: str) -> list[str]:
    """A text in pieces of about ``PASSAGE`` characters, cut between paragraphs."""
    found = [""]
    for paragraph in re.split(r"\r?\n\s*\n", text):
        if len(found[-1]) >= PASSAGE:
            found.append("")
        found[-1] += paragraph + "\n\n"
    return found


def apart(name: str) -> bool:
    """Whether a book or a manual's page is held out."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little") % gold.PARTS == 0


def _gold() -> Iterator[tuple[Example, bool]]:
    for page in gold.pages():
        if page.lang != "en":
            continue
        site = gold.host(page.url) or page.id
        kind = "news" if page.set == "news" else page.page_type
        whole = extract_plain_text(page.html, main_content=False, alt_texts=False, noscript=False)
        if kind in GOOD_TYPES:
            yield Example(_clean(page.text), True, kind, site), page.held_out
            yield Example(_clean(_without(whole, page.text)), False, "around", site), page.held_out
        elif kind in SHOP_TYPES:
            yield Example(_clean(page.text), False, kind, site), page.held_out
            yield Example(_clean(whole), False, f"whole_{kind}", site), page.held_out


def _books() -> Iterator[tuple[Example, bool]]:
    for name, text in books():
        for passage in _spread(passages(text), PASSAGES_OF_A_BOOK):
            yield Example(_clean(passage), True, "books", name), apart(name)


def _manuals() -> Iterator[tuple[Example, bool]]:
    for manual, count in MANUALS.items():
        with gzip.open(DATA / "text" / f"{manual}.jsonl.gz") as file:
            rows = sorted(map(json.loads, file), key=lambda row: blake2b(row["id"].encode()).digest())
        long = (row for row in rows if len(_WORD.findall(row["text"])) >= MIN_WORDS)
        for row in islice(long, count):
            yield Example(_clean(row["text"]), True, "manuals", row["id"]), apart(row["id"])


def _without(whole: str, main: str) -> str:
    """The lines of ``whole`` of which less than half of the words are in the main text."""
    known = set(_WORD.findall(main.lower()))

    def foreign(line: str) -> bool:
        words = _WORD.findall(line.lower())
        return bool(words) and sum(word in known for word in words) * 2 < len(words)

    return "\n".join(filter(foreign, whole.split("\n")))


def _main_text(html: str) -> str:
    return str(extract_plain_text(html, main_content=True, alt_texts=False))


def _of_common_words(examples: list[Example]) -> list[Example]:
    """The examples without the words that few groups have."""
    groups: dict[str, set[str]] = defaultdict(set)
    for one in examples:
        groups[one.group] |= set(one.text.split())
    counts = Counter(word for words in groups.values() for word in words)
    return [
        one._replace(text=" ".join(word for word in one.text.split() if counts[word] >= MIN_GROUPS)) for one in examples
    ]


def _clean(text: str) -> str:
    return _NO_WORD.sub(" ", text[:CHARACTERS])


def _spread(items: Iterable[str], count: int) -> list[str]:
    """At most ``count`` of ``items``, evenly spaced."""
    items = list(items)
    return items if len(items) <= count else [items[number * len(items) // count] for number in range(count)]
