"""Reading over a network that fails: transient errors are retried, permanent ones raised, no byte is read wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gristmill.errors import InputError
from gristmill.store import remote, storage
from tests.web_server import WebServer, serving

DATA = bytes(range(256)) * 1000


@pytest.fixture
def delays(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The delays before retries, which are recorded instead of waited for."""
    seconds: list[float] = []
    monkeypatch.setattr(remote, "sleep", seconds.append)
    monkeypatch.setattr(remote, "TIMEOUT_SECONDS", 1.0)
    return seconds


@pytest.fixture
def server(tmp_path: Path, delays: list[float]) -> Iterator[WebServer]:
    (tmp_path / "data.bin").write_bytes(DATA)
    (tmp_path / "empty").write_bytes(b"")
    with serving(tmp_path) as server:
        yield server


FAULTS: list[int | str] = [500, 502, 503, 504, 408, 425, 429, "drop", "short", "other", "stall"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_transient_fault_is_retried_without_losing_a_byte(
    server: WebServer, delays: list[float], fault: int | str
) -> None:
    with storage.open_input(f"{server.url}/data.bin") as file:
        server.faults.extend([fault, fault])
        file.seek(1000)
        assert file.read(5000) == DATA[1000:6000]
    assert len(delays) == 2
    assert 0.5 <= delays[0] <= 0.625
    assert 1.0 <= delays[1] <= 1.25


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "short"])
def test_a_transient_fault_while_requesting_the_size_is_retried(
    server: WebServer, delays: list[float], fault: int | str
) -> None:
    server.faults.append(fault)
    assert storage.glob(server.url, "data.bin") == [("data.bin", len(DATA))]
    assert len(delays) == 1


@pytest.mark.parametrize(("faults", "reads"), [(len(remote.RETRY_DELAYS), True), (len(remote.RETRY_DELAYS) + 1, False)])
def test_the_number_of_retries_is_limited(server: WebServer, delays: list[float], faults: int, reads: bool) -> None:
    with storage.open_input(f"{server.url}/data.bin") as file:
        server.faults.extend([503] * faults)
        if reads:
            assert file.read(10) == DATA[:10]
        else:
            with pytest.raises(
                OSError, match="reading failed 8 times, the last time with ClientResponseError: 503"
            ) as info:
                file.read(10)
            assert info.value.filename == f"{server.url}/data.bin"
    assert len(delays) == len(remote.RETRY_DELAYS)


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (404, FileNotFoundError, "no such file"),
        (410, FileNotFoundError, "no such file"),
        (401, PermissionError, "no permission to read"),
        (403, PermissionError, "no permission to read"),
        (400, InputError, "the server responded with status 400"),
    ],
)
def test_a_permanent_error_is_raised_at_once_and_names_the_file(
    server: WebServer, delays: list[float], status: int, error: type[Exception], message: str
) -> None:
    server.faults.append(status)
    with pytest.raises(error, match=message) as info:
        storage.open_input(f"{server.url}/data.bin")
    assert f"{server.url}/data.bin" in str(info.value)
    assert delays == []


def test_a_missing_file_matches_no_pattern(server: WebServer) -> None:
    assert storage.glob(server.url, "absent.bin") == []


@pytest.mark.parametrize(("start", "end"), [(0, len(DATA) - 1), (1, len(DATA)), (1000, 1001)])
def test_a_server_without_range_requests_is_an_error(
    server: WebServer, delays: list[float], start: int, end: int
) -> None:
    filesystem, path = storage.url_to_fs(f"{server.url}/data.bin")
    server.faults.extend(["whole", "whole"])
    with pytest.raises(InputError, match="does not support range requests"):
        remote.read_range(filesystem, path, start, end)
    with pytest.raises(InputError, match="does not support range requests"):
        storage.open_input(path)
    assert delays == []


def test_a_request_for_the_whole_file_accepts_the_whole_file(server: WebServer) -> None:
    filesystem, path = storage.url_to_fs(f"{server.url}/data.bin")
    server.faults.append("whole")
    assert remote.read_range(filesystem, path, 0, len(DATA)) == DATA


