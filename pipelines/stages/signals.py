"""``signals``: measurements of each document's text, stored apart from the verdicts that use them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from gristmill import transforms
from gristmill.corpus.character_tables import UNICODE_VERSION, UNSPACED_RANGES
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, RunContext
from gristmill.pipelines.stages.document_tasks import aligned_tasks, keyed_by_kind
from gristmill.store.keys import library_versions
from gristmill.store.stage_directory import StageDirectory
from gristmill.transforms.core.tasks import Task
from gristmill.transforms.quality.measure_signals import signal_tables
from gristmill.transforms.quality.signal_table import Variant

if TYPE_CHECKING:
    import apache_beam as beam

LIBRARIES: dict[Variant, tuple[str, ...]] = {"datatrove": ("spacy",), "dclm": ("regex",)}
"""Distributions that split text into words for a variant."""


class Signals(BeamStage):
    """A float32 column per signal, and the ranges that the line rules cut."""

    name = "signals"
    versions: ClassVar = {
        1: "signals of Gopher and C4",
        2: "signals of every preset, measured over batches; cuts of the line rules",
    }
    takes_from = "extract"
    sidecar = "signals"

    def key_config(self, recipe: Recipe) -> Mapping[str, Any]:
        return {
            "judge": recipe.judge.signals_key_config(),
            "libraries": library_versions(LIBRARIES.get(recipe.judge.variant, ())),
            "the Unicode version": UNICODE_VERSION,
        }

    def tables(self, recipe: Recipe) -> Mapping[str, Any]:
        return {"unspaced_ranges": UNSPACED_RANGES, **signal_tables(recipe.judge.variant)}

    def tasks(self, context: RunContext, directory: StageDirectory) -> list[Task]:
        tasks = aligned_tasks(context, directory, {"extract": ("documents", ("text", "lang", "source"))})
        overlays = context.recipe.judge.all_overlays
        cut_by = {overlay.kind for overlay in overlays if overlay.kind is not None and overlay.lines is not None}
        return keyed_by_kind(tasks, context.recipe, cut_by)

    def build(
        self, tasks: beam.PCollection, pending: list[Task], context: RunContext, directory: StageDirectory
    ) -> Any:
        return (
            tasks
            | transforms.ReadDocuments()
            | transforms.MeasureSignals(context.recipe.judge_by_source)
            | transforms.WriteSignals(directory)
        )
