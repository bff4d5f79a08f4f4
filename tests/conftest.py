"""Fixtures and settings for all tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from gristmill.runners.server_process import free_port

settings.register_profile("gristmill", deadline=None)  # no limit on how long an example takes
settings.load_profile("gristmill")

os.environ["COLUMNS"] = "200"  # the command line reads the terminal's width when it is imported

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # shells ignore it for background jobs
    signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data (``GRISTMILL_DATA``, default ``../shared/data``); tests are skipped without it."""
    root = Path(os.environ.get("GRISTMILL_DATA", REPOSITORY.parent / "shared" / "data"))
    if not root.is_dir():
        pytest.skip(f"REAL DATA MISSING: no folder {root}; set GRISTMILL_DATA to run this test")
    return root


class S3Server:
    """A local S3 server; environment variables point s3fs in every worker process to it."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def new_bucket(self) -> str:
        """Create a bucket and return its URL."""
        import s3fs

        name = f"gristmill-{uuid.uuid4().hex[:12]}"
        s3fs.S3FileSystem(endpoint_url=self.endpoint).mkdir(name)
        return f"s3://{name}"


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A moto server process, so worker processes share it over HTTP like a real object store."""
    from fsspec.config import conf, set_conf_env

    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    environment = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "FSSPEC_S3_ENDPOINT_URL": endpoint,
    }
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        set_conf_env(conf)
        try:
            _wait_for_server(port)
            yield S3Server(endpoint)
        finally:
            server.terminate()
            server.wait()
            conf.pop("s3", None)


@pytest.fixture(params=["local", "s3"])
def storage_root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty folder on the local disk and on S3."""
    return str(tmp_path) if request.param == "local" else request.getfixturevalue("s3_server").new_bucket()


def _wait_for_server(port: int) -> None:
    for _ in range(200):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError("the local S3 server did not start")
