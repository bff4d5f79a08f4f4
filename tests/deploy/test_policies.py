"""The manifests of the chart and of the trainer keep the rules for a shared cluster.

The rules are our own, over the committed manifests, so that they need neither a cluster nor a tool. Pods: the Pod
Security Standard `restricted`, a read-only root, no API token. Ports: each pod is covered by a NetworkPolicy that names
its peers. Disk: requested and limited.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
FILES = (
    "kubernetes/flink/rendered.yaml",
    "kubernetes/spark/rendered.yaml",
    "trainer/kubernetes.yaml",
    "trainer/kubernetes-volume.yaml",
)
FLINK_PORTS = {"jobmanager": {8081, 6123}, "taskmanager": {6122}}
"""The operator opens them; the manifest does not list them."""

Manifest = dict[str, Any]


@cache
def _parsed(name: str) -> list[Manifest]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def read(name: str) -> list[Manifest]:
    """Return the manifests of a file, to be changed at will."""
    return copy.deepcopy(_parsed(name))


def pods(manifests: list[Manifest]) -> Iterator[Manifest]:
    """Yields every pod template, with its labels."""
    for manifest in manifests:
        spec = manifest.get("spec", {})
        if manifest["kind"] == "FlinkDeployment":
            for manager in ("jobManager", "taskManager"):
                yield spec[manager]["podTemplate"]
        elif "template" in spec:
            yield spec["template"]


def containers(pod: Manifest) -> list[Manifest]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def matches(selector: Manifest, pod: Manifest) -> bool:
    """Whether a selector by labels selects a pod, and does not select everything."""
    labels = selector.get("matchLabels") or {}
    return bool(labels) and labels.items() <= pod["metadata"]["labels"].items()


def restricted(manifests: list[Manifest]) -> Iterator[str]:
    """The Pod Security Standard `restricted`, and a root file system that nothing writes to."""
    for pod in pods(manifests):
        spec = pod["spec"]
        security = spec.get("securityContext", {})
        if security.get("runAsNonRoot") is not True:
            yield "runAsNonRoot"
        if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield "seccompProfile"
        yield from (key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key))
        yield from (f"volume {volume['name']}" for volume in spec.get("volumes", []) if "hostPath" in volume)
        for container in containers(pod):
            own = container.get("securityContext", {})
            if not own.get("runAsUser", security.get("runAsUser")):
                yield "runAsUser"
            if own.get("allowPrivilegeEscalation") is not False:
                yield "allowPrivilegeEscalation"
            if own.get("capabilities") != {"drop": ["ALL"]}:
                yield "capabilities"
            if own.get("readOnlyRootFilesystem") is not True:
                yield "readOnlyRootFilesystem"
            if "/tmp" not in {mount["mountPath"] for mount in container["volumeMounts"]}:
                yield "/tmp"
            if own.get("privileged"):
                yield "privileged"


def without_token(manifests: list[Manifest]) -> Iterator[str]:
    """No pod gets a token of the Kubernetes API, and none uses the account `default` of the chart's namespace."""
    accounts = {one["metadata"]["name"]: one for one in manifests if one["kind"] == "ServiceAccount"}
    yield from (name for name, one in accounts.items() if one.get("automountServiceAccountToken") is not False)
    for pod in pods(manifests):
        if pod["spec"].get("automountServiceAccountToken") is not False:
            yield "automountServiceAccountToken"
    for manifest in manifests:
        spec = manifest.get("spec", {})
        name = spec.get("serviceAccount") or spec.get("template", {}).get("spec", {}).get("serviceAccountName")
        if accounts and manifest["kind"] in {"Job", "Deployment", "FlinkDeployment"} and name not in accounts:
            yield f"account {name}"


def listening(manifests: list[Manifest], pod: Manifest) -> set[int]:
    """The ports of a pod that its containers or a Service name, or that are known of its kind."""
    component = pod["metadata"]["labels"].get("app.kubernetes.io/component")
    ports = set(FLINK_PORTS.get(component, ()))
    ports |= {port["containerPort"] for one in containers(pod) for port in one.get("ports", [])}
    ports |= {one["readinessProbe"]["tcpSocket"]["port"] for one in containers(pod) if _has_tcp_probe(one)}
    for service in manifests:
        if service["kind"] == "Service" and service["spec"]["selector"].items() <= pod["metadata"]["labels"].items():
            ports |= {port["port"] for port in service["spec"]["ports"]}
    return {port for port in ports if isinstance(port, int)}


def _has_tcp_probe(container: Manifest) -> bool:
    return isinstance(container.get("readinessProbe", {}).get("tcpSocket", {}).get("port"), int)


