"""Makes the jar of a Beam job server listen on the loopback interface only, and refuse to serve files.

Beam (2.62 to 2.77) starts each of its Java servers, in the job server, in TaskManagers and in executors, with
``NettyServerBuilder.forPort(address.getPort())``: on all addresses, without authentication, whatever host the address
names. One of them, ``ArtifactRetrievalService``, serves any file that its process can read. No option changes either,
so two classes of the jar are edited: the first is to call ``forAddress(address)``, and the second is to treat an
artifact that is a file as one of an unknown type. Workers of a pool have Gristmill installed and fetch no artifacts.
"""

from __future__ import annotations

import re
import struct
import zipfile
from pathlib import Path
from typing import NamedTuple

from gristmill.errors import InputError

SERVER_FACTORY = "org/apache/beam/sdk/fn/server/ServerFactory$InetSocketAddressServerFactory.class"
ARTIFACTS = "org/apache/beam/runners/fnexecution/artifact/ArtifactRetrievalService.class"

_UTF8, _METHOD, _NAME_AND_TYPE, _STRING = 1, 10, 12, 8
_SIZES = {3: 5, 4: 5, 5: 9, 6: 9, 7: 3, 8: 3, 9: 5, 10: 5, 11: 5, 12: 5, 15: 4, 16: 3, 17: 5, 18: 5, 19: 3, 20: 3}
"""Bytes of a constant by its tag; those of a string (1) vary. Longs and doubles (5 and 6) count as two constants."""

_NO_OPERATION, _ALOAD_1, _INVOKE_VIRTUAL, _INVOKE_STATIC = b"\x00", b"\x2b", b"\xb6", b"\xb8"
_FIRST_CASE = re.compile(rb"\x12(.)\xb6..\x99..(\x03)\x3d", re.DOTALL)
"""``if (type.equals(CONSTANT)) case = 0``: ldc, invokevirtual, ifeq, iconst_0, istore_2."""
_ICONST_M1 = b"\x02"


class _Constants(NamedTuple):
    """The constant pool of a class: its entries by index, without and with their tag, and the offset of its end."""

    entries: dict[int, bytes]
    size: int
    end: int

    def text(self, index: int) -> str:
        return self.entries[index][3:].decode("utf-8", "replace")

    def methods(self) -> dict[int, tuple[str, str, int]]:
        """Name, descriptor and class of each method reference."""
        found = {}
        for index, entry in self.entries.items():
            if entry[0] == _METHOD:
                owner, name_and_type = struct.unpack(">HH", entry[1:])
                name, descriptor = struct.unpack(">HH", self.entries[name_and_type][1:])
                found[index] = self.text(name), self.text(descriptor), owner
        return found


def restrict_jar(jar: Path, refuse_files: bool) -> None:
    """Edit ``jar`` in place, so that its servers listen on loopback and, with ``refuse_files``, serve no files.

    Raises InputError if it is not the jar of a job server whose classes can be edited.
    """
    edits = {SERVER_FACTORY: listen_on_address, **({ARTIFACTS: serve_no_file} if refuse_files else {})}
    try:
        with zipfile.ZipFile(jar, "a") as archive:
            for name, edit in edits.items():
                edited, original = edit(archive.read(name)), archive.getinfo(name)
                archive.filelist.remove(original)  # an entry that the jar's directory does not list does not exist
                del archive.NameToInfo[name]
                archive.writestr(name, edited, zipfile.ZIP_DEFLATED)
    except (OSError, KeyError, ValueError, IndexError, struct.error, zipfile.BadZipFile) as error:
        raise InputError(
            f"the servers of {jar} cannot be kept on the loopback interface ({error}): set --option jar=… to the job "
            "server of a Beam release from 2.62 to 2.77, or use a running one with --option job_endpoint=host:port"
        ) from error


