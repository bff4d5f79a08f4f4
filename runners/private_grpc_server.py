"""The gRPC server of the embedded runner's workers, on a Unix socket that only this user can open.

Beam's own (``GrpcServer`` of Beam 2.77) listens on four ports of all addresses, without authentication, and serves any
file that this process can read to anyone who asks (``GetArtifact``). Beam has no option for either. Workers of the fork
server need no artifacts, no provisioning and no log service, so none is served.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import gettempdir, mkdtemp
from typing import Any

import grpc
from apache_beam.portability.api import beam_fn_api_pb2_grpc as fn_api_grpc
from apache_beam.runners.portability.fn_api_runner import worker_handlers
from apache_beam.runners.worker import data_plane
from apache_beam.utils.thread_pool_executor import shared_unbounded_instance

_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 20_000),
]
"""Those of Beam's ``GrpcServer``: messages of any size, and workers may ping every 20 s."""

_STOP_SECONDS = 5

_MAX_TEMPORARY = 70
"""Characters of the path of the temporary folder; those of a socket are limited, to 104 on macOS and 108 on Linux."""


def socket_folder() -> Path:
    """Create a folder for a socket that only this user can enter, in /tmp if the temporary folder's path is long."""
    return Path(mkdtemp(prefix="gristmill-", dir="/tmp" if len(gettempdir()) > _MAX_TEMPORARY else None))


class PrivateGrpcServer(worker_handlers.GrpcServer):  # type: ignore[misc]
    """Control, data and state of all workers of a pipeline, at ``address``."""

    def __init__(self, state: Any, provision_info: Any, worker_manager: Any) -> None:
        # Beam's constructor is not called: it opens the ports.
        self.control_handler = worker_handlers.BeamFnControlServicer(worker_manager)
        self.data_plane_handler = data_plane.BeamFnDataServicer(worker_handlers.DATA_BUFFER_TIME_LIMIT_MS)
        self._folder = socket_folder()
        self.address = f"unix:{self._folder / 'socket'}"
        self._server = grpc.server(shared_unbounded_instance(), options=_OPTIONS)
        fn_api_grpc.add_BeamFnControlServicer_to_server(self.control_handler, self._server)
        fn_api_grpc.add_BeamFnDataServicer_to_server(self.data_plane_handler, self._server)
        fn_api_grpc.add_BeamFnStateServicer_to_server(worker_handlers.GrpcStateServicer(state), self._server)
        self._server.add_insecure_port(self.address)
        self._server.start()

    # Beam reads the ports only to make addresses of them; see ``PrivateWorkerHandler.port_from_worker``.
    control_port = data_port = state_port = logging_port = property(lambda self: self.address)

    def close(self) -> None:
        self.control_handler.done()
        self._server.stop(_STOP_SECONDS).wait()
        shutil.rmtree(self._folder, ignore_errors=True)


class PrivateWorkerHandler(worker_handlers.GrpcWorkerHandler):  # type: ignore[misc]
    """Base of the handlers of workers that connect to a ``PrivateGrpcServer``."""

    def port_from_worker(self, port: str) -> str:
        return port


def use_private_server(environment: str) -> None:
    """Let FnApiRunner start a ``PrivateGrpcServer`` for pipelines all of whose workers have the URN ``environment``."""
    original = worker_handlers.GrpcServer

    def server(state: Any, provision_info: Any, worker_manager: Any) -> Any:
        urns = {each.urn for each in worker_manager._environments.values()}
        return (PrivateGrpcServer if urns == {environment} else original)(state, provision_info, worker_manager)

    worker_handlers.GrpcServer = server
