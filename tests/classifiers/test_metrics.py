"""Metrics at thresholds, curves, percentiles and kept shares."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.classifiers import metrics
from gristmill.classifiers.score import round_scores

SCORES = round_scores([0.1, 0.4, 0.4, 0.8, 0.9])
POSITIVE = np.array([False, True, False, False, True])


@pytest.mark.parametrize(
    ("threshold", "precision", "recall", "f1"),
    [
        (0.0, 0.4, 1.0, 0.5714),
        (0.4, 0.5, 1.0, 0.6667),
        (0.40001, 0.5, 1.0, 0.6667),  # rounded to four digits before it is compared
        (0.4001, 0.5, 0.5, 0.5),
        (0.9, 1.0, 0.5, 0.6667),
        (0.9001, 0.0, 0.0, 0.0),
    ],
)
def test_metrics_at_thresholds(threshold: float, precision: float, recall: float, f1: float) -> None:
    assert metrics.metrics_at(SCORES, POSITIVE, threshold)[1:] == (precision, recall, f1)


def test_the_curve_contains_every_score_once() -> None:
    points = metrics.precision_recall_curve(SCORES, POSITIVE)
    assert [point.threshold for point in points] == [0.1, 0.4, 0.8, 0.9]
    assert points == [metrics.metrics_at(SCORES, POSITIVE, point.threshold) for point in points]
    assert metrics.best_f1(points).threshold == 0.4
    assert metrics.average_precision(points) == pytest.approx(0.5 * 0.5 + 0.5 * 1.0)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1))
def test_the_curve_agrees_with_metrics_at_each_threshold(rows: list[tuple[float, bool]]) -> None:
    scores, positive = round_scores([score for score, _ in rows]), np.array([good for _, good in rows])
    points = metrics.precision_recall_curve(scores, positive)
    for point in points:
        assert metrics.metrics_at(scores, positive, point.threshold) == pytest.approx(point, abs=1e-4)
    assert 0 <= metrics.average_precision(points) <= 1


def test_ratios_without_a_denominator_are_0() -> None:
    none = np.zeros(2, bool)
    assert metrics.metrics_at(round_scores([0.1, 0.2]), none, 0.5)[1:] == (0.0, 0.0, 0.0)
    assert metrics.average_precision(metrics.precision_recall_curve(round_scores([0.1, 0.2]), none)) == 0.0


def test_kept_shares_by_source() -> None:
    found = metrics.keep_shares(SCORES, ["a", "a", "b", "b", "b"], 0.4)
    assert found == {"a": 0.5, "b": 1.0}


def test_percentiles_are_scores_that_occur() -> None:
    assert metrics.percentiles(round_scores([0.3, 0.1, np.nan, 0.2])) == sorted(
        metrics.percentiles(round_scores([0.3, 0.1, 0.2]))
    )
    points = metrics.percentiles(round_scores(np.arange(1001) / 1000))
    assert points[:2] + points[-1:] == [0.0, 0.01, 1.0]
    with pytest.raises(ValueError, match="no text"):
        metrics.percentiles(round_scores([np.nan]))


@pytest.mark.parametrize("keep", [0.01, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("highest", [True, False])
def test_a_threshold_keeps_the_requested_share(keep: float, highest: bool) -> None:
    scores = round_scores(np.random.default_rng(1).random(5000))
    threshold = metrics.threshold_for(metrics.percentiles(scores), keep, highest)
    kept = scores >= round_scores(threshold) if highest else scores <= round_scores(threshold)
    assert kept.mean() == pytest.approx(keep, abs=0.002)


def test_sampled_points_include_both_ends() -> None:
    points = metrics.precision_recall_curve(round_scores(np.arange(1000) / 1000), np.arange(1000) > 500)
    rows = metrics.sample_points(points)
    assert len(rows) == 21
    assert (rows[0]["threshold"], rows[-1]["threshold"]) == (0.0, 0.999)
    assert len(metrics.sample_points(points[:1])) == 1
