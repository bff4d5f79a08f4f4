"""``scores``: scores of each document by models and word lists. Optional: only if the recipe names scorers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from gristmill import transforms
from gristmill.corpus.character_tables import UNSPACED_RANGES
from gristmill.corpus.recipe_section import key_config
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, RunContext
from gristmill.pipelines.stages.document_tasks import aligned_tasks, keyed_by_kind
from gristmill.pipelines.work_directory import directories
from gristmill.store import storage
from gristmill.store.receipts import FileEntry, Manifest
from gristmill.store.stage_directory import StageDirectory
from gristmill.transforms.core.row_blocks import FileColumns
from gristmill.transforms.core.tasks import Task
from gristmill.transforms.quality.presets import PRESETS
from gristmill.transforms.quality.rule_table import RULES
from gristmill.transforms.quality.score_rules import resolve_keep, score_limits
from gristmill.transforms.quality.scorers import ScorerSection, expensive_scorers, scorer_key, scorers_key_config
from gristmill.transforms.quality.scores_sidecar import SCORER_KEYS, ScoreWork
from gristmill.transforms.quality.verdicts_sidecar import POLICY_COLUMNS, RULE_COLUMNS, document_columns

if TYPE_CHECKING:
    import apache_beam as beam

Known = dict[str, list[tuple[FileColumns, str]]]
"""Columns of scores from earlier runs with their scorers' keys, by the sha256 of the document file."""


class Scores(BeamStage):
    """A float32 column per scorer."""

    name = "scores"
    versions: ClassVar = {1: "one column per scorer"}
    takes_from = "extract"
    sidecar = "scores"

    def is_enabled(self, recipe: Recipe) -> bool:
        return bool(recipe.scores)

    def key_config(self, recipe: Recipe) -> Mapping[str, Any]:
        """The rules that decide which documents an expensive scorer sees affect its column, so they are in the key."""
        scorers = {"scores": scorers_key_config(recipe.scores)}
        if not expensive_scorers(recipe.scores):
            return scorers
        resolved, section = resolve_keep(recipe.scores, recipe.judge)
        limits = score_limits(_before_the_last(resolved))
        return {**scorers, "judge": key_config(section), "thresholds of scores": limits}

    def check(self, context: RunContext) -> None:
        for scorer in context.recipe.scores:
            scorer.check()

    def tables(self, recipe: Recipe) -> Mapping[str, Any]:
        return {
            "unspaced_ranges": UNSPACED_RANGES,
            "presets": PRESETS,
            "rules": RULES,
        }

    def tasks(self, context: RunContext, directory: StageDirectory) -> list[Task]:
        recipe = context.recipe
        inputs: dict[str, tuple[str, tuple[str, ...]]] = {"extract": ("documents", ("text", *POLICY_COLUMNS))}
        if expensive_scorers(recipe.scores):
            inputs["extract"] = ("documents", ("text", *document_columns(recipe.judge)))
            inputs["signals"] = ("signals", RULE_COLUMNS)
        tasks = aligned_tasks(context, directory, inputs)
        if expensive_scorers(recipe.scores):
            tasks = keyed_by_kind(tasks, recipe, recipe.judge.overlaid_kinds)
        known = _known(context.work, directory, {scorer_key(scorer) for scorer in recipe.scores})
        return [
            task._replace(work=ScoreWork(task.work, tuple(known.get(task.input["sha256"]["extract"], ()))))
            for task in tasks
        ]

    def build(
        self, tasks: beam.PCollection, pending: list[Task], context: RunContext, directory: StageDirectory
    ) -> Any:
        recipe = context.recipe
        scorers, section = resolve_keep(recipe.scores, recipe.judge_by_source)
        scored = tasks | transforms.ReadScoreWork() | transforms.ScoreDocuments(scorers, section)
        return scored | transforms.WriteScores(directory, recipe.scores)


def _before_the_last(scorers: tuple[ScorerSection, ...]) -> list[ScorerSection]:
    """The scorers whose rules decide what an expensive scorer sees: all but the last expensive one."""
    last = expensive_scorers(scorers)[-1]
    return [one for one in scorers if one is not last]


def _known(work: str, current: StageDirectory, keys: set[str]) -> Known:
    """Scores that completed runs in ``work`` stored for scorers with ``keys``: equal keys give equal scores."""
    found: Known = {}
    for directory in directories(work, current.stage):
        if directory.key != current.key and storage.exists(directory.manifest_url):
            _collect(directory, directory.read_manifest(), keys, found)
    return found


def _collect(directory: StageDirectory, manifest: Manifest, keys: set[str], found: Known) -> None:
    for receipt in manifest.receipts:
        entry: FileEntry = receipt.file("scores")
        for column, key in receipt.summary[SCORER_KEYS].items():
            if key in keys:
                about = found.setdefault(receipt.input["sha256"]["extract"], [])
                about.append((FileColumns(directory.file_url(entry), (column,)), key))
