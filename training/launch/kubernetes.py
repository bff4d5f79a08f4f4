"""The trainer as an Indexed Job of Kubernetes: its manifest, and how it fares."""

from __future__ import annotations

import json
import posixpath
import shlex
from typing import Any

import yaml

from gristmill.errors import InputError
from gristmill.store import storage
from gristmill.training.launch.job import Job, Order, run
from gristmill.training.launch.launch_section import KubernetesLaunch
from gristmill.training.launch.local import ENVIRONMENT, PATIENCE, section_json, trainer_arguments
from gristmill.training.launch.template import filled, template
from gristmill.training.train_section import TrainSection

PORT = 29500
SECTION_FOLDER = "/etc/gristmill"


def order(launch: KubernetesLaunch, section: TrainSection, job: Job) -> Order:
    """The manifest, and the command that applies it. Raises InputError where pods could not see the work directory."""
    for url in (job.shards, job.out):
        require_seen(launch, url)
    return Order([*shlex.split(launch.kubectl), "apply", "-f", "-"], manifest(launch, section, job), ".yaml")


def manifest(launch: KubernetesLaunch, section: TrainSection, job: Job) -> str:
    """Service, ConfigMap and Job as YAML, all of the job's name."""
    environment = {**ENVIRONMENT, **launch.environment}
    volume = launch.volume
    values: dict[str, Any] = {
        "name": job.name,
        "namespace": launch.namespace,
        "labels": {"app.kubernetes.io/name": "gristmill-trainer", "app.kubernetes.io/instance": job.name},
        "port": PORT,
        "patience": PATIENCE,
        "section": section_json(section),
        "section_folder": SECTION_FOLDER,
        "nodes": launch.nodes,
        "failures": launch.nodes * launch.retries,
        "service_account": launch.service_account,
        "node_selector": launch.node_selector,
        "tolerations": [taint.model_dump(exclude_none=True) for taint in launch.tolerations],
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
    parts = (filled(part, values) for part in yaml.safe_load_all(template("kubernetes.yaml")))
    return yaml.safe_dump_all(parts, sort_keys=False, allow_unicode=True, width=120)


def ended(launch: KubernetesLaunch, name: str) -> str | None:
    """How the job ended, if it did without success; None while it is at work, is done, or cannot be asked."""
    asked = run([*shlex.split(launch.kubectl), "get", "job", name, "--namespace", launch.namespace, "--output", "json"])
    if asked.status:
        return "it is gone" if "NotFound" in asked.stderr else None
    conditions = json.loads(asked.stdout).get("status", {}).get("conditions", [])
    failed = [one for one in conditions if one["type"] == "Failed" and one["status"] == "True"]
    return f"{failed[0].get('reason', 'Failed')}, {failed[0].get('message', '')}" if failed else None


def require_seen(launch: KubernetesLaunch, url: str) -> None:
    """Raise InputError where the pods cannot see ``url``, an absolute path or a URL."""
    if not storage.is_local(url):
        return
    if launch.volume is None:
        raise InputError(f"pods cannot see {url}: give train.launch.volume, or a work directory on an object store")
    if not url.startswith(posixpath.join(launch.volume.path, "")):
        raise InputError(
            f"pods see the volume at {launch.volume.path}, and {url} is not below it: mount the volume at the same "
            "path here, and let the work directory lie in it"
        )
