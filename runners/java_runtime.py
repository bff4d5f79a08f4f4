"""The Java that Flink, Spark and their job servers run on: which versions work, and the options they need."""

from __future__ import annotations

import re
import subprocess

from gristmill.errors import InputError

ADD_OPENS = tuple(
    f"--add-opens=java.base/{package}=ALL-UNNAMED"
    for package in (
        "java.lang",
        "java.util",
        "java.lang.invoke",
        "java.net",
        "java.io",
        "java.util.concurrent",
        "java.nio",
        "java.time",
        "java.lang.reflect",
        "sun.nio.ch",
    )
)
"""JVM options that open the packages on which Flink, Spark and Beam use reflection; Java 16 closed them."""

_SUPPORTED = (11, 17)


def check_java(command: str) -> int:
    """Return the major version of ``command``. Raises InputError if it is missing, or if Flink or Spark reject it."""
    remedy = "install a JRE 11 or 17, set --option java=PATH, or use a running job server with --option job_endpoint"
    try:
        result = subprocess.run([command, "-version"], capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"the job server needs Java, but {command!r} cannot be run: {remedy}") from error
    match = re.search(r'version "(\d+)', result.stderr + result.stdout)
    if result.returncode or match is None:
        raise InputError(f"the job server needs Java, but {command!r} does not report its version: {remedy}")
    version = int(match[1])
    oldest, newest = _SUPPORTED
    if not oldest <= version <= newest:
        raise InputError(f"the job server needs Java {oldest} to {newest}, but {command!r} is {version}: {remedy}")
    return version
