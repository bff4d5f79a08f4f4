"""The images use the pinned versions, and are built from files that exist."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml
from dockerfile_parse import DockerfileParser
from packaging.specifiers import SpecifierSet

from deploy.image import pin

ROOT = Path(__file__).resolve().parents[2]
IMAGE = ROOT / "deploy" / "image"
TRAINER = ROOT / "deploy" / "trainer" / "Dockerfile"

Instruction = tuple[str, str]


def instructions(path: Path = IMAGE / "Dockerfile") -> list[Instruction]:
    parsed = DockerfileParser(fileobj=path.open("rb"))
    return [(one["instruction"], " ".join(one["value"].split())) for one in parsed.structure]


def stages(path: Path = IMAGE / "Dockerfile") -> dict[str, list[Instruction]]:
    """Return the instructions by stage; those before the first ``FROM`` have an empty name."""
    found: dict[str, list[Instruction]] = {"": []}
    for kind, value in instructions(path):
        if kind == "FROM":
            found[value.partition(" AS ")[2] or value] = []
        list(found.values())[-1].append((kind, value))
    return found


def values(stage: str, kind: str) -> list[str]:
    return [value for instruction, value in stages()[stage] if instruction == kind]


def pinned(package: str) -> str:
    found = re.search(rf"^{package}==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def included_paths() -> list[str]:
    lines = (IMAGE / "Dockerfile.dockerignore").read_text().splitlines()
    return [line[1:] for line in lines if line.startswith("!")]


def test_base_image_has_the_pinned_beam_and_a_supported_python() -> None:
    arguments = dict(value.split("=") for value in values("", "ARG"))
    assert arguments["BEAM"] == pinned("apache-beam")
    requires = re.search(r'^requires-python = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert requires is not None
    assert arguments["PYTHON"] in SpecifierSet(requires[1])
    (base,) = values("packages", "FROM")
    assert re.fullmatch(r"apache/beam_python\$\{PYTHON\}_sdk:\$\{BEAM\}(@sha256:[0-9a-f]{64})? AS packages", base)


@pytest.mark.parametrize("path", [IMAGE / "Dockerfile", TRAINER], ids=["image", "trainer"])
def test_packages_are_locked_and_in_layers_below_gristmill(path: Path) -> None:
    built = stages(path)
    installs = [
        (stage, part)
        for stage, parts in built.items()
        for kind, value in parts
        if kind == "RUN"
        for part in re.split(r"&&|;", value)
        if re.search(r"pip (install|wheel)", part)
    ]
    assert {stage for stage, part in installs if "--require-hashes" in part} == {"packages", "wheel"}
    for _, part in installs:
        is_own_wheel = "--no-index /wheel/*.whl" in part or "pip wheel --no-deps --no-build-isolation" in part
        assert is_own_wheel or ("--require-hashes" in part and "/lock/" in part)
    for stage, parts in built.items():  # what changes with the code is the last thing that an image gets
        own = [i for i, (kind, value) in enumerate(parts) if kind == "RUN" and "--no-index" in value]
        for i in own:
            later = [(kind, value) for kind, value in parts[i + 1 :] if kind in {"RUN", "COPY", "ADD"}]
            assert all("--network=none" in value for _, value in later), stage


def test_lock_of_the_image_exists() -> None:
    extras = next(value for value in values("packages", "ARG") if value.startswith("EXTRAS="))
    assert (ROOT / "deploy" / "lock" / f"{extras.removeprefix('EXTRAS=')}.txt").exists()


@pytest.mark.parametrize("package", sorted(path.name for path in (ROOT / "gristmill").iterdir() if path.is_symlink()))
def test_every_package_is_included_in_the_build(package: str) -> None:
    assert package in included_paths()


def test_files_of_the_build_exist_and_are_included() -> None:
    taken = [
        *re.findall(r"source=([^/]\S*?),", " ".join(value for kind, value in instructions() if kind == "RUN")),
        *(value.split()[0] for kind, value in instructions() if kind == "COPY" and "--from" not in value),
    ]
    assert len(taken) == 5
    for source in [*taken, *included_paths()]:
        assert (ROOT / source).exists()
    for source in taken:
        assert any(source == entry or source.startswith(f"{entry}/") for entry in included_paths())


def test_sdk_keeps_the_entrypoint_and_user_of_beam() -> None:
    assert not [
        value
        for kind in ("ENTRYPOINT", "USER", "CMD")
        for stage in ("packages", "sdk")
        for value in values(stage, kind)
    ]
    assert not values("worker", "ENTRYPOINT") + values("worker", "CMD")
    assert "RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1" in " ".join(values("packages", "ENV"))


@pytest.mark.parametrize(
    ("path", "stage"), [(IMAGE / "Dockerfile", "worker"), (IMAGE / "Dockerfile", "launcher"), (TRAINER, "trainer")]
)
def test_images_of_pods_have_an_unprivileged_user(path: Path, stage: str) -> None:
    assert [value for kind, value in stages(path)[stage] if kind == "USER"] == ["10001:10001"]


def test_the_sample_runs_without_a_network_at_the_end_of_the_build() -> None:
    sdk = stages()["sdk"]
    smoke_test = next(i for i, (kind, value) in enumerate(sdk) if kind == "RUN" and "--network=none" in value)
    assert "smoke.sh" in sdk[smoke_test][1]
    assert {kind for kind, _ in sdk[smoke_test + 1 :]} <= {"COMMENT"}


@pytest.mark.parametrize("engine", ["flink", "spark"])
def test_job_servers_are_where_the_profiles_expect_them(engine: str) -> None:
    folder = next(value.split()[-1] for value in values("launcher", "COPY") if "--from=job-servers" in value)
    manifests = yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / engine / "rendered.yaml").read_text())
    profile = yaml.safe_load(next(one for one in manifests if one["kind"] == "ConfigMap")["data"]["runner.yaml"])
    assert profile["jar"] == f"{folder}{engine}-job-server.jar"
    assert f"/{engine}-job-server.jar" in values("job-servers", "COPY")[0]


def test_kubernetes_uses_the_user_of_the_image() -> None:
    user = values("launcher", "USER")[0].split(":")[0]
    assert f"--uid {user}" in " ".join(values("packages", "RUN"))
    manifests = yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / "flink" / "rendered.yaml").read_text())
    job = next(one for one in manifests if one["kind"] == "Job")
    assert [one["securityContext"]["runAsUser"] for one in job["spec"]["template"]["spec"]["containers"]] == [int(user)]


DIGEST = f"sha256:{'5' * 64}"


class Registry(BaseHTTPRequestHandler):
    """A registry with one image, which gives its digest to clients that asked for an anonymous token before."""

    def do_GET(self) -> None:
        self._answer(200, {}, json.dumps({"token": "anonymous"}).encode())

    def do_HEAD(self) -> None:
        if self.headers["Authorization"] != "Bearer anonymous":
            realm = f"http://127.0.0.1:{self.server.server_port}/token"  # type: ignore[attr-defined]
            self._answer(401, {"WWW-Authenticate": f'Bearer realm="{realm}",service="here",scope="pull"'})
        elif self.path == "/v2/team/image/manifests/1.0":
            self._answer(200, {"Docker-Content-Digest": DIGEST})
        else:
            self._answer(404, {})

    def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Prints nothing."""


