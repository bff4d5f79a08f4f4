"""How good, how fast and how large the classifiers are: the quality model that ships, KenLM, word lists.

The quality model is evaluated on sites, books and manual pages that it was not trained on
(``model_training/quality_examples.py``). The language model is trained on four fifths of the English books; head,
middle and tail are reported for the other fifth and for web pages, by percentiles of the web pages. Throughput is in MB
(10^6 bytes of UTF-8) per second of processor time without loading, the median of five rounds in which the scorers take
turns.
"""

from __future__ import annotations

import statistics
from argparse import Namespace
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.harness.benchmark_main import benchmark_main
from benchmarks.harness.gold_pages import in_held_out_part
from benchmarks.harness.processor_time import processor_seconds, seconds_in_turns
from benchmarks.harness.real_data import DATA
from benchmarks.harness.result_tables import CONSOLE, result_table
from gristmill.classifiers import QUALITY_MODEL
from gristmill.classifiers.card import read_card
from gristmill.classifiers.examples import Example
from gristmill.classifiers.perplexity import PerplexityScorer, bucket_shares, calibrate, train
from gristmill.classifiers.text_model import TextClassifier
from gristmill.classifiers.train_text import report
from gristmill.classifiers.word_list import WordListScorer
from model_training.quality_examples import PASSAGES_OF_A_BOOK, book_texts, examples, passages, web_pages

ORDER = 3
ROUNDS = 5
PARTS = ("head", "middle", "tail")


def main() -> None:
    benchmark_main(measure, description=__doc__, quick="a tenth of the books to train on, two rounds")


def measure(options: Namespace) -> dict[str, float]:
    _, held_out = examples()
    pages = web_pages()
    figures = quality(held_out)
    with TemporaryDirectory() as folder:
        model = Path(folder, "books.arpa")
        figures["kenlm_train_mb_per_s"] = train_language_model(model, 10 if options.quick else 1)
        kenlm = PerplexityScorer.load(str(model))
        scorers = {
            "fasttext": TextClassifier.load(str(QUALITY_MODEL)),
            "kenlm": kenlm,
            "words": WordListScorer.load({"en": str(DATA / "lists" / "ldnoobw" / "en")}),
        }
        rates = throughput(scorers, pages, 2 if options.quick else ROUNDS)
        figures |= {"mb_per_s": rates["fasttext"]} | {f"{name}_mb_per_s": rate for name, rate in rates.items()}
        return figures | perplexity_parts(kenlm, pages, held_out)


def quality(held_out: Sequence[Example]) -> dict[str, float]:
    """Return the metrics of the shipped model at the threshold of its card; ``f1_web`` excludes books and manuals."""
    model, threshold = TextClassifier.load(str(QUALITY_MODEL)), read_card(str(QUALITY_MODEL))["metrics"]["threshold"]
    metrics = report(model, held_out, threshold)
    labels = defaultdict(list)
    for example in held_out:
        labels[example.source].append(example.positive)
    title = "quality model, texts of sites and books that it was not trained on"
    table = result_table(title, ("source", "texts", "positive", "kept"))
    for source, share in metrics["keep_share"].items():
        table.add_row(source, f"{len(labels[source])}", "yes" if all(labels[source]) else "no", f"{share:.1%}")
    CONSOLE.print(table)
    columns = ("threshold", "precision", "recall", "f1")
    curve = result_table("precision and recall", columns)
    for point in metrics["curve"]:
        curve.add_row(*(f"{point[name]:.4f}" for name in columns))
    CONSOLE.print(curve)
    web = [example for example in held_out if example.source not in ("books", "manuals")]
    metrics["f1_web"] = report(model, web, threshold)["f1"]
    figures = {name: metrics[name] for name in ("f1", "f1_web", "precision", "recall", "average_precision")}
    kept = {f"kept_{source}": share for source, share in metrics["keep_share"].items()}
    return figures | {"size_kb": QUALITY_MODEL.stat().st_size / 1e3} | kept


def train_language_model(path: Path, step: int) -> float:
    """Train on every ``step``-th book that is not held out; return MB of text per second of processor time."""
    texts = [text for name, text in book_texts() if not in_held_out_part(name)][::step]

    def train_and_write() -> None:
        data, card = train(texts, ORDER)
        path.write_bytes(data)
        CONSOLE.print(f"n-grams {card['ngrams']}")

    seconds, size = processor_seconds(train_and_write), _megabytes(texts)
    CONSOLE.print(f"language model of {len(texts)} books, {size:.1f} MB: {seconds:.1f} s")
    return size / seconds


def throughput(scorers: Mapping[str, Any], texts: Sequence[str], rounds: int) -> dict[str, float]:
    """Return MB per second of processor time by scorer."""
    langs = ["en"] * len(texts)
    seconds = seconds_in_turns({name: partial(one.scores, texts, langs) for name, one in scorers.items()}, rounds)
    size = _megabytes(texts)
    rates = {name: size / statistics.median(times) for name, times in seconds.items()}
    title = f"throughput of one core, {len(texts)} web pages, {size:.1f} MB"
    table = result_table(title, ("scorer", "MB/s", "texts/s"))
    for name, rate in rates.items():
        table.add_row(name, f"{rate:.1f}", f"{rate / size * len(texts):,.0f}")
    CONSOLE.print(table)
    return rates


def perplexity_parts(scorer: PerplexityScorer, pages: Sequence[str], held_out: Sequence[Example]) -> dict[str, float]:
    """Return the shares of head, middle and tail among held-out books, web pages, and each kind of web page."""
    percentiles = calibrate(scorer, pages)["percentiles"]
    held_out_books = [passages(text) for name, text in book_texts() if in_held_out_part(name)]
    kinds: dict[str, list[str]] = {"web": list(pages)}
    kinds["books"] = [
        passage for book in held_out_books for passage in book[:: max(len(book) // PASSAGES_OF_A_BOOK, 1)]
    ]
    for example in held_out:
        if example.source not in ("books", "news"):
            kinds.setdefault(example.source, []).append(example.text)
    title = "head, middle and tail, by percentiles 30 and 60 of the web pages"
    table = result_table(title, ("texts", "count", *PARTS))
    figures: dict[str, float] = {}
    for kind, texts in kinds.items():
        shares = bucket_shares(scorer.scores(texts).tolist(), percentiles)
        table.add_row(kind, f"{len(texts)}", *(f"{shares[part]:.1%}" for part in PARTS))
        figures |= {f"{part}_{kind}": shares[part] for part in PARTS}
    CONSOLE.print(table)
    return figures


def _megabytes(texts: Sequence[str]) -> float:
    return sum(len(text.encode("utf-8", "replace")) for text in texts) / 1e6


if __name__ == "__main__":
    main()
