"""Rules on scores: pure arithmetic on columns, whose failures are appended to the verdicts on signals and metadata.

Thresholds are those of the scorers, unless an overlay replaces them. They come from the recipe or from the percentiles
in a model's card, never from the corpus, so the verdict on a document depends on no other document. Scores and
thresholds are compared as float32 columns store them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from gristmill.classifiers.card import read_percentiles
from gristmill.classifiers.metrics import threshold_for
from gristmill.classifiers.score import round_scores
from gristmill.corpus.arrays import Bools, Float32s
from gristmill.errors import InputError
from gristmill.transforms.quality.judge_section import JudgeSection, Policy
from gristmill.transforms.quality.overlay_section import Overlay, ScoreLimits
from gristmill.transforms.quality.scorers import CalibratedScorer, ScorerSection
from gristmill.transforms.quality.verdicts_sidecar import FAILURE_TYPE, add_failures, float_array, policy_groups


class ScoreRules(NamedTuple):
    """The limits of scores for each document.

    Attributes:
        columns: Name of the score of each rule.
        is_minimum: Whether each rule's threshold is a minimum; else it is a maximum.
        thresholds: float32 [documents, rules]; NaN where a rule does not apply to a document.
    """

    columns: tuple[str, ...]
    is_minimum: Bools
    thresholds: Float32s

    def values(self, scores: Mapping[str, Float32s]) -> Float32s:
        """Return the scores that the rules compare, float32 [documents, rules]. ``scores`` are arrays by column."""
        if not self.columns:
            return np.empty(self.thresholds.shape, np.float32)
        return np.stack([scores[column] for column in self.columns], axis=1)

    def failed(self, scores: Mapping[str, Float32s]) -> Bools:
        """Return which document fails which rule, bool [documents, rules]. A document without a score (NaN) passes."""
        values = self.values(scores)
        return np.where(self.is_minimum, values < self.thresholds, values > self.thresholds)


def score_limits(scorers: Sequence[ScorerSection]) -> dict[str, dict[str, float | None]]:
    """Return the limits of each scorer by its name, as keys of stages hold them."""
    return {scorer.name: {"min": scorer.min, "max": scorer.max} for scorer in scorers}


def score_rules(scorers: Sequence[ScorerSection], documents: pa.Table, section: JudgeSection) -> ScoreRules:
    """Return the rules of ``scorers``, in order, for ``documents``, of which the ``POLICY_COLUMNS`` are read.

    ``keep`` of scorers and overlays must be resolved (``resolve_keep``).
    """
    groups, policies = policy_groups(documents, section)
    limits = [[_limits(scorer, policy) for scorer in scorers] for policy in policies]
    thresholds = [[one for own in row for one in (own.min, own.max)] for row in limits]
    table = np.array(thresholds, np.float64).reshape(len(policies), 2 * len(scorers))  # None becomes NaN
    return ScoreRules(
        tuple(scorer.column for scorer in scorers for _ in range(2)),
        np.array([True, False] * len(scorers), bool),
        round_scores(table)[groups],
    )


def add_score_failures(
    verdicts: pa.Table, block: pa.Table, scorers: Sequence[ScorerSection], section: JudgeSection
) -> pa.Table:
    """Return ``verdicts`` updated, row by row, with the failures of the scores of ``limited_scorers``.

    ``block`` has these scores and the ``POLICY_COLUMNS``.
    """
    scorers = limited_scorers(scorers, section)
    if not scorers:
        return verdicts
    rules = score_rules(scorers, block, section)
    scores = {scorer.column: float_array(block[scorer.column]) for scorer in scorers}
    rows, indices = np.nonzero(rules.failed(scores))
    names = pa.array(rules.columns, pa.string()).take(pa.array(indices))
    numbers = (pa.array(table[rows, indices]) for table in (rules.values(scores), rules.thresholds))
    return add_failures(verdicts, rows, pa.StructArray.from_arrays([names, *numbers], fields=list(FAILURE_TYPE)))


def limited_scorers(scorers: Sequence[ScorerSection], section: JudgeSection) -> list[ScorerSection]:
    """Return the scorers whose score has a limit, for documents of any language and source."""
    overlaid = {name for overlay in section.all_overlays for name in overlay.scores}
    return [one for one in scorers if one.name in overlaid or one.min is not None or one.max is not None]


def resolve_keep(
    scorers: Sequence[ScorerSection], section: JudgeSection
) -> tuple[tuple[ScorerSection, ...], JudgeSection]:
    """Return scorers and section with each ``keep`` replaced by the threshold from the card of the scorer's model.

    Raises InputError if the card has no percentiles.
    """
    by_name = {scorer.name: scorer for scorer in scorers}

    def limits(name: str, own: ScoreLimits | None) -> ScoreLimits | None:
        if own is None or own.keep is None:
            return own
        return own.model_copy(update={"keep": None, **_kept_share(by_name[name], own.keep)})

    def resolve(overlays: tuple[Overlay, ...]) -> tuple[Overlay, ...]:
        return tuple(
            overlay.model_copy(update={"scores": {name: limits(name, own) for name, own in overlay.scores.items()}})
            for overlay in overlays
        )

    resolved = [
        scorer.model_copy(update={"keep": None, **_kept_share(scorer, scorer.keep)})
        if isinstance(scorer, CalibratedScorer) and scorer.keep is not None
        else scorer
        for scorer in scorers
    ]
    return tuple(resolved), section.with_overlays(resolve)


def reference_percentiles(scorer: ScorerSection) -> Sequence[float] | None:
    """Return the percentiles of the reference set in the card of the scorer's model, or None if there are none."""
    return read_percentiles(scorer.model_url()) if isinstance(scorer, CalibratedScorer) else None


def _limits(scorer: ScorerSection, policy: Policy) -> ScoreLimits:
    """Return the limits of a score for the documents of a policy."""
    own = ScoreLimits(min=scorer.min, max=scorer.max) if policy.scorers_apply else ScoreLimits()
    return policy.scores.get(scorer.name, own)


def _kept_share(scorer: ScorerSection, keep: float) -> dict[str, float]:
    """Return the limit that keeps a share ``keep`` of the reference set in the card of the scorer's model."""
    if not isinstance(scorer, CalibratedScorer):
        raise InputError(
            f"judge.overlays: the score {scorer.name!r} has no reference set to `keep` a share of; set `min` or `max`"
        )
    percentiles = reference_percentiles(scorer)
    if percentiles is None:
        raise InputError(
            f"scores.{scorer.name}.keep: the card of {scorer.model_url()} has no percentiles of a reference set; "
            "set `min` or `max` instead, or train the model with a reference set"
        )
    threshold = threshold_for(percentiles, keep, highest=scorer.higher_is_better)
    return {"min" if scorer.higher_is_better else "max": threshold}
