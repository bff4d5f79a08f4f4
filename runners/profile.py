"""Runner profiles: for each runner the few options that matter, checked like a recipe; the others are set right by us.

A profile is a runner's name, or a YAML file that describes a cluster once::

    runner: flink
    master: flink-rest:8081
    worker_pool: localhost:50000

Nothing in a profile changes a byte of the output, so nothing of it is in a recipe.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from gristmill.corpus.recipe_section import Location, Section
from gristmill.corpus.validation_errors import fault_sentence
from gristmill.corpus.yaml_files import override, read_mapping
from gristmill.errors import InputError

Endpoint = Annotated[str, Field(pattern=r"^[^\s:/]+:\d+$")]
"""``host:port``."""


class Embedded(Section):
    """This machine, without anything to install: Beam's FnApiRunner, in this process or on worker processes."""

    runner: Literal["embedded"] = "embedded"


class Prism(Section):
    """Beam's own portable runner on this machine; for trying a pipeline's portability, not for size."""

    runner: Literal["prism"] = "prism"
    location: str | None = Field(None, description="Prism's binary; without it Beam fetches the one of its version.")
    job_endpoint: Endpoint | None = Field(None, description="A Prism that runs already.")


class JobServerSection(Section):
    """What Flink and Spark have in common: a job server that takes the pipeline, and workers that run its Python."""

    master: str = Field(description="The cluster.")
    job_endpoint: Endpoint | None = Field(
        None, description="A job server that runs already; without it, one is started."
    )
    jar: Location | None = Field(
        None, description="The job server to start; without it Beam fetches the one of its version."
    )
    java: str = Field("java", description="The Java that runs the job server.")
    java_options: list[str] = Field(["-Xmx1g"], description="Options of the job server's JVM.")
    worker_pool: Endpoint | None = Field(
        None,
        description="Address, as the cluster's workers see it, of the pool that starts Python beside each of them.",
    )
    image: str | None = Field(
        None, description="Image in which the cluster's workers run Python, where they have Docker."
    )
    python_processes: int | None = Field(
        None, ge=1, description="Python processes beside each TaskManager or executor; without it, one for each slot."
    )
    jobs_tried: int = Field(
        3, ge=1, description="Times in a row that a stage is submitted, and loses workers, without a unit being done."
    )
    beam: list[str] = Field([], description="Further options of Beam, as they are.")


class Flink(JobServerSection):
    """A Flink cluster, or with ``[local]`` a small one inside the job server."""

    runner: Literal["flink"] = "flink"
    master: Endpoint | Literal["[local]"] = Field("[local]", description="The JobManager's REST address.")
    version: str = Field("1.19", description="Flink's version; groups are held differently in 2.x.")

    @property
    def is_local(self) -> bool:
        """Whether the cluster is one inside the job server."""
        return self.master == "[local]"


class Spark(JobServerSection):
    """A Spark 3 cluster, or with ``local[N]`` a small one inside the job server."""

    runner: Literal["spark"] = "spark"
    master: str = Field(
        "local",
        pattern=r"^(local(\[[\d*]+\])?|spark://[^\s/]+:\d+|k8s://\S+|yarn)$",
        description="The master's URL; local takes as many threads as there are --workers.",
    )
    ui: Endpoint | None = Field(
        None, description="The standalone master's web address; tells how many cores there are."
    )
    properties: dict[str, str] = Field({}, description="Spark's properties for the driver and the executors.")

    @property
    def is_local(self) -> bool:
        """Whether the cluster is one inside the job server."""
        return self.master.startswith("local")


class Dataflow(Section):
    """Google Cloud Dataflow."""

    runner: Literal["dataflow"] = "dataflow"
    project: str = Field(description="Google Cloud project.")
    region: str = Field(description="Region of the workers; put the work directory's bucket there too.")
    temp: str = Field(pattern="^gs://", description="Folder for Dataflow's own files.")
    image: str = Field(description="Worker image with Gristmill, its models and lists in it.")
    machine_type: str = Field("n2-standard-8", description="Machine of a worker.")
    disk_gb: int = Field(100, ge=30, description="Disk of a worker: scratch for the units under way.")
    service_account: str | None = Field(None, description="Account of the workers.")
    network: str | None = Field(None, description="VPC network.")
    subnetwork: str | None = Field(None, description="Subnetwork, as a path or URL.")
    public_ips: bool = Field(False, description="Whether workers have public addresses; they need none.")
    beam: list[str] = Field([], description="Further options of Beam, as they are.")


Profile = Embedded | Prism | Flink | Spark | Dataflow

_ADAPTER: TypeAdapter[Any] = TypeAdapter(Annotated[Profile, Field(discriminator="runner")])
_KINDS: dict[str, type[Section]] = {
    "embedded": Embedded,
    "prism": Prism,
    "flink": Flink,
    "spark": Spark,
    "dataflow": Dataflow,
}
RUNNERS = tuple(_KINDS)


def load_profile(name: str, options: Iterable[str] = ()) -> Profile:
    """The profile of a runner's name or a YAML file's, with ``key=value`` options put in. Raises InputError."""
    data: dict[str, Any] = {"runner": name} if name in _KINDS else _read(name)
    base = None if name in _KINDS else os.path.dirname(os.path.abspath(name))
    for option in options:
        override(data, option, "--option")
    try:
        return _ADAPTER.validate_python(data, context={"base": base})  # type: ignore[no-any-return]
    except ValidationError as error:
        kind = _KINDS.get(data["runner"], Section)
        faults = "; ".join(fault_sentence({**f, "loc": f["loc"][1:] or f["loc"]}, data, kind) for f in error.errors())
        raise InputError(f"{name}: {faults}") from None


def _read(name: str) -> dict[str, Any]:
    if not os.path.exists(name) and os.path.splitext(name)[1] not in {".yaml", ".yml"}:
        raise InputError(f"no runner {name!r}; there are {', '.join(RUNNERS)}, or give the path of a profile")
    data = read_mapping(name, "profile", f"a mapping with a `runner`, one of {', '.join(RUNNERS)}")
    if data.get("runner") not in RUNNERS:
        raise InputError(f"{name} is not a profile: its `runner` must be one of {', '.join(RUNNERS)}")
    return data
