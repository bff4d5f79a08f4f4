"""Pre-flight checks against servers that answer as Flink and Spark do."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from gristmill.errors import InputError
from gristmill.runners.cluster_slots import Slots, check_slots, flink_slots, spark_slots
from gristmill.runners.java_runtime import ADD_OPENS
from gristmill.runners.server_process import check_endpoint, free_port

OVERVIEW = {"taskmanagers": 2, "slots-total": 8, "slots-available": 6, "flink-version": "1.20.5"}
JVM = {"version": "OpenJDK 64-Bit Server VM - Debian - 17/17.0.15+6", "options": list(ADD_OPENS)}
SPARK = {"aliveworkers": 1, "cores": 4, "coresused": 1}

StartServer = Callable[[dict[str, Any]], str]


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """Starts a server with a JSON response for each path, and returns its ``host:port``."""
    servers: list[HTTPServer] = []

    def start(responses: dict[str, Any]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if self.path in responses else 404)
                self.end_headers()
                self.wfile.write(json.dumps(responses.get(self.path)).encode())

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
def unused_endpoint() -> str:
    """A ``host:port`` on which nothing listens."""
    return f"127.0.0.1:{free_port()}"


def test_check_endpoint_raises_if_nothing_listens(start_server: StartServer, unused_endpoint: str) -> None:
    check_endpoint("job server", start_server({}), "start it")
    with pytest.raises(InputError, match=f"no job server answers at {unused_endpoint}: start it"):
        check_endpoint("job server", unused_endpoint, "start it")


def test_flink_slots_are_read_from_the_job_manager(start_server: StartServer) -> None:
    java_17 = start_server({"/overview": OVERVIEW, "/jobmanager/environment": {"jvm": JVM}})
    assert flink_slots(java_17, "1.20") == (8, 6, 2)
    jvm = {"version": "OpenJDK 64-Bit Server VM - Debian - 11/11.0.2", "options": []}
    java_11 = start_server({"/overview": OVERVIEW, "/jobmanager/environment": {"jvm": jvm}})
    assert flink_slots(java_11, "1.20").total == 8


@pytest.mark.parametrize(
    ("overview", "options", "message"),
    [
        ({"flink-version": "1.19.3"}, ADD_OPENS, "runs Flink 1.19.3, but the profile says 1.20"),
        ({"taskmanagers": 0}, ADD_OPENS, "has no TaskManager"),
        ({}, ADD_OPENS[1:], "runs on Java 17 without --add-opens=java.base/java.lang=ALL-UNNAMED"),
    ],
)
def test_unusable_flink_cluster_is_rejected(
    start_server: StartServer, overview: Any, options: Any, message: str
) -> None:
    jvm = {**JVM, "options": list(options)}
    master = start_server({"/overview": {**OVERVIEW, **overview}, "/jobmanager/environment": {"jvm": jvm}})
    with pytest.raises(InputError, match=message):
        flink_slots(master, "1.20")


def test_spark_slots_are_read_from_the_master(start_server: StartServer) -> None:
    assert spark_slots(start_server({"/json/": SPARK})) == (4, 3, 1)
    with pytest.raises(InputError, match="has no worker"):
        spark_slots(start_server({"/json/": {**SPARK, "aliveworkers": 0}}))


def test_unreachable_clusters_are_reported(unused_endpoint: str) -> None:
    flink = f"no Flink JobManager answers at {unused_endpoint}: start it, or correct `master`"
    with pytest.raises(InputError, match=flink):
        flink_slots(unused_endpoint, "1.20")
    with pytest.raises(InputError, match=f"no Spark master answers at {unused_endpoint}: start it, or correct `ui`"):
        spark_slots(unused_endpoint)


@pytest.mark.parametrize(("workers", "message"), [(6, None), (7, "6 of the 8 slots"), (9, "has 8 slots, fewer than")])
def test_check_slots_raises_if_a_job_would_wait_forever(workers: int, message: str | None) -> None:
    if message is None:
        check_slots(Slots(8, 6, 2), workers, "the cluster")
        return
    with pytest.raises(InputError, match=message):
        check_slots(Slots(8, 6, 2), workers, "the cluster")
