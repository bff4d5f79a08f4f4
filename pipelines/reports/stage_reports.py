"""The tables that a run prints at its end, as the stages define them."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from gristmill.pipelines.stages import STAGES
from gristmill.pipelines.work_directory import manifests


def stage_reports(work: str) -> Iterator[Table]:
    """The reports of the stages that are complete in a work directory, such as the mixture and the training loss."""
    complete = manifests(work)
    for stage in STAGES:
        if stage.name in complete:
            yield from stage.report(complete[stage.name])
