"""Whether copies of test items are found however they are set, and whether documents without any are left alone.

Items of five published test sets (GSM8K, ARC Easy and Challenge, HumanEval, MMLU; 19,073 items) are put into documents
one by one: as they stand; wrapped anew, at another width, indented or quoted; in other case; without punctuation (it
is deleted, or spaces stand there); as HTML with tags and character references; in the middle of a long text; and the
question alone. One counts as found where a hit names it, or an item of the same words. Misses are counted by test set
and by how many words the question has, since a question of fewer than six is not looked for.

Then 20,000 documents of technical documentation in seven languages and of novels. Each hit is printed, to be checked by
hand. Test sets quote books: where many n-grams in a row agree, a document and an item have a passage in common, which
is no coincidence whoever copied it; such documents are counted as ``quotations``, all others as ``false_positives``.

Last, the speed of the look-up on these documents, beside that of hashing their words alone.
"""

from __future__ import annotations

import argparse
import gzip
import html
import json
import random
import re
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from statistics import median
from typing import NamedTuple

from inputs import DATA, require_data
from rich.console import Console
from rich.table import Table

from gristmill.corpus.words import normalise, word_hashes
from gristmill.transforms.contamination.benchmark_sets import Item, read_items
from gristmill.transforms.contamination.build_index import bare, build_index
from gristmill.transforms.contamination.decontaminate import Decontaminator, Hit
from gristmill.transforms.refine.refine_section import BenchmarkSection, DecontaminateSection

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
"""As many n-grams of an item are a passage of at least 32 words: nobody writes those again by chance."""

LONG = 100_000
"""Characters of the text that an item is embedded in."""

_ENTITIES = {"'": "&rsquo;", '"': "&quot;", "-": "&#45;", "é": "&eacute;"}

Setting = Callable[[Item, random.Random], str]


class Document(NamedTuple):
    """A document of a collection, by its place in it."""

    collection: str
    number: int
    text: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the items and documents")
    part = 10 if parser.parse_args().quick else 1
    require_data()
    console = Console()
    section = DecontaminateSection(
        benchmarks=[
            BenchmarkSection(name=name, layout=name, paths=[str(DATA / "bench" / files)])
            for name, files in TEST_SETS.items()
        ]
    )
    begun = time.process_time()
    decontaminator = Decontaminator(section, build_index(section))
    figures: dict[str, float] = {"build_s": round(time.process_time() - begun, 1)}
    items = [(one.name, number, item) for one in section.benchmarks for number, item in enumerate(read_items(one))]
    clean = list(clean_documents(part))
    console.print(
        f"{len(items):,} items, of which every {part}. is put into a document; {len(clean):,} clean documents"
    )
    figures |= recall(decontaminator, items, part, clean, console)
    figures |= coincidences(decontaminator, clean, console)
    figures |= speed(decontaminator, clean)
    print(json.dumps(figures))


def recall(
    decontaminator: Decontaminator,
    items: list[tuple[str, int, Item]],
    part: int,
    clean: list[Document],
    console: Console,
) -> dict[str, float]:
    """The share of items that are found, in percent, by setting."""
    prose = [one.text for one in clean if one.collection == "win32-docs-en" and 500 < len(one.text) < 5_000]
    long = next(one.text for one in clean if len(one.text) > 2 * LONG)
    same = _same_words(items)
    table = Table("set", "items", *SETTINGS, title="Items that are found, %")
    found: dict[str, Counter[str]] = {name: Counter() for name in SETTINGS}
    missed: dict[str, Counter[str]] = {name: Counter() for name in SETTINGS}
    tried: dict[str, Counter[str]] = {name: Counter() for name in SETTINGS}
    for number, (setting, render) in enumerate(SETTINGS.items()):
        rng = random.Random(number)
        chosen = items[:: part * 10 if setting == "embedded" else part]
        for begin in range(0, len(chosen), 500):
            batch = chosen[begin : begin + 500]
            texts = [
                _around(render(item, rng), long if setting == "embedded" else rng.choice(prose)) for *_, item in batch
            ]
            for (name, place, item), hits in zip(batch, decontaminator.hits(texts), strict=True):
                there = any(same[hit.benchmark, hit.item] == same[name, place] for hit in hits)
                tried[setting][name] += 1
                found[setting][name] += there
                missed[setting][_length(item)] += not there
    for name in TEST_SETS:
        shares = (f"{100 * found[setting][name] / tried[setting][name]:.2f}" for setting in SETTINGS)
        table.add_row(name, str(tried["verbatim"][name]), *shares)
    console.print(table)
    console.print("missed, by words of the question:", {name: dict(counts) for name, counts in missed.items()})
    return {f"recall_{name}": round(100 * found[name].total() / tried[name].total(), 2) for name in SETTINGS}


