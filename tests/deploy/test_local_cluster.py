"""The local cluster: what it is made of, as plain values, and its supervisor with harmless processes; no Java."""

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

from deploy.local import cluster, flink, marks, parts, spark
from deploy.local.plan import HOST, POOL, Folder, Plan, Process, free_ports
from deploy.local.supervisor import pause
from gristmill.errors import InputError, RunError
from gristmill.runners import profile
from gristmill.runners.checks import ADD_OPENS

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
    cluster.stop(place)


def plan(*further: Process) -> Plan:
    """A cluster of harmless processes that answers like Flink's JobManager."""
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
        slots=flink.slots_of,
        pool=ports["pool"],
    )


def process(folder: Folder, role: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in cluster.status(folder)["processes"] if each["role"] == role)
    return found


def wait(until: Callable[[], Any], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def test_ports_are_different_and_free() -> None:
    ports = free_ports(["a", "b", "c"])
    assert set(ports) == {"a", "b", "c"}
    assert len(set(ports.values())) == 3
    assert all(20_000 <= port < 32_000 for port in ports.values())


def test_a_port_in_use_is_not_given() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as other:
        port, free = taken.getsockname()[1], other.getsockname()[1]
        other.close()
        assert free_ports(["a"], [port, free]) == {"a": free}
        with pytest.raises(RunError, match="ports"):
            free_ports(["a"], [port])


def test_flink_listens_on_this_machine_alone_and_writes_below_its_folder(tmp_path: Path) -> None:
    ports = {name: 20_000 + number for number, name in enumerate(flink.PORTS)}
    told = flink.configuration(Folder(tmp_path), ports, 2)
    assert {key for key, value in told.items() if value == HOST} == {
        "jobmanager.rpc.address",
        "jobmanager.bind-host",
        "rest.address",
        "rest.bind-address",
        "taskmanager.host",
        "taskmanager.bind-host",
    }
    assert {value for value in told.values() if value in ports.values()} == set(ports.values()) - {ports["pool"]}
    assert told["io.tmp.dirs"] == str(tmp_path / "tmp")
    assert told["taskmanager.numberOfTaskSlots"] == 2


def test_flinks_memory_is_bounded_and_the_jvm_is_told_the_same(tmp_path: Path) -> None:
    memory = flink.TASKMANAGER
    assert memory["network.min"] == memory["network.max"]
    assert memory["jvm-overhead.min"] == memory["jvm-overhead.max"]
    total = sum(size for part, size in memory.items() if not part.endswith(".min"))
    assert total <= 3 * 1024, "24 GiB hold a cluster, two Python workers and a job server with room to spare"
    taskmanager = flink.processes(Folder(tmp_path), tmp_path, "java")[1].command
    off_heap = memory["framework.off-heap.size"] + memory["task.off-heap.size"] + memory["network.max"]
    assert f"-Xmx{memory['framework.heap.size'] + memory['task.heap.size']}m" in taskmanager
    assert f"-XX:MaxDirectMemorySize={off_heap}m" in taskmanager
    assert f"-XX:MaxMetaspaceSize={memory['jvm-metaspace.size']}m" in taskmanager


def test_sparks_worker_offers_what_one_executor_takes(tmp_path: Path) -> None:
    ports = {name: 20_000 + number for number, name in enumerate(spark.PORTS)}
    told = spark.properties(Folder(tmp_path), 3)
    worker = spark.processes(Folder(tmp_path), tmp_path, "java", ports, 3)[1].command
    assert told["spark.executor.cores"] == worker[worker.index("--cores") + 1] == "3"
    offered = int(worker[worker.index("--memory") + 1].removesuffix("m"))
    taken = int(told["spark.executor.memory"].removesuffix("m"))
    assert taken < offered < 2 * taken
    assert worker[worker.index("--work-dir") + 1] == str(tmp_path / "tmp" / "work")


@pytest.mark.parametrize("engine", [flink, spark])
def test_every_jvm_gets_the_add_opens_and_leaves_nothing_in_the_systems_tmp(engine: Any, tmp_path: Path) -> None:
    made = engine.cluster(Folder(tmp_path), tmp_path / "home", tmp_path / "a.jar", "/opt/java/bin/java", 2)
    jvms = [each.command for each in made.processes if each.role != POOL]
    assert len(jvms) == 2
    for command in jvms:
        assert command[0] == "/opt/java/bin/java"
        assert set(ADD_OPENS) <= set(command)
        assert {"-XX:-UsePerfData", f"-Djava.io.tmpdir={tmp_path / 'tmp'}"} <= set(command)
        assert any(option.startswith("-Xmx") for option in command)


@pytest.mark.parametrize(("engine", "kind"), [(flink, profile.Flink), (spark, profile.Spark)])
def test_the_profile_is_one_that_a_run_accepts(engine: Any, kind: Any, tmp_path: Path) -> None:
    made = engine.cluster(Folder(tmp_path), tmp_path / "home", tmp_path / "a.jar", "java", 2)
    read = kind.model_validate(yaml.safe_load(yaml.safe_dump(made.profile)))
    assert read.jar == str(tmp_path / "a.jar")
    assert read.worker_pool == f"{HOST}:{made.pool}"
    assert "-Xmx1g" in read.java_options
    master = read.master.removeprefix("spark://")
    assert master.startswith(f"{HOST}:")
    if kind is profile.Spark:
        assert all(option in read.properties["spark.executor.extraJavaOptions"] for option in ADD_OPENS)


def test_slots_are_read_from_the_engines_state() -> None:
    assert flink.slots_of({"taskmanagers": 1, "slots-total": 2, "slots-available": 1}) == 2
    workers = [{"state": "DEAD", "cores": 2}, {"state": "ALIVE", "cores": 3}, {"state": "ALIVE", "cores": 1}]
    assert spark.cores_of({"workers": workers}) == 4


@pytest.mark.parametrize(("major", "fit"), [(8, False), (11, True), (17, True), (21, False)])
def test_a_java_that_does_not_run_the_engines_is_refused(
    major: int, fit: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{major}.0.1\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    if fit:
        assert parts.java() == str(java)
    else:
        with pytest.raises(InputError, match="Java 11 to 17"):
            parts.java()


class Tool:
    """A program on the PATH that notes that it was called and runs a line of shell."""

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


def test_a_part_is_made_once_and_named_after_what_it_is_made_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maven = Tool(tmp_path / "bin", "mvn", MAVEN)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    cache = tmp_path / "cache"
    jar = parts.job_server("flink", cache)
    assert jar.read_text() == "jar\n"
    assert parts.job_server("flink", cache) == jar
    assert len(maven.calls) == 1
    pom = tmp_path / "pom.xml"
    pom.write_text("<other/>")
    monkeypatch.setattr(parts, "_POM", pom)
    assert parts.job_server("flink", cache).parent != jar.parent
    assert len(maven.calls) == 2


def test_a_part_that_failed_is_not_there_and_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Tool(tmp_path / "bin", "mvn", f"{MAVEN}; echo no such artifact; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    cache = tmp_path / "cache"
    with pytest.raises(RunError, match=r"mvn ended with 1: see .*\.log") as raised:
        parts.job_server("flink", cache)
    assert Path(str(raised.value).split("see ")[1]).read_text() == "no such artifact\n"
    assert [entry for entry in cache.iterdir() if entry.is_dir()] == []
    Tool(tmp_path / "bin", "mvn", MAVEN)
    assert parts.job_server("flink", cache).exists()


def test_without_maven_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="install Maven"):
        parts.job_server("flink", tmp_path / "cache")


@pytest.mark.parametrize(("failures", "seconds"), [(1, 1), (2, 2), (3, 4), (5, 16), (6, 30), (50, 30), (5000, 30)])
def test_a_process_that_keeps_dying_is_started_ever_less_often(failures: int, seconds: float) -> None:
    assert pause(failures) == seconds


def test_a_killed_process_comes_back_and_what_it_had_started_is_gone(folder: Folder) -> None:
    cluster.start(folder, plan(Process("parent", [sys.executable, "-c", PARENT], {})), 2, 60)
    first = process(folder, "parent")
    wait(lambda: len(sleepers(folder)) == 2)
    group = [pid for pid in sleepers(folder) if os.getsid(pid) == first["pid"]]
    os.kill(first["pid"], signal.SIGKILL)
    wait(lambda: process(folder, "parent")["restarts"] == 1 and process(folder, "parent")["pid"])
    assert process(folder, "parent")["pid"] != first["pid"]
    assert len(group) == 1
    assert group[0] not in marks.marked(folder.path)
    assert process(folder, "state")["restarts"] == 0


def sleepers(folder: Folder) -> list[int]:
    """Grandchildren: marked, and not started by the supervisor."""
    told = cluster.status(folder)
    ours = {told["supervisor"], *(each["pid"] for each in told["processes"])}
    return [pid for pid in marks.marked(folder.path) if pid not in ours]


def test_a_second_start_leaves_a_running_cluster_alone(folder: Folder) -> None:
    assert not cluster.running(folder)
    cluster.start(folder, plan(), 2, 60)
    before = cluster.status(folder)
    assert cluster.running(folder)
    command = [sys.executable, "-m", "deploy.local"]
    again = subprocess.run([*command, "start", "flink", "--folder", folder.path], capture_output=True, text=True)
    assert (again.returncode, again.stdout) == (0, f"flink runs already: {folder.profile}\n"), again.stderr
    told = subprocess.run([*command, "status", "flink", "--folder", folder.path], capture_output=True, text=True)
    assert json.loads(told.stdout) == {"running": True, **before}


@pytest.mark.parametrize("supervised", [True, False])
def test_stop_leaves_nothing_but_the_logs(folder: Folder, supervised: bool) -> None:
    cluster.start(folder, plan(Process("parent", [sys.executable, "-c", PARENT], {})), 2, 60)
    wait(lambda: len(sleepers(folder)) == 2)
    assert yaml.safe_load(folder.profile.read_text()) == {"runner": "flink"}
    assert (folder.configuration / "some.conf").read_text() == "text"
    (folder.scratch / "spilled").write_text("data")
    if not supervised:
        os.kill(cluster.status(folder)["supervisor"], signal.SIGKILL)
        wait(lambda: not cluster.running(folder))
    assert cluster.stop(folder)
    assert marks.marked(folder.path) == []
    assert [entry.name for entry in folder.path.iterdir()] == ["logs"]
    assert {entry.name for entry in folder.logs.iterdir()} == {
        "parent.log",
        "state.log",
        "supervisor.log",
        f"{POOL}.log",
    }
    assert not cluster.stop(folder)


def test_a_start_after_a_killed_supervisor_ends_what_it_left(folder: Folder) -> None:
    cluster.start(folder, plan(), 2, 60)
    before = marks.marked(folder.path)
    os.kill(cluster.status(folder)["supervisor"], signal.SIGKILL)
    wait(lambda: not cluster.running(folder))
    cluster.start(folder, plan(), 2, 60)
    assert not set(before) & set(marks.marked(folder.path))


def test_a_process_that_does_not_stay_up_fails_the_start_and_names_its_log(folder: Folder) -> None:
    dying = Process("dying", [sys.executable, "-c", "raise SystemExit('no such option')"], {})
    with pytest.raises(RunError, match=r"the dying does not stay up: see .*dying\.log") as raised:
        cluster.start(folder, plan(dying), 3, 60)
    assert "no such option" in Path(str(raised.value).split("see ")[1]).read_text()
    assert marks.marked(folder.path) == []
    assert not folder.profile.exists()


def test_a_command_that_cannot_be_started_fails_the_start_and_names_its_log(folder: Folder) -> None:
    with pytest.raises(RunError, match="the missing does not stay up"):
        cluster.start(folder, plan(Process("missing", ["/no/such/program"], {})), 2, 60)
    assert "No such file" in folder.log("missing").read_text()


def test_too_few_slots_are_not_a_cluster(folder: Folder) -> None:
    with pytest.raises(RunError, match="does not answer after 2 s"):
        cluster.start(folder, plan(), 3, 2)
    assert marks.marked(folder.path) == []
