"""The trainer as an Indexed Job on Kubernetes."""

from __future__ import annotations

import json
import posixpath
import shlex
from typing import Any

import yaml

from gristmill.errors import InputError
from gristmill.store import storage
from gristmill.training.launch.job_launcher import JobLauncher
from gristmill.training.launch.launch_section import KubernetesLaunch
from gristmill.training.launch.manifest_template import fill_tree, read_template
from gristmill.training.launch.run_command import run_command
from gristmill.training.launch.trainer_command import (
    RENDEZVOUS_TIMEOUT_SECONDS,
    STOP_GRACE_SECONDS,
    TRAINER_ENVIRONMENT,
    section_json,
    trainer_arguments,
)
from gristmill.training.launch.training_job import Submission, TrainingJob
from gristmill.training.train_section import TrainSection

PORT = 29500
SECTION_FOLDER = "/etc/gristmill"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"


class KubernetesLauncher(JobLauncher):
    """``launch: {kind: kubernetes}``."""

    def __init__(self, launch: KubernetesLaunch) -> None:
        self.launch = launch

    def command(self) -> list[str]:
        return shlex.split(self.launch.kubectl)

    def check(self, work: str) -> None:
        require_visible(self.launch, storage.join(work, ""))
        super().check(work)

    def submission(self, section: TrainSection, job: TrainingJob) -> Submission:
        for url in (job.shards, job.out):
            require_visible(self.launch, url)
        return Submission([*self.command(), "apply", "-f", "-"], manifest(self.launch, section, job), ".yaml")

    def job_id(self, job_name: str, stdout: str) -> str:
        return job_name

    def failure(self, job_name: str, job_id: str) -> str | None:
        query = ["get", "job", job_name, "--namespace", self.launch.namespace, "--output", "json"]
        result = run_command([*self.command(), *query])
        if result.status:
            return "it was deleted" if "NotFound" in result.stderr else None
        for condition in json.loads(result.stdout).get("status", {}).get("conditions", []):
            if condition["type"] == "Failed" and condition["status"] == "True":
                return f"{condition.get('reason', 'Failed')}, {condition.get('message', '')}"
        return None


def manifest(launch: KubernetesLaunch, section: TrainSection, job: TrainingJob) -> str:
    """Return the YAML of a Service, a ConfigMap and a Job, all with the job's name."""
    environment = {**TRAINER_ENVIRONMENT, **launch.environment}
    volume = launch.volume
    labels = {"app.kubernetes.io/name": "gristmill-trainer", "app.kubernetes.io/instance": job.name}
    values: dict[str, Any] = {
        "name": job.name,
        "namespace": launch.namespace,
        "labels": labels,
        "job_labels": labels | ({QUEUE_LABEL: launch.queue} if launch.queue else {}),
        "deadline": launch.hours and round(launch.hours * 3600),
        "port": PORT,
        "rendezvous_timeout": RENDEZVOUS_TIMEOUT_SECONDS,
        "section": section_json(section),
        "section_folder": SECTION_FOLDER,
        "nodes": launch.nodes,
        "failures": launch.nodes * launch.retries,
        "stop_grace": STOP_GRACE_SECONDS,
        "service_account": launch.service_account,
        "node_selector": launch.node_selector,
        "tolerations": [toleration.model_dump(exclude_none=True) for toleration in launch.tolerations],
        "image": launch.image,
        "arguments": [
            *(f"--nnodes={launch.nodes}", f"--nproc-per-node={launch.gpus_per_node}", "--rdzv-backend=c10d"),
            *(f"--rdzv-id={job.name}", f"--rdzv-endpoint={job.name}-0.{job.name}:{PORT}"),
            *trainer_arguments(f"{SECTION_FOLDER}/section.json", job.shards, job.out),
        ],
        "environment": [{"name": name, "value": value} for name, value in environment.items()],
        "secrets": [{"secretRef": {"name": name}} for name in launch.secrets],
        "limits": {"nvidia.com/gpu": launch.gpus_per_node, **launch.resources},
        "mount": volume and {"name": "work", "mountPath": volume.path},
        "volume": volume and {"name": "work", "persistentVolumeClaim": {"claimName": volume.claim}},
    }
    documents = (fill_tree(document, values) for document in yaml.safe_load_all(read_template("kubernetes.yaml")))
    return yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True, width=120)


def require_visible(launch: KubernetesLaunch, url: str) -> None:
    """Raises InputError if the pods cannot see ``url``, an absolute path or a URL."""
    if not storage.is_local(url):
        return
    if launch.volume is None:
        raise InputError(f"pods cannot see {url}: set train.launch.volume, or use a work directory on an object store")
    if not url.startswith(posixpath.join(launch.volume.path, "")):
        raise InputError(
            f"pods mount the volume at {launch.volume.path}, but {url} is not below it: mount the volume at the same "
            "path here, and use a work directory below it"
        )
