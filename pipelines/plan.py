"""``gristmill plan``: what a run would do, without running it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gristmill.errors import InputError
from gristmill.pipelines.key_record import restart_reason
from gristmill.pipelines.recipe import Recipe, load_recipe
from gristmill.pipelines.recipe_commands import recipe_commands
from gristmill.pipelines.run import Step, prepare
from gristmill.pipelines.stage import RunContext
from gristmill.pipelines.stages import stages_of
from gristmill.pipelines.variables import VariableNotAllowedError
from gristmill.store import storage
from gristmill.store.receipts import Manifest


def plan_run(recipe: Recipe, work: str | None) -> dict[str, Any]:
    """Units of each stage, those already complete, why a stage starts over, and roughly how many core hours it takes.

    Also the environment variables that the recipe uses, and the commands that it runs.
    The units of a stage follow from the manifests of the stages before it, and are unknown until those exist.
    """
    context = RunContext(recipe, work or "")
    rows: list[dict[str, Any]] = []
    unknown_from_here = False
    for stage in stages_of(recipe):
        directory = stage.directory(context)
        reason = restart_reason(directory, stage.key_record(recipe), stage.versions) if work else None
        row = {"stage": stage.name, "directory": directory.name, **_EMPTY, "restart_reason": reason}
        if not unknown_from_here:
            step = prepare(stage, context)
            row |= _units(step, recipe)
            unknown_from_here = bool(step.pending) or work is None
            if not unknown_from_here:
                context.manifests[stage.name] = _complete_manifest(step)
        rows.append(row)
    return {
        "recipe": recipe.name,
        "environment": list(recipe.variables),
        "commands": recipe_commands(recipe),
        "stages": rows,
        "note": _note(rows),
    }


def wanted_directories(work: str, env: Iterable[str] = ()) -> set[str]:
    """Names of the stage directories that belong to the recipe of a work directory. Raises InputError.

    ``env`` are the environment variables that the recipe may use; a stage's name follows from the content of the models
    and lists that they lead to.
    """
    try:
        recipe = load_recipe(storage.join(work, "recipe.yaml"), env=env)
    except VariableNotAllowedError:
        raise
    except InputError as error:
        raise InputError(f"{error}; run the recipe again to rewrite this file") from None
    context = RunContext(recipe, work)
    return {stage.directory(context).name for stage in stages_of(context.recipe)}


def _complete_manifest(step: Step) -> Manifest:
    """The manifest that a run would write; the one on disk may belong to a run with more or fewer sources."""
    receipts = storage.map_in_threads(step.directory.receipt, sorted(task.unit for task in step.tasks))
    return Manifest(step.stage.name, step.directory.key, tuple(receipts), {})


_EMPTY: dict[str, Any] = {"units": None, "standing": None, "input_bytes": None, "core_hours": None}


def _units(step: Step, recipe: Recipe) -> dict[str, Any]:
    return {
        "units": len(step.tasks),
        "standing": len(step.tasks) - len(step.pending),
        "input_bytes": sum(task.weight for task in step.pending),
        "core_hours": step.stage.core_hours(step.pending, recipe),
    }


def _note(rows: list[dict[str, Any]]) -> str:
    hours = next((row["core_hours"] for row in rows if row["core_hours"] is not None), 0.0)
    unknown = [row["stage"] for row in rows if row["units"] is None]
    return f"about {hours:.2f} core hours from extract to mix, for the input that is still to be read; " + (
        f"the units of {', '.join(unknown)} are known once the stages before are complete"
        if unknown
        else "the units of every stage are known"
    )
