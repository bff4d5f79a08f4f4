"""The launcher in the Flex template: one launch makes the job of one stage, the first that has units left to do.

Dataflow's launcher starts it with the template's parameters and options of its own, among them the place where the job
graph goes; Dataflow then runs that graph. Stages that are done are summed into manifest and ledger on the way, so that
launching again and again mills the whole recipe; ``ledger.json`` names every stage up to ``--until`` when nothing is
left, and a launch then makes no job.
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
from gristmill.pipelines.stage import UnderWay
from gristmill.runners.dataflow import DataflowStageRunner
from gristmill.runners.profile import Dataflow
from gristmill.runners.runner import Build


class Launcher(DataflowStageRunner):
    """Hands one stage's job over and waits for nothing, as Dataflow asks of a template."""

    def run(self, name: str, build: Build, units: int) -> None:
        self.submit(name, build, units)
        raise UnderWay(f"{name}: the job over {units} units is made; launch again when it has ended")


def launch(arguments: Sequence[str]) -> str:
    """Make the next stage's job; what was done, in one sentence. Raises InputError and RunError."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("recipe", "work", "project", "region", "temp_location", "sdk_container_image"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--until", default="mix")
    given, _ = parser.parse_known_args(arguments)
    # What the launcher gives comes last and wins over our defaults: job name, template location, machines.
    profile = Dataflow(
        project=given.project,
        region=given.region,
        temp=given.temp_location,
        image=given.sdk_container_image,
        beam=list(arguments),
    )
    engine = Launcher(profile, given.work, None)
    try:
        run(load_recipe(given.recipe), given.work, engine, given.until, lambda step: nullcontext(), lambda done: None)
    except UnderWay as job:
        return str(job)
    return f"nothing is left to do up to {given.until}: no job is made"


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
