"""``gristmill classifier …``: train what scores documents, tell how good it is, try it on texts at hand."""

from __future__ import annotations

from typing import Any

import click

from gristmill.pipelines.cli.console import STDERR, STDOUT, handle_errors, print_lines

_positive = click.option(
    "--positive", "positives", multiple=True, required=True, metavar="FILE", help="JSONL or Parquet of good texts."
)
_negative = click.option(
    "--negative", "negatives", multiple=True, required=True, metavar="FILE", help="JSONL or Parquet of bad texts."
)
_reference = click.option(
    "--reference",
    "references",
    multiple=True,
    metavar="FILE",
    help="Texts as they will be scored: a keep-share is turned into a threshold by these.",
)
_out = click.option("--out", required=True, metavar="FILE", help="The model; its card goes to FILE.json.")


@click.group()
def classifier() -> None:
    """Train, evaluate and try what scores documents."""


@classifier.command()
@_positive
@_negative
@_reference
@_out
@click.option("--held-out", default=0.2, show_default=True, type=click.FloatRange(0.02, 0.5), help="Share held out.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of the split and of training.")
@click.option("--quantise", metavar="N", type=click.IntRange(256), help="Shrink to the N weightiest words and n-grams.")
@handle_errors
def train(
    positives: tuple[str, ...],
    negatives: tuple[str, ...],
    references: tuple[str, ...],
    out: str,
    held_out: float,
    seed: int,
    quantise: int | None,
) -> None:
    """Train a fastText classifier (quality, toxicity …): a row has `text`, and may have `source` and `group`.

    Settings are chosen from a fixed list on one half of what is held out, and told by the other. One thread: the same
    files give the same bytes.
    """
    from gristmill.classifiers.card import write_card
    from gristmill.classifiers.examples import read_examples
    from gristmill.classifiers.train_text import Options, train
    from gristmill.store import storage

    examples = read_examples(positives, negatives)
    options = Options(held_out=held_out, seed=seed, cutoff=quantise)
    trained = train(examples, options, _texts(references), lambda line: STDERR.print(line, soft_wrap=True))
    storage.replace(out, trained.model)
    write_card(out, trained.card)
    STDOUT.print_json(data=_short(trained.card["metrics"]))


@classifier.command()
@click.argument("texts", nargs=-1, required=True, metavar="FILE…")
@_reference
@_out
@click.option("--order", default=5, show_default=True, type=click.IntRange(2, 6), help="Words of the longest n-gram.")
@handle_errors
def perplexity(texts: tuple[str, ...], references: tuple[str, ...], out: str, order: int) -> None:
    """Train a language model on the texts of FILEs (JSONL or Parquet with `text`); writes an ARPA file for KenLM.

    With --reference, the card has the percentiles by which documents are split into head, middle and tail.
    """
    from gristmill.classifiers.card import write_card
    from gristmill.classifiers.perplexity import PerplexityScorer, calibrated, train
    from gristmill.store import storage

    model, card = train(_texts(texts), order)
    storage.replace(out, model)
    if references:
        card["reference"] = calibrated(PerplexityScorer.load(out), _texts(references))
    write_card(out, card)
    STDOUT.print_json(data={"ngrams": card["ngrams"], "texts": card["data"]["texts"]})


@classifier.command()
@click.argument("model")
@_positive
@_negative
@click.option("--label", default="positive", show_default=True, help="The label that is good.")
@click.option("--threshold", type=float, help="Of what is taken for positive; without it that of the model's card.")
@handle_errors
def evaluate(
    model: str, positives: tuple[str, ...], negatives: tuple[str, ...], label: str, threshold: float | None
) -> None:
    """Precision, recall, F1, the precision-recall curve and the share kept of each source. Prints JSON."""
    from gristmill.classifiers.card import read_card
    from gristmill.classifiers.examples import read_examples
    from gristmill.classifiers.text_model import TextClassifier
    from gristmill.classifiers.train_text import report

    loaded = TextClassifier.load(model, label)
    limit = read_card(model)["metrics"]["threshold"] if threshold is None else threshold
    STDOUT.print_json(data=report(loaded, read_examples(positives, negatives), limit))


@classifier.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="A key of the scorer, as in a recipe.")
@handle_errors
def score(files: tuple[str, ...], overrides: tuple[str, ...]) -> None:
    """Score text files or JSONL with `text`; `-` reads JSONL. Without --set, by the English model that ships.

    Any scorer of a recipe: --set kind=kenlm --set model=en.arpa, or --set kind=words --set lists.en=words.txt. Prints
    JSONL with `score`, and `part` (head, middle, tail) where a KenLM model's card has a reference.
    """
    from gristmill.pipelines.adhoc import score_files

    print_lines(score_files(files, overrides))


def _texts(urls: tuple[str, ...]) -> list[str]:
    from gristmill.classifiers.examples import read_rows

    return [row["text"] for url in urls for row in read_rows(url)]


def _short(metrics: dict[str, Any]) -> dict[str, Any]:
    """Without the curve, which is for the card."""
    return {name: value for name, value in metrics.items() if name != "curve"}
