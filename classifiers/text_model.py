"""fastText text classifiers (Joulin et al. 2016, "Bag of Tricks for Efficient Text Classification"): load and score.

Of the Python distributions of fastText, ``fasttext-community`` is the one that trains, quantises, answers with numpy 2
and has wheels for every Python that we support; it reads the models of all others. A text is one line to fastText, so
newlines become spaces, and nothing else is changed: models that others trained (DCLM's, say) see what they expect.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fasttext
import numpy as np

from gristmill.classifiers.score import Scores, rounded
from gristmill.errors import InputError
from gristmill.store import storage

LABEL = "__label__"
POSITIVE = "positive"
NEGATIVE = "negative"
BATCH = 256

_NEWLINES = re.compile(r"[\n\r\v\f\x00\x85\u2028\u2029]+")


class TextClassifier:
    """A fastText model and the label whose probability is the score. It does not pickle: load it where it is used."""

    def __init__(self, model: Any, label: str = POSITIVE, name: str = "the model") -> None:
        """Raises InputError where ``model`` has no such label."""
        labels = [one.removeprefix(LABEL) for one in model.get_labels()]
        if label not in labels:
            raise InputError(f"{name} has no label {label!r}; name one of {', '.join(sorted(labels)[:20])}")
        self._model = model
        self._label = LABEL + label
        self._labels = len(labels)

    @classmethod
    def load(cls, url: str, label: str = POSITIVE) -> TextClassifier:
        """The model at ``url``. Raises InputError where there is none, it is not fastText's, or it lacks the label."""
        return cls(load_model(url), label, url)

    def scores(self, texts: Sequence[str], langs: Sequence[str | None] = ()) -> Scores:
        """The probability of the label for each text: float32 [texts], four digits. ``langs`` plays no part."""
        found = np.empty(len(texts), np.float64)
        for start in range(0, len(texts), BATCH):
            batch = [one_line(text) for text in texts[start : start + BATCH]]
            labels, probabilities = self._model.predict(batch, k=self._labels)
            found[start : start + len(batch)] = [
                values[names.index(self._label)] for names, values in zip(labels, probabilities, strict=True)
            ]
        return rounded(np.clip(found, 0, 1))  # fastText adds 1e-5 to every probability


def one_line(text: str) -> str:
    """``text`` as fastText takes it: newlines are spaces, and what is no Unicode scalar is a question mark."""
    return _NEWLINES.sub(" ", text).encode("utf-8", "replace").decode()


def load_model(url: str) -> Any:
    """A fastText model from any storage. Raises InputError where there is none or it is not one."""
    try:
        if storage.is_local(url):
            return fasttext.load_model(url.removeprefix("file://"))
        with tempfile.NamedTemporaryFile(suffix=Path(url).suffix) as local:
            local.write(storage.read_bytes(url))
            local.flush()
            return fasttext.load_model(local.name)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot load the model {url}: {error}; name a fastText .bin or .ftz file") from error
