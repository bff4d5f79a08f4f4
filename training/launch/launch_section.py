"""``train.launch`` of a recipe: where the trainer is started. Nothing in it can change a digit of a loss."""

from __future__ import annotations

import shlex
from string import Formatter
from typing import Annotated, Literal

from pydantic import Field, field_validator

from gristmill.corpus.recipe_section import Section

PLACEHOLDERS = ("section", "shards", "manifest", "out", "processes", "nodes", "name")

_Word = Annotated[str, Field(pattern=r"^\S+$")]
_Line = Annotated[str, Field(pattern=r"^[^\r\n]+$")]


def _split(command: str) -> str:
    """``command`` if ``shlex.split`` makes words of it; raises ValueError with a sentence else."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ValueError(f"no command line, {error}: {command!r}") from None
    if not words:
        raise ValueError("empty: name the command")
    return command


class _Submitted(Section):
    """What every launch has in common that sends the run off."""

    nodes: int = Field(default=1, ge=1, description="Hosts that train together.")
    wait: bool = Field(
        default=False,
        description="Follow the job until its result is there. Without it the run ends well once the job is "
        "submitted, and the same command settles the stage when the job has finished.",
    )


class LocalLaunch(Section):
    """torchrun on this host, as a part of the run."""

    kind: Literal["local"] = "local"


class CommandLaunch(_Submitted):
    """A command of your own, run without a shell."""

    kind: Literal["command"] = "command"
    command: str = Field(
        description="Words as a shell would split them; in each, {section} (JSON of the section `train`), {shards}, "
        "{manifest} (of the mix), {out}, {processes}, {nodes} and {name} stand for the run's own. The command may "
        "submit a job and end, or train and end."
    )

    @field_validator("command")
    @classmethod
    def _check(cls, command: str) -> str:
        words = shlex.split(_split(command))
        try:
            names = {name for word in words for _, name, _, _ in Formatter().parse(word) if name is not None}
        except ValueError as error:
            raise ValueError(f"{error} (write {{{{ and }}}} for braces that are meant)") from None
        if unknown := sorted(names - set(PLACEHOLDERS)):
            known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
            raise ValueError(f"no placeholder {{{unknown[0]}}}; there are {known}")
        return command


class VolumeSection(Section):
    """A volume that every host of the run mounts: for more than one, of the access mode ReadWriteMany."""

    claim: str = Field(description="Name of the PersistentVolumeClaim.")
    path: str = Field(
        pattern=r"^/",
        description="Where it is mounted. A work directory that is no URL must lie below it, here as in the pods.",
    )


class Toleration(Section):
    """A taint of nodes that the pods put up with."""

    key: str = Field(description="The taint's key.")
    operator: Literal["Equal", "Exists"] = Field(default="Exists", description="Whether the taint's value matters.")
    value: str | None = Field(default=None, description="The taint's value, for Equal.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="The taint's effect; without it, every one."
    )


class KubernetesLaunch(_Submitted):
    """An Indexed Job of one pod a node, with a headless Service by which the pods find each other."""

    kind: Literal["kubernetes"] = "kubernetes"
    image: str = Field(
        description="An image with gristmill[train] in it, and the driver of the work directory's storage."
    )
    namespace: str = Field(default="default", description="Namespace of all that is made.")
    gpus_per_node: int = Field(default=1, ge=1, description="GPUs of a pod; times nodes, it is train.processes.")
    volume: VolumeSection | None = Field(
        default=None, description="Needed where the work directory is no URL of an object store."
    )
    service_account: str | None = Field(default=None, description="Service account of the pods.")
    node_selector: dict[str, str] = Field(default={}, description="Labels that the pods' nodes have.")
    tolerations: tuple[Toleration, ...] = Field(default=(), description="Taints of nodes that the pods put up with.")
    resources: dict[str, str] = Field(
        default={}, description="Further resources of a pod, requests and limits alike: cpu, memory, network devices."
    )
    environment: dict[str, str] = Field(default={}, description="Environment variables of the trainer.")
    secrets: tuple[str, ...] = Field(
        default=(), description="Secrets whose keys become environment variables: credentials of the object store."
    )
    retries: int = Field(
        default=3, ge=0, description="Failures of each pod until the job is given up; a drained node does not count."
    )
    kubectl: str = Field(default="kubectl", description="The command, with its options: `kubectl --context gpus`.")

    _kubectl = field_validator("kubectl")(_split)


class SlurmLaunch(_Submitted):
    """A batch job of one task a node."""

    kind: Literal["slurm"] = "slurm"
    gpus_per_node: int = Field(default=1, ge=1, description="GPUs of a node; times nodes, it is train.processes.")
    partition: _Word | None = Field(default=None, description="Partition to submit to.")
    account: _Word | None = Field(default=None, description="Account to charge.")
    time: _Word | None = Field(default=None, description='Time limit as Slurm writes it, in quotes: "2-00:00:00".')
    options: tuple[_Line, ...] = Field(default=(), description="Further options of sbatch, such as --constraint=h100.")
    setup: tuple[_Line, ...] = Field(
        default=(), description="Shell lines before the trainer: they bring a `python` that has gristmill[train]."
    )
    through: str = Field(
        default="",
        description="A command that runs sbatch and squeue elsewhere, such as `ssh login`; none is needed here.",
    )

    @field_validator("through")
    @classmethod
    def _check(cls, through: str) -> str:
        return through and _split(through)


Submitting = CommandLaunch | KubernetesLaunch | SlurmLaunch
"""Launches that send the run off."""

AnyLaunch = LocalLaunch | Submitting
