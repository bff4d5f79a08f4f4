"""From a profile to an engine."""

from __future__ import annotations

from functools import partial
from os import cpu_count

from gristmill.runners.profile import Dataflow, Embedded, Flink, Prism, Profile, Spark
from gristmill.runners.runner import StageRunner


def open_runner(profile: Profile, work: str, workers: int | None = None) -> StageRunner:
    """The engine of a run into ``work``; without a number of ``workers``, as many as there are places for.

    Each runner's module is imported where it is used: those of clusters need parts of Beam that take a while.
    """
    match profile:
        case Embedded():
            from gristmill.runners.embedded import EmbeddedStageRunner

            return EmbeddedStageRunner(workers or cpu_count() or 1)
        case Dataflow():
            from gristmill.runners.dataflow import DataflowStageRunner

            return DataflowStageRunner(profile, work, workers)
        case Prism():
            from gristmill.runners.clusters import start_prism
            from gristmill.runners.portable import PortableStageRunner

            return PortableStageRunner(partial(start_prism, profile, workers), work, 1)
        case Flink():
            from gristmill.runners.clusters import start_flink
            from gristmill.runners.portable import PortableStageRunner

            return PortableStageRunner(partial(start_flink, profile, workers), work, profile.jobs_tried)
        case Spark():
            from gristmill.runners.clusters import start_spark
            from gristmill.runners.portable import PortableStageRunner

            return PortableStageRunner(partial(start_spark, profile, workers), work, profile.jobs_tried)
