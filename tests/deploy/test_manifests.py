"""What `deploy/kubernetes` renders is what Kubernetes and the Flink operator take, and its figures agree."""

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
from gristmill.runners import checks
from gristmill.runners.profile import Flink, Spark, load_profile

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
    found = [one for one in rendered(engine) if one["kind"] == kind and one["metadata"]["name"].startswith(name)]
    assert len(found) == 1
    return found[0]


def pods(manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every pod template in a manifest."""
    for key, value in manifest.items():
        if key in {"template", "podTemplate"}:
            yield value
        elif isinstance(value, dict):
            yield from pods(value)


def check(manifest: dict[str, Any], version: str) -> None:
    """Raises ValidationError for a field that nobody knows, or one of a wrong type."""
    if manifest["kind"] == "FlinkDeployment":
        jsonschema.validate(manifest, CRD)
        for pod in pods(manifest):
            # The operator puts an image in; the rest is a pod's.
            whole = copy.deepcopy(pod)
            kubernetes_validate.validate({"apiVersion": "v1", "kind": "Pod", **whole}, version, strict=True)
    else:
        kubernetes_validate.validate(manifest, version, strict=True)


def container(manifest: dict[str, Any], name: str) -> dict[str, Any]:
    found = [one for pod in pods(manifest) for one in pod["spec"]["containers"] if one["name"] == name]
    assert len(found) == 1
    return found[0]


def mebibytes(amount: str) -> int:
    """Of Flink's and Java's ``m``, and Kubernetes' ``Mi``."""
    return int(amount.removesuffix("i").removesuffix("M").removesuffix("m"))


def environment(one: dict[str, Any]) -> dict[str, Any]:
    return {variable["name"]: variable.get("value") for variable in one["env"]}


def workers(engine: str) -> dict[str, Any]:
    """The manifest of the pods that work."""
    if engine == "flink":
        return only("flink", "FlinkDeployment")
    return only("spark", "Deployment", "gristmill-spark-worker")


def written(engine: str, folder: Path) -> Path:
    for name, text in only(engine, "ConfigMap")["data"].items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("engine", ENGINES)
def test_manifests_are_ones_that_kubernetes_takes(engine: str, version: str) -> None:
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
def test_a_misspelt_field_is_refused(engine: str, kind: str, path: tuple[str | int, ...], key: str) -> None:
    manifest = next(one for one in rendered(engine) if one["kind"] == kind)
    place: Any = manifest
    for step in path:
        place = place[step]
    place[key] = {}
    with pytest.raises(jsonschema.ValidationError):
        check(manifest, KUBERNETES[0])


def test_flink_refuses_what_is_no_text() -> None:
    manifest = only("flink", "FlinkDeployment")
    manifest["spec"]["flinkConfiguration"]["taskmanager.numberOfTaskSlots"] = 4
    with pytest.raises(jsonschema.ValidationError):
        check(manifest, KUBERNETES[0])


def test_values_are_those_of_the_schema() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    jsonschema.validate(VALUES, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**VALUES, "workers": {**VALUES["workers"], "slot": 4}}, schema)


def test_rendered_manifests_are_those_of_the_chart(tmp_path: Path) -> None:
    render = module(CHART / "render.py")
    for engine in ENGINES:
        assert (CHART / engine / "rendered.yaml").read_text().startswith(render.first_line()), (
            "the chart has changed: run deploy/kubernetes/render.py"
        )
    if shutil.which("helm") is None:
        pytest.skip("no helm: that the chart renders to this was not tried, only that it has not changed since")
    render.main(tmp_path)
    for engine in ENGINES:
        assert (tmp_path / engine / "rendered.yaml").read_text() == (CHART / engine / "rendered.yaml").read_text()


