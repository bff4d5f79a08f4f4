"""Train a fastText classifier: choose between settings on held-out texts, calibrate, quantise, tell how good it is.

Training runs in one thread, on examples in the order of their hashes: the same examples, settings and seed give the
same bytes. (fastText's threads race for the weights: more of them are faster, and give other bytes each time.)
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import fasttext
import numpy as np

from gristmill.classifiers import metrics as measure
from gristmill.classifiers.examples import Example, Split, balanced, fingerprint, split
from gristmill.classifiers.text_model import LABEL, NEGATIVE, POSITIVE, TextClassifier, one_line
from gristmill.errors import InputError
from gristmill.store.keys import library_versions


class Setting(NamedTuple):
    """What fastText is trained with. ``buckets`` hash the n-grams of words."""

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
"""What is tried, in order; of equally good ones the first is taken. A list, not a search, so that it ends alike."""


class Options(NamedTuple):
    """How a classifier is trained. ``cutoff`` is the number of words and n-grams that a quantised model keeps."""

    settings: Sequence[Setting] = SETTINGS
    held_out: float = 0.2
    seed: int = 0
    cutoff: int | None = None


class Trained(NamedTuple):
    """A trained model as bytes, and its card."""

    model: bytes
    card: dict[str, Any]


Say = Callable[[str], None]


def train(
    examples: Sequence[Example], options: Options, reference: Sequence[str] = (), say: Say = lambda _: None
) -> Trained:
    """Train on ``examples``; ``reference`` are texts as they will be scored, by which keep-shares are calibrated.

    Without a reference the held-out texts are that. Raises InputError where a part of the split lacks a class.
    """
    parts = split(examples, options.held_out, options.seed)
    _require_both_classes(parts)
    with _training_file(parts.learn) as path:
        tried = []
        for setting in options.settings:
            value = _average_precision(path, setting, options.seed, parts.choose)
            tried.append((setting, value))
            say(f"average precision {value:.4f} on {len(parts.choose)} texts: {setting}")
        chosen = max(tried, key=lambda pair: pair[1])[0]
        data = _model_bytes(_fitted(path, chosen, options.seed), path, options.cutoff)
    model = _loaded(data)
    threshold = measure.best(_curve(model, parts.choose)).threshold
    references = list(reference) or [one.text for one in (*parts.choose, *parts.test)]
    card = {
        "kind": "fasttext",
        "label": POSITIVE,
        "threads": 1,
        "seed": options.seed,
        "settings": {**chosen._asdict(), "quantised_to": options.cutoff},
        "tried": [{**setting._asdict(), "average_precision": value} for setting, value in tried],
        "libraries": library_versions(["fasttext-community"]),
        "data": {name: _told(part) for name, part in parts._asdict().items()},
        "metrics": report(model, parts.test, threshold),
        "reference": {
            "texts": len(references),
            "sha256": fingerprint(references),
            "percentiles": measure.percentiles(model.scores(references)),
        },
    }
    return Trained(data, card)


def report(model: TextClassifier, examples: Sequence[Example], threshold: float) -> dict[str, Any]:
    """Precision, recall and F1 at ``threshold``, the precision-recall curve, and the share kept of each source."""
    scores = model.scores([one.text for one in examples])
    positive = np.array([one.positive for one in examples], bool)
    points = measure.curve(scores, positive)
    return {
        **measure.metrics(scores, positive, threshold)._asdict(),
        "texts": len(examples),
        "average_precision": measure.average_precision(points),
        "curve": measure.table(points),
        "keep_share": measure.keep_shares(scores, [one.source for one in examples], threshold),
    }


def _curve(model: TextClassifier, examples: Sequence[Example]) -> list[measure.Metrics]:
    scores = model.scores([one.text for one in examples])
    return measure.curve(scores, np.array([one.positive for one in examples], bool))


def _average_precision(path: Path, setting: Setting, seed: int, examples: Sequence[Example]) -> float:
    return measure.average_precision(_curve(TextClassifier(_fitted(path, setting, seed)), examples))


def _fitted(path: Path, setting: Setting, seed: int) -> Any:
    return fasttext.train_supervised(
        str(path),
        dim=setting.dim,
        wordNgrams=setting.word_ngrams,
        epoch=setting.epochs,
        lr=setting.rate,
        minCount=setting.min_count,
        bucket=setting.buckets if setting.word_ngrams > 1 else 0,
        label=LABEL,
        seed=seed,
        thread=1,
        verbose=0,
    )


def _model_bytes(model: Any, path: Path, cutoff: int | None) -> bytes:
    if cutoff is not None:
        rows = len(model.words)
        if rows < 256:
            raise InputError(
                f"{rows} words are too few to quantise: fastText needs 256; train on more, or leave it out"
            )
        model.quantize(input=str(path), cutoff=cutoff, retrain=True, qnorm=True, thread=1, verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model")
        model.save_model(str(file))
        return file.read_bytes()


def _loaded(data: bytes) -> TextClassifier:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model")
        file.write_bytes(data)
        return TextClassifier.load(str(file))


@contextmanager
def _training_file(examples: Sequence[Example]) -> Iterator[Path]:
    """The balanced examples as fastText reads them, a line each. A label inside a text is no label."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "learn.txt")
        with path.open("w", encoding="utf-8") as file:
            for one in balanced(examples):
                label = POSITIVE if one.positive else NEGATIVE
                file.write(f"{LABEL}{label} {one_line(one.text).replace(LABEL, ' ')}\n")
        yield path


def _require_both_classes(parts: Split) -> None:
    for name, examples in parts._asdict().items():
        if len({one.positive for one in examples}) < 2:
            raise InputError(f"too few examples: the part to {name} by lacks a class; give more of it")


def _told(examples: Sequence[Example]) -> dict[str, Any]:
    return {
        "positive": sum(one.positive for one in examples),
        "negative": sum(not one.positive for one in examples),
        "sha256": fingerprint(f"{one.positive} {one.source} {one.text}" for one in examples),
    }