def coincidences(decontaminator: Decontaminator, clean: list[Document], console: Console) -> dict[str, float]:
    """How many clean documents have hits, quotations apart."""
    table = Table("document", "item", "n-grams", "share", "passage", title="Hits in clean documents")
    quotations, false = set(), set()
    for document, hits in zip(clean, decontaminator.hits([one.text for one in clean]), strict=True):
        for hit in hits:
            where = f"{document.collection} {document.number}"
            (quotations if hit.ngrams >= QUOTED_NGRAMS else false).add(where)
            table.add_row(where, hit.detail, str(hit.ngrams), f"{hit.share:.2f}", _passage(document.text, hit))
    console.print(table)
    return {"false_positives": len(false), "quotations": len(quotations), "clean_documents": len(clean)}


def speed(decontaminator: Decontaminator, clean: list[Document], rounds: int = 5) -> dict[str, float]:
    """Megabytes of UTF-8 a second: the look-up, and the hashes of words alone, in turns."""
    texts = [one.text for one in clean[:: max(1, len(clean) // 2000)]][:2000]
    size = sum(len(text.encode()) for text in texts) / 1e6
    seconds: dict[str, list[float]] = {"mb_per_s": [], "words_mb_per_s": []}
    for _ in range(rounds):
        for name, work in (
            ("mb_per_s", lambda: decontaminator.hits(texts)),
            ("words_mb_per_s", lambda: [word_hashes(text) for text in texts]),
        ):
            begun = time.process_time()
            work()
            seconds[name].append(time.process_time() - begun)
    return {name: round(size / median(times), 1) for name, times in seconds.items()}


def clean_documents(part: int) -> Iterator[Document]:
    """The documents that hold no test item, or a ``part`` of them; of novels, all."""
    for name, count in CLEAN.items():
        with gzip.open(DATA / "text" / f"{name}.jsonl.gz", "rt") as file:
            few = count if count <= 100 else count // part
            for number, line in enumerate(islice(file, few)):
                yield Document(name, number, json.loads(line)["text"])


def _verbatim(item: Item, rng: random.Random) -> str:
    return item.text


def _rewrapped(item: Item, rng: random.Random) -> str:
    prefix = rng.choice(["", "    ", "> ", "\t", "// "])
    lines = textwrap.wrap(" ".join(item.text.split()), rng.randint(25, 100), break_long_words=False)
    return rng.choice(["\n", "\r\n", "\n\n"]).join(prefix + line for line in lines)


def _recased(item: Item, rng: random.Random) -> str:
    return rng.choice([str.upper, str.lower, str.title])(item.text)


def _unpunctuated(item: Item, rng: random.Random) -> str:
    if rng.random() < 0.5:
        return bare(item.text)
    return "".join(character if bare(character) else " " for character in item.text)


def _as_html(item: Item, rng: random.Random) -> str:
    def word(text: str) -> str:
        text = "".join(_ENTITIES.get(one, html.escape(one)) for one in text)
        tag = rng.choice([""] * 6 + ["b", 'a href="/page?a=1&amp;b=2"', 'span class="x y"', "code"])
        return f"<{tag}>{text}</{tag.split()[0]}>" if tag else text

    def line(text: str) -> str:
        return rng.choice([" ", "&nbsp;", "\n"]).join(map(word, text.split(" ")))

    tag = rng.choice(["p", "div", "li", "td"])
    return "\n".join(f"<{tag}>{line(text)}</{tag}>" for text in item.text.splitlines())


def _question(item: Item, rng: random.Random) -> str:
    return item.question


SETTINGS: dict[str, Setting] = {
    "verbatim": _verbatim,
    "rewrapped": _rewrapped,
    "recased": _recased,
    "unpunctuated": _unpunctuated,
    "html": _as_html,
    "embedded": _verbatim,
    "question_only": _question,
}


def _around(text: str, carrier: str) -> str:
    """``text`` in the middle of a document, between two of its words."""
    middle = carrier.rfind(" ", 0, min(len(carrier), LONG) // 2)
    return f"{carrier[:middle]}\n{text}\n{carrier[middle:LONG]}"


def _same_words(items: list[tuple[str, int, Item]]) -> dict[tuple[str, int], str]:
    """What makes two items the same: the words of their questions."""
    return {(name, number): normalise(item.question) for name, number, item in items}


def _length(item: Item) -> str:
    words = len(normalise(item.question).split())
    return "1-5" if words < 6 else "6-12" if words < 13 else "13-"


def _passage(text: str, hit: Hit) -> str:
    start, end = hit.places[0]
    return re.sub(r"\s+", " ", text[start:end])[:100]


if __name__ == "__main__":
    main()