@pytest.mark.skipif(shutil.which("helm") is None, reason="no helm: other values than the chart's own were not tried")
@pytest.mark.parametrize("engine", ENGINES)
def test_other_values_give_manifests_that_kubernetes_takes(engine: str, tmp_path: Path) -> None:
    values = {
        "engine": engine,
        "volume": {"claim": "corpus"},
        "work": "/volume/work",
        "credentials": {"secret": "s3", "annotations": {"example/role": "mill"}},
        "images": {"pullSecrets": ["pull"]},
        "workers": {
            "pods": 300,
            "nodeSelector": {"pool": "mill"},
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
def test_profile_and_recipe_are_ones_that_gristmill_takes(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSETS", "/opt/gristmill/assets")
    folder = written(engine, tmp_path)
    profile = load_profile(str(folder / "runner.yaml"))
    assert profile.runner == engine
    assert isinstance(profile, Flink | Spark)
    assert profile.worker_pool == f"localhost:{POOL_PORT}"
    assert f"/{engine}-job-server.jar" in str(profile.jar)
    assert load_recipe(str(folder / "recipe.yaml")).sources


@pytest.mark.parametrize("engine", ENGINES)
def test_pool_listens_where_the_profile_says_and_has_a_core_and_memory_for_every_slot(engine: str) -> None:
    pool = container(workers(engine), "worker-pool")
    slots = VALUES["workers"]["slots"]
    assert pool["command"][-2:] == ["--port", str(POOL_PORT)]
    for probe in ("readinessProbe", "livenessProbe"):
        assert f"'127.0.0.1', {POOL_PORT}" in pool[probe]["exec"]["command"][-1]
    assert pool["resources"]["requests"]["cpu"] == str(slots)
    assert mebibytes(pool["resources"]["limits"]["memory"]) > slots * VALUES["workers"]["python"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_launcher_asks_for_every_slot_and_waits_for_it(engine: str) -> None:
    job = only(engine, "Job")
    slots = VALUES["workers"]["pods"] * VALUES["workers"]["slots"]
    assert f"--workers={slots}" in container(job, "launcher")["command"]
    wait = next(pods(job))["spec"]["initContainers"][0]
    assert wait["command"][-1] == str(slots)
    mounted = {mount["mountPath"] for mount in container(job, "launcher")["volumeMounts"]}
    assert "/etc/gristmill" in mounted


@pytest.mark.parametrize("engine", ENGINES)
def test_no_container_has_rights_that_it_does_not_need(engine: str) -> None:
    """The demands of the Pod Security Standard `restricted`."""
    found = [pod["spec"] for manifest in rendered(engine) for pod in pods(manifest)]
    assert found
    for spec in found:
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
        for one in [*spec["containers"], *spec.get("initContainers", [])]:
            assert one["securityContext"]["runAsUser"] > 0
            assert one["securityContext"]["allowPrivilegeEscalation"] is False
            assert one["securityContext"]["capabilities"]["drop"] == ["ALL"]


def test_flinks_parts_of_memory_are_its_containers() -> None:
    spec = only("flink", "FlinkDeployment")["spec"]
    given = spec["flinkConfiguration"]
    for manager, key in (("jobmanager", "jobManager"), ("taskmanager", "taskManager")):
        parts = {name: size for name, size in given.items() if name.startswith(f"{manager}.memory.")}
        floors = [name for name in parts if name.endswith(".min")]
        for floor in floors:  # what may grow would make the sum a range
            assert parts[floor] == parts[floor.removesuffix("min") + "max"]
        total = sum(mebibytes(size) for name, size in parts.items() if not name.endswith(".max"))
        assert total == mebibytes(spec[key]["resource"]["memory"])
    assert given["taskmanager.numberOfTaskSlots"] == str(VALUES["workers"]["slots"])
    assert spec["taskManager"]["replicas"] == VALUES["workers"]["pods"]


def test_flink_opens_what_java_has_closed() -> None:
    spec = only("flink", "FlinkDeployment")["spec"]
    assert set(spec["flinkConfiguration"]["env.java.opts.all"].split()) == set(checks.ADD_OPENS)


def test_an_executor_fits_into_its_worker_and_the_worker_into_its_container(tmp_path: Path) -> None:
    profile = load_profile(str(written("spark", tmp_path) / "runner.yaml"))
    assert isinstance(profile, Spark)
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
    assert set(checks.ADD_OPENS) <= set(options)
    assert set(checks.ADD_OPENS) == set(environment(worker)["SPARK_DAEMON_JAVA_OPTS"].split())


def test_executors_find_the_driver_and_the_master_under_their_services(tmp_path: Path) -> None:
    profile = load_profile(str(written("spark", tmp_path) / "runner.yaml"))
    assert isinstance(profile, Spark)
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


def test_clusters_are_of_the_job_servers_versions() -> None:
    pom = (ROOT / "deploy" / "job-server" / "pom.xml").read_text()
    assert f"<spark.version>{VALUES['spark']['image'].split(':')[1].split('-')[0]}</spark.version>" in pom
    assert f"<flink.version>{VALUES['flink']['version']}</flink.version>" in pom
    assert VALUES["flink"]["image"].startswith(f"flink:{VALUES['flink']['version']}.")


class Clock:
    """Time that passes when it is slept away."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], checks.Slots]], int]:
    """Runs `wait.py` for 16 workers of Flink, with an answer of the cluster's."""
    loaded = module(CHART / "files" / "wait.py")
    profile = written("flink", tmp_path) / "runner.yaml"
    monkeypatch.setattr("sys.argv", ["wait.py", str(profile), "16"])
    monkeypatch.setattr(loaded, "time", Clock())

    def run(answer: Callable[[], checks.Slots]) -> int:
        monkeypatch.setattr(checks, "flink_slots", lambda master, version: answer())
        return int(loaded.main())

    return run


def test_a_launcher_waits_until_the_cluster_is_there(
    wait: Callable[[Callable[[], checks.Slots]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter([None, None, checks.Slots(12, 12, 3), checks.Slots(16, 16, 4)])

    def answer() -> checks.Slots:
        slots = next(answers)
        if slots is None:
            raise InputError("no Flink JobManager answers")
        return slots

    assert wait(answer) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2, "the same is said once"
    assert "no Flink JobManager" in said[0]
    assert "12 slots" in said[1]


def test_a_launcher_does_not_wait_for_ever(wait: Callable[[Callable[[], checks.Slots]], int]) -> None:
    assert wait(lambda: checks.Slots(0, 0, 0)) == 1
