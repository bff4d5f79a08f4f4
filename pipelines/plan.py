"""``gristmill plan``: what a run would do, without running it."""

from __future__ import annotations

from typing import Any

from gristmill.pipelines.recipe import Recipe, load_recipe
from gristmill.pipelines.run import Step, prepare
from gristmill.pipelines.stage import RunContext
from gristmill.pipelines.stages import stages_of
from gristmill.store import storage
from gristmill.store.stage_directory import Manifest

# Input MB (as stored, mostly gzip) that one core works off in a second, by source format, extract to mix together;
# measured by benchmarks/mill.py on two shared cores, so an order of magnitude and no more.
RATES = {"warc": 0.7, "wet": 1.0, "jsonl": 0.5, "parquet": 0.5, "text": 2.0, "code": 2.0}


def plan_run(recipe: Recipe, work: str | None) -> dict[str, Any]:
    """Units of each stage and those that stand, as far as they can be known, and about how many core hours it takes.

    The units of a stage follow from the manifests of the stage before it; until those stand they are left open.
    """
    context = RunContext(recipe, work or "")
    rows: list[dict[str, Any]] = []
    open_from_here = False
    for stage in stages_of(recipe):
        row = {"stage": stage.name, "directory": stage.directory(context).name, **_EMPTY}
        if not open_from_here:
            step = prepare(stage, context)
            row |= _counted(step, recipe)
            open_from_here = bool(step.pending) or work is None
            if not open_from_here:
                context.manifests[stage.name] = _standing_manifest(step)
        rows.append(row)
    return {"recipe": recipe.name, "stages": rows, "note": _note(rows)}


def wanted_directories(work: str) -> set[str]:
    """Names of the stage directories that the recipe of a work directory asks for."""
    context = RunContext(load_recipe(storage.join(work, "recipe.yaml")), work)
    return {stage.directory(context).name for stage in stages_of(context.recipe)}


def _standing_manifest(step: Step) -> Manifest:
    """The manifest that a run would write: the one on disk may be of a run with more sources, or fewer."""
    receipts = storage.threaded(step.directory.receipt, sorted(task.unit for task in step.tasks))
    return Manifest(step.stage.name, step.directory.key, tuple(receipts), {})


_EMPTY: dict[str, Any] = {"units": None, "standing": None, "input_bytes": None, "core_hours": None}


def _counted(step: Step, recipe: Recipe) -> dict[str, Any]:
    pending = step.pending
    hours = None
    if step.stage.name == "extract":
        formats = {source.name: source.format for source in recipe.sources}
        hours = sum(task.weight / (RATES[formats[task.input["source"]]] * 3.6e9) for task in pending)
    return {
        "units": len(step.tasks),
        "standing": len(step.tasks) - len(pending),
        "input_bytes": sum(task.weight for task in pending),
        "core_hours": hours,
    }


def _note(rows: list[dict[str, Any]]) -> str:
    hours = next((row["core_hours"] for row in rows if row["core_hours"] is not None), 0.0)
    unknown = [row["stage"] for row in rows if row["units"] is None]
    return f"about {hours:.2f} core hours from extract to mix, from the input that is still to be read; " + (
        f"units of {', '.join(unknown)} follow from the stages before" if unknown else "every stage is known"
    )
