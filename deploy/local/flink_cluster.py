"""Flink on this machine: one JobManager and one TaskManager, with a limit for every part of their memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from deploy.local.cluster_plan import HOST, Folder, Plan, Process, free_ports, gc_log, worker_pool
from gristmill.runners.java_runtime import ADD_OPENS

PORTS = ("rest", "jobmanager", "blob", "taskmanager", "data", "pool")

# MiB of a TaskManager with two slots, 2.5 GiB in total, without Python's memory: workers belong to the pool. Flink's
# scripts would compute the parts from a total, but are not in the package.
TASKMANAGER = {
    "framework.heap.size": 128,  # Flink's own objects
    "task.heap.size": 1024,  # bundles sent to Python and their results
    "framework.off-heap.size": 128,  # Flink's own direct memory
    "task.off-heap.size": 256,  # gRPC's buffers between Flink and Python (Netty's direct memory)
    "managed.size": 512,  # sorting of groups; spills to disk when full
    "network.min": 128,  # shuffle buffers; min = max, so that the size is fixed
    "network.max": 128,
    "jvm-metaspace.size": 320,  # Beam's classes, loaded once per job until they are unloaded
    "jvm-overhead.min": 128,  # thread stacks, code cache
    "jvm-overhead.max": 128,
}

# MiB of the JobManager, which holds job graphs but no data.
JOBMANAGER_HEAP = 512
JOBMANAGER_METASPACE = 256

_JOBMANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASKMANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"

_LOGGING = """\
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = Console
appender.console.name = Console
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd HH:mm:ss,SSS} %-5p %c{1} - %m%n
"""


def plan_cluster(folder: Folder, home: Path, jar: Path, java: str, slots: int) -> Plan:
    """Return a session cluster from the libraries in ``home`` with ``slots`` slots, and its Python worker pool."""
    ports = free_ports(PORTS)
    return Plan(
        processes=[*processes(folder, home, java), worker_pool(ports["pool"])],
        files={
            "config.yaml": yaml.safe_dump(configuration(folder, ports, slots), sort_keys=False),
            "log4j.properties": _LOGGING,
        },
        profile={
            "runner": "flink",
            "master": f"{HOST}:{ports['rest']}",
            "version": "1.20",
            "jar": str(jar),
            "java": java,
            "java_options": ["-Xmx1g", gc_log(folder, "job-server")],
            "worker_pool": f"{HOST}:{ports['pool']}",
        },
        health=f"http://{HOST}:{ports['rest']}/overview",
        slots=slots_of,
        pool=ports["pool"],
    )


def slots_of(overview: Any) -> int:
    """Return the number of slots in the JobManager's ``/overview``."""
    return int(overview["slots-total"])


def configuration(folder: Folder, ports: dict[str, int], slots: int) -> dict[str, Any]:
    """Return Flink's ``config.yaml``, which both processes use."""
    return {
        # Everything listens on the loopback interface, at ports that stay the same when a process restarts.
        "jobmanager.rpc.address": HOST,
        "jobmanager.rpc.port": ports["jobmanager"],
        "jobmanager.bind-host": HOST,
        "rest.address": HOST,
        "rest.port": ports["rest"],
        "rest.bind-address": HOST,
        "blob.server.port": ports["blob"],
        "taskmanager.host": HOST,
        "taskmanager.bind-host": HOST,
        "taskmanager.rpc.port": ports["taskmanager"],
        "taskmanager.data.port": ports["data"],
        "io.tmp.dirs": str(folder.scratch),
        "web.submit.enable": False,
        # Memory.
        "taskmanager.numberOfTaskSlots": slots,
        "taskmanager.cpu.cores": float(slots),
        **{f"taskmanager.memory.{part}": f"{size}m" for part, size in TASKMANAGER.items()},
        # A lost TaskManager is detected within seconds, and its tasks wait for its replacement.
        "heartbeat.interval": 3_000,  # ms
        "heartbeat.timeout": 15_000,
        "slot.request.timeout": 120_000,
        "restart-strategy.type": "fixed-delay",
        "restart-strategy.fixed-delay.attempts": 3,
        "restart-strategy.fixed-delay.delay": "2 s",
        # The web interface keeps only the last finished jobs.
        "jobstore.max-capacity": 50,
    }


def processes(folder: Folder, home: Path, java: str) -> list[Process]:
    """Return the commands of JobManager and TaskManager."""
    task = TASKMANAGER
    heap = task["framework.heap.size"] + task["task.heap.size"]
    direct = task["framework.off-heap.size"] + task["task.off-heap.size"] + task["network.max"]
    return [
        Process(
            "jobmanager",
            [
                *_java(folder, home, java, "jobmanager", JOBMANAGER_HEAP, JOBMANAGER_METASPACE),
                *(_JOBMANAGER, "--configDir", str(folder.configuration), "--executionMode", "cluster"),
            ],
            {},
        ),
        Process(
            "taskmanager",
            [
                *_java(folder, home, java, "taskmanager", heap, task["jvm-metaspace.size"]),
                f"-XX:MaxDirectMemorySize={direct}m",
                *(_TASKMANAGER, "--configDir", str(folder.configuration)),
            ],
            {},
        ),
    ]


def _java(folder: Folder, home: Path, java: str, role: str, heap: int, metaspace: int) -> list[str]:
    return [
        java,
        f"-Xmx{heap}m",
        f"-XX:MaxMetaspaceSize={metaspace}m",
        gc_log(folder, role),
        "-XX:-UsePerfData",  # it would leave files in /tmp
        "-XX:+ExitOnOutOfMemoryError",
        f"-Djava.io.tmpdir={folder.scratch}",
        f"-Dlog4j.configurationFile={folder.configuration / 'log4j.properties'}",
        *ADD_OPENS,
        *("-cp", str(home / "lib" / "*")),
    ]
