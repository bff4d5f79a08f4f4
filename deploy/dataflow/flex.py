"""The launcher in the Flex template: each launch creates the job of one stage, the first one with pending units.

Dataflow's launcher starts it with the template's parameters and with options of its own, such as the location to which
the job graph is written; Dataflow then runs that graph. Each launch also writes manifests and the ledger of the stages
that are complete, so repeated launches run the whole recipe. When nothing is pending, ``ledger.json`` contains every
stage up to ``--until``, and a launch creates no job.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from contextlib import nullcontext

from gristmill.errors import InputError, RunError
from gristmill.pipelines.recipe import load_recipe
from gristmill.pipelines.run import run
from gristmill.pipelines.stage import JobPending
from gristmill.runners.dataflow_stage_runner import DataflowStageRunner
from gristmill.runners.profiles.dataflow_profile import DataflowProfile
from gristmill.runners.stage_runner import Build


class Launcher(DataflowStageRunner):
    """Submits the job of one stage without waiting for it, as Dataflow requires of a template."""

    def run(self, name: str, build: Build, units: int) -> None:
        self.submit(name, build, units)
        raise JobPending(f"{name}: created the job over {units} units; launch again after it has finished")


def launch(arguments: Sequence[str]) -> str:
    """Create the next stage's job and return a sentence that says so. Raises InputError or RunError."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("recipe", "work", "project", "region", "temp_location", "sdk_container_image"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--until", default="mix")
    options, _ = parser.parse_known_args(arguments)
    # The launcher's options come last and override our defaults: job name, template location, machines.
    profile = DataflowProfile(
        project=options.project,
        region=options.region,
        temp=options.temp_location,
        image=options.sdk_container_image,
        beam=list(arguments),
    )
    runner = Launcher(profile, options.work, None)
    try:
        run(
            load_recipe(options.recipe, env=("ASSETS",)),  # set by the image
            options.work,
            runner,
            options.until,
            lambda step: nullcontext(),
            lambda completed: None,
        )
    except JobPending as job:
        return str(job)
    return f"all stages up to {options.until} are complete: no job was created"


def main() -> None:
    logging.basicConfig(level=logging.INFO)
    try:
        print(launch(sys.argv[1:]))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except RunError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
