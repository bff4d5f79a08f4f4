"""The local cluster: its plan, and its supervisor with harmless processes instead of Java."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local import cluster_control, cluster_parts, flink_cluster, marked_processes, spark_cluster
from deploy.local.cluster_plan import HOST, POOL, Folder, Plan, Process, free_ports
from deploy.local.supervisor import pause
from gristmill.errors import InputError, RunError
from gristmill.runners.java_runtime import ADD_OPENS
from gristmill.runners.profiles.flink_profile import FlinkProfile
from gristmill.runners.profiles.spark_profile import SparkProfile

SLEEP = "import time; time.sleep(600)"
LISTEN = """
import socket, sys, time
with socket.create_server(("127.0.0.1", int(sys.argv[1]))):
    time.sleep(600)
"""
PARENT = f"""
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", {SLEEP!r}])
subprocess.Popen([sys.executable, "-c", {SLEEP!r}], start_new_session=True)
time.sleep(600)
"""
STATE = """
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"slots-total": 2}')
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    place = Folder(tmp_path / "cluster")
    yield place
    cluster_control.stop(place)


def plan(*further: Process) -> Plan:
    """Return a cluster of harmless processes that answers as Flink's JobManager does."""
    ports = free_ports(["state", "pool"])
    return Plan(
        processes=[
            Process("state", [sys.executable, "-c", STATE, str(ports["state"])], {}),
            Process(POOL, [sys.executable, "-c", LISTEN, str(ports["pool"])], {}),
            *further,
        ],
        files={"some.conf": "text"},
        profile={"runner": "flink"},
        health=f"http://{HOST}:{ports['state']}/overview",
        slots=flink_cluster.slots_of,
        pool=ports["pool"],
    )


def process(folder: Folder, role: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in cluster_control.status(folder)["processes"] if each["role"] == role)
    return found


