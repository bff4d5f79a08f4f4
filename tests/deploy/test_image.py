"""The image is of the versions that everything else is of, and is made of files that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from dockerfile_parse import DockerfileParser
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[2]
IMAGE = ROOT / "deploy" / "image"

Instruction = tuple[str, str]


def instructions() -> list[Instruction]:
    parsed = DockerfileParser(fileobj=(IMAGE / "Dockerfile").open("rb"))
    return [(one["instruction"], " ".join(one["value"].split())) for one in parsed.structure]


def stages() -> dict[str, list[Instruction]]:
    """Instructions by the stage's name; those before the first ``FROM`` below an empty one."""
    found: dict[str, list[Instruction]] = {"": []}
    for kind, value in instructions():
        if kind == "FROM":
            found[value.split(" AS ")[1]] = []
        list(found.values())[-1].append((kind, value))
    return found


def values(stage: str, kind: str) -> list[str]:
    return [value for instruction, value in stages()[stage] if instruction == kind]


def pinned(package: str) -> str:
    found = re.search(rf"^{package}==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def let_in() -> list[str]:
    lines = (IMAGE / "Dockerfile.dockerignore").read_text().splitlines()
    return [line[1:] for line in lines if line.startswith("!")]


def test_base_is_of_the_pinned_beam_and_a_python_that_we_support() -> None:
    given = dict(value.split("=") for value in values("", "ARG"))
    assert given["BEAM"] == pinned("apache-beam")
    requires = re.search(r'^requires-python = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert requires is not None
    assert given["PYTHON"] in SpecifierSet(requires[1])
    assert values("worker", "FROM") == ["apache/beam_python${PYTHON}_sdk:${BEAM} AS worker"]


def test_all_is_installed_in_pinned_versions() -> None:
    installs = [part for run in values("worker", "RUN") for part in run.split("&&") if "pip install" in part]
    assert len(installs) == 2
    assert all("--constraint /src/constraints.txt" in install for install in installs)


def test_extras_are_the_packages() -> None:
    extras = next(value for value in values("worker", "ARG") if value.startswith("EXTRAS="))
    for extra in extras.removeprefix("EXTRAS=").split(","):
        assert re.search(rf"^{extra} = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)


@pytest.mark.parametrize("room", sorted(path.name for path in (ROOT / "gristmill").iterdir() if path.is_symlink()))
def test_every_room_of_the_package_is_let_into_the_build(room: str) -> None:
    assert room in let_in()


def test_files_that_the_build_takes_are_there_and_let_in() -> None:
    taken = [
        *re.findall(r"source=(\S+?),", " ".join(value for kind, value in instructions() if kind == "RUN")),
        *(value.split()[0] for kind, value in instructions() if kind == "COPY" and "--from" not in value),
    ]
    assert len(taken) == 3
    for source in [*taken, *let_in()]:
        assert (ROOT / source).exists()
    for source in taken:
        assert any(source == entry or source.startswith(f"{entry}/") for entry in let_in())


def test_entrypoint_and_user_of_the_worker_are_beams() -> None:
    assert not values("worker", "ENTRYPOINT") + values("worker", "USER") + values("worker", "CMD")
    assert "RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1" in " ".join(values("worker", "ENV"))


def test_the_mill_is_tried_without_a_network_once_all_is_there() -> None:
    worker = stages()["worker"]
    tried = next(i for i, (kind, value) in enumerate(worker) if kind == "RUN" and "--network=none" in value)
    assert "smoke.sh" in worker[tried][1]
    assert {kind for kind, _ in worker[tried + 1 :]} <= {"COMMENT"}


@pytest.mark.parametrize("engine", ["flink", "spark"])
def test_job_servers_lie_where_the_profiles_look(engine: str) -> None:
    folder = next(value.split()[-1] for value in values("launcher", "COPY") if "--from=job-servers" in value)
    manifests = yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / engine / "rendered.yaml").read_text())
    profile = yaml.safe_load(next(one for one in manifests if one["kind"] == "ConfigMap")["data"]["runner.yaml"])
    assert profile["jar"] == f"{folder}{engine}-job-server.jar"
    assert f"/{engine}-job-server.jar" in values("job-servers", "COPY")[0]


def test_kubernetes_runs_it_as_the_user_that_it_makes() -> None:
    user = values("launcher", "USER")[0].split(":")[0]
    assert f"--uid {user}" in " ".join(values("worker", "RUN"))
    manifests = yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / "flink" / "rendered.yaml").read_text())
    job = next(one for one in manifests if one["kind"] == "Job")
    assert [one["securityContext"]["runAsUser"] for one in job["spec"]["template"]["spec"]["containers"]] == [int(user)]
