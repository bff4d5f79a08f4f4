"""``python -m gristmill.runners.worker_pool --port P``: starts Python workers for a Flink or Spark cluster.

Beam's own pool starts whichever ``python`` is first on its PATH; if that one does not have Gristmill, the worker exits
at once and the job hangs silently. This pool starts workers with its own interpreter, and ends them when it ends.
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
    """The worker processes by the id that the cluster gave them."""

    def __init__(self) -> None:
        self._workers: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()

    def StartWorker(self, request: Any, context: Any) -> Any:  # noqa: N802 - named by gRPC
        control = request.control_endpoint.url
        command = [sys.executable, "-m", "gristmill.runners.pool_worker"]
        try:
            worker = subprocess.Popen([*command, str(os.getpid()), control, request.worker_id])
        except OSError as error:
            return fn_api.StartWorkerResponse(error=f"a worker could not be started: {error}")
        with self._lock:
            for other in self._workers.values():
                other.poll()  # reaps workers that have exited
            self._workers[request.worker_id] = worker
        return fn_api.StartWorkerResponse()

    def StopWorker(self, request: Any, context: Any) -> Any:  # noqa: N802 - named by gRPC
        with self._lock:
            worker = self._workers.pop(request.worker_id, None)
        if worker is not None:
            _stop(worker)
        return fn_api.StopWorkerResponse()

    def close(self) -> None:
        """End all workers."""
        with self._lock:
            workers, self._workers = list(self._workers.values()), {}
        for worker in workers:
            worker.terminate()
        for worker in workers:
            _stop(worker)


def serve(pool: WorkerPool, port: int) -> tuple[grpc.Server, int]:
    """Let ``pool`` listen on ``port`` (0: any free port) of this host; returns the server and the port.

    It listens on the loopback interface only: anyone who can reach a pool can make it run code, and the cluster's
    worker is on the same host.
    """
    # Clusters ping an idle pool often; gRPC would close the connection by default.
    options = [("grpc.http2.max_pings_without_data", 0), ("grpc.http2.max_ping_strikes", 0), ("grpc.so_reuseport", 0)]
    server = grpc.server(shared_unbounded_instance(), options=options)
    bound_port = server.add_insecure_port(f"127.0.0.1:{port}")
    fn_api_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(pool, server)
    server.start()
    return server, bound_port


def _stop(worker: subprocess.Popen[bytes]) -> None:
    worker.terminate()
    try:
        worker.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="Start Python workers for a Flink or Spark cluster.")
    parser.add_argument("--port", type=int, default=50000, help="port to listen on; 0 for any free port")
    arguments = parser.parse_args()
    stopped = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    pool = WorkerPool()
    server, port = serve(pool, arguments.port)
    print(f"listening on 127.0.0.1:{port}", flush=True)
    stopped.wait()
    server.stop(0)
    pool.close()


if __name__ == "__main__":
    main()
