"""What every test may use."""

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

from gristmill.runners.processes import free_port

settings.register_profile("house", deadline=None)  # tests are never timed
settings.load_profile("house")

os.environ["COLUMNS"] = "200"  # tables are drawn as wide as the terminal was when the command line was imported

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell ignores it for what it runs in its background
    signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data (``GRISTMILL_DATA``, default ``../shared/data``); a test without it is skipped."""
    root = Path(os.environ.get("GRISTMILL_DATA", REPOSITORY.parent / "shared" / "data"))
    if not root.is_dir():
        pytest.skip(f"REAL DATA MISSING: no folder {root}; set GRISTMILL_DATA to run this test")
    return root


class S3Server:
    """A local S3 server on loopback; the environment leads s3fs, and every worker process, to it."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def new_bucket(self) -> str:
        """The URL of a new, empty bucket."""
        import s3fs

        name = f"gristmill-{uuid.uuid4().hex[:12]}"
        s3fs.S3FileSystem(endpoint_url=self.endpoint).mkdir(name)
        return f"s3://{name}"


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A server process with moto: real HTTP, so that worker processes share it as they would a real store."""
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
            _await_server(port)
            yield S3Server(endpoint)
        finally:
            server.terminate()
            server.wait()
            conf.pop("s3", None)


@pytest.fixture(params=["local", "s3"])
def storage_root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty folder, on local files and on S3."""
    return str(tmp_path) if request.param == "local" else request.getfixturevalue("s3_server").new_bucket()


def _await_server(port: int) -> None:
    for _ in range(200):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError("the local S3 server did not start")
