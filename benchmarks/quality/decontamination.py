"""Whether copies of test items are found in any rendering, and whether documents without test items are left alone.

Items of five published test sets (GSM8K, ARC Easy and Challenge, HumanEval, MMLU; 19,073 items) are put into documents
one by one: verbatim; re-wrapped at another width, indented or quoted; in another case; without punctuation (deleted, or
replaced by spaces); as HTML with tags and character references; in the middle of a long text; and the question alone.
An item counts as found if a hit names it or an item with the same words. Misses are counted by test set and by the
number of words of the question, since questions of fewer than six words are not looked for.

Then 20,000 documents of technical documentation in seven languages and of novels. Each hit is printed, to be checked by
hand. Test sets quote books: if many n-grams in a row agree, a document and an item share a passage, even if
neither is a copy of the other; such documents count as ``quotations``, all others as ``false_positives``.

Last, the speed of the look-up on these documents, and of hashing their words alone.
"""

from __future__ import annotations

import html
import random
import re
import textwrap
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from statistics import median
from typing import NamedTuple

from benchmarks.harness.benchmark_main import benchmark_main
from benchmarks.harness.processor_time import seconds_in_turns
from benchmarks.harness.real_data import DATA, text_rows
from benchmarks.harness.result_tables import CONSOLE, result_table
from gristmill.corpus.words import normalize, word_hashes
from gristmill.transforms.contamination.benchmark_items import BenchmarkItem, read_items
from gristmill.transforms.contamination.build_ngram_index import build_ngram_index, remove_punctuation
from gristmill.transforms.contamination.decontaminate_section import BenchmarkSection, DecontaminateSection
from gristmill.transforms.contamination.decontaminator import Decontaminator, Hit

TEST_SETS = {
    "gsm8k": "gsm8k_test.jsonl",
    "arc": "arc_*.jsonl",
    "humaneval": "humaneval.jsonl.gz",
    "mmlu": "mmlu/*.csv",
}
CLEAN = {
    "win32-docs-en": 9_500,
    **{f"phpdoc-{language}": 1_475 for language in ("de", "en", "es", "ja", "ru", "tr", "zh")},
    "books-en": 63,
    "eltec-deu": 12,
    "eltec-fra": 100,
}
"""Documents of each collection, 20,000 in all."""

QUOTED_NGRAMS = 20
"""So many n-grams of an item are a passage of at least 32 words, which cannot agree by chance."""

LONG_CHARACTERS = 100_000
"""Length of the text that an item is embedded in."""

_ENTITIES = {"'": "&rsquo;", '"': "&quot;", "-": "&#45;", "é": "&eacute;"}

Render = Callable[[BenchmarkItem, random.Random], str]


class Document(NamedTuple):
    """A document and its position in its collection."""

    collection: str
    number: int
    text: str


def main() -> None:
    benchmark_main(measure, description=__doc__, quick="a tenth of the items and documents")


def measure(options: Namespace) -> dict[str, float]:
    step = 10 if options.quick else 1
    section = DecontaminateSection(
        benchmarks=[
            BenchmarkSection(name=name, layout=name, paths=[str(DATA / "bench" / files)])
            for name, files in TEST_SETS.items()
        ]
    )
    start = time.process_time()
    decontaminator = Decontaminator(section, build_ngram_index(section))
    figures: dict[str, float] = {"build_s": time.process_time() - start}
    items = [
        (test_set.name, number, item)
        for test_set in section.benchmarks
        for number, item in enumerate(read_items(test_set))
    ]
    clean = list(clean_documents(step))
    CONSOLE.print(f"{len(items):,} items, one in {step} is put into a document; {len(clean):,} clean documents")
    figures |= recall(decontaminator, items, step, clean)
    figures |= false_positives(decontaminator, clean)
    return figures | speed(decontaminator, clean)


def recall(
    decontaminator: Decontaminator, items: list[tuple[str, int, BenchmarkItem]], step: int, clean: list[Document]
) -> dict[str, float]:
    """Return the percentage of items that are found, by rendering."""
    prose = [one.text for one in clean if one.collection == "win32-docs-en" and 500 < len(one.text) < 5_000]
    long = next(one.text for one in clean if len(one.text) > 2 * LONG_CHARACTERS)
    question_of = _questions(items)
    found: dict[str, Counter[str]] = {name: Counter() for name in RENDERINGS}
    missed: dict[str, Counter[str]] = {name: Counter() for name in RENDERINGS}
    tried: dict[str, Counter[str]] = {name: Counter() for name in RENDERINGS}
    for number, (rendering, render) in enumerate(RENDERINGS.items()):
        rng = random.Random(number)
        embedded = rendering == "embedded"
        chosen = items[:: step * 10 if embedded else step]
        for begin in range(0, len(chosen), 500):
            batch = chosen[begin : begin + 500]
            texts = [_insert(render(item, rng), long if embedded else rng.choice(prose)) for *_, item in batch]
            for (name, place, item), hits in zip(batch, decontaminator.hits(texts), strict=True):
                is_found = any(question_of[hit.benchmark, hit.item] == question_of[name, place] for hit in hits)
                tried[rendering][name] += 1
                found[rendering][name] += is_found
                missed[rendering][_question_length(item)] += not is_found
    table = result_table("items that are found, %", ("set", "items", *RENDERINGS))
    for name in TEST_SETS:
        shares = (f"{100 * found[rendering][name] / tried[rendering][name]:.2f}" for rendering in RENDERINGS)
        table.add_row(name, str(tried["verbatim"][name]), *shares)
    CONSOLE.print(table)
    CONSOLE.print("missed, by words of the question:", {name: dict(counts) for name, counts in missed.items()})
    return {f"recall_{name}": 100 * found[name].total() / tried[name].total() for name in RENDERINGS}


