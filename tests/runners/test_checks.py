"""Pre-flight checks against clusters that answer as real ones do."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from gristmill.errors import InputError
from gristmill.runners.checks import (
    ADD_OPENS,
    Slots,
    check_endpoint,
    check_java,
    check_slots,
    flink_slots,
    spark_slots,
)
from gristmill.runners.processes import free_port

OVERVIEW = {"taskmanagers": 2, "slots-total": 8, "slots-available": 6, "flink-version": "1.19.3"}
JVM = {"version": "OpenJDK 64-Bit Server VM - Debian - 17/17.0.15+6", "options": list(ADD_OPENS)}
SPARK = {"aliveworkers": 1, "cores": 4, "coresused": 1}

Serve = Callable[[dict[str, Any]], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server that answers paths with JSON; its ``host:port``."""
    servers: list[HTTPServer] = []

    def start(answers: dict[str, Any]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = self.path in answers
                self.send_response(200 if found else 404)
                self.end_headers()
                self.wfile.write(json.dumps(answers.get(self.path)).encode())

            def log_message(self, format: str, *args: Any) -> None: ...

        server = HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def nobody() -> str:
    """A ``host:port`` at which nobody listens."""
    return f"127.0.0.1:{free_port()}"


def java(folder: Path, version: str, status: int = 0) -> str:
    path = folder / "java"
    path.write_text(f"#!/bin/sh\necho '{version}' >&2\nexit {status}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("said", "version"),
    [('openjdk version "17.0.15" 2025-04-15', 17), ('java version "11" 2018-09-25', 11)],
)
def test_java_is_new_enough(tmp_path: Path, said: str, version: int) -> None:
    assert check_java(java(tmp_path, said)) == version


@pytest.mark.parametrize(
    ("said", "status", "sentence"),
    [
        ('java version "1.8.0_392"', 0, "needs Java 11 to 17, but"),
        ('openjdk version "10.0.2"', 0, "needs Java 11 to 17, but"),
        ('openjdk version "18.0.1"', 0, "needs Java 11 to 17, but"),
        ("command not understood", 0, "does not tell its version"),
        ('openjdk version "17.0.15"', 1, "does not tell its version"),
    ],
)
def test_java_is_not(tmp_path: Path, said: str, status: int, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        check_java(java(tmp_path, said, status))


def test_no_java(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be run: install a JRE 11 or 17"):
        check_java(str(tmp_path / "java"))


def test_an_endpoint(serve: Serve, nobody: str) -> None:
    check_endpoint("job server", serve({}), "start it")
    with pytest.raises(InputError, match=f"no job server answers at {nobody}: start it"):
        check_endpoint("job server", nobody, "start it")


def test_what_a_flink_cluster_offers(serve: Serve) -> None:
    assert flink_slots(serve({"/overview": OVERVIEW, "/jobmanager/environment": {"jvm": JVM}}), "1.19") == (8, 6, 2)
    java_11 = {"version": "OpenJDK 64-Bit Server VM - Debian - 11/11.0.2", "options": []}
    assert flink_slots(serve({"/overview": OVERVIEW, "/jobmanager/environment": {"jvm": java_11}}), "1.19").total == 8


@pytest.mark.parametrize(
    ("overview", "options", "sentence"),
    [
        ({"flink-version": "1.20.1"}, ADD_OPENS, "runs Flink 1.20.1, the profile says 1.19"),
        ({"taskmanagers": 0}, ADD_OPENS, "has no TaskManager"),
        ({}, ADD_OPENS[1:], "runs on Java 17 without --add-opens=java.base/java.lang=ALL-UNNAMED"),
    ],
)
def test_a_flink_cluster_that_will_not_do(serve: Serve, overview: Any, options: Any, sentence: str) -> None:
    jvm = {**JVM, "options": list(options)}
    master = serve({"/overview": {**OVERVIEW, **overview}, "/jobmanager/environment": {"jvm": jvm}})
    with pytest.raises(InputError, match=sentence):
        flink_slots(master, "1.19")


def test_what_a_spark_cluster_offers(serve: Serve) -> None:
    assert spark_slots(serve({"/json/": SPARK})) == (4, 3, 1)
    with pytest.raises(InputError, match="has no worker"):
        spark_slots(serve({"/json/": {**SPARK, "aliveworkers": 0}}))


def test_clusters_that_are_not_there(nobody: str) -> None:
    with pytest.raises(InputError, match=f"no Flink JobManager answers at {nobody}: start it, or correct `master`"):
        flink_slots(nobody, "1.19")
    with pytest.raises(InputError, match=f"no Spark master answers at {nobody}: start it, or correct `ui`"):
        spark_slots(nobody)


@pytest.mark.parametrize(("workers", "sentence"), [(6, None), (7, "6 of the 8 slots"), (9, "has 8 slots, fewer than")])
def test_slots(workers: int, sentence: str | None) -> None:
    if sentence is None:
        check_slots(Slots(8, 6, 2), workers, "the cluster")
        return
    with pytest.raises(InputError, match=sentence):
        check_slots(Slots(8, 6, 2), workers, "the cluster")
