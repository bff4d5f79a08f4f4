"""The parts of a cluster: each is fetched or built once and cached under a name that contains its version."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from gristmill.errors import InputError, RunError
from gristmill.runners.java_runtime import check_java
from gristmill.runners.job_server_jar import restrict_jar

FLINK = "1.20.5"
SPARK = "3.5.6"

_BEAM_GO = "github.com/apache/beam/sdks/v2"
_PRISM_SERVER = "go/pkg/beam/runners/prism/internal/jobservices/server.go"
_PRISM_LISTENER = 'net.Listen("tcp", fmt.Sprintf(":%d", port))'  # in Beam 2.77

_POM = Path(__file__).parent.parent / "job-server" / "pom.xml"


def java() -> str:
    """Return the Java of ``$JAVA_HOME`` or the PATH. Raises InputError if Flink and Spark do not run on it."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin" if home else None)
    if found is None:
        raise InputError("Java is not installed: install a Java 17 runtime, or set JAVA_HOME to one")
    check_java(found)
    return found


def job_server(engine: str, cache: Path) -> Path:
    """Return the jar of Beam's job server for an engine, assembled by Maven."""
    name = f"{engine}-job-server.jar"

    def build(folder: Path, log: Path) -> None:
        maven = _tool("mvn", "Maven, which assembles the job server (Debian: apt-get install maven)")
        command = [maven, "--batch-mode", "--quiet", "--file", str(_POM), "--activate-profiles", engine]
        _run([*command, f"-Dtarget.directory={folder}", "package"], log)
        restrict_jar(folder / name, refuse_files=True)

    return _cached(cache, f"{engine}-job-server-{_digest(_POM)}-loopback", build) / name


def flink(cache: Path) -> Path:
    """Return the folder of Flink's libraries."""
    return _package("apache-flink-libraries", FLINK, cache) / "pyflink"


def spark(cache: Path) -> Path:
    """Return the home folder of Spark."""
    return _package("pyspark", SPARK, cache) / "pyspark"


def prism(cache: Path) -> Path:
    """Return the binary of Prism, in the version of the installed Beam; it listens on the loopback interface only."""
    beam = version("apache-beam")

    def build(folder: Path, log: Path) -> None:
        go = _tool("go", "Go, which builds Prism (https://go.dev/doc/install)")
        downloaded = subprocess.run(
            [go, "mod", "download", "-json", f"{_BEAM_GO}@v{beam}"], capture_output=True, text=True, check=False
        )
        if downloaded.returncode:
            raise RunError(f"go cannot download {_BEAM_GO}@v{beam}: {' '.join(downloaded.stdout.split())[-300:]}")
        with tempfile.TemporaryDirectory(dir=cache) as copy:
            source = Path(copy, "beam")
            shutil.copytree(json.loads(downloaded.stdout)["Dir"], source, copy_function=shutil.copyfile)
            server = source / _PRISM_SERVER
            server.parent.chmod(0o755)  # Go's cache is read-only, and so are copies of its folders
            server.write_text(loopback_prism(server.read_text()))
            _run([go, "-C", str(source), "build", "-o", str(folder / "prism"), "./go/cmd/prism"], log)

    return _cached(cache, f"prism-{beam}-loopback", build) / "prism"


def loopback_prism(server: str) -> str:
    """Return Prism's ``server.go`` with its listener, which has no option for the address, on loopback.

    Raises RunError if Beam has changed that listener.
    """
    if server.count(_PRISM_LISTENER) != 1:
        raise RunError(
            f"Prism no longer listens with {_PRISM_LISTENER}: adapt loopback_prism in deploy/local/cluster_parts.py to "
            "this version of Beam"
        )
    return server.replace(_PRISM_LISTENER, _PRISM_LISTENER.replace(":%d", "127.0.0.1:%d"))


def _package(name: str, wanted: str, cache: Path) -> Path:
    def install(folder: Path, log: Path) -> None:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--progress-bar", "off", "--no-deps", "--no-compile"]
        _run([*pip, "--target", str(folder), f"{name}=={wanted}"], log)

    return _cached(cache, f"{name}-{wanted}", install)


def _cached(cache: Path, name: str, build: Callable[[Path, Path], None]) -> Path:
    """Return the folder ``name`` of the cache; it is built in a temporary folder and renamed, so it is complete."""
    entry = cache / name
    if entry.is_dir():
        return entry
    cache.mkdir(parents=True, exist_ok=True)
    print(f"building {name} in {cache}", file=sys.stderr)
    temporary = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=cache))
    try:
        build(temporary, cache / f"{name}.log")
        temporary.chmod(0o755)
        try:
            temporary.rename(entry)
        except OSError:
            if not entry.is_dir():  # otherwise another process built it meanwhile
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return entry


def _run(command: list[str], log: Path, environment: dict[str, str] | None = None) -> None:
    """Run a command with its output in ``log``. Raises RunError if it fails."""
    with log.open("wb") as file:
        result = subprocess.run(
            command,
            stdout=file,
            stderr=file,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
            check=False,
        )
    if result.returncode:
        raise RunError(f"{Path(command[0]).name} failed with exit status {result.returncode}: see {log}")
    log.unlink()


def _tool(name: str, what: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise InputError(f"{name} is not installed: install {what}")
    return found


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]