def closed_to_strangers(manifests: list[Manifest]) -> Iterator[str]:
    """Every pod is covered by a NetworkPolicy, every rule names its peers, and none opens an unused port."""
    policies = [one["spec"] for one in manifests if one["kind"] == "NetworkPolicy"]
    for pod in pods(manifests):
        covering = [one for one in policies if matches(one["podSelector"], pod) and "Ingress" in one["policyTypes"]]
        if not covering:
            yield "no policy"
        ports = listening(manifests, pod)
        for rule in (rule for one in covering for rule in one["ingress"]):
            peers = rule.get("from")
            if not peers:
                yield "anybody"
                continue
            for peer in peers:
                # Pods of another namespace reach named ports only.
                if "ipBlock" in peer or not peer.get("podSelector", {}).get("matchLabels"):
                    yield "unnamed peer"
                if "namespaceSelector" in peer and not rule.get("ports"):
                    yield "another namespace on every port"
            yield from (f"port {port['port']}" for port in rule.get("ports", []) if port["port"] not in ports)


def disk_is_bounded(manifests: list[Manifest]) -> Iterator[str]:
    """Every container requests and limits its disk, and every emptyDir has a limit."""
    for manifest in manifests:
        managers = [
            manifest["spec"][name] for name in ("jobManager", "taskManager") if name in manifest.get("spec", {})
        ]
        yield from ("ephemeralStorage" for manager in managers if "ephemeralStorage" not in manager["resource"])
    for pod in pods(manifests):
        for volume in pod["spec"].get("volumes", []):
            if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
                yield f"sizeLimit of {volume['name']}"
        for container in containers(pod):
            if container["name"] == "flink-main-container":  # the operator sets its resources
                continue
            if "ephemeral-storage" not in container["resources"]["limits"]:
                yield "ephemeral-storage"


def jobs_end(manifests: list[Manifest]) -> Iterator[str]:
    """Every Job is deleted some time after it finished."""
    for job in (one for one in manifests if one["kind"] == "Job"):
        if "ttlSecondsAfterFinished" not in job["spec"]:
            yield "ttlSecondsAfterFinished"


def evicted_with_care(manifests: list[Manifest]) -> Iterator[str]:
    """Every pod of the chart is covered by a PodDisruptionBudget, the pods of a Job by one with minAvailable."""
    budgets = [one["spec"] for one in manifests if one["kind"] == "PodDisruptionBudget"]
    for pod in pods(manifests):
        is_trainer = pod["metadata"]["labels"]["app.kubernetes.io/name"] == "gristmill-trainer"
        if is_trainer:  # stops by itself, saves and resumes; autoscalers alone are kept away
            if pod["metadata"].get("annotations", {}).get("karpenter.sh/do-not-disrupt") != "true":
                yield "do-not-disrupt"
            continue
        covering = [one for one in budgets if matches(one["selector"], pod)]
        if len(covering) != 1:
            yield "no budget"
        elif (
            pod["metadata"]["labels"]["app.kubernetes.io/component"] == "launcher" and "minAvailable" not in covering[0]
        ):
            yield "minAvailable"