@pytest.fixture
def registry() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Registry) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_digest_is_read_from_a_registry(registry: str) -> None:
    assert pin.digest_of(f"{registry}/team/image:1.0", "http") == DIGEST
    with pytest.raises(OSError, match="404"):
        pin.digest_of(f"{registry}/team/image:2.0", "http")


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("python:3.11-slim", ("registry-1.docker.io", "library/python", "3.11-slim")),
        ("apache/spark:3.5.6", ("registry-1.docker.io", "apache/spark", "3.5.6")),
        ("gcr.io/a/b:latest", ("gcr.io", "a/b", "latest")),
        ("localhost:5000/a:1", ("localhost:5000", "a", "1")),
    ],
)
def test_names_of_images_have_a_registry(name: str, image: tuple[str, str, str]) -> None:
    assert pin.parse_image(name) == image


def test_every_foreign_image_can_be_pinned() -> None:
    asked: list[str] = []

    def digest(name: str) -> str:
        asked.append(name)
        return DIGEST

    for name in pin.FILES:
        text = (pin.DEPLOY / name).read_text()
        pinned = pin.pin(text, digest)
        assert re.sub(r"@sha256:[0-9a-f]{64}", "", pinned) == re.sub(r"@sha256:[0-9a-f]{64}", "", text)
        assert pin.pin(pinned, digest) == pinned
    assert set(asked) == {
        "apache/beam_python3.11_sdk:2.77.0",
        "apache/spark:3.5.6-scala2.12-java17-ubuntu",
        "flink:1.20.5-scala_2.12-java17",
        "gcr.io/dataflow-templates-base/python311-template-launcher-base:latest",
        "maven:3.9-eclipse-temurin-17",
        "python:3.11-slim",
    }