def is_restricted(jar: Path, refuse_files: bool) -> bool:
    """Whether ``restrict_jar`` has edited ``jar``."""
    try:
        with zipfile.ZipFile(jar) as archive:
            server, artifacts = archive.read(SERVER_FACTORY), archive.read(ARTIFACTS)
    except (OSError, KeyError, zipfile.BadZipFile):
        return False
    return b"forAddress" in server and not (refuse_files and _file_cases(artifacts))


def listen_on_address(content: bytes) -> bytes:
    """Return the class with ``forAddress(address)`` for ``forPort(address.getPort())``.

    Raises ValueError unless it has exactly one such call.
    """
    pool = _constants(content)
    methods = pool.methods()
    get_port = _index(methods, "getPort", "()I", content)
    for_port, (_, descriptor, owner) = next(
        (index, method) for index, method in methods.items() if method[0] == "forPort"
    )
    call = _ALOAD_1 + _INVOKE_VIRTUAL + _u2(get_port) + _INVOKE_STATIC + _u2(for_port)
    _require_one(content.count(call), "call of forPort")
    name, kind, pair, method = range(pool.size, pool.size + 4)
    added = [
        _utf8("forAddress"),
        _utf8(descriptor.replace("(I)", "(Ljava/net/SocketAddress;)")),
        bytes([_NAME_AND_TYPE]) + _u2(name) + _u2(kind),
        bytes([_METHOD]) + _u2(owner) + _u2(pair),
    ]
    replacement = _ALOAD_1 + 3 * _NO_OPERATION + _INVOKE_STATIC + _u2(method)
    code = content[pool.end :].replace(call, replacement)
    return content[:8] + _u2(pool.size + len(added)) + content[10 : pool.end] + b"".join(added) + code


def serve_no_file(content: bytes) -> bytes:
    """Return the class with artifacts of the type ``file`` treated as those of an unknown type.

    Raises ValueError unless it distinguishes types in exactly one place.
    """
    places = _file_cases(content)
    _require_one(len(places), "case for files")
    return content[: places[0]] + _ICONST_M1 + content[places[0] + 1 :]


def _file_cases(content: bytes) -> list[int]:
    """Return the offsets of the instructions that select the case of a switch for artifacts that are files."""
    pool = _constants(content)
    files = {
        index
        for index, entry in pool.entries.items()
        if entry[0] == _STRING and pool.text(*struct.unpack(">H", entry[1:])) == "beam:artifact:type:file:v1"
    }
    return [match.start(2) for match in _FIRST_CASE.finditer(content, pool.end) if match[1][0] in files]


def _constants(content: bytes) -> _Constants:
    if content[:4] != b"\xca\xfe\xba\xbe":
        raise ValueError("not a Java class")
    (count,) = struct.unpack(">H", content[8:10])
    entries, at, index = {}, 10, 1
    while index < count:
        tag = content[at]
        size = 3 + struct.unpack(">H", content[at + 1 : at + 3])[0] if tag == _UTF8 else _SIZES[tag]
        entries[index] = content[at : at + size]
        at += size
        index += 2 if tag in (5, 6) else 1
    return _Constants(entries, count, at)


def _index(methods: dict[int, tuple[str, str, int]], name: str, descriptor: str, content: bytes) -> int:
    """Return the index of the one method that the class calls on its second argument right before ``forPort``."""
    found = [
        index
        for index, method in methods.items()
        if method[:2] == (name, descriptor) and _ALOAD_1 + _INVOKE_VIRTUAL + _u2(index) + _INVOKE_STATIC in content
    ]
    _require_one(len(found), f"call of {name}")
    return found[0]


def _require_one(count: int, what: str) -> None:
    if count != 1:
        raise ValueError(f"one {what} expected, {count} found")


def _utf8(text: str) -> bytes:
    return bytes([_UTF8]) + _u2(len(text)) + text.encode()


def _u2(number: int) -> bytes:
    return struct.pack(">H", number)
