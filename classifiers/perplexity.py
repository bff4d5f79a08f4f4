"""Perplexity under a KenLM model of good text, by which CCNet divides pages into head, middle and tail.

The buckets are the texts up to the 30th percentile of a reference set, up to the 60th, and the rest, as in CCNet's code
(Wenzek et al. 2020 describe thirds). The package ``kenlm`` (extra ``kenlm``) applies a model; ``kneser_ney`` trains
one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gristmill.classifiers.ccnet import sentences
from gristmill.classifiers.examples import texts_digest
from gristmill.classifiers.kneser_ney import arpa, estimate
from gristmill.classifiers.metrics import percentiles
from gristmill.classifiers.model_trials import open_kenlm, silent_kenlm
from gristmill.classifiers.score import Scores, round_scores
from gristmill.classifiers.text_model import local_copy
from gristmill.errors import InputError
from gristmill.store.trial_open import Trial, require_opens

DIGITS = 1
"""Decimal places of a perplexity, as in CCNet."""

HEAD, TAIL = 30, 60
"""The percentiles of the reference set between which the middle bucket lies."""

ORDER = 5

_LARGEST = 38  # the logarithm of the largest float32
_TRIAL = Trial(open_kenlm, ("kenlm",))


class PerplexityScorer:
    """A KenLM model. It cannot be pickled: load it in the process that uses it."""

    def __init__(self, model: Any) -> None:
        self._model = model

    @classmethod
    def load(cls, url: str) -> PerplexityScorer:
        """Load the model at ``url`` (ARPA or KenLM binary). Raises InputError if it or the package is missing."""
        try:
            import kenlm
        except ImportError:
            raise InputError("perplexity requires the package kenlm: run `pip install 'gristmill[kenlm]'`") from None
        remedy = "give an ARPA file or a KenLM binary"
        try:
            with local_copy(url) as (path, identity):
                require_opens(_TRIAL, path, f"the model {url}", remedy, identity)
                return cls(kenlm.Model(path, silent_kenlm()))
        except InputError:
            raise
        except Exception as error:  # the library raises any exception for a damaged file
            raise InputError(f"cannot load {url}: {error}; {remedy}") from error

    def scores(self, texts: Sequence[str], langs: Sequence[str | None] = ()) -> Scores:
        """The perplexity of each text, to one decimal place: float32 [texts]; NaN without words. ``langs`` is ignored.

        It is 10 to the power of -log10(p) / tokens, over all lines of the text; the end of a line counts as a token.
        """
        return round_scores([self._perplexity(text) for text in texts], DIGITS)

    def _perplexity(self, text: str) -> float:
        total, tokens = 0.0, 0
        for sentence in sentences(text):
            total += self._model.score(" ".join(sentence))
            tokens += len(sentence) + 1
        return float(10 ** min(-total / tokens, _LARGEST)) if tokens else float("nan")


def train(texts: Sequence[str], order: int = ORDER) -> tuple[bytes, dict[str, Any]]:
    """Train a model: an ARPA file and its card, without a reference set. The same texts give the same bytes."""
    model = estimate((sentence for text in texts for sentence in sentences(text)), order)
    card = {
        "kind": "kenlm",
        "settings": {"order": order, "discounts": [[round(d, 6) for d in level.discounts] for level in model.orders]},
        "ngrams": [len(level.words) for level in model.orders],
        "data": {"texts": len(texts), "sha256": texts_digest(texts)},
    }
    return "".join(arpa(model)).encode(), card


def calibrate(scorer: PerplexityScorer, texts: Sequence[str]) -> dict[str, Any]:
    """The ``reference`` entry of a card: the percentiles of the perplexity of ``texts``."""
    points = percentiles(scorer.scores(texts))
    return {"texts": len(texts), "sha256": texts_digest(texts), "percentiles": points}


def bucket_shares(scores: Iterable[float], points: Sequence[float]) -> dict[str, float]:
    """The shares of ``scores`` in each bucket of the reference set whose percentiles are ``points``."""
    names = [bucket(score, points) for score in scores if not np.isnan(score)]
    counts = Counter(names)
    return {name: round(counts[name] / max(len(names), 1), 4) for name in ("head", "middle", "tail")}


def bucket(score: float, points: Sequence[float]) -> str:
    """``head``, ``middle`` or ``tail``; a score equal to a percentile is in the better bucket."""
    return "head" if score <= points[HEAD] else "middle" if score <= points[TAIL] else "tail"
