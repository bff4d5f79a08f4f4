"""Edits of the two classes of Beam's job servers, on classes with the same instructions, and on a built jar."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import pytest

from gristmill.errors import InputError
from gristmill.runners.job_server_jar import (
    ARTIFACTS,
    SERVER_FACTORY,
    is_restricted,
    listen_on_address,
    restrict_jar,
    serve_no_file,
)

FOR_PORT = b"\x2b\xb6\x00\x06\xb8\x00\x0b"
"""``NettyServerBuilder.forPort(address.getPort())``, with the constants of ``server_factory``."""
FIRST_CASE = b"\x12\x02\xb6\x00\x09\x99\x00\x13\x03\x3d"
"""``if (type.equals("beam:artifact:type:file:v1")) case = 0``, with the constants of ``artifact_service``."""


def text(value: str) -> bytes:
    return b"\x01" + struct.pack(">H", len(value)) + value.encode()


def reference(tag: int, *indices: int) -> bytes:
    return bytes([tag]) + b"".join(struct.pack(">H", index) for index in indices)


def java_class(constants: list[bytes], code: bytes) -> bytes:
    return b"\xca\xfe\xba\xbe\0\0\0\x34" + struct.pack(">H", len(constants) + 1) + b"".join(constants) + code


def server_factory(code: bytes) -> bytes:
    constants = [
        *(text("java/net/InetSocketAddress"), reference(7, 1)),
        *(text("getPort"), text("()I"), reference(12, 3, 4), reference(10, 2, 5)),
        *(text("Builder"), reference(7, 7)),
        *(text("forPort"), reference(12, 9, 12), reference(10, 8, 10), text("(I)LBuilder;")),
    ]
    return java_class(constants, code)


def artifact_service(code: bytes) -> bytes:
    return java_class([text("beam:artifact:type:file:v1"), reference(8, 1), text("other"), reference(8, 3)], code)


def test_servers_listen_on_the_address_that_they_are_given() -> None:
    edited = listen_on_address(server_factory(b"before" + FOR_PORT + b"after"))
    added = [
        *(text("forAddress"), text("(Ljava/net/SocketAddress;)LBuilder;")),
        *(reference(12, 13, 14), reference(10, 8, 15)),
    ]
    head = server_factory(b"")
    assert edited == head[:8] + b"\0\x11" + head[10:] + b"".join(added) + b"before\x2b\0\0\0\xb8\x00\x10after"


def test_files_are_artifacts_of_an_unknown_type() -> None:
    case = b"before" + FIRST_CASE + b"after"
    assert serve_no_file(artifact_service(case)) == artifact_service(case.replace(b"\x03\x3d", b"\x02\x3d"))


@pytest.mark.parametrize(
    ("factory", "artifacts"),
    [
        (b"", FIRST_CASE),
        (FOR_PORT + FOR_PORT, FIRST_CASE),
        (FOR_PORT, b""),
        (FOR_PORT, FIRST_CASE + FIRST_CASE),
        (FOR_PORT, FIRST_CASE.replace(b"\x12\x02", b"\x12\x04")),  # of another type
    ],
)
def test_a_jar_whose_classes_differ_is_reported(tmp_path: Path, factory: bytes, artifacts: bytes) -> None:
    jar = write_jar(tmp_path, factory, artifacts)
    with pytest.raises(InputError, match=r"cannot be kept on the loopback interface .*: set --option jar=…"):
        restrict_jar(jar, refuse_files=True)


def test_a_jar_is_edited_in_place(tmp_path: Path) -> None:
    jar = write_jar(tmp_path, FOR_PORT, FIRST_CASE)
    assert not is_restricted(jar, refuse_files=False)
    restrict_jar(jar, refuse_files=False)
    assert is_restricted(jar, refuse_files=False)
    assert not is_restricted(jar, refuse_files=True)
    with zipfile.ZipFile(jar) as archive:
        assert sorted(archive.namelist()) == sorted([SERVER_FACTORY, ARTIFACTS, "other"])
        assert archive.read(SERVER_FACTORY) == listen_on_address(server_factory(FOR_PORT))
        assert archive.read("other") == b"same"


def test_what_is_not_a_job_server_is_reported(tmp_path: Path) -> None:
    for content in (None, b"text"):
        if content is not None:
            (tmp_path / "some.jar").write_bytes(content)
        assert not is_restricted(tmp_path / "some.jar", refuse_files=True)
    with zipfile.ZipFile(tmp_path / "empty.jar", "w"):
        pass
    with pytest.raises(InputError, match="cannot be kept on the loopback interface"):
        restrict_jar(tmp_path / "empty.jar", refuse_files=True)


def write_jar(folder: Path, factory: bytes, artifacts: bytes) -> Path:
    with zipfile.ZipFile(folder / "server.jar", "w") as archive:
        archive.writestr(SERVER_FACTORY, server_factory(factory))
        archive.writestr(ARTIFACTS, artifact_service(artifacts))
        archive.writestr("other", b"same")
    return folder / "server.jar"
