"""``repeats``: which lines, paragraphs and spans go, decided over all units together. Only where a recipe asks."""

from __future__ import annotations

from typing import Any

import apache_beam as beam

from gristmill.corpus.keys import key_of, section_slice
from gristmill.corpus.stage import StageDirectory
from gristmill.corpus.words import UNICODE_VERSION
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, Mill
from gristmill.pipelines.stages.aligned import aligned_tasks, by_document
from gristmill.pipelines.stages.passages import TEXT_LEFT, repeats_section
from gristmill.transforms.parcels import post
from gristmill.transforms.repeats.groups import unit_groups
from gristmill.transforms.repeats.transform import CutRepeats
from gristmill.transforms.repeats.units import RepeatsUnit
from gristmill.transforms.units import Task


class Repeats(BeamStage):
    """What goes of each document, row-aligned. One document more can change any unit's, so units go together."""

    name = "repeats"
    version = 1
    takes_from = "dedup"
    whole = True

    def slice(self, recipe: Recipe) -> Any:
        return [section_slice(repeats_section(recipe)), recipe.dedup.priority, UNICODE_VERSION]

    def tasks(self, mill: Mill, directory: StageDirectory) -> list[Task]:
        section = repeats_section(mill.recipe)
        extracted, deduplicated = (by_document(mill, stage) for stage in ("extract", "dedup"))
        passages = by_document(mill, "passages") if section.passage_rules else {}
        aligned = {str(task.input["documents"]): task for task in aligned_tasks(mill, directory, TEXT_LEFT)}
        hashes = {
            document: task.input["sha256"]
            | ({one.kind: one.sha256 for one in passages[document].files} if passages else {})
            for document, task in aligned.items()
        }
        world = key_of([[document, hashes[document]] for document in sorted(hashes)])
        documents = sorted(aligned, key=lambda document: (aligned[document].input["source"], document))
        texts = [extracted[document].facts["text_bytes"] for document in documents]
        together = section.spans.group_bytes if section.spans else 0
        tasks = []
        for document, group in zip(documents, unit_groups(texts, together), strict=True):
            task, source = aligned[document], str(aligned[document].input["source"])
            unit = key_of(directory.key, document, hashes[document], world)
            work = RepeatsUnit(unit, source, task.work, deduplicated[document].books.kept, group)
            if passages:
                entries = [passages[document].file(kind) for kind in ("passages", "places")]
                urls = [mill.directories["passages"].file_url(entry) for entry in entries]
                work = work._replace(passages=urls[0], places=urls[1], hashed=entries[0].rows)
            tasks.append(Task(unit, {**task.input, "sha256": hashes[document]}, task.weight, work))
        return tasks

    def build(self, tasks: beam.PCollection, pending: list[Task], mill: Mill, directory: StageDirectory) -> Any:
        ordered = sorted(pending, key=lambda task: (task.input["source"], task.input["documents"]))
        units = tuple(task.work for task in ordered)
        section, priority = repeats_section(mill.recipe), mill.recipe.dedup.priority
        return tasks | CutRepeats(section, priority, units, post(directory, units), directory)
