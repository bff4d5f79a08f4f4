"""Units of the stages that process a document file together with its sidecars."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from gristmill.corpus.source_kind import SourceKind
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import RunContext
from gristmill.store.keys import key_of
from gristmill.store.receipts import Receipt
from gristmill.store.stage_directory import StageDirectory
from gristmill.transforms.core.row_blocks import AlignedFiles, FileColumns
from gristmill.transforms.core.tasks import Task

Inputs = Mapping[str, tuple[str, tuple[str, ...]]]
"""Stage → (kind of file, columns to read), the document file first."""


def aligned_tasks(context: RunContext, directory: StageDirectory, inputs: Inputs, *more: str) -> list[Task]:
    """One task per document file of the first stage in ``inputs``.

    A unit's key holds the sha256 of every file that it reads, and ``more``: anything else that its bytes depend on.
    """
    found = {stage: context.manifest(stage).by_document() for stage in inputs}
    first = next(iter(inputs))
    return [
        _task(
            context, directory, document, {stage: receipts[document] for stage, receipts in found.items()}, inputs, more
        )
        for document in found[first]
    ]


def _task(
    context: RunContext,
    directory: StageDirectory,
    document: str,
    receipts: Mapping[str, Receipt],
    inputs: Inputs,
    more: tuple[str, ...],
) -> Task:
    entries = {stage: receipts[stage].file(kind) for stage, (kind, _) in inputs.items()}
    files = tuple(
        FileColumns(context.directories[stage].file_url(entry), inputs[stage][1]) for stage, entry in entries.items()
    )
    first = next(iter(entries.values()))
    given = {
        "documents": document,
        "source": next(iter(receipts.values())).input["source"],
        "sha256": {stage: entry.sha256 for stage, entry in entries.items()},
    }
    key = key_of(directory.key, document, [entry.sha256 for entry in entries.values()], *more)
    return Task(key, given, first.bytes, AlignedFiles(files, first.rows))


def keyed_by_kind(tasks: list[Task], recipe: Recipe, kinds: Collection[SourceKind]) -> list[Task]:
    """Add the kind of each task's source to its key if it is one of ``kinds``, those that overlays select.

    So a source that is added, or whose kind changes, leaves the units of all other sources as they are.
    """
    of_source = recipe.source_kinds

    def keyed(task: Task) -> Task:
        kind = of_source[task.input["source"]]
        return task._replace(unit=key_of(task.unit, kind)) if kind in kinds else task

    return [keyed(task) for task in tasks]
