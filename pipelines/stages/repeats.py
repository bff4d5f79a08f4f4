"""``repeats``: lines, paragraphs and spans to cut, decided over all units together. Optional."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from gristmill import transforms
from gristmill.corpus.character_tables import UNICODE_VERSION, UNSPACED_RANGES
from gristmill.corpus.recipe_section import key_config
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, RunContext
from gristmill.pipelines.stages.document_tasks import aligned_tasks
from gristmill.pipelines.stages.passages import TEXT_LEFT, repeats_section
from gristmill.store.keys import key_of
from gristmill.store.stage_directory import StageDirectory
from gristmill.transforms.core.side_files import stage_side_file
from gristmill.transforms.core.tasks import Task
from gristmill.transforms.line_dedup.line_dedup_unit import LineDedupUnit
from gristmill.transforms.line_dedup.span_groups import unit_groups

if TYPE_CHECKING:
    import apache_beam as beam


class Repeats(BeamStage):
    """For each document, the ranges to cut. A new document can change any unit, so units are decided together."""

    name = "repeats"
    versions: ClassVar = {
        1: "lines and paragraphs by hash, spans by suffix array",
        2: "a span inside the last word of a text is not cut",
    }
    takes_from = "dedup"
    requires_all_units = True

    def is_enabled(self, recipe: Recipe) -> bool:
        return recipe.repeats is not None

    def key_config(self, recipe: Recipe) -> Mapping[str, Any]:
        return {
            "repeats": key_config(repeats_section(recipe)),
            "dedup.priority": recipe.dedup.priority,
            "the Unicode version": UNICODE_VERSION,
        }

    def tables(self, recipe: Recipe) -> Mapping[str, Any]:
        return {
            "unspaced_ranges": UNSPACED_RANGES,
        }

    def tasks(self, context: RunContext, directory: StageDirectory) -> list[Task]:
        section = repeats_section(context.recipe)
        extracted, deduplicated = (context.manifest(stage).by_document() for stage in ("extract", "dedup"))
        passages = context.manifest("passages").by_document() if section.passage_rules else {}
        aligned = {str(task.input["documents"]): task for task in aligned_tasks(context, directory, TEXT_LEFT)}
        hashes = {
            document: task.input["sha256"]
            | ({one.kind: one.sha256 for one in passages[document].files} if passages else {})
            for document, task in aligned.items()
        }
        world = key_of([[document, hashes[document]] for document in sorted(hashes)])
        documents = sorted(aligned, key=lambda document: (aligned[document].input["source"], document))
        texts = [extracted[document].summary["text_bytes"] for document in documents]
        together = section.spans.group_bytes if section.spans else 0
        tasks = []
        for document, group in zip(documents, unit_groups(texts, together), strict=True):
            task, source = aligned[document], str(aligned[document].input["source"])
            unit = key_of(directory.key, document, hashes[document], world)
            work = LineDedupUnit(unit, source, task.work, deduplicated[document].counts.kept, group)
            if passages:
                entries = [passages[document].file(kind) for kind in ("passages", "places")]
                urls = [context.directories["passages"].file_url(entry) for entry in entries]
                work = work._replace(passages=urls[0], places=urls[1], passage_count=entries[0].rows)
            tasks.append(Task(unit, {**task.input, "sha256": hashes[document]}, task.weight, work))
        return tasks

    def build(
        self, tasks: beam.PCollection, pending: list[Task], context: RunContext, directory: StageDirectory
    ) -> Any:
        ordered = sorted(pending, key=lambda task: (task.input["source"], task.input["documents"]))
        units = tuple(task.work for task in ordered)
        section, priority = repeats_section(context.recipe), context.recipe.dedup.priority
        return tasks | transforms.MarkRepeatedText(
            section, priority, units, stage_side_file(directory, units), directory
        )
