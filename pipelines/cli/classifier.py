"""``gristmill classifier …``: train, evaluate and apply the models that score documents."""

from __future__ import annotations

from typing import Any

import click

from gristmill.pipelines.cli.console import STDERR, STDOUT, handle_errors, print_lines

_positive = click.option(
    "--positive", "positives", multiple=True, required=True, metavar="FILE", help="JSONL or Parquet with good texts."
)
_negative = click.option(
    "--negative", "negatives", multiple=True, required=True, metavar="FILE", help="JSONL or Parquet with bad texts."
)
_reference = click.option(
    "--reference",
    "references",
    multiple=True,
    metavar="FILE",
    help="Typical texts to score; they turn `keep`, a share, into a threshold.",
)
_out = click.option(
    "--out", required=True, metavar="FILE", help="The model file to write; its card is written to FILE.json."
)


@click.group()
def classifier() -> None:
    """Train, evaluate and apply models that score documents."""


@classifier.command()
@_positive
@_negative
@_reference
@_out
@click.option(
    "--held-out", default=0.2, show_default=True, type=click.FloatRange(0.02, 0.5), help="Share of examples held out."
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed of the split and of training.")
@click.option(
    "--quantise",
    metavar="N",
    type=click.IntRange(256),
    help="Reduce the model to the N most important words and n-grams.",
)
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
    """Train a fastText classifier (quality, toxicity, …). Rows have `text`, and optionally `source` and `group`.

    Settings are chosen from a fixed list on one half of the held-out examples and evaluated on the other half. Training
    uses one thread: the same files give the same bytes.
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
@click.option(
    "--order", default=5, show_default=True, type=click.IntRange(2, 6), help="Number of words in the longest n-grams."
)
@handle_errors
def perplexity(texts: tuple[str, ...], references: tuple[str, ...], out: str, order: int) -> None:
    """Train a language model on the texts of FILEs (JSONL or Parquet with `text`) and write an ARPA file for KenLM.

    With --reference, the card contains the percentiles that split documents into head, middle and tail.
    """
    from gristmill.classifiers.card import write_card
    from gristmill.classifiers.perplexity import PerplexityScorer, calibrate, train
    from gristmill.store import storage

    model, card = train(_texts(texts), order)
    storage.replace(out, model)
    if references:
        card["reference"] = calibrate(PerplexityScorer.load(out), _texts(references))
    write_card(out, card)
    STDOUT.print_json(data={"ngrams": card["ngrams"], "texts": card["data"]["texts"]})


@classifier.command()
@click.argument("model")
@_positive
@_negative
@click.option("--label", default="positive", show_default=True, help="The label of good texts.")
@click.option(
    "--threshold",
    type=float,
    help="Lowest score that counts as positive; by default the threshold in the model's card.",
)
@handle_errors
def evaluate(
    model: str, positives: tuple[str, ...], negatives: tuple[str, ...], label: str, threshold: float | None
) -> None:
    """Print precision, recall, F1, the precision-recall curve and the share kept per source as JSON."""
    from gristmill.classifiers.card import read_card
    from gristmill.classifiers.examples import read_examples
    from gristmill.classifiers.text_model import TextClassifier
    from gristmill.classifiers.train_text import report

    loaded = TextClassifier.load(model, label)
    limit = read_card(model)["metrics"]["threshold"] if threshold is None else threshold
    STDOUT.print_json(data=report(loaded, read_examples(positives, negatives), limit))


@classifier.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Set a key of the scorer, as in a recipe.")
@handle_errors
def score(files: tuple[str, ...], overrides: tuple[str, ...]) -> None:
    """Score text files or JSONL with `text`; `-` reads JSONL. By default with the bundled English model.

    Any scorer of a recipe can be set: --set kind=kenlm --set model=en.arpa, or --set kind=words --set
    lists.en=words.txt. Prints JSONL with `score`, and `part` (head, middle, tail) if a KenLM model's card has a
    reference.
    """
    from gristmill.pipelines.adhoc import score_files

    print_lines(score_files(files, overrides))


def _texts(urls: tuple[str, ...]) -> list[str]:
    from gristmill.classifiers.examples import read_rows

    return [row["text"] for url in urls for row in read_rows(url)]


def _short(metrics: dict[str, Any]) -> dict[str, Any]:
    """The metrics without the curve, which only the card contains."""
    return {name: value for name, value in metrics.items() if name != "curve"}
