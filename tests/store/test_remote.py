"""Reading over a network that fails: what may pass is tried again, what may not is told, nothing is read wrong."""

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
def paused(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited, in place of waiting."""
    pauses: list[float] = []
    monkeypatch.setattr(remote, "sleep", pauses.append)
    monkeypatch.setattr(remote, "ANSWER_SECONDS", 0.3)
    return pauses


@pytest.fixture
def server(tmp_path: Path, paused: list[float]) -> Iterator[WebServer]:
    (tmp_path / "data.bin").write_bytes(DATA)
    (tmp_path / "empty").write_bytes(b"")
    with serving(tmp_path) as server:
        yield server


FAULTS: list[int | str] = [500, 502, 503, 504, 408, 425, 429, "drop", "short", "other", "stall"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_passes_costs_a_pause_and_no_byte(
    server: WebServer, paused: list[float], fault: int | str
) -> None:
    with storage.open_input(f"{server.url}/data.bin") as file:
        server.faults.extend([fault, fault])
        file.seek(1000)
        assert file.read(5000) == DATA[1000:6000]
    assert len(paused) == 2
    assert 0.5 <= paused[0] <= 0.625
    assert 1.0 <= paused[1] <= 1.25


@pytest.mark.parametrize("fault", [one for one in FAULTS if one != "short"])
def test_a_fault_that_passes_when_the_size_is_asked_for(
    server: WebServer, paused: list[float], fault: int | str
) -> None:
    server.faults.append(fault)
    assert storage.glob(server.url, "data.bin") == [("data.bin", len(DATA))]
    assert len(paused) == 1


@pytest.mark.parametrize(("faults", "reads"), [(len(remote.PAUSES), True), (len(remote.PAUSES) + 1, False)])
def test_tries_are_counted(server: WebServer, paused: list[float], faults: int, reads: bool) -> None:
    with storage.open_input(f"{server.url}/data.bin") as file:
        server.faults.extend([503] * faults)
        if reads:
            assert file.read(10) == DATA[:10]
        else:
            with pytest.raises(
                OSError, match="8 tries to read it failed, the last with ClientResponseError: 503"
            ) as info:
                file.read(10)
            assert info.value.filename == f"{server.url}/data.bin"
    assert len(paused) == len(remote.PAUSES)


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (404, FileNotFoundError, "no such file"),
        (410, FileNotFoundError, "no such file"),
        (401, PermissionError, "denies permission"),
        (403, PermissionError, "denies permission"),
        (400, InputError, "the server answers 400"),
    ],
)
def test_what_does_not_pass_fails_at_once_and_names_the_file(
    server: WebServer, paused: list[float], fault: int, kind: type[Exception], words: str
) -> None:
    server.faults.append(fault)
    with pytest.raises(kind, match=words) as info:
        storage.open_input(f"{server.url}/data.bin")
    assert f"{server.url}/data.bin" in str(info.value)
    assert paused == []


def test_a_missing_file_is_found_by_no_pattern(server: WebServer) -> None:
    assert storage.glob(server.url, "absent.bin") == []


@pytest.mark.parametrize(("start", "end"), [(0, len(DATA) - 1), (1, len(DATA)), (1000, 1001)])
def test_a_server_without_ranges_is_told_and_not_read_wrong(
    server: WebServer, paused: list[float], start: int, end: int
) -> None:
    filesystem, path = storage.url_to_fs(f"{server.url}/data.bin")
    server.faults.extend(["whole", "whole"])
    with pytest.raises(InputError, match="gives no ranges of files"):
        remote.read_range(filesystem, path, start, end)
    with pytest.raises(InputError, match="gives no ranges of files"):
        storage.open_input(path)
    assert paused == []


def test_the_whole_file_may_come_whole(server: WebServer) -> None:
    filesystem, path = storage.url_to_fs(f"{server.url}/data.bin")
    server.faults.append("whole")
    assert remote.read_range(filesystem, path, 0, len(DATA)) == DATA


def test_a_short_page_in_place_of_a_range_is_not_taken_for_it(
    server: WebServer, tmp_path: Path, paused: list[float]
) -> None:
    """fsspec's own reader takes any answer for the range that is no longer than the range."""
    with storage.open_input(f"{server.url}/data.bin") as file:
        (tmp_path / "data.bin").write_bytes(b"<html>maintenance</html>")
        server.faults.append("whole")
        file.seek(100)
        with pytest.raises(InputError, match="gives no ranges of files"):
            file.read(5000)


def test_an_empty_file(server: WebServer) -> None:
    with storage.open_input(f"{server.url}/empty") as file:
        assert file.read() == b""
    assert storage.glob(server.url, "empty") == [("empty", 0)]


def test_a_fingerprint_asks_for_what_it_needs(server: WebServer, tmp_path: Path) -> None:
    assert storage.fingerprint(f"{server.url}/data.bin", len(DATA)) == storage.fingerprint(
        str(tmp_path / "data.bin"), len(DATA)
    )
    assert len(server.ranges) == 3
    assert all(int(one[6:].split("-")[1]) - int(one[6:].split("-")[0]) == 65535 for one in server.ranges)


def test_a_file_is_seekable_from_its_start_here_and_end(server: WebServer) -> None:
    with storage.open_input(f"{server.url}/data.bin") as file:
        assert file.seek(-3, 2) == len(DATA) - 3
        assert file.read() == DATA[-3:]
        assert file.seek(7) == 7
        assert file.seek(3, 1) == 10
        assert file.read(2) == DATA[10:12]
        assert file.seek(5, 2) == len(DATA) + 5
        assert file.read(1) == b""


@pytest.mark.parametrize("failures", [0, 2])
def test_objects_of_a_store_are_read_again_too(
    s3_server: object, paused: list[float], failures: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = s3_server.new_bucket()  # type: ignore[attr-defined]
    storage.replace(f"{bucket}/data.bin", DATA)
    filesystem, path = storage.url_to_fs(f"{bucket}/data.bin")
    real, left = filesystem.cat_file, [failures]

    def cat_file(*args: object, **options: object) -> bytes:
        left[0] -= 1
        if left[0] == 1:
            raise ConnectionResetError("reset by peer")
        return bytes(real(*args, **options))[: -1 if left[0] == 0 else None]

    monkeypatch.setattr(filesystem, "cat_file", cat_file)
    assert remote.read_range(filesystem, path, 5, 5000) == DATA[5:5000]
    assert len(paused) == failures


def test_a_missing_object_is_named_at_once(s3_server: object, paused: list[float]) -> None:
    url = f"{s3_server.new_bucket()}/absent"  # type: ignore[attr-defined]
    with pytest.raises(FileNotFoundError, match="absent"):
        storage.open_input(url)
    assert paused == []


class RefusalError(Exception):
    def __init__(self, code: int) -> None:
        self.code = code


class NoCredentialsError(OSError):
    pass


def hidden(status: int) -> Exception:
    """As fsspec's web filesystem hides a status."""
    error = FileNotFoundError("x")
    error.__cause__ = RefusalError(status)
    return error


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (RefusalError(499), False),
        (RefusalError(500), True),
        (RefusalError(404), False),
        (RefusalError(429), True),
        (hidden(503), True),
        (hidden(403), False),
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
def test_what_may_pass(error: Exception, passes: bool) -> None:
    assert remote.may_pass(error) is passes


@pytest.mark.parametrize(("asked", "waited"), [("7", 7.0), ("600", 60.0), ("soon", 0.5), ("", 0.5)])
def test_a_server_may_ask_for_a_longer_pause(paused: list[float], asked: str, waited: float) -> None:
    error = RefusalError(503)
    error.headers = {"Retry-After": asked}  # type: ignore[attr-defined]
    answers = iter([error])

    def read() -> str:
        for one in answers:
            raise one
        return "read"

    assert remote.patiently(read, "x") == "read"
    assert waited <= paused[0] <= waited * 1.25
