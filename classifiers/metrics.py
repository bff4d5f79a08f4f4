"""How good a score is: precision, recall and F1, the curve of both, and what a threshold keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gristmill.classifiers.score import Scores, rounded
from gristmill.corpus.arrays import Bools

PERCENTILES = 101


class Metrics(NamedTuple):
    """Of one threshold: a text at or above it is taken for positive. 0 where there is nothing to divide by."""

    threshold: float
    precision: float
    recall: float
    f1: float


def metrics(scores: Scores, positive: Bools, threshold: float) -> Metrics:
    """What ``threshold`` does to texts with these ``scores`` [texts], of which ``positive`` [texts] are."""
    taken = scores >= rounded(threshold)
    right = int(np.count_nonzero(taken & positive))
    precision = right / max(int(taken.sum()), 1)
    recall = right / max(int(positive.sum()), 1)
    both = precision + recall
    f1 = 2 * precision * recall / both if both else 0.0
    return Metrics(*(round(float(value), 4) for value in (threshold, precision, recall, f1)))


def curve(scores: Scores, positive: Bools) -> list[Metrics]:
    """The metrics at every score that occurs, from the lowest: the precision-recall curve."""
    values, places = np.unique(scores, return_inverse=True)
    taken = np.cumsum(np.bincount(places)[::-1])[::-1]
    right = np.cumsum(np.bincount(places, weights=positive)[::-1])[::-1]
    precision, recall = right / taken, right / max(int(positive.sum()), 1)
    both = precision + recall
    f1 = np.divide(2 * precision * recall, both, out=np.zeros(len(values)), where=both > 0)
    columns = np.stack([values.astype(np.float64), precision, recall, f1], axis=1).round(4)
    return [Metrics(*row) for row in columns.tolist()]


def average_precision(points: Sequence[Metrics]) -> float:
    """The area under the curve by steps, of ``curve``'s points: mean precision where recall rises. 0 to 1."""
    recall = np.array([point.recall for point in points] + [0.0])
    precision = np.array([point.precision for point in points])
    return round(float(((recall[:-1] - recall[1:]) * precision).sum()), 4)


def best(points: Sequence[Metrics]) -> Metrics:
    """The point of greatest F1; of equal ones that of the lowest threshold."""
    return max(points, key=lambda point: (point.f1, -point.threshold))


def keep_shares(scores: Scores, sources: Sequence[str], threshold: float) -> dict[str, float]:
    """The share of each source's texts at or above ``threshold``, by name."""
    taken = scores >= rounded(threshold)
    names = np.array(sources)
    return {str(name): round(float(taken[names == name].mean()), 4) for name in np.unique(names)}


def percentiles(scores: Scores) -> list[float]:
    """The scores below which 0, 1, … 100 % of ``scores`` lie: values that occur, so that nothing is interpolated.

    Raises ValueError where there is no score.
    """
    seen = np.sort(scores[~np.isnan(scores)])
    if not len(seen):
        raise ValueError("no text of the reference has a score")
    places = (np.arange(PERCENTILES) * (len(seen) - 1) / (PERCENTILES - 1)).round().astype(np.int64)
    return [round(float(value), 4) for value in seen[places]]


def threshold_for(points: Sequence[float], keep: float, highest: bool = True) -> float:
    """The threshold that keeps about the share ``keep`` of the texts that ``percentiles`` came from.

    The highest scores are kept, or the lowest, where lower is better. ``keep`` counts in hundredths.
    """
    percent = round(keep * 100)
    return points[100 - percent if highest else percent]


def table(points: Sequence[Metrics], rows: int = 21) -> list[dict[str, Any]]:
    """Some points of a curve, evenly spaced by place, the first and the last among them; for cards and for people."""
    places = sorted({round(number * (len(points) - 1) / (rows - 1)) for number in range(rows)})
    return [points[place]._asdict() for place in places]
