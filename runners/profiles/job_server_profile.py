"""The options that Flink and Spark share: a job server takes the pipeline, and workers run its Python code."""

from __future__ import annotations

from abc import abstractmethod

from pydantic import Field

from gristmill.corpus.recipe_section import Location
from gristmill.runners.cluster_slots import Slots
from gristmill.runners.runner_profile import Endpoint, RunnerProfile


class JobServerProfile(RunnerProfile):
    """Options of a runner that is reached through a job server."""

    master: str = Field(description="Address of the cluster.")
    job_endpoint: Endpoint | None = Field(
        None, description="Address of a job server that is already running; if unset, one is started."
    )
    jar: Location | None = Field(
        None, description="Path of the job server's jar; if unset, Beam downloads the one that matches its version."
    )
    java: str = Field("java", description="Java command that runs the job server.")
    java_options: list[str] = Field(["-Xmx1g"], description="JVM options of the job server.")
    worker_pool: Endpoint | None = Field(
        None,
        description="Address, as seen by the cluster's workers, of the pool that starts Python beside each of them.",
    )
    image: str | None = Field(
        None, description="Image in which the cluster's workers run Python; they must have Docker."
    )
    python_processes: int | None = Field(
        None, ge=1, description="Python processes beside each TaskManager or executor; if unset, one per slot."
    )
    jobs_tried: int = Field(
        3,
        ge=1,
        description="Maximum number of consecutive submissions of a stage that lose their workers before any unit "
        "completes.",
    )
    beam: list[str] = Field([], description="Further Beam pipeline options, passed on unchanged.")

    @property
    @abstractmethod
    def is_local(self) -> bool:
        """Whether the cluster runs inside the job server."""

    @abstractmethod
    def read_slots(self) -> Slots:
        """Return the slots of the cluster. Raises InputError if it cannot be used."""
