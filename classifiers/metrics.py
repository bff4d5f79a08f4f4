"""Metrics of scores: precision, recall and F1, the precision-recall curve, percentiles and thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gristmill.classifiers.score import Scores, round_scores
from gristmill.corpus.arrays import Bools

PERCENTILES = 101


class Metrics(NamedTuple):
    """The metrics at a threshold: texts at or above it count as positive. Ratios with a denominator of 0 are 0."""

    threshold: float
    precision: float
    recall: float
    f1: float


def metrics_at(scores: Scores, positive: Bools, threshold: float) -> Metrics:
    """The metrics at ``threshold``; ``scores`` [texts] are rounded, ``positive`` [texts] are the labels."""
    predicted = scores >= round_scores(threshold)
    right = int(np.count_nonzero(predicted & positive))
    precision = right / max(int(predicted.sum()), 1)
    recall = right / max(int(positive.sum()), 1)
    both = precision + recall
    f1 = 2 * precision * recall / both if both else 0.0
    return Metrics(*(round(float(value), 4) for value in (threshold, precision, recall, f1)))


def precision_recall_curve(scores: Scores, positive: Bools) -> list[Metrics]:
    """The metrics at every score that occurs, in ascending order."""
    values, places = np.unique(scores, return_inverse=True)
    taken = np.cumsum(np.bincount(places)[::-1])[::-1]
    right = np.cumsum(np.bincount(places, weights=positive)[::-1])[::-1]
    precision, recall = right / taken, right / max(int(positive.sum()), 1)
    both = precision + recall
    f1 = np.divide(2 * precision * recall, both, out=np.zeros(len(values)), where=both > 0)
    columns = np.stack([values.astype(np.float64), precision, recall, f1], axis=1).round(4)
    return [Metrics(*row) for row in columns.tolist()]


def average_precision(points: Sequence[Metrics]) -> float:
    """The area under a precision-recall curve, as a step function: mean precision over recall, from 0 to 1."""
    recall = np.array([point.recall for point in points] + [0.0])
    precision = np.array([point.precision for point in points])
    return round(float(((recall[:-1] - recall[1:]) * precision).sum()), 4)


def best_f1(points: Sequence[Metrics]) -> Metrics:
    """The point with the highest F1; among equals the one with the lowest threshold."""
    return max(points, key=lambda point: (point.f1, -point.threshold))


def keep_shares(scores: Scores, sources: Sequence[str], threshold: float) -> dict[str, float]:
    """The share of texts at or above ``threshold`` by source."""
    kept = scores >= round_scores(threshold)
    names = np.array(sources)
    return {str(name): round(float(kept[names == name].mean()), 4) for name in np.unique(names)}


def percentiles(scores: Scores) -> list[float]:
    """The percentiles 0, 1, …, 100 of ``scores``, without interpolation: each is a score that occurs.

    NaN is ignored. Raises ValueError if there is no score.
    """
    valid = np.sort(scores[~np.isnan(scores)])
    if not len(valid):
        raise ValueError("no text of the reference set has a score")
    places = (np.arange(PERCENTILES) * (len(valid) - 1) / (PERCENTILES - 1)).round().astype(np.int64)
    return [round(float(value), 4) for value in valid[places]]


def threshold_for(points: Sequence[float], keep: float, highest: bool = True) -> float:
    """The threshold that keeps about the share ``keep`` of the texts whose ``percentiles`` are ``points``.

    The highest scores are kept, or the lowest if ``highest`` is false. ``keep`` is rounded to hundredths.
    """
    percent = round(keep * 100)
    return points[100 - percent if highest else percent]


def sample_points(points: Sequence[Metrics], rows: int = 21) -> list[dict[str, Any]]:
    """At most ``rows`` points of a curve, evenly spaced by index and including both ends, for cards and tables."""
    places = sorted({round(number * (len(points) - 1) / (rows - 1)) for number in range(rows)})
    return [points[place]._asdict() for place in places]