RULES: dict[str, Callable[[list[Manifest]], Iterator[str]]] = {
    rule.__name__: rule
    for rule in (restricted, without_token, closed_to_strangers, disk_is_bounded, jobs_end, evicted_with_care)
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", FILES)
def test_manifests_keep_the_rule(name: str, rule: str) -> None:
    manifests = read(name)
    assert list(pods(manifests))
    assert list(RULES[rule](manifests)) == []


FLINK, SPARK, TRAINER, _ = FILES
_JOB_POD = ("spec", "template", "spec")
_TASK = ("spec", "taskManager", "podTemplate", "spec")


@pytest.mark.parametrize(
    ("name", "kind", "path", "value", "rule", "found"),
    [
        (FLINK, "Job", (*_JOB_POD, "securityContext", "runAsNonRoot"), None, "restricted", "runAsNonRoot"),
        (SPARK, "Deployment", (*_JOB_POD, "securityContext", "seccompProfile"), None, "restricted", "seccompProfile"),
        (FLINK, "FlinkDeployment", (*_TASK, "hostNetwork"), True, "restricted", "hostNetwork"),
        (
            FLINK,
            "FlinkDeployment",
            (*_TASK, "containers", 1, "securityContext", "capabilities"),
            None,
            "restricted",
            "capabilities",
        ),
        (
            TRAINER,
            "Job",
            (*_JOB_POD, "containers", 0, "securityContext", "readOnlyRootFilesystem"),
            None,
            "restricted",
            "readOnlyRootFilesystem",
        ),
        (
            TRAINER,
            "Job",
            (*_JOB_POD, "containers", 0, "securityContext", "allowPrivilegeEscalation"),
            None,
            "restricted",
            "allowPrivilegeEscalation",
        ),
        (TRAINER, "Job", (*_JOB_POD, "securityContext", "runAsUser"), 0, "restricted", "runAsUser"),
        (SPARK, "Deployment", (*_JOB_POD, "containers", 0, "volumeMounts"), [], "restricted", "/tmp"),
        (
            FLINK,
            "Job",
            (*_JOB_POD, "automountServiceAccountToken"),
            None,
            "without_token",
            "automountServiceAccountToken",
        ),
        (FLINK, "ServiceAccount", ("automountServiceAccountToken",), True, "without_token", "gristmill-launcher"),
        (SPARK, "Job", (*_JOB_POD, "serviceAccountName"), None, "without_token", "account None"),
        (TRAINER, "NetworkPolicy", ("spec", "podSelector"), {"matchLabels": {}}, "closed_to_strangers", "no policy"),
        (TRAINER, "NetworkPolicy", ("spec", "ingress", 0, "from"), None, "closed_to_strangers", "anybody"),
        (
            FLINK,
            "NetworkPolicy",
            ("spec", "ingress", 0, "from", 0),
            {"ipBlock": {"cidr": "0.0.0.0/0"}},
            "closed_to_strangers",
            "unnamed peer",
        ),
        (
            FLINK,
            "NetworkPolicy",
            ("spec", "ingress", 0, "from", 0, "namespaceSelector"),
            {},
            "closed_to_strangers",
            "another namespace on every port",
        ),
        (
            SPARK,
            "NetworkPolicy",
            ("spec", "ingress", 0, "ports"),
            [{"port": 22}],
            "closed_to_strangers",
            "port 22",
        ),
        (
            FLINK,
            "FlinkDeployment",
            ("spec", "taskManager", "resource", "ephemeralStorage"),
            None,
            "disk_is_bounded",
            "ephemeralStorage",
        ),
        (
            TRAINER,
            "Job",
            (*_JOB_POD, "volumes", 1, "emptyDir", "sizeLimit"),
            None,
            "disk_is_bounded",
            "sizeLimit of shm",
        ),
        (
            SPARK,
            "Job",
            (*_JOB_POD, "containers", 0, "resources", "limits", "ephemeral-storage"),
            None,
            "disk_is_bounded",
            "ephemeral-storage",
        ),
        (FLINK, "Job", ("spec", "ttlSecondsAfterFinished"), None, "jobs_end", "ttlSecondsAfterFinished"),
        (FLINK, "PodDisruptionBudget", ("spec", "minAvailable"), None, "evicted_with_care", "minAvailable"),
        (
            SPARK,
            "PodDisruptionBudget",
            ("spec", "selector", "matchLabels"),
            {"app.kubernetes.io/component": "other"},
            "evicted_with_care",
            "no budget",
        ),
        (TRAINER, "Job", ("spec", "template", "metadata", "annotations"), None, "evicted_with_care", "do-not-disrupt"),
    ],
)
def test_a_missing_or_wrong_field_breaks_its_rule(
    name: str, kind: str, path: tuple[str | int, ...], value: Any, rule: str, found: str
) -> None:
    """Change one field of the first manifest of a kind (None: remove it)."""
    manifests = read(name)
    parent: Any = next(one for one in manifests if one["kind"] == kind)
    for step in path[:-1]:
        parent = parent[step]
    if value is None:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    assert found in set(RULES[rule](manifests))


@pytest.mark.parametrize(
    ("name", "component", "peers"),
    [
        (FLINK, "jobmanager", {("taskmanager", None), ("launcher", 8081), ("flink-kubernetes-operator", 8081)}),
        (FLINK, "taskmanager", {("taskmanager", None), ("jobmanager", None)}),
        (FLINK, "launcher", set()),
        (SPARK, "spark-master", {("spark-worker", 7077), ("launcher", 7077), ("launcher", 8080)}),
        (SPARK, "spark-worker", {("spark-worker", None), ("spark-master", None), ("launcher", None)}),
        (
            SPARK,
            "launcher",
            {("spark-worker", 7078), ("spark-worker", 7079), ("spark-master", 7078), ("spark-master", 7079)},
        ),
    ],
)
def test_only_peers_reach_a_port(name: str, component: str, peers: set[tuple[str, int | None]]) -> None:
    policy = next(
        one["spec"]
        for one in read(name)
        if one["kind"] == "NetworkPolicy"
        and one["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == component
    )
    allowed = set()
    for rule in policy["ingress"]:
        for peer in rule["from"]:
            labels = peer["podSelector"]["matchLabels"]
            who = labels.get("app.kubernetes.io/component") or labels["app.kubernetes.io/name"]
            allowed |= {(who, port["port"]) for port in rule.get("ports", [{"port": None}])}
    assert allowed == peers