def test_a_short_page_is_not_accepted_as_the_range(server: WebServer, tmp_path: Path, delays: list[float]) -> None:
    """fsspec itself accepts any response that is no longer than the requested range."""
    with storage.open_input(f"{server.url}/data.bin") as file:
        (tmp_path / "data.bin").write_bytes(b"<html>maintenance</html>")
        server.faults.append("whole")
        file.seek(100)
        with pytest.raises(InputError, match="does not support range requests"):
            file.read(5000)


def test_an_empty_file(server: WebServer) -> None:
    with storage.open_input(f"{server.url}/empty") as file:
        assert file.read() == b""
    assert storage.glob(server.url, "empty") == [("empty", 0)]


def test_a_fingerprint_requests_three_blocks(server: WebServer, tmp_path: Path) -> None:
    assert storage.fingerprint(f"{server.url}/data.bin", len(DATA)) == storage.fingerprint(
        str(tmp_path / "data.bin"), len(DATA)
    )
    assert len(server.ranges) == 3
    assert all(int(last) - int(first) == 65535 for first, last in (r[6:].split("-") for r in server.ranges))


def test_seeking_from_the_start_the_position_and_the_end(server: WebServer) -> None:
    with storage.open_input(f"{server.url}/data.bin") as file:
        assert file.seek(-3, 2) == len(DATA) - 3
        assert file.read() == DATA[-3:]
        assert file.seek(7) == 7
        assert file.seek(3, 1) == 10
        assert file.read(2) == DATA[10:12]
        assert file.seek(5, 2) == len(DATA) + 5
        assert file.read(1) == b""


@pytest.mark.parametrize("failures", [0, 2])
def test_object_stores_are_retried_too(
    s3_server: object, delays: list[float], failures: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = s3_server.new_bucket()  # type: ignore[attr-defined]
    storage.replace(f"{bucket}/data.bin", DATA)
    filesystem, path = storage.url_to_fs(f"{bucket}/data.bin")
    original, remaining = filesystem.cat_file, [failures]

    def cat_file(*args: object, **options: object) -> bytes:
        remaining[0] -= 1
        if remaining[0] == 1:
            raise ConnectionResetError("reset by peer")
        return bytes(original(*args, **options))[: -1 if remaining[0] == 0 else None]

    monkeypatch.setattr(filesystem, "cat_file", cat_file)
    assert remote.read_range(filesystem, path, 5, 5000) == DATA[5:5000]
    assert len(delays) == failures


def test_a_missing_object_is_named_at_once(s3_server: object, delays: list[float]) -> None:
    url = f"{s3_server.new_bucket()}/absent"  # type: ignore[attr-defined]
    with pytest.raises(FileNotFoundError, match="absent"):
        storage.open_input(url)
    assert delays == []


class StatusError(Exception):
    def __init__(self, code: int) -> None:
        self.code = code


class NoCredentialsError(OSError):
    pass


def wrapped(status: int) -> Exception:
    """An error as fsspec's HTTP filesystem wraps a status."""
    error = FileNotFoundError("x")
    error.__cause__ = StatusError(status)
    return error


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (StatusError(499), False),
        (StatusError(500), True),
        (StatusError(404), False),
        (StatusError(429), True),
        (wrapped(503), True),
        (wrapped(403), False),
        (FileNotFoundError("x"), False),
        (PermissionError("x"), False),
        (ConnectionResetError("x"), True),
        (TimeoutError("x"), True),
        (asyncio.TimeoutError("x"), True),
        (OSError("x"), True),
        (EOFError("x"), True),
        (NoCredentialsError("x"), False),
        (ValueError("x"), False),
        (InputError("x"), False),
    ],
)
def test_transient_errors(error: Exception, transient: bool) -> None:
    assert remote.is_transient(error) is transient


@pytest.mark.parametrize(("retry_after", "seconds"), [("7", 7.0), ("600", 60.0), ("soon", 0.5), ("", 0.5)])
def test_a_server_may_ask_for_a_longer_delay(delays: list[float], retry_after: str, seconds: float) -> None:
    error = StatusError(503)
    error.headers = {"Retry-After": retry_after}  # type: ignore[attr-defined]
    errors = iter([error])

    def read() -> str:
        for error in errors:
            raise error
        return "read"

    assert remote.with_retries(read, "x") == "read"
    assert seconds <= delays[0] <= seconds * 1.25
