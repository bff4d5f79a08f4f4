"""Trains fastText classifiers: chooses settings on held-out texts, calibrates, quantizes and evaluates the model.

Training runs in one thread on examples ordered by hash, so the same examples, settings and seed give the same bytes.
(fastText's threads race for the weights: more threads are faster but give different bytes each time.)
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import fasttext
import numpy as np

from gristmill.classifiers import metrics
from gristmill.classifiers.examples import Example, Split, balance_classes, split_examples, texts_digest
from gristmill.classifiers.text_model import LABEL_PREFIX, NEGATIVE, POSITIVE, TextClassifier, load_model, one_line
from gristmill.errors import InputError
from gristmill.store.keys import library_versions


class Setting(NamedTuple):
    """Hyperparameters of fastText. ``buckets`` is the number of hash buckets for word n-grams."""

    dim: int = 16
    word_ngrams: int = 1
    epochs: int = 5
    rate: float = 0.5
    min_count: int = 5
    buckets: int = 100_000


SETTINGS = (
    Setting(),
    Setting(epochs=15, rate=0.2),
    Setting(word_ngrams=2),
    Setting(word_ngrams=2, epochs=15, rate=0.2),
    Setting(word_ngrams=3, epochs=10, rate=0.2),
)
"""The settings to try, in order; of equally good ones the first is chosen."""


class Options(NamedTuple):
    """How to train a classifier. ``cutoff`` is the number of words and n-grams to keep in a quantized model."""

    settings: Sequence[Setting] = SETTINGS
    held_out: float = 0.2
    seed: int = 0
    cutoff: int | None = None


class Trained(NamedTuple):
    """A trained model as bytes and its card."""

    model: bytes
    card: dict[str, Any]


Log = Callable[[str], None]

_CARD_NAMES = {"train": "learn", "validation": "choose", "test": "test"}
"""The parts of a split as cards name them."""


def train(
    examples: Sequence[Example], options: Options, reference: Sequence[str] = (), log: Log = lambda _: None
) -> Trained:
    """Train a classifier on ``examples``.

    ``reference`` are texts like those that will be scored; the percentiles of their scores go into the card, for
    thresholds by the share to keep. By default these are the held-out texts. Raises InputError if a part of the split
    lacks a class.
    """
    parts = split_examples(examples, options.held_out, options.seed)
    _require_both_classes(parts)
    with _training_file(parts.train) as path:
        results = []
        for setting in options.settings:
            value = _average_precision(path, setting, options.seed, parts.validation)
            results.append((setting, value))
            log(f"average precision {value:.4f} on {len(parts.validation)} texts: {setting}")
        chosen = max(results, key=lambda pair: pair[1])[0]
        data = _model_bytes(_fit(path, chosen, options.seed), path, options.cutoff)
    model = _load(data)
    threshold = metrics.best_f1(_curve(model, parts.validation)).threshold
    references = list(reference) or [example.text for example in (*parts.validation, *parts.test)]
    card = {
        "kind": "fasttext",
        "label": POSITIVE,
        "threads": 1,
        "seed": options.seed,
        "settings": {**chosen._asdict(), "quantised_to": options.cutoff},
        "tried": [{**setting._asdict(), "average_precision": value} for setting, value in results],
        "libraries": library_versions(["fasttext-community"]),
        "data": {_CARD_NAMES[name]: _describe(part) for name, part in parts._asdict().items()},
        "metrics": report(model, parts.test, threshold),
        "reference": {
            "texts": len(references),
            "sha256": texts_digest(references),
            "percentiles": metrics.percentiles(model.scores(references)),
        },
    }
    return Trained(data, card)


def report(model: TextClassifier, examples: Sequence[Example], threshold: float) -> dict[str, Any]:
    """Precision, recall and F1 at ``threshold``, the precision-recall curve, and the share kept of each source."""
    scores = model.scores([example.text for example in examples])
    positive = np.array([example.positive for example in examples], bool)
    points = metrics.precision_recall_curve(scores, positive)
    return {
        **metrics.metrics_at(scores, positive, threshold)._asdict(),
        "texts": len(examples),
        "average_precision": metrics.average_precision(points),
        "curve": metrics.sample_points(points),
        "keep_share": metrics.keep_shares(scores, [example.source for example in examples], threshold),
    }


def _curve(model: TextClassifier, examples: Sequence[Example]) -> list[metrics.Metrics]:
    scores = model.scores([example.text for example in examples])
    return metrics.precision_recall_curve(scores, np.array([example.positive for example in examples], bool))


def _average_precision(path: Path, setting: Setting, seed: int, examples: Sequence[Example]) -> float:
    return metrics.average_precision(_curve(TextClassifier(_fit(path, setting, seed)), examples))


def _fit(path: Path, setting: Setting, seed: int) -> Any:
    return fasttext.train_supervised(
        str(path),
        dim=setting.dim,
        wordNgrams=setting.word_ngrams,
        epoch=setting.epochs,
        lr=setting.rate,
        minCount=setting.min_count,
        bucket=setting.buckets if setting.word_ngrams > 1 else 0,
        label=LABEL_PREFIX,
        seed=seed,
        thread=1,
        verbose=0,
    )


def _model_bytes(model: Any, path: Path, cutoff: int | None) -> bytes:
    if cutoff is not None:
        rows = len(model.words)
        if rows < 256:
            raise InputError(
                f"{rows} words are too few to quantize: fastText needs 256; train on more text or do not quantize"
            )
        model.quantize(input=str(path), cutoff=cutoff, retrain=True, qnorm=True, thread=1, verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model")
        model.save_model(str(file))
        return file.read_bytes()


def _load(data: bytes) -> TextClassifier:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model")
        file.write_bytes(data)
        return TextClassifier(load_model(str(file), trusted=True))


@contextmanager
def _training_file(examples: Sequence[Example]) -> Iterator[Path]:
    """Write the balanced examples in fastText's format, one per line; label prefixes inside texts are removed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "learn.txt")
        with path.open("w", encoding="utf-8") as file:
            for example in balance_classes(examples):
                label = POSITIVE if example.positive else NEGATIVE
                file.write(f"{LABEL_PREFIX}{label} {one_line(example.text).replace(LABEL_PREFIX, ' ')}\n")
        yield path


def _require_both_classes(parts: Split) -> None:
    for name, examples in parts._asdict().items():
        if len({example.positive for example in examples}) < 2:
            raise InputError(f"too few examples: the {name} part of the split lacks a class; give more of that class")


def _describe(examples: Sequence[Example]) -> dict[str, Any]:
    return {
        "positive": sum(example.positive for example in examples),
        "negative": sum(not example.positive for example in examples),
        "sha256": texts_digest(f"{example.positive} {example.source} {example.text}" for example in examples),
    }
