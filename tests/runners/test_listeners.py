"""What a run listens on: nothing that another machine, or another user, can connect to."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import grpc
import pytest
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_artifact_api_pb2 as artifact_api
from apache_beam.portability.api import beam_artifact_api_pb2_grpc as artifact_api_grpc
from apache_beam.portability.api import beam_runner_api_pb2 as runner_api
from apache_beam.runners.portability.fn_api_runner import worker_handlers

from gristmill.errors import RunError
from gristmill.runners.embedded_stage_runner import EmbeddedStageRunner
from gristmill.runners.private_grpc_server import socket_folder
from gristmill.runners.server_process import is_exposed
from gristmill.runners.staged_artifacts import StagedArtifacts
from tests.listeners import Listener, listeners, needs_proc

pytestmark = needs_proc

DEADLINE = 60


def file_artifact(path: Path) -> Any:
    payload = runner_api.ArtifactFilePayload(path=str(path)).SerializeToString()
    return runner_api.ArtifactInformation(type_urn=common_urns.artifact_types.FILE.urn, type_payload=payload)


def url_artifact(url: str) -> Any:
    payload = runner_api.ArtifactUrlPayload(url=url).SerializeToString()
    return runner_api.ArtifactInformation(type_urn=common_urns.artifact_types.URL.urn, type_payload=payload)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + DEADLINE
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} does not appear"
        time.sleep(0.02)


def hold(number: int, folder: str) -> None:
    """Keep a worker busy until the test has looked at it."""
    Path(folder, f"working-{number}").touch()
    wait_for(Path(folder, "seen"))


@pytest.fixture
def earlier() -> set[Listener]:
    """What this process listens on anyway, such as the storage server of other tests."""
    return listeners([os.getpid()])


@pytest.fixture
def working(earlier: set[Listener], tmp_path: Path) -> Iterator[Path]:
    """A pipeline of two workers that work until the test ends; the folder of the runner's socket."""
    errors: list[BaseException] = []
    sockets: list[str] = []
    start = worker_handlers.GrpcWorkerHandler.__init__

    def run(runner: EmbeddedStageRunner) -> None:
        try:
            runner.run(
                "hold", lambda p: p | beam.Create(range(2)) | beam.Reshuffle() | beam.Map(hold, str(tmp_path)), 2
            )
        except BaseException as error:
            errors.append(error)

    def remember(handler: Any, state: Any, provision_info: Any, server: Any) -> None:
        sockets.append(server.address.removeprefix("unix:"))
        start(handler, state, provision_info, server)

    with pytest.MonkeyPatch.context() as patch, EmbeddedStageRunner(2) as runner:
        patch.setattr(worker_handlers.GrpcWorkerHandler, "__init__", remember)
        thread = threading.Thread(target=run, args=(runner,), daemon=True)
        thread.start()
        try:
            for number in range(2):
                wait_for(tmp_path / f"working-{number}")
            yield Path(sockets[0])
        finally:
            (tmp_path / "seen").touch()
            thread.join(DEADLINE)
        assert not errors
        assert not Path(sockets[0]).parent.exists()


def test_the_embedded_runner_opens_no_port_and_serves_no_file(
    earlier: set[Listener], working: Path, tmp_path: Path
) -> None:
    """Fails if Beam no longer takes ``worker_handlers.GrpcServer`` for its server, or if that opens other ports."""
    assert listeners([os.getpid()]) == earlier
    assert working.parent.stat().st_mode & 0o777 == 0o700
    secret = tmp_path / "secret"
    secret.write_text("secret")
    with grpc.insecure_channel(f"unix:{working}") as channel:
        stub = artifact_api_grpc.ArtifactRetrievalServiceStub(channel)
        request = artifact_api.GetArtifactRequest(artifact=file_artifact(secret))
        with pytest.raises(grpc.RpcError) as caught:
            list(stub.GetArtifact(request, timeout=DEADLINE))
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("length", [10, 200])
def test_the_path_of_a_socket_is_short(length: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / ("x" * length)
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    folder = socket_folder()
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(folder / "socket"))
        assert folder.stat().st_mode & 0o777 == 0o700
    finally:
        shutil.rmtree(folder)


def test_a_job_server_gets_the_files_that_a_pipeline_depends_on_and_no_others(tmp_path: Path) -> None:
    staged, secret = tmp_path / "staged", tmp_path / "secret"
    staged.write_text("staged")
    secret.write_text("secret")
    service = StagedArtifacts([file_artifact(staged)])

    def get(artifact: Any) -> bytes:
        return b"".join(chunk.data for chunk in service.GetArtifact(artifact_api.GetArtifactRequest(artifact=artifact)))

    assert get(file_artifact(staged)) == b"staged"
    for artifact in (
        file_artifact(secret),
        file_artifact(tmp_path / "x" / ".." / "staged"),
        url_artifact(secret.as_uri()),
    ):
        with pytest.raises(RunError, match="which the job does not need"):
            get(artifact)


def test_a_listener_on_all_addresses_is_found() -> None:
    """Without this, the other tests could pass because they find nothing."""
    with socket.create_server(("127.0.0.1", 0)) as near, socket.create_server(("", 0)) as far:
        found = {each.port: each.is_loopback for each in listeners([os.getpid()])}
        assert found[near.getsockname()[1]]
        assert not found[far.getsockname()[1]]
        assert not is_exposed(near.getsockname()[1])


@pytest.mark.parametrize(
    ("address", "is_loopback"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("0.0.0.0", False), ("::", False), ("10.0.0.1", False)],
)
def test_is_loopback(address: str, is_loopback: bool) -> None:
    assert Listener(address, 1, "").is_loopback == is_loopback
