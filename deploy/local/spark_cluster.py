"""Spark on this machine: a standalone master and one worker, with a memory limit for every JVM."""

from __future__ import annotations

from pathlib import Path
from secrets import token_hex
from typing import Any

from deploy.local.cluster_plan import HOST, Folder, Plan, Process, free_ports, gc_log, worker_pool
from gristmill.runners.java_runtime import ADD_OPENS

PORTS = ("master", "ui", "worker", "worker-ui", "pool")

# MiB of the heaps. The executor's heap holds a stage's output for a whole partition; Python's memory is the pool's.
MASTER_HEAP = 384
WORKER_HEAP = 384
EXECUTOR_HEAP = 1536

# Spark reserves at least 384 MiB for memory outside the heap, so the worker must offer that much more.
EXECUTOR_OVERHEAD = 384

# Seconds without a heartbeat after which the master considers a worker lost (default: 60).
_LOST_SECONDS = 15

# Every job is an application whose folder contains a copy of the job server's jar; seconds until it is deleted.
_KEPT_SECONDS = 60

_AUTHENTICATION = "-Dspark.authenticate=true"  # without encryption, which the loopback interface does not need
_DRIVER_OPTIONS = "driver-options"  # a file of JVM options

_LOGGING = """\
rootLogger.level = info
rootLogger.appenderRef.file.ref = log
appender.file.type = {kind}
appender.file.name = log
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{{yyyy-MM-dd HH:mm:ss,SSS}} %pid %-5p %c{{1}} - %m%n
"""


def plan_cluster(folder: Folder, home: Path, jar: Path, java: str, cores: int) -> Plan:
    """Return a standalone cluster from the PySpark in ``home`` with ``cores`` cores, and its Python worker pool."""
    ports = free_ports(PORTS)
    secret = token_hex()
    executor_log = f"appender.file.fileName = {folder.log('executor')}\nappender.file.append = true\n"
    return Plan(
        processes=[*processes(folder, home, java, ports, cores, secret), worker_pool(ports["pool"])],
        files={
            "log4j2.properties": _LOGGING.format(kind="Console"),
            "executor-log4j2.properties": _LOGGING.format(kind="File") + executor_log,
            _DRIVER_OPTIONS: "\n".join([_AUTHENTICATION, f"-Dspark.authenticate.secret={secret}"]),
        },
        profile={
            "runner": "spark",
            "master": f"spark://{HOST}:{ports['master']}",
            "ui": f"{HOST}:{ports['ui']}",
            "jar": str(jar),
            "java": java,
            "java_options": ["-Xmx1g", gc_log(folder, "job-server"), f"@{folder.configuration / _DRIVER_OPTIONS}"],
            "worker_pool": f"{HOST}:{ports['pool']}",
            "properties": properties(folder, cores),
        },
        health=f"http://{HOST}:{ports['ui']}/json/",
        slots=cores_of,
        pool=ports["pool"],
    )


def cores_of(state: Any) -> int:
    """Return the number of cores of the live workers in the master's ``/json/``."""
    return sum(int(worker["cores"]) for worker in state["workers"] if worker["state"] == "ALIVE")


def properties(folder: Folder, cores: int) -> dict[str, str]:
    """Return the Spark properties of a run's driver and executors."""
    executor = [
        *ADD_OPENS,
        gc_log(folder, "executor"),
        "-XX:-UsePerfData",
        f"-Djava.io.tmpdir={folder.scratch}",
        f"-Dlog4j2.configurationFile={folder.configuration / 'executor-log4j2.properties'}",
    ]
    return {
        "spark.driver.host": HOST,
        "spark.driver.bindAddress": HOST,
        "spark.executor.cores": str(cores),
        "spark.executor.memory": f"{EXECUTOR_HEAP}m",
        "spark.executor.extraJavaOptions": " ".join(executor),
        "spark.network.timeout": "60s",
        "spark.executor.heartbeatInterval": "5s",
        "spark.ui.enabled": "false",
    }


def processes(folder: Folder, home: Path, java: str, ports: dict[str, int], cores: int, secret: str) -> list[Process]:
    """Return the commands of master and worker; executors are child processes of the worker, one per application.

    They share ``secret``, without which other users of the machine could run programs as this one.
    """
    master = f"spark://{HOST}:{ports['master']}"
    environment = {
        "_SPARK_AUTH_SECRET": secret,  # on a command line it would be visible to all
        "SPARK_HOME": str(home),
        "SPARK_SCALA_VERSION": "2.12",  # of PySpark's jars; the script that detects it is not used
        "SPARK_CONF_DIR": str(folder.configuration),
        "SPARK_LOCAL_IP": HOST,
        "SPARK_LOCAL_DIRS": str(folder.scratch),
        "JAVA_HOME": str(Path(java).resolve().parent.parent),
    }
    cleanup = [
        "-Dspark.worker.cleanup.enabled=true",
        f"-Dspark.worker.cleanup.interval={_KEPT_SECONDS}",
        f"-Dspark.worker.cleanup.appDataTtl={_KEPT_SECONDS}",
    ]
    return [
        Process(
            "master",
            [
                *_java(folder, home, java, "master", MASTER_HEAP),
                *("org.apache.spark.deploy.master.Master", "--host", HOST),
                *("--port", str(ports["master"]), "--webui-port", str(ports["ui"])),
            ],
            environment,
        ),
        Process(
            "worker",
            [
                *_java(folder, home, java, "worker", WORKER_HEAP),
                *cleanup,
                *("org.apache.spark.deploy.worker.Worker", "--host", HOST),
                *("--port", str(ports["worker"]), "--webui-port", str(ports["worker-ui"])),
                *("--cores", str(cores), "--memory", f"{EXECUTOR_HEAP + EXECUTOR_OVERHEAD}m"),
                *("--work-dir", str(folder.scratch / "work"), master),
            ],
            environment,
        ),
    ]


def _java(folder: Folder, home: Path, java: str, role: str, heap: int) -> list[str]:
    return [
        java,
        f"-Xmx{heap}m",
        gc_log(folder, role),
        "-XX:-UsePerfData",  # it would leave files in /tmp
        "-XX:+ExitOnOutOfMemoryError",
        f"-Djava.io.tmpdir={folder.scratch}",
        f"-Dlog4j2.configurationFile={folder.configuration / 'log4j2.properties'}",
        f"-Dspark.worker.timeout={_LOST_SECONDS}",
        _AUTHENTICATION,
        *ADD_OPENS,
        *("-cp", str(home / "jars" / "*")),
    ]
