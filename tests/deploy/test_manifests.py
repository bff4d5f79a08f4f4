"""The manifests rendered from `deploy/kubernetes` are valid, and their figures are consistent."""

from __future__ import annotations

import copy
import importlib.util
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from gristmill.errors import InputError
from gristmill.pipelines.recipe import load_recipe
from gristmill.runners import cluster_slots
from gristmill.runners.cluster_slots import Slots
from gristmill.runners.java_runtime import ADD_OPENS
from gristmill.runners.profile_table import load_profile
from gristmill.runners.profiles.job_server_profile import JobServerProfile
from gristmill.runners.profiles.spark_profile import SparkProfile

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "kubernetes"
ENGINES = ("flink", "spark")
KUBERNETES = ("1.29", "1.37")

CRD = json.loads((Path(__file__).parent / "flinkdeployment.schema.json").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
POOL_PORT = 50000


def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def rendered(engine: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((CHART / engine / "rendered.yaml").read_text()))


def only(engine: str, kind: str, name: str = "gristmill") -> dict[str, Any]:
    found = [
        manifest
        for manifest in rendered(engine)
        if manifest["kind"] == kind and manifest["metadata"]["name"].startswith(name)
    ]
    assert len(found) == 1
    return found[0]


def pods(manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yields every pod template in a manifest."""
    for key, value in manifest.items():
        if key in {"template", "podTemplate"}:
            yield value
        elif isinstance(value, dict):
            yield from pods(value)


def check(manifest: dict[str, Any], version: str) -> None:
    """Raises ValidationError for an unknown field or a wrong type."""
    if manifest["kind"] == "FlinkDeployment":
        jsonschema.validate(manifest, CRD)
        for pod in pods(manifest):
            # The operator sets the image; everything else is a pod's.
            kubernetes_validate.validate(
                {"apiVersion": "v1", "kind": "Pod", **copy.deepcopy(pod)}, version, strict=True
            )
    else:
        kubernetes_validate.validate(manifest, version, strict=True)


def container(manifest: dict[str, Any], name: str) -> dict[str, Any]:
    found = [one for pod in pods(manifest) for one in pod["spec"]["containers"] if one["name"] == name]
    assert len(found) == 1
    return found[0]


def mebibytes(amount: str) -> int:
    """Parse sizes in the ``m`` of Flink and Java and the ``Mi`` of Kubernetes."""
    return int(amount.removesuffix("i").removesuffix("M").removesuffix("m"))


def environment(one: dict[str, Any]) -> dict[str, Any]:
    return {variable["name"]: variable.get("value") for variable in one["env"]}


def workers(engine: str) -> dict[str, Any]:
    """Return the manifest of the worker pods."""
    if engine == "flink":
        return only("flink", "FlinkDeployment")
    return only("spark", "Deployment", "gristmill-spark-worker")


def write_config_map(engine: str, folder: Path) -> Path:
    """Write the files of the engine's ConfigMap to ``folder``."""
    for name, text in only(engine, "ConfigMap")["data"].items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("engine", ENGINES)
def test_manifests_are_valid_for_kubernetes(engine: str, version: str) -> None:
    manifests = rendered(engine)
    assert {"ServiceAccount", "ConfigMap", "Job"} < {manifest["kind"] for manifest in manifests}
    for manifest in manifests:
        check(manifest, version)


@pytest.mark.parametrize(
    ("engine", "kind", "path", "key"),
    [
        ("flink", "Job", ("spec",), "backOffLimit"),
        ("flink", "Job", ("spec", "podFailurePolicy", "rules", 0), "onExitCode"),
        ("flink", "FlinkDeployment", ("spec",), "flinkConfig"),
        ("flink", "FlinkDeployment", ("spec", "taskManager"), "replica"),
        ("flink", "FlinkDeployment", ("spec", "taskManager", "resource"), "memoryMiB"),
        ("flink", "FlinkDeployment", ("spec", "taskManager", "podTemplate", "spec", "containers", 1), "volumeMount"),
        ("spark", "Service", ("spec", "ports", 0), "targetport"),
        ("spark", "Deployment", ("spec", "template", "spec", "containers", 0, "resources"), "request"),
    ],
)
def test_misspelt_field_is_rejected(engine: str, kind: str, path: tuple[str | int, ...], key: str) -> None:
    manifest = next(one for one in rendered(engine) if one["kind"] == kind)
    parent: Any = manifest
    for step in path:
        parent = parent[step]
    parent[key] = {}
    with pytest.raises(jsonschema.ValidationError):
        check(manifest, KUBERNETES[0])


def test_flink_configuration_values_must_be_strings() -> None:
    manifest = only("flink", "FlinkDeployment")
    manifest["spec"]["flinkConfiguration"]["taskmanager.numberOfTaskSlots"] = 4
    with pytest.raises(jsonschema.ValidationError):
        check(manifest, KUBERNETES[0])


def test_values_match_the_schema() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    jsonschema.validate(VALUES, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**VALUES, "workers": {**VALUES["workers"], "slot": 4}}, schema)


def test_rendered_manifests_are_up_to_date(tmp_path: Path) -> None:
    render = module(CHART / "render.py")
    for engine in ENGINES:
        assert (CHART / engine / "rendered.yaml").read_text().startswith(render.first_line()), (
            "the chart has changed: run deploy/kubernetes/render.py"
        )
    if shutil.which("helm") is None:
        pytest.skip("helm is not installed: only checked that the chart has not changed since it was rendered")
    render.main(tmp_path)
    for engine in ENGINES:
        assert (tmp_path / engine / "rendered.yaml").read_text() == (CHART / engine / "rendered.yaml").read_text()


@pytest.mark.skipif(
    shutil.which("helm") is None, reason="helm is not installed: other values than the defaults were not tested"
)
@pytest.mark.parametrize("engine", ENGINES)
def test_manifests_with_other_values_are_valid_for_kubernetes(engine: str, tmp_path: Path) -> None:
    values = {
        "engine": engine,
        "volume": {"claim": "corpus"},
        "work": "/volume/work",
        "credentials": {"secret": "s3", "annotations": {"example/role": "corpus"}},
        "images": {"pullSecrets": ["pull"]},
        "workers": {
            "pods": 300,
            "nodeSelector": {"pool": "corpus"},
            "tolerations": [{"key": "spot", "operator": "Exists", "effect": "NoSchedule"}],
        },
        "recipe": "name: mine\n",
    }
    mine = tmp_path / "mine.yaml"
    mine.write_text(yaml.safe_dump(values))
    manifests = list(yaml.safe_load_all(module(CHART / "render.py").helm("--values", str(mine))))
    for manifest in manifests:
        check(manifest, KUBERNETES[0])
    job = next(one for one in manifests if one["kind"] == "Job")
    launcher = container(job, "launcher")
    assert "--workers=1200" in launcher["command"]
    assert launcher["envFrom"] == [{"secretRef": {"name": "s3"}}]
    assert {"name": "volume", "mountPath": "/volume"} in launcher["volumeMounts"]
    pool = next(
        one
        for manifest in manifests
        for pod in pods(manifest)
        for one in pod["spec"]["containers"]
        if one["name"] == "worker-pool"
    )
    assert pool["envFrom"] == launcher["envFrom"]
    assert {"name": "volume", "mountPath": "/volume"} in pool["volumeMounts"]


@pytest.mark.parametrize("engine", ENGINES)
def test_profile_and_recipe_load(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSETS", "/opt/gristmill/assets")
    folder = write_config_map(engine, tmp_path)
    profile = load_profile(str(folder / "runner.yaml"))
    assert profile.runner == engine
    assert isinstance(profile, JobServerProfile)
    assert profile.worker_pool == f"localhost:{POOL_PORT}"
    assert f"/{engine}-job-server.jar" in str(profile.jar)
    assert load_recipe(str(folder / "recipe.yaml")).sources


@pytest.mark.parametrize("engine", ENGINES)
def test_pool_has_the_profiles_port_and_a_core_and_memory_per_slot(engine: str) -> None:
    pool = container(workers(engine), "worker-pool")
    slots = VALUES["workers"]["slots"]
    assert pool["command"][-2:] == ["--port", str(POOL_PORT)]
    for probe in ("readinessProbe", "livenessProbe"):
        assert f"'127.0.0.1', {POOL_PORT}" in pool[probe]["exec"]["command"][-1]
    assert pool["resources"]["requests"]["cpu"] == str(slots)
    assert mebibytes(pool["resources"]["limits"]["memory"]) > slots * VALUES["workers"]["python"]


@pytest.mark.parametrize("engine", ENGINES)
def test_launcher_uses_all_slots_and_waits_for_them(engine: str) -> None:
    job = only(engine, "Job")
    slots = VALUES["workers"]["pods"] * VALUES["workers"]["slots"]
    assert f"--workers={slots}" in container(job, "launcher")["command"]
    wait = next(pods(job))["spec"]["initContainers"][0]
    assert wait["command"][-1] == str(slots)
    mounted = {mount["mountPath"] for mount in container(job, "launcher")["volumeMounts"]}
    assert "/etc/gristmill" in mounted


@pytest.mark.parametrize("engine", ENGINES)
def test_containers_have_restricted_rights(engine: str) -> None:
    """The requirements of the Pod Security Standard `restricted`."""
    found = [pod["spec"] for manifest in rendered(engine) for pod in pods(manifest)]
    assert found
    for spec in found:
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
        for one in [*spec["containers"], *spec.get("initContainers", [])]:
            assert one["securityContext"]["runAsUser"] > 0
            assert one["securityContext"]["allowPrivilegeEscalation"] is False
            assert one["securityContext"]["capabilities"]["drop"] == ["ALL"]


def test_flink_memory_adds_up_to_the_container_limit() -> None:
    spec = only("flink", "FlinkDeployment")["spec"]
    given = spec["flinkConfiguration"]
    for manager, key in (("jobmanager", "jobManager"), ("taskmanager", "taskManager")):
        parts = {name: size for name, size in given.items() if name.startswith(f"{manager}.memory.")}
        minimums = [name for name in parts if name.endswith(".min")]
        for minimum in minimums:  # otherwise the sum would be a range
            assert parts[minimum] == parts[minimum.removesuffix("min") + "max"]
        total = sum(mebibytes(size) for name, size in parts.items() if not name.endswith(".max"))
        assert total == mebibytes(spec[key]["resource"]["memory"])
    assert given["taskmanager.numberOfTaskSlots"] == str(VALUES["workers"]["slots"])
    assert spec["taskManager"]["replicas"] == VALUES["workers"]["pods"]


def test_flink_has_the_add_opens_options() -> None:
    spec = only("flink", "FlinkDeployment")["spec"]
    assert set(spec["flinkConfiguration"]["env.java.opts.all"].split()) == set(ADD_OPENS)


def test_executor_fits_into_worker_and_worker_into_container(tmp_path: Path) -> None:
    profile = load_profile(str(write_config_map("spark", tmp_path) / "runner.yaml"))
    assert isinstance(profile, SparkProfile)
    worker = container(workers("spark"), "spark-worker")
    given = dict(zip(worker["command"][2:-1:2], worker["command"][3:-1:2], strict=True))
    heap = mebibytes(profile.properties["spark.executor.memory"])
    options = profile.properties["spark.executor.extraJavaOptions"].split()
    direct = next(int(option.split("=")[1][:-1]) for option in options if "MaxDirectMemorySize" in option)
    offered = mebibytes(given["--memory"])
    assert heap + direct < offered
    assert offered + mebibytes(environment(worker)["SPARK_DAEMON_MEMORY"]) < mebibytes(
        worker["resources"]["limits"]["memory"]
    )
    assert given["--cores"] == profile.properties["spark.executor.cores"] == str(VALUES["workers"]["slots"])
    assert set(ADD_OPENS) <= set(options)
    assert set(ADD_OPENS) == set(environment(worker)["SPARK_DAEMON_JAVA_OPTS"].split())


def test_services_point_to_driver_and_master(tmp_path: Path) -> None:
    profile = load_profile(str(write_config_map("spark", tmp_path) / "runner.yaml"))
    assert isinstance(profile, SparkProfile)
    driver = only("spark", "Service", profile.properties["spark.driver.host"])
    assert driver["spec"]["clusterIP"] == "None"
    ports = {port["name"]: str(port["port"]) for port in driver["spec"]["ports"]}
    assert ports["driver"] == profile.properties["spark.driver.port"]
    assert ports["blocks"] == profile.properties["spark.driver.blockManager.port"]
    launcher = next(pods(only("spark", "Job")))
    assert driver["spec"]["selector"].items() <= launcher["metadata"]["labels"].items()

    host, port = profile.master.removeprefix("spark://").split(":")
    master, pod = only("spark", "Service", host), next(pods(only("spark", "Deployment", host)))
    assert {str(one["port"]) for one in master["spec"]["ports"]} == {port, str(profile.ui).split(":")[1]}
    assert master["spec"]["selector"].items() <= pod["metadata"]["labels"].items()


def test_clusters_have_the_versions_of_the_job_servers() -> None:
    pom = (ROOT / "deploy" / "job-server" / "pom.xml").read_text()
    assert f"<spark.version>{VALUES['spark']['image'].split(':')[1].split('-')[0]}</spark.version>" in pom
    flink = VALUES["flink"]["image"].split(":")[1].split("-")[0]
    assert f"<flink.version>{flink}</flink.version>" in pom
    assert flink.startswith(f"{VALUES['flink']['version']}.")


class Clock:
    """A clock that advances only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Slots]], int]:
    """Runs `wait.py` for 16 Flink workers against a fake cluster."""
    loaded = module(CHART / "files" / "wait.py")
    profile = write_config_map("flink", tmp_path) / "runner.yaml"
    monkeypatch.setattr("sys.argv", ["wait.py", str(profile), "16"])
    monkeypatch.setattr(loaded, "time", Clock())

    def run(answer: Callable[[], Slots]) -> int:
        monkeypatch.setattr(cluster_slots, "flink_slots", lambda master, version: answer())
        return int(loaded.main())

    return run


def test_launcher_waits_until_the_cluster_is_ready(
    wait: Callable[[Callable[[], Slots]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter([None, None, Slots(12, 12, 3), Slots(16, 16, 4)])

    def answer() -> Slots:
        slots = next(answers)
        if slots is None:
            raise InputError("no Flink JobManager answers")
        return slots

    assert wait(answer) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2, "a repeated message is printed once"
    assert "no Flink JobManager" in lines[0]
    assert "12 slots" in lines[1]


def test_launcher_stops_waiting_after_a_timeout(wait: Callable[[Callable[[], Slots]], int]) -> None:
    assert wait(lambda: Slots(0, 0, 0)) == 1
