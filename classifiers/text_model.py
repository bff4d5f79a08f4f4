"""Loads and applies fastText classifiers (Joulin et al. 2016, "Bag of Tricks for Efficient Text Classification").

Among the Python distributions of fastText, only ``fasttext-community`` trains and quantizes models, works with NumPy 2
and has wheels for every supported Python version. It reads the models of all others. fastText reads one text per line,
so newlines become spaces. Nothing else is changed, so models trained by others, such as DCLM's, see what they expect.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fasttext
import numpy as np

from gristmill.classifiers.score import Scores, round_scores
from gristmill.errors import InputError
from gristmill.store import storage

LABEL_PREFIX = "__label__"
POSITIVE = "positive"
NEGATIVE = "negative"
BATCH = 256

_NEWLINES = re.compile(r"[\n\r\v\f\x00\x85\u2028\u2029]+")


class TextClassifier:
    """A fastText model and the label whose probability is the score.

    It cannot be pickled: load it in the process that uses it.
    """

    def __init__(self, model: Any, label: str = POSITIVE, name: str = "the model") -> None:
        """Raises InputError if ``model`` has no such label."""
        labels = [full_label.removeprefix(LABEL_PREFIX) for full_label in model.get_labels()]
        if label not in labels:
            raise InputError(f"{name} has no label {label!r}; choose one of {', '.join(sorted(labels)[:20])}")
        self._model = model
        self._label = LABEL_PREFIX + label
        self._labels = len(labels)

    @classmethod
    def load(cls, url: str, label: str = POSITIVE) -> TextClassifier:
        """Load the model at ``url``. Raises InputError if it is missing, not a fastText model, or lacks the label."""
        return cls(load_model(url), label, url)

    def scores(self, texts: Sequence[str], langs: Sequence[str | None] = ()) -> Scores:
        """The probability of the label for each text, to four decimal places: float32 [texts]. ``langs`` is ignored."""
        scores = np.empty(len(texts), np.float64)
        for start in range(0, len(texts), BATCH):
            batch = [one_line(text) for text in texts[start : start + BATCH]]
            labels, probabilities = self._model.predict(batch, k=self._labels)
            scores[start : start + len(batch)] = [
                values[names.index(self._label)] for names, values in zip(labels, probabilities, strict=True)
            ]
        return round_scores(np.clip(scores, 0, 1))  # fastText adds 1e-5 to every probability


def one_line(text: str) -> str:
    """``text`` on one line for fastText: newlines become spaces, lone surrogates become question marks."""
    return _NEWLINES.sub(" ", text).encode("utf-8", "replace").decode()


def load_model(url: str) -> Any:
    """Load a fastText model from any storage. Raises InputError if it is missing or not a fastText model."""
    try:
        if storage.is_local(url):
            return fasttext.load_model(url.removeprefix("file://"))
        with tempfile.NamedTemporaryFile(suffix=Path(url).suffix) as local:
            local.write(storage.read_bytes(url))
            local.flush()
            return fasttext.load_model(local.name)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot load the model {url}: {error}; give a fastText .bin or .ftz file") from error
