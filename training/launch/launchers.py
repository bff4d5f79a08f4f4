"""Which launcher implements which kind of ``train.launch``."""

from __future__ import annotations

from gristmill.training.launch.command_launch import CommandLauncher
from gristmill.training.launch.job_launcher import JobLauncher
from gristmill.training.launch.kubernetes_launch import KubernetesLauncher
from gristmill.training.launch.launch_section import AnyLaunch, CommandLaunch, KubernetesLaunch, SlurmLaunch
from gristmill.training.launch.slurm_launch import SlurmLauncher


def launcher_of(launch: AnyLaunch) -> JobLauncher | None:
    """Return the launcher that submits jobs as ``launch`` says; None for a local launch, which submits nothing."""
    match launch:
        case CommandLaunch():
            return CommandLauncher(launch)
        case KubernetesLaunch():
            return KubernetesLauncher(launch)
        case SlurmLaunch():
            return SlurmLauncher(launch)
        case _:
            return None
