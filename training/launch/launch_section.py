"""``train.launch`` of a recipe: where the trainer runs. Nothing in it can change a digit of a loss."""

from __future__ import annotations

import shlex
from string import Formatter
from typing import Annotated, Literal

from pydantic import Field, field_validator

from gristmill.corpus.recipe_section import Section

PLACEHOLDERS = ("section", "shards", "manifest", "out", "processes", "nodes", "name")

_Word = Annotated[str, Field(pattern=r"^\S+$")]
_Line = Annotated[str, Field(pattern=r"^[^\r\n]+$")]


def _require_command(command: str) -> str:
    """Return ``command``. Raises ValueError if ``shlex.split`` cannot split it into words, or if it is empty."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ValueError(f"not a valid command line, {error}: {command!r}") from None
    if not words:
        raise ValueError("empty: name the command")
    return command


def _require_one_process_per_gpu(processes: int, nodes: int, gpus_per_node: int) -> None:
    if processes != nodes * gpus_per_node:
        raise ValueError(
            f"processes ({processes}) must be launch.nodes × launch.gpus_per_node ({nodes} × {gpus_per_node})"
        )


class LocalLaunch(Section):
    """Runs torchrun on this host and waits for it."""

    kind: Literal["local"] = "local"

    def check_processes(self, processes: int) -> None:
        """Accepts every number of processes."""


class SubmittedLaunch(Section):
    """What all launches that submit a job have in common."""

    nodes: int = Field(default=1, ge=1, description="Number of hosts that train together.")
    wait: bool = Field(
        default=False,
        description="Wait for the result of the job. Otherwise the run ends successfully once the job is submitted; "
        "running the same command again after the job has finished completes the stage.",
    )


class CommandLaunch(SubmittedLaunch):
    """Runs a command of your own, without a shell."""

    kind: Literal["command"] = "command"
    command: str = Field(
        description="Command line, split into words as by a shell. In each word, {section} (JSON of the section "
        "`train`), {shards}, {manifest} (of the mix), {out}, {processes}, {nodes} and {name} are replaced by the "
        "values of the run. The command may submit a job and exit, or train and exit."
    )

    @field_validator("command")
    @classmethod
    def _check_placeholders(cls, command: str) -> str:
        words = shlex.split(_require_command(command))
        try:
            names = {name for word in words for _, name, _, _ in Formatter().parse(word) if name is not None}
        except ValueError as error:
            raise ValueError(f"{error} (write {{{{ and }}}} for literal braces)") from None
        if unknown := sorted(names - set(PLACEHOLDERS)):
            known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
            raise ValueError(f"unknown placeholder {{{unknown[0]}}}: use {known}")
        return command

    def check_processes(self, processes: int) -> None:
        """Raises ValueError if the processes cannot be distributed evenly over the nodes."""
        if processes % self.nodes:
            raise ValueError(f"processes ({processes}) must be a multiple of launch.nodes ({self.nodes})")


class VolumeSection(Section):
    """A volume that every host of the run mounts; with several hosts its access mode must be ReadWriteMany."""

    claim: str = Field(description="Name of the PersistentVolumeClaim.")
    path: str = Field(
        pattern=r"^/",
        description="Mount path. A work directory that is not a URL must be below it, on this host and in the pods.",
    )


class Toleration(Section):
    """A node taint that the pods tolerate."""

    key: str = Field(description="Key of the taint.")
    operator: Literal["Equal", "Exists"] = Field(default="Exists", description="Whether the taint's value must match.")
    value: str | None = Field(default=None, description="Value of the taint, for Equal.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Effect of the taint. Default: every effect."
    )


class KubernetesLaunch(SubmittedLaunch):
    """An Indexed Job with one pod per node, and a headless Service through which the pods find each other."""

    kind: Literal["kubernetes"] = "kubernetes"
    image: str = Field(description="Image with gristmill[train] and the driver of the work directory's storage.")
    namespace: str = Field(default="default", description="Namespace of the created objects.")
    gpus_per_node: int = Field(default=1, ge=1, description="GPUs per pod; nodes × gpus_per_node = train.processes.")
    volume: VolumeSection | None = Field(
        default=None, description="Required unless the work directory is on an object store."
    )
    service_account: str | None = Field(default=None, description="Service account of the pods.")
    node_selector: dict[str, str] = Field(default={}, description="Labels that the nodes of the pods must have.")
    tolerations: tuple[Toleration, ...] = Field(default=(), description="Node taints that the pods tolerate.")
    resources: dict[str, str] = Field(
        default={}, description="Further resources of a pod, as requests and limits: cpu, memory, network devices."
    )
    environment: dict[str, str] = Field(default={}, description="Environment variables of the trainer.")
    secrets: tuple[str, ...] = Field(
        default=(),
        description="Secrets whose keys become environment variables, such as credentials of the object store.",
    )
    retries: int = Field(
        default=3, ge=0, description="Retries per pod before the job fails; a drained node does not count."
    )
    queue: _Word | None = Field(
        default=None, description="LocalQueue of Kueue, which starts the pods of the Job together when all fit."
    )
    hours: float | None = Field(
        default=None, gt=0, description="Hours after which the Job is stopped and fails. A new run resumes."
    )
    kubectl: str = Field(default="kubectl", description="kubectl with its options, such as `kubectl --context gpus`.")

    _check_kubectl = field_validator("kubectl")(_require_command)

    def check_processes(self, processes: int) -> None:
        """Raises ValueError unless there is one process per GPU."""
        _require_one_process_per_gpu(processes, self.nodes, self.gpus_per_node)


class SlurmLaunch(SubmittedLaunch):
    """A batch job with one task per node."""

    kind: Literal["slurm"] = "slurm"
    gpus_per_node: int = Field(default=1, ge=1, description="GPUs per node; nodes × gpus_per_node = train.processes.")
    partition: _Word | None = Field(default=None, description="Partition to submit to.")
    account: _Word | None = Field(default=None, description="Account to charge.")
    time: _Word | None = Field(default=None, description='Time limit in the format of Slurm, in quotes: "2-00:00:00".')
    options: tuple[_Line, ...] = Field(default=(), description="Further options of sbatch, such as --constraint=h100.")
    setup: tuple[_Line, ...] = Field(
        default=(), description="Shell lines that run before the trainer and activate a Python with gristmill[train]."
    )
    through: str = Field(
        default="",
        description="Command prefix that runs sbatch and squeue on another host, such as `ssh login`. Default: this "
        "host.",
    )

    @field_validator("through")
    @classmethod
    def _check_through(cls, through: str) -> str:
        return through and _require_command(through)

    def check_processes(self, processes: int) -> None:
        """Raises ValueError unless there is one process per GPU."""
        _require_one_process_per_gpu(processes, self.nodes, self.gpus_per_node)


AnyLaunch = LocalLaunch | CommandLaunch | KubernetesLaunch | SlurmLaunch
