"""How good, how fast and how large are the classifiers: the quality model that ships, KenLM, word lists?

The quality model is asked about sites, books and manual pages that it was not trained on (``quality_examples.py``). The
language model is trained on four fifths of the English books; head, middle and tail are told of the other fifth, and of
web pages, by percentiles of the web pages themselves. Throughput is in MB (10^6 bytes of UTF-8) per second of processor
time, loading apart, the median of five rounds in which the scorers take turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from inputs import DATA, require_data
from quality_examples import PASSAGES_OF_A_BOOK, apart, books, examples, passages, web_pages
from rich import box
from rich.console import Console
from rich.table import Table

from gristmill.classifiers import QUALITY_MODEL
from gristmill.classifiers.card import read_card
from gristmill.classifiers.examples import Example
from gristmill.classifiers.perplexity import PerplexityScorer, calibrated, parts, train
from gristmill.classifiers.text_model import TextClassifier
from gristmill.classifiers.train_text import report
from gristmill.classifiers.word_list import WordListScorer

ORDER = 3
ROUNDS = 5
PARTS = ("head", "middle", "tail")

_PRINT = Console(width=120, highlight=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the books to learn from, fewer rounds")
    arguments = parser.parse_args()
    require_data()
    _, held_out = examples()
    pages = web_pages()
    figures = quality(held_out)
    with TemporaryDirectory() as folder:
        model = Path(folder, "books.arpa")
        figures["kenlm_train_mb_per_s"] = learn(model, 10 if arguments.quick else 1)
        scorers = {
            "fasttext": TextClassifier.load(str(QUALITY_MODEL)),
            "kenlm": PerplexityScorer.load(str(model)),
            "words": WordListScorer.load({"en": str(DATA / "lists" / "ldnoobw" / "en")}),
        }
        rates = throughput(scorers, pages, 2 if arguments.quick else ROUNDS)
        figures |= {"mb_per_s": rates["fasttext"]} | {f"{name}_mb_per_s": rate for name, rate in rates.items()}
        figures |= perplexities(scorers["kenlm"], pages, held_out)
    print(json.dumps(figures))


def quality(held_out: Sequence[Example]) -> dict[str, float]:
    """Metrics of the model that ships, at the threshold of its card; ``f1_web`` leaves out books and manuals."""
    model, threshold = TextClassifier.load(str(QUALITY_MODEL)), read_card(str(QUALITY_MODEL))["metrics"]["threshold"]
    told = report(model, held_out, threshold)
    counts = defaultdict(list)
    for one in held_out:
        counts[one.source].append(one.positive)
    table = _table("Quality model, texts of sites and books that it never saw", ("source", "texts", "positive", "kept"))
    for source, share in told["keep_share"].items():
        positive = "yes" if all(counts[source]) else "no"
        table.add_row(source, f"{len(counts[source])}", positive, f"{share:.1%}")
    _PRINT.print(table)
    points = _table("Precision and recall", ("threshold", "precision", "recall", "f1"))
    for row in told["curve"]:
        points.add_row(*(f"{row[name]:.4f}" for name in ("threshold", "precision", "recall", "f1")))
    _PRINT.print(points)
    web = [one for one in held_out if one.source not in ("books", "manuals")]
    told["f1_web"] = report(model, web, threshold)["f1"]
    figures = {name: told[name] for name in ("f1", "f1_web", "precision", "recall", "average_precision")}
    kept = {f"kept_{source}": share for source, share in told["keep_share"].items()}
    return figures | {"size_kb": round(QUALITY_MODEL.stat().st_size / 1e3, 1)} | kept


def learn(model: Path, every: int) -> float:
    """Train the language model on every so-many-th book that is not held out; MB of text per second of processor."""
    texts = [text for name, text in books() if not apart(name)][::every]
    begun = time.process_time()
    data, card = train(texts, ORDER)
    seconds = time.process_time() - begun
    model.write_bytes(data)
    size = _megabytes(texts)
    _PRINT.print(f"language model of {len(texts)} books, {size:.1f} MB: {seconds:.1f} s, n-grams {card['ngrams']}")
    return round(size / seconds, 2)


def throughput(scorers: Mapping[str, Any], texts: Sequence[str], rounds: int) -> dict[str, float]:
    """MB per second of processor time, by scorer."""
    taken: dict[str, list[float]] = defaultdict(list)
    langs = ["en"] * len(texts)
    for _ in range(rounds):
        for name, scorer in scorers.items():
            begun = time.process_time()
            scorer.scores(texts, langs)
            taken[name].append(time.process_time() - begun)
    size = _megabytes(texts)
    table = _table(f"Throughput of one core, {len(texts)} web pages, {size:.1f} MB", ("scorer", "MB/s", "texts/s"))
    rates = {name: size / statistics.median(seconds) for name, seconds in taken.items()}
    for name, rate in rates.items():
        table.add_row(name, f"{rate:.1f}", f"{rate / size * len(texts):,.0f}")
    _PRINT.print(table)
    return {name: round(rate, 2) for name, rate in rates.items()}


def perplexities(scorer: PerplexityScorer, pages: Sequence[str], held_out: Sequence[Example]) -> dict[str, float]:
    """Head, middle and tail of books that the model never saw, of web pages, and of their kinds."""
    points = calibrated(scorer, pages)["percentiles"]
    unseen = [passages(text) for name, text in books() if apart(name)]
    kinds: dict[str, list[str]] = {"web": list(pages)}
    kinds["books"] = [one for book in unseen for one in book[:: max(len(book) // PASSAGES_OF_A_BOOK, 1)]]
    for one in held_out:
        if one.source not in ("books", "news"):
            kinds.setdefault(one.source, []).append(one.text)
    table = _table("Head, middle and tail, by percentiles 30 and 60 of the web pages", ("texts", "count", *PARTS))
    figures = {}
    for kind, texts in kinds.items():
        shares = parts(scorer.scores(texts).tolist(), points)
        table.add_row(kind, f"{len(texts)}", *(f"{shares[part]:.1%}" for part in PARTS))
        figures |= {f"{part}_{kind}": shares[part] for part in PARTS}
    _PRINT.print(table)
    return figures


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left")
    return table


def _megabytes(texts: Sequence[str]) -> float:
    return sum(len(text.encode("utf-8", "replace")) for text in texts) / 1e6


if __name__ == "__main__":
    main()
