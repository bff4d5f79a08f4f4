"""Loads and applies fastText classifiers (Joulin et al. 2016, "Bag of Tricks for Efficient Text Classification").

Among the Python distributions of fastText, only ``fasttext-community`` trains and quantizes models, works with NumPy 2
and has wheels for every supported Python version. It reads the models of all others. fastText reads one text per line,
so newlines become spaces. Nothing else is changed, so models trained by others, such as DCLM's, see what they expect.

A damaged model may end the process or never return, so a model from elsewhere is first opened in a child process.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import fasttext
import numpy as np

from gristmill.classifiers import QUALITY_MODEL
from gristmill.classifiers.model_trials import open_fasttext
from gristmill.classifiers.score import Scores, round_scores
from gristmill.errors import InputError
from gristmill.store import storage
from gristmill.store.trial_open import Trial, require_opens

LABEL_PREFIX = "__label__"
POSITIVE = "positive"
NEGATIVE = "negative"
BATCH = 256

_TRIAL = Trial(open_fasttext, ("fasttext-community",))
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
        return cls(load_model(url, trusted=url == str(QUALITY_MODEL)), label, url)

    def scores(self, texts: Sequence[str], langs: Sequence[str | None] = ()) -> Scores:
        """The probability of the label for each text, to four decimal places: float32 [texts]. ``langs`` is ignored."""
        scores = np.empty(len(texts), np.float64)
        for start in range(0, len(texts), BATCH):
            batch = [one_line(text) for text in texts[start : start + BATCH]]
            labels, probabilities = self._model.predict(batch, k=self._labels)
            scores[start : start + len(batch)] = [
                dict(zip(names, values, strict=True)).get(self._label, 0.0)  # fastText may omit unlikely labels
                for names, values in zip(labels, probabilities, strict=True)
            ]
        return round_scores(np.clip(scores, 0, 1))  # fastText adds 1e-5 to every probability


def one_line(text: str) -> str:
    """``text`` on one line for fastText: newlines become spaces, lone surrogates become question marks."""
    return _NEWLINES.sub(" ", text).encode("utf-8", "replace").decode()


def load_model(url: str, *, trusted: bool = False) -> Any:
    """Load a fastText classifier from any storage. Raises InputError if it is missing or not such a model.

    A ``trusted`` model comes with a package or was trained in this process, and is not tried in a child process.
    """
    remedy = "give a fastText .bin or .ftz file"
    try:
        with local_copy(url) as (path, identity):
            if not trusted:
                require_opens(_TRIAL, path, f"the model {url}", remedy, identity)
            return fasttext.load_model(path)
    except InputError:
        raise
    except Exception as error:  # the library raises any exception for a damaged file
        raise InputError(f"cannot load the model {url}: {error}; {remedy}") from error


@contextmanager
def local_copy(url: str) -> Iterator[tuple[str, str | None]]:
    """The path of the file at ``url``, or of a copy and the hash of its content if ``url`` is remote."""
    if storage.is_local(url):
        yield storage.url_to_fs(url)[1], None
        return
    with tempfile.NamedTemporaryFile(suffix=Path(url).suffix) as copy:
        data = storage.read_bytes(url)
        copy.write(data)
        copy.flush()
        yield copy.name, sha256(data).hexdigest()
