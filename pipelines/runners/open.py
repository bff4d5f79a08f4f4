"""From a profile to an engine."""

from __future__ import annotations

from functools import partial
from os import cpu_count

from gristmill.pipelines.runners.engine import Engine
from gristmill.pipelines.runners.profile import Dataflow, Embedded, Flink, Prism, Profile, Spark


def open_engine(profile: Profile, work: str, workers: int | None = None) -> Engine:
    """The engine of a run into ``work``; without a number of ``workers``, as many as there are places for.

    Each runner's module is imported where it is used: those of clusters need parts of Beam that take a while.
    """
    match profile:
        case Embedded():
            from gristmill.pipelines.runners.embedded import EmbeddedEngine

            return EmbeddedEngine(workers or cpu_count() or 1)
        case Dataflow():
            from gristmill.pipelines.runners.dataflow import DataflowEngine

            return DataflowEngine(profile, work, workers)
        case Prism():
            from gristmill.pipelines.runners.clusters import start_prism
            from gristmill.pipelines.runners.portable import PortableEngine

            return PortableEngine(partial(start_prism, profile, workers), work, 1)
        case Flink():
            from gristmill.pipelines.runners.clusters import start_flink
            from gristmill.pipelines.runners.portable import PortableEngine

            return PortableEngine(partial(start_flink, profile, workers), work, profile.jobs_tried)
        case Spark():
            from gristmill.pipelines.runners.clusters import start_spark
            from gristmill.pipelines.runners.portable import PortableEngine

            return PortableEngine(partial(start_spark, profile, workers), work, profile.jobs_tried)
