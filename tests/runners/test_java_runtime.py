"""Which Java versions are accepted."""

from __future__ import annotations

from pathlib import Path

import pytest

from gristmill.errors import InputError
from gristmill.runners.java_runtime import check_java


def fake_java(folder: Path, output: str, status: int = 0) -> str:
    path = folder / "java"
    path.write_text(f"#!/bin/sh\necho '{output}' >&2\nexit {status}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("output", "version"),
    [('openjdk version "17.0.15" 2025-04-15', 17), ('java version "11" 2018-09-25', 11)],
)
def test_supported_versions_are_accepted(tmp_path: Path, output: str, version: int) -> None:
    assert check_java(fake_java(tmp_path, output)) == version


@pytest.mark.parametrize(
    ("output", "status", "message"),
    [
        ('java version "1.8.0_392"', 0, "needs Java 11 to 17, but"),
        ('openjdk version "10.0.2"', 0, "needs Java 11 to 17, but"),
        ('openjdk version "18.0.1"', 0, "needs Java 11 to 17, but"),
        ("command not understood", 0, "does not report its version"),
        ('openjdk version "17.0.15"', 1, "does not report its version"),
    ],
)
def test_other_versions_are_rejected(tmp_path: Path, output: str, status: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_java(fake_java(tmp_path, output, status))


def test_missing_java_is_reported_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be run: install a JRE 11 or 17"):
        check_java(str(tmp_path / "java"))