def false_positives(decontaminator: Decontaminator, clean: list[Document]) -> dict[str, float]:
    """Return the numbers of clean documents with hits: quotations, and all others."""
    columns = ("document", "item", "n-grams", "share", "passage")
    table = result_table("hits in clean documents", columns, left=("document", "item", "passage"))
    quotations: set[str] = set()
    others: set[str] = set()
    for document, hits in zip(clean, decontaminator.hits([one.text for one in clean]), strict=True):
        for hit in hits:
            name = f"{document.collection} {document.number}"
            (quotations if hit.ngrams >= QUOTED_NGRAMS else others).add(name)
            table.add_row(name, hit.detail, str(hit.ngrams), f"{hit.share:.2f}", _passage(document.text, hit))
    CONSOLE.print(table)
    return {"false_positives": len(others), "quotations": len(quotations), "clean_documents": len(clean)}


def speed(decontaminator: Decontaminator, clean: list[Document], rounds: int = 5) -> dict[str, float]:
    """Return megabytes of UTF-8 per second: of the look-up, and of hashing the words alone."""
    texts = [one.text for one in clean[:: max(1, len(clean) // 2000)]][:2000]
    size = sum(len(text.encode()) for text in texts) / 1e6
    seconds = seconds_in_turns(
        {
            "mb_per_s": lambda: decontaminator.hits(texts),
            "words_mb_per_s": lambda: [word_hashes(text) for text in texts],
        },
        rounds,
    )
    return {name: size / median(times) for name, times in seconds.items()}


def clean_documents(step: int) -> Iterator[Document]:
    """Yield the documents without test items, or one in ``step`` of each collection; novels are all yielded."""
    for name, count in CLEAN.items():
        for number, row in enumerate(islice(text_rows(name), count if count <= 100 else count // step)):
            yield Document(name, number, row["text"])


def _verbatim(item: BenchmarkItem, rng: random.Random) -> str:
    return item.text


def _rewrapped(item: BenchmarkItem, rng: random.Random) -> str:
    prefix = rng.choice(["", "    ", "> ", "\t", "// "])
    lines = textwrap.wrap(" ".join(item.text.split()), rng.randint(25, 100), break_long_words=False)
    return rng.choice(["\n", "\r\n", "\n\n"]).join(prefix + line for line in lines)


def _recased(item: BenchmarkItem, rng: random.Random) -> str:
    return rng.choice([str.upper, str.lower, str.title])(item.text)


def _unpunctuated(item: BenchmarkItem, rng: random.Random) -> str:
    if rng.random() < 0.5:
        return remove_punctuation(item.text)
    return "".join(character if remove_punctuation(character) else " " for character in item.text)


def _as_html(item: BenchmarkItem, rng: random.Random) -> str:
    def word(text: str) -> str:
        text = "".join(_ENTITIES.get(one, html.escape(one)) for one in text)
        tag = rng.choice([""] * 6 + ["b", 'a href="/page?a=1&amp;b=2"', 'span class="x y"', "code"])
        return f"<{tag}>{text}</{tag.split()[0]}>" if tag else text

    def line(text: str) -> str:
        return rng.choice([" ", "&nbsp;", "\n"]).join(map(word, text.split(" ")))

    tag = rng.choice(["p", "div", "li", "td"])
    return "\n".join(f"<{tag}>{line(text)}</{tag}>" for text in item.text.splitlines())


def _question(item: BenchmarkItem, rng: random.Random) -> str:
    return item.question


RENDERINGS: dict[str, Render] = {
    "verbatim": _verbatim,
    "rewrapped": _rewrapped,
    "recased": _recased,
    "unpunctuated": _unpunctuated,
    "html": _as_html,
    "embedded": _verbatim,
    "question_only": _question,
}


def _insert(text: str, carrier: str) -> str:
    """Return a document with ``text`` in its middle, between two words."""
    middle = carrier.rfind(" ", 0, min(len(carrier), LONG_CHARACTERS) // 2)
    return f"{carrier[:middle]}\n{text}\n{carrier[middle:LONG_CHARACTERS]}"


def _questions(items: list[tuple[str, int, BenchmarkItem]]) -> dict[tuple[str, int], str]:
    """Return the normalised question of each item: two items with the same question count as the same."""
    return {(name, number): normalize(item.question) for name, number, item in items}


def _question_length(item: BenchmarkItem) -> str:
    words = len(normalize(item.question).split())
    return "1-5" if words < 6 else "6-12" if words < 13 else "13-"


def _passage(text: str, hit: Hit) -> str:
    start, end = hit.places[0]
    return re.sub(r"\s+", " ", text[start:end])[:100]


if __name__ == "__main__":
    main()
