"""The commands that a recipe would run, which its user must allow."""

from __future__ import annotations

from gristmill.errors import InputError
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.variables import hide
from gristmill.training.launch.launch_section import CommandLaunch, KubernetesLaunch, SlurmLaunch

_LAST_STAGE = "train"


def recipe_commands(recipe: Recipe) -> list[str]:
    """What the recipe runs that is not part of Gristmill, each as ``key: command``; all of it is run by ``train``."""
    match recipe.train.launch:
        case CommandLaunch() as launch:
            found = [("command", launch.command)]
        case SlurmLaunch() as launch:
            found = [
                *([("through", launch.through)] if launch.through else []),
                *(("options", option) for option in launch.options),
                *(("setup", line) for line in launch.setup),
            ]
        case KubernetesLaunch() as launch:
            changed = launch.kubectl != KubernetesLaunch.model_fields["kubectl"].default
            found = [*([("kubectl", launch.kubectl)] if changed else []), ("image", launch.image)]
        case _:
            found = []
    return [hide(f"train.launch.{key}: {command}", recipe.variables) for key, command in found]


def require_allowed(recipe: Recipe, until: str | None, allow_commands: bool) -> None:
    """Raises InputError if a run up to the stage ``until`` would run commands that the user did not allow."""
    commands = [] if allow_commands or until not in (None, _LAST_STAGE) else recipe_commands(recipe)
    if commands:
        raise InputError(
            f"the recipe {recipe.name} runs commands ({'; '.join(commands)}): allow them with --allow-commands, or stop"
            " before them with --until mix"
        )
