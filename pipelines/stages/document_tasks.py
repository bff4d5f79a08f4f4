"""Units of the stages that process a document file together with its sidecars."""

from __future__ import annotations

from collections.abc import Mapping

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
