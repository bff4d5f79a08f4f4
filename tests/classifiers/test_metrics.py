"""Metrics at and beside a threshold, curves, keep-shares."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.classifiers import metrics as measure
from gristmill.classifiers.score import rounded

SCORES = rounded([0.1, 0.4, 0.4, 0.8, 0.9])
POSITIVE = np.array([False, True, False, False, True])


@pytest.mark.parametrize(
    ("threshold", "precision", "recall", "f1"),
    [
        (0.0, 0.4, 1.0, 0.5714),
        (0.4, 0.5, 1.0, 0.6667),
        (0.40001, 0.5, 1.0, 0.6667),  # rounded to four digits before it decides
        (0.4001, 0.5, 0.5, 0.5),
        (0.9, 1.0, 0.5, 0.6667),
        (0.9001, 0.0, 0.0, 0.0),
    ],
)
def test_metrics_at_and_beside_thresholds(threshold: float, precision: float, recall: float, f1: float) -> None:
    assert measure.metrics(SCORES, POSITIVE, threshold)[1:] == (precision, recall, f1)


def test_the_curve_has_every_score_once() -> None:
    points = measure.curve(SCORES, POSITIVE)
    assert [point.threshold for point in points] == [0.1, 0.4, 0.8, 0.9]
    assert points == [measure.metrics(SCORES, POSITIVE, point.threshold) for point in points]
    assert measure.best(points).threshold == 0.4
    assert measure.average_precision(points) == pytest.approx(0.5 * 0.5 + 0.5 * 1.0)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1))
def test_the_curve_agrees_with_metrics(rows: list[tuple[float, bool]]) -> None:
    scores, positive = rounded([score for score, _ in rows]), np.array([good for _, good in rows])
    points = measure.curve(scores, positive)
    for point in points:
        assert measure.metrics(scores, positive, point.threshold) == pytest.approx(point, abs=1e-4)
    assert 0 <= measure.average_precision(points) <= 1


def test_nothing_to_divide_by() -> None:
    none = np.zeros(2, bool)
    assert measure.metrics(rounded([0.1, 0.2]), none, 0.5)[1:] == (0.0, 0.0, 0.0)
    assert measure.average_precision(measure.curve(rounded([0.1, 0.2]), none)) == 0.0


def test_keep_shares_are_by_source() -> None:
    found = measure.keep_shares(SCORES, ["a", "a", "b", "b", "b"], 0.4)
    assert found == {"a": 0.5, "b": 1.0}


def test_percentiles_are_scores_that_occur() -> None:
    assert measure.percentiles(rounded([0.3, 0.1, np.nan, 0.2])) == sorted(
        measure.percentiles(rounded([0.3, 0.1, 0.2]))
    )
    points = measure.percentiles(rounded(np.arange(1001) / 1000))
    assert points[:2] + points[-1:] == [0.0, 0.01, 1.0]
    with pytest.raises(ValueError, match="no text"):
        measure.percentiles(rounded([np.nan]))


@pytest.mark.parametrize("keep", [0.01, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("highest", [True, False])
def test_a_threshold_keeps_the_share_that_was_asked_for(keep: float, highest: bool) -> None:
    scores = rounded(np.random.default_rng(1).random(5000))
    threshold = measure.threshold_for(measure.percentiles(scores), keep, highest)
    kept = scores >= rounded(threshold) if highest else scores <= rounded(threshold)
    assert kept.mean() == pytest.approx(keep, abs=0.002)


def test_a_table_has_both_ends() -> None:
    points = measure.curve(rounded(np.arange(1000) / 1000), np.arange(1000) > 500)
    rows = measure.table(points)
    assert len(rows) == 21
    assert (rows[0]["threshold"], rows[-1]["threshold"]) == (0.0, 0.999)
    assert len(measure.table(points[:1])) == 1