def wait(until: Callable[[], Any], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def test_free_ports_are_distinct() -> None:
    ports = free_ports(["a", "b", "c"])
    assert set(ports) == {"a", "b", "c"}
    assert len(set(ports.values())) == 3
    assert all(20_000 <= port < 32_000 for port in ports.values())


def test_free_ports_skips_used_ports() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as other:
        port, free = taken.getsockname()[1], other.getsockname()[1]
        other.close()
        assert free_ports(["a"], [port, free]) == {"a": free}
        with pytest.raises(RunError, match="ports"):
            free_ports(["a"], [port])


def test_flink_listens_on_loopback_and_writes_to_its_folder(tmp_path: Path) -> None:
    ports = {name: 20_000 + number for number, name in enumerate(flink_cluster.PORTS)}
    settings = flink_cluster.configuration(Folder(tmp_path), ports, 2)
    assert {key for key, value in settings.items() if value == HOST} == {
        "jobmanager.rpc.address",
        "jobmanager.bind-host",
        "rest.address",
        "rest.bind-address",
        "taskmanager.host",
        "taskmanager.bind-host",
    }
    assert {value for value in settings.values() if value in ports.values()} == set(ports.values()) - {ports["pool"]}
    assert settings["io.tmp.dirs"] == str(tmp_path / "tmp")
    assert settings["taskmanager.numberOfTaskSlots"] == 2


def test_flink_memory_is_bounded_and_matches_the_jvm_options(tmp_path: Path) -> None:
    memory = flink_cluster.TASKMANAGER
    assert memory["network.min"] == memory["network.max"]
    assert memory["jvm-overhead.min"] == memory["jvm-overhead.max"]
    total = sum(size for part, size in memory.items() if not part.endswith(".min"))
    assert total <= 3 * 1024, "a machine with 24 GiB has room for a cluster, two Python workers and a job server"
    taskmanager = flink_cluster.processes(Folder(tmp_path), tmp_path, "java")[1].command
    off_heap = memory["framework.off-heap.size"] + memory["task.off-heap.size"] + memory["network.max"]
    assert f"-Xmx{memory['framework.heap.size'] + memory['task.heap.size']}m" in taskmanager
    assert f"-XX:MaxDirectMemorySize={off_heap}m" in taskmanager
    assert f"-XX:MaxMetaspaceSize={memory['jvm-metaspace.size']}m" in taskmanager


def test_spark_worker_offers_what_one_executor_needs(tmp_path: Path) -> None:
    ports = {name: 20_000 + number for number, name in enumerate(spark_cluster.PORTS)}
    settings = spark_cluster.properties(Folder(tmp_path), 3)
    worker = spark_cluster.processes(Folder(tmp_path), tmp_path, "java", ports, 3, "secret")[1].command
    assert settings["spark.executor.cores"] == worker[worker.index("--cores") + 1] == "3"
    offered = int(worker[worker.index("--memory") + 1].removesuffix("m"))
    needed = int(settings["spark.executor.memory"].removesuffix("m"))
    assert needed < offered < 2 * needed
    assert worker[worker.index("--work-dir") + 1] == str(tmp_path / "tmp" / "work")


@pytest.mark.parametrize("engine", [flink_cluster, spark_cluster])
def test_every_jvm_has_add_opens_and_its_own_temporary_folder(engine: Any, tmp_path: Path) -> None:
    planned = engine.plan_cluster(Folder(tmp_path), tmp_path / "home", tmp_path / "a.jar", "/opt/java/bin/java", 2)
    jvms = [each.command for each in planned.processes if each.role != POOL]
    assert len(jvms) == 2
    for command in jvms:
        assert command[0] == "/opt/java/bin/java"
        assert set(ADD_OPENS) <= set(command)
        assert {"-XX:-UsePerfData", f"-Djava.io.tmpdir={tmp_path / 'tmp'}"} <= set(command)
        assert any(option.startswith("-Xmx") for option in command)


@pytest.mark.parametrize(("engine", "kind"), [(flink_cluster, FlinkProfile), (spark_cluster, SparkProfile)])
def test_profile_is_valid(engine: Any, kind: Any, tmp_path: Path) -> None:
    planned = engine.plan_cluster(Folder(tmp_path), tmp_path / "home", tmp_path / "a.jar", "java", 2)
    profile = kind.model_validate(yaml.safe_load(yaml.safe_dump(planned.profile)))
    assert profile.jar == str(tmp_path / "a.jar")
    assert profile.worker_pool == f"{HOST}:{planned.pool}"
    assert "-Xmx1g" in profile.java_options
    master = profile.master.removeprefix("spark://")
    assert master.startswith(f"{HOST}:")
    if kind is SparkProfile:
        assert all(option in profile.properties["spark.executor.extraJavaOptions"] for option in ADD_OPENS)


def test_spark_shares_a_secret_that_is_on_no_command_line(tmp_path: Path) -> None:
    plans = [
        spark_cluster.plan_cluster(Folder(tmp_path), tmp_path / "home", tmp_path / "a.jar", "java", 2) for _ in range(2)
    ]
    secrets = set()
    for planned in plans:
        options = planned.files["driver-options"].splitlines()
        assert f"@{tmp_path / 'conf' / 'driver-options'}" in planned.profile["java_options"]
        secret = options[-1].removeprefix("-Dspark.authenticate.secret=")
        secrets.add(secret)
        jvms = [each for each in planned.processes if each.role != POOL]
        assert [each.environment["_SPARK_AUTH_SECRET"] for each in jvms] == [secret, secret]
        for command in [*(each.command for each in jvms), options]:
            assert "-Dspark.authenticate=true" in command
        assert not any(secret in word for each in planned.processes for word in each.command)
        assert secret not in str(planned.profile)
    assert len(secrets) == 2
    assert all(len(secret) == 64 for secret in secrets)


def test_slots_are_read_from_the_cluster_state() -> None:
    assert flink_cluster.slots_of({"taskmanagers": 1, "slots-total": 2, "slots-available": 1}) == 2
    workers = [{"state": "DEAD", "cores": 2}, {"state": "ALIVE", "cores": 3}, {"state": "ALIVE", "cores": 1}]
    assert spark_cluster.cores_of({"workers": workers}) == 4


@pytest.mark.parametrize(("major", "supported"), [(8, False), (11, True), (17, True), (21, False)])
def test_unsupported_java_is_rejected(
    major: int, supported: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{major}.0.1\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    if supported:
        assert cluster_parts.java() == str(java)
    else:
        with pytest.raises(InputError, match="Java 11 to 17"):
            cluster_parts.java()


class Tool:
    """A program on the PATH that records its calls and runs a line of shell."""

    def __init__(self, folder: Path, name: str, line: str) -> None:
        folder.mkdir(exist_ok=True)
        self._calls = folder / f"{name}.calls"
        tool = folder / name
        tool.write_text(f'#!/bin/sh\necho "$*" >> {self._calls}\n{line}\n')
        tool.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines() if self._calls.exists() else []


MAVEN = 'for a; do case "$a" in -Dtarget.directory=*) d="${a#*=}";; esac; done; echo jar > "$d/flink-job-server.jar"'


@pytest.fixture
def unedited(monkeypatch: pytest.MonkeyPatch) -> None:
    """The jars that ``MAVEN`` writes are none; ``tests/runners/test_job_server_jar.py`` edits real ones."""
    monkeypatch.setattr(cluster_parts, "restrict_jar", lambda jar, refuse_files: None)


@pytest.mark.usefixtures("unedited")
def test_part_is_built_once_per_version_of_its_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maven = Tool(tmp_path / "bin", "mvn", MAVEN)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    cache = tmp_path / "cache"
    jar = cluster_parts.job_server("flink", cache)
    assert jar.read_text() == "jar\n"
    assert cluster_parts.job_server("flink", cache) == jar
    assert len(maven.calls) == 1
    pom = tmp_path / "pom.xml"
    pom.write_text("<other/>")
    monkeypatch.setattr(cluster_parts, "_POM", pom)
    assert cluster_parts.job_server("flink", cache).parent != jar.parent
    assert len(maven.calls) == 2


@pytest.mark.usefixtures("unedited")
def test_failed_build_is_not_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Tool(tmp_path / "bin", "mvn", f"{MAVEN}; echo no such artifact; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    cache = tmp_path / "cache"
    with pytest.raises(RunError, match=r"mvn failed with exit status 1: see .*\.log") as raised:
        cluster_parts.job_server("flink", cache)
    assert Path(str(raised.value).split("see ")[1]).read_text() == "no such artifact\n"
    assert [entry for entry in cache.iterdir() if entry.is_dir()] == []
    Tool(tmp_path / "bin", "mvn", MAVEN)
    assert cluster_parts.job_server("flink", cache).exists()


def test_missing_maven_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="install Maven"):
        cluster_parts.job_server("flink", tmp_path / "cache")


@pytest.mark.parametrize(("failures", "seconds"), [(1, 1), (2, 2), (3, 4), (5, 16), (6, 30), (50, 30), (5000, 30)])
def test_restart_delay_doubles_up_to_30_seconds(failures: int, seconds: float) -> None:
    assert pause(failures) == seconds


def test_killed_process_is_restarted_without_its_children(folder: Folder) -> None:
    cluster_control.start(folder, plan(Process("parent", [sys.executable, "-c", PARENT], {})), 2, 60)
    first = process(folder, "parent")
    wait(lambda: len(sleepers(folder)) == 2)
    group = [pid for pid in sleepers(folder) if os.getsid(pid) == first["pid"]]
    os.kill(first["pid"], signal.SIGKILL)
    wait(lambda: process(folder, "parent")["restarts"] == 1 and process(folder, "parent")["pid"])
    assert process(folder, "parent")["pid"] != first["pid"]
    assert len(group) == 1
    assert group[0] not in marked_processes.marked(folder.path)
    assert process(folder, "state")["restarts"] == 0


def sleepers(folder: Folder) -> list[int]:
    """Return marked processes that the supervisor did not start itself."""
    status = cluster_control.status(folder)
    own = {status["supervisor"], *(each["pid"] for each in status["processes"])}
    return [pid for pid in marked_processes.marked(folder.path) if pid not in own]


def test_second_start_does_not_change_a_running_cluster(folder: Folder) -> None:
    assert not cluster_control.running(folder)
    cluster_control.start(folder, plan(), 2, 60)
    before = cluster_control.status(folder)
    assert cluster_control.running(folder)
    command = [sys.executable, "-m", "deploy.local"]
    again = subprocess.run([*command, "start", "flink", "--folder", folder.path], capture_output=True, text=True)
    assert (again.returncode, again.stdout) == (0, f"flink is already running: {folder.profile}\n"), again.stderr
    printed = subprocess.run([*command, "status", "flink", "--folder", folder.path], capture_output=True, text=True)
    assert json.loads(printed.stdout) == {"running": True, **before}


@pytest.mark.parametrize("supervised", [True, False])
def test_stop_keeps_only_the_logs(folder: Folder, supervised: bool) -> None:
    cluster_control.start(folder, plan(Process("parent", [sys.executable, "-c", PARENT], {})), 2, 60)
    wait(lambda: len(sleepers(folder)) == 2)
    assert yaml.safe_load(folder.profile.read_text()) == {"runner": "flink"}
    assert (folder.configuration / "some.conf").read_text() == "text"
    (folder.scratch / "spilled").write_text("data")
    if not supervised:
        os.kill(cluster_control.status(folder)["supervisor"], signal.SIGKILL)
        wait(lambda: not cluster_control.running(folder))
    assert cluster_control.stop(folder)
    assert marked_processes.marked(folder.path) == []
    assert [entry.name for entry in folder.path.iterdir()] == ["logs"]
    assert {entry.name for entry in folder.logs.iterdir()} == {
        "parent.log",
        "state.log",
        "supervisor.log",
        f"{POOL}.log",
    }
    assert not cluster_control.stop(folder)


def test_start_ends_processes_of_a_killed_supervisor(folder: Folder) -> None:
    cluster_control.start(folder, plan(), 2, 60)
    before = marked_processes.marked(folder.path)
    os.kill(cluster_control.status(folder)["supervisor"], signal.SIGKILL)
    wait(lambda: not cluster_control.running(folder))
    cluster_control.start(folder, plan(), 2, 60)
    assert not set(before) & set(marked_processes.marked(folder.path))


def test_start_fails_if_a_process_keeps_exiting(folder: Folder) -> None:
    dying = Process("dying", [sys.executable, "-c", "raise SystemExit('no such option')"], {})
    with pytest.raises(RunError, match=r"the dying keeps exiting: see .*dying\.log") as raised:
        cluster_control.start(folder, plan(dying), 3, 60)
    assert "no such option" in Path(str(raised.value).split("see ")[1]).read_text()
    assert marked_processes.marked(folder.path) == []
    assert not folder.profile.exists()


def test_start_fails_if_a_command_cannot_be_started(folder: Folder) -> None:
    with pytest.raises(RunError, match="the missing keeps exiting"):
        cluster_control.start(folder, plan(Process("missing", ["/no/such/program"], {})), 2, 60)
    assert "No such file" in folder.log("missing").read_text()


def test_start_fails_with_too_few_slots(folder: Folder) -> None:
    with pytest.raises(RunError, match="does not answer after 2 s"):
        cluster_control.start(folder, plan(), 3, 2)
    assert marked_processes.marked(folder.path) == []


def test_prism_listens_on_loopback_only() -> None:
    listener = 'lis, err := net.Listen("tcp", fmt.Sprintf("%s", port))'
    assert cluster_parts.loopback_prism(listener.replace("%s", ":%d")) == listener.replace("%s", "127.0.0.1:%d")
    with pytest.raises(RunError, match="Prism no longer listens with"):
        cluster_parts.loopback_prism(listener)
