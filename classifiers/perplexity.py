"""Perplexity under a KenLM model: how much a text surprises a model of good text, as CCNet sorts pages by it.

Head, middle and tail are the texts up to the 30th percentile of a reference, up to the 60th, and the rest (as CCNet's
code has it; Wenzek et al. 2020 say thirds). The package ``kenlm`` (extra ``kenlm``) asks the model; ``kneser_ney``
makes one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from gristmill.classifiers.ccnet import sentences
from gristmill.classifiers.examples import fingerprint
from gristmill.classifiers.kneser_ney import arpa, estimate
from gristmill.classifiers.metrics import percentiles
from gristmill.classifiers.score import Scores, rounded
from gristmill.errors import InputError
from gristmill.store import storage

DIGITS = 1
"""A perplexity keeps one digit after the point, as in CCNet."""

HEAD, TAIL = 30, 60
"""Percentiles of the reference at which the middle begins and ends."""

ORDER = 5


class PerplexityScorer:
    """A KenLM model. It does not pickle: load it where it is used."""

    def __init__(self, model: Any) -> None:
        self._model = model

    @classmethod
    def load(cls, url: str) -> PerplexityScorer:
        """The model at ``url`` (ARPA or KenLM's binary). Raises InputError where it or the package is missing."""
        try:
            import kenlm
        except ImportError:
            raise InputError("perplexity needs the package kenlm: pip install 'gristmill[kenlm]'") from None
        try:
            if storage.is_local(url):
                return cls(kenlm.Model(url.removeprefix("file://"), _silent(kenlm)))
            with TemporaryDirectory() as folder:
                path = Path(folder, Path(url).name)
                path.write_bytes(storage.read_bytes(url))
                return cls(kenlm.Model(str(path), _silent(kenlm)))
        except (OSError, RuntimeError) as error:
            raise InputError(f"cannot load {url}: {error}; name an ARPA file or a binary of KenLM") from error

    def scores(self, texts: Sequence[str], langs: Sequence[str | None] = ()) -> Scores:
        """The perplexity of each text, float32 [texts], one digit; NaN without words. ``langs`` plays no part.

        10 to the minus log10 p of all lines by the number of their tokens, the end of each line being one.
        """
        return rounded([self._perplexity(text) for text in texts], DIGITS)

    def _perplexity(self, text: str) -> float:
        total, tokens = 0.0, 0
        for sentence in sentences(text):
            total += self._model.score(" ".join(sentence))
            tokens += len(sentence) + 1
        return float(10 ** (-total / tokens)) if tokens else float("nan")


def _silent(kenlm: Any) -> Any:
    config = kenlm.Config()
    config.show_progress = False
    config.arpa_complain = kenlm.ARPALoadComplain.NONE
    return config


def train(texts: Sequence[str], order: int = ORDER) -> tuple[bytes, dict[str, Any]]:
    """A model of ``texts`` as an ARPA file, and its card without the reference. The same texts give the same bytes."""
    model = estimate((sentence for text in texts for sentence in sentences(text)), order)
    card = {
        "kind": "kenlm",
        "settings": {"order": order, "discounts": [[round(d, 6) for d in level.discounts] for level in model.orders]},
        "ngrams": [len(level.words) for level in model.orders],
        "data": {"texts": len(texts), "sha256": fingerprint(texts)},
    }
    return "".join(arpa(model)).encode(), card


def calibrated(scorer: PerplexityScorer, texts: Sequence[str]) -> dict[str, Any]:
    """The ``reference`` of a card: the percentiles of the perplexity of ``texts``."""
    found = percentiles(scorer.scores(texts))
    return {"texts": len(texts), "sha256": fingerprint(texts), "percentiles": found}


def parts(scores: Iterable[float], points: Sequence[float]) -> dict[str, float]:
    """The shares of ``scores`` in head, middle and tail of the reference whose percentiles are ``points``."""
    names = [part(score, points) for score in scores if not np.isnan(score)]
    counts = Counter(names)
    return {name: round(counts[name] / max(len(names), 1), 4) for name in ("head", "middle", "tail")}


def part(score: float, points: Sequence[float]) -> str:
    """``head``, ``middle`` or ``tail``; a score at a percentile is in the better part."""
    return "head" if score <= points[HEAD] else "middle" if score <= points[TAIL] else "tail"
