"""``python -m gristmill.runners.worker_pool --port P``: starts Python workers for a Flink or Spark cluster.

Beam's own pool starts ``python``, whatever that is on its PATH; where Gristmill is not in it the worker dies at once
and the job hangs without a word. This one starts workers with the interpreter that it runs in itself, and takes them
with it when it ends.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
from types import FrameType
from typing import Any

import grpc
from apache_beam.portability.api import beam_fn_api_pb2 as fn_api
from apache_beam.portability.api import beam_fn_api_pb2_grpc as fn_api_grpc
from apache_beam.utils.thread_pool_executor import shared_unbounded_instance

_GRACE_SECONDS = 5.0


class WorkerPool(fn_api_grpc.BeamFnExternalWorkerPoolServicer):  # type: ignore[misc]
    """Workers by the name that the cluster gives them, each a process."""

    def __init__(self) -> None:
        self._workers: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()

    def StartWorker(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        control = request.control_endpoint.url
        command = [sys.executable, "-m", "gristmill.runners.pool_worker"]
        try:
            worker = subprocess.Popen([*command, str(os.getpid()), control, request.worker_id])
        except OSError as error:
            return fn_api.StartWorkerResponse(error=f"no worker could be started: {error}")
        with self._lock:
            for other in self._workers.values():
                other.poll()  # reaps what has ended by itself
            self._workers[request.worker_id] = worker
        return fn_api.StartWorkerResponse()

    def StopWorker(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        with self._lock:
            worker = self._workers.pop(request.worker_id, None)
        if worker is not None:
            _end(worker)
        return fn_api.StopWorkerResponse()

    def close(self) -> None:
        with self._lock:
            workers, self._workers = list(self._workers.values()), {}
        for worker in workers:
            worker.terminate()
        for worker in workers:
            _end(worker)


def serve(pool: WorkerPool, port: int) -> tuple[grpc.Server, int]:
    """Have a pool listen on ``port`` (0: a free one) of this host; the server, and the port.

    Of no other interface: whoever can reach a pool can have it run his code, and a cluster's worker is beside it.
    """
    # Clusters ping an idle pool as often as they like.
    options = [("grpc.http2.max_pings_without_data", 0), ("grpc.http2.max_ping_strikes", 0), ("grpc.so_reuseport", 0)]
    server = grpc.server(shared_unbounded_instance(), options=options)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    fn_api_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(pool, server)
    server.start()
    return server, bound


def _end(worker: subprocess.Popen[bytes]) -> None:
    worker.terminate()
    try:
        worker.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="Start Python workers for a Flink or Spark cluster.")
    parser.add_argument("--port", type=int, default=50000, help="port to listen on; 0 takes a free one")
    arguments = parser.parse_args()
    over = threading.Event()

    def ended(number: int, frame: FrameType | None) -> None:
        over.set()

    signal.signal(signal.SIGTERM, ended)
    signal.signal(signal.SIGINT, ended)
    pool = WorkerPool()
    server, port = serve(pool, arguments.port)
    print(f"listening on 127.0.0.1:{port}", flush=True)
    over.wait()
    server.stop(0)
    pool.close()


if __name__ == "__main__":
    main()
