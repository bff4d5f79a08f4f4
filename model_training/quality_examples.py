"""Examples for the quality model that ships: English texts worth reading, and the rest of what is on pages.

Positive examples are main texts that people marked in articles, documentation, forum threads and news (``gold_pages``),
passages of classic books, and pages of two manuals. Negative examples are what surrounds those main texts on the same
pages (menus, teasers, notices, footers), and pages that list or sell things: the main text that people marked there,
and all of their visible text. So the model separates running text from boilerplate and shops; it knows nothing of
truth, and its preferences are those of these sources.

Pages of held-out sites (``gold_pages.is_held_out``), held-out books and held-out manual pages are not used for
training. Addresses, long numbers, markup and every word that occurs in fewer than ``MIN_GROUPS`` sites, books or manual
pages are removed from the training texts: the model's vocabulary holds what many sources have, and nothing of one page
alone.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from itertools import islice

from resiliparse.extract.html2text import extract_plain_text

from benchmarks.harness.gold_pages import gold_pages, host_of, html_of, in_held_out_part
from benchmarks.harness.real_data import read_pages, real_archives, text_rows
from gristmill.classifiers.examples import Example
from gristmill.classifiers.language import LanguageIdentifier

GOOD_TYPES = ("article", "documentation", "forum", "news")
SHOP_TYPES = ("collection", "listing", "product")
MAX_CHARACTERS = 5_000
"""The rest of a text is not used; most pages are shorter."""

PASSAGE_CHARACTERS = 2_000
PASSAGES_OF_A_BOOK = 15
MANUALS = {"win32-docs-en": 600, "phpdoc-en": 300}
MIN_WORDS = 50
MIN_GROUPS = 3

_WORD = re.compile(r"\w+")
_NOT_A_WORD = re.compile(r"""\S*(?:@|//|www\.|[<>]|\]\(|=["']|\w\.[A-Za-z]|(?:\d\D{0,2}?){5})\S*""")


def examples() -> tuple[list[Example], list[Example]]:
    """Return the training examples and the held-out ones. ``group`` is the site, the book or the page of the manual."""
    training: list[Example] = []
    held_out: list[Example] = []
    for example, is_held_out in (*_gold_examples(), *_book_examples(), *_manual_examples()):
        if len(_WORD.findall(example.text)) >= MIN_WORDS:
            (held_out if is_held_out else training).append(example)
    return _without_rare_words(training), held_out


def web_pages() -> list[str]:
    """Return the English ones of the 2,000 real pages, as a fast extractor reads them: typical input of the model."""
    identifier = LanguageIdentifier.load()
    texts = [_main_text(html_of(page)) for archive in real_archives() for page in read_pages(archive)]
    languages = identifier.identify_many(texts)
    return [text for text, (lang, _) in zip(texts, languages, strict=True) if lang == "en"]


def book_texts() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of every book."""
    return ((row["id"], row["text"]) for row in text_rows("books-en"))


def passages(text: str) -> list[str]:
    """Split a text between paragraphs into pieces of about ``PASSAGE_CHARACTERS`` characters."""
    pieces = [""]
    for paragraph in re.split(r"\r?\n\s*\n", text):
        if len(pieces[-1]) >= PASSAGE_CHARACTERS:
            pieces.append("")
        pieces[-1] += paragraph + "\n\n"
    return pieces


def _gold_examples() -> Iterator[tuple[Example, bool]]:
    for page in gold_pages():
        if page.lang != "en":
            continue
        site = host_of(page.url) or page.id
        kind = "news" if page.set == "news" else page.page_type
        whole = extract_plain_text(page.html, main_content=False, alt_texts=False, noscript=False)
        if kind in GOOD_TYPES:
            yield Example(_clean(page.text), True, kind, site), page.held_out
            yield Example(_clean(_without_main_text(whole, page.text)), False, "around", site), page.held_out
        elif kind in SHOP_TYPES:
            yield Example(_clean(page.text), False, kind, site), page.held_out
            yield Example(_clean(whole), False, f"whole_{kind}", site), page.held_out


def _book_examples() -> Iterator[tuple[Example, bool]]:
    for name, text in book_texts():
        for passage in _evenly_spaced(passages(text), PASSAGES_OF_A_BOOK):
            yield Example(_clean(passage), True, "books", name), in_held_out_part(name)


def _manual_examples() -> Iterator[tuple[Example, bool]]:
    for manual, count in MANUALS.items():
        rows = sorted(text_rows(manual), key=lambda row: blake2b(row["id"].encode()).digest())
        long = (row for row in rows if len(_WORD.findall(row["text"])) >= MIN_WORDS)
        for row in islice(long, count):
            yield Example(_clean(row["text"]), True, "manuals", row["id"]), in_held_out_part(row["id"])


def _without_main_text(whole: str, main: str) -> str:
    """Return the lines of ``whole`` with less than half of their words in the main text."""
    main_words = set(_WORD.findall(main.lower()))

    def is_boilerplate(line: str) -> bool:
        words = _WORD.findall(line.lower())
        return bool(words) and sum(word in main_words for word in words) * 2 < len(words)

    return "\n".join(filter(is_boilerplate, whole.split("\n")))


def _main_text(html: str) -> str:
    return str(extract_plain_text(html, main_content=True, alt_texts=False))


def _without_rare_words(examples: list[Example]) -> list[Example]:
    """Remove the words that occur in fewer than ``MIN_GROUPS`` groups."""
    words_by_group: dict[str, set[str]] = defaultdict(set)
    for example in examples:
        words_by_group[example.group] |= set(example.text.split())
    counts = Counter(word for words in words_by_group.values() for word in words)
    return [
        example._replace(text=" ".join(word for word in example.text.split() if counts[word] >= MIN_GROUPS))
        for example in examples
    ]


def _clean(text: str) -> str:
    """Return the beginning of a text without addresses, long numbers and markup."""
    return _NOT_A_WORD.sub(" ", text[:MAX_CHARACTERS])


def _evenly_spaced(items: Iterable[str], count: int) -> list[str]:
    """Return at most ``count`` of ``items``, evenly spaced."""
    items = list(items)
    return items if len(items) <= count else [items[number * len(items) // count] for number in range(count)]
