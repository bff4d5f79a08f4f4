"""The image uses the pinned versions, and is built from files that exist."""

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
    """Return the instructions by stage; those before the first ``FROM`` have an empty name."""
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


def included_paths() -> list[str]:
    lines = (IMAGE / "Dockerfile.dockerignore").read_text().splitlines()
    return [line[1:] for line in lines if line.startswith("!")]


def test_base_image_has_the_pinned_beam_and_a_supported_python() -> None:
    arguments = dict(value.split("=") for value in values("", "ARG"))
    assert arguments["BEAM"] == pinned("apache-beam")
    requires = re.search(r'^requires-python = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert requires is not None
    assert arguments["PYTHON"] in SpecifierSet(requires[1])
    assert values("worker", "FROM") == ["apache/beam_python${PYTHON}_sdk:${BEAM} AS worker"]


def test_packages_are_installed_with_constraints() -> None:
    installs = [part for run in values("worker", "RUN") for part in run.split("&&") if "pip install" in part]
    assert len(installs) == 2
    assert all("--constraint /src/constraints.txt" in install for install in installs)


def test_extras_exist_in_pyproject() -> None:
    extras = next(value for value in values("worker", "ARG") if value.startswith("EXTRAS="))
    for extra in extras.removeprefix("EXTRAS=").split(","):
        assert re.search(rf"^{extra} = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)


@pytest.mark.parametrize("package", sorted(path.name for path in (ROOT / "gristmill").iterdir() if path.is_symlink()))
def test_every_package_is_included_in_the_build(package: str) -> None:
    assert package in included_paths()


def test_files_of_the_build_exist_and_are_included() -> None:
    taken = [
        *re.findall(r"source=(\S+?),", " ".join(value for kind, value in instructions() if kind == "RUN")),
        *(value.split()[0] for kind, value in instructions() if kind == "COPY" and "--from" not in value),
    ]
    assert len(taken) == 3
    for source in [*taken, *included_paths()]:
        assert (ROOT / source).exists()
    for source in taken:
        assert any(source == entry or source.startswith(f"{entry}/") for entry in included_paths())


def test_worker_keeps_the_entrypoint_and_user_of_beam() -> None:
    assert not values("worker", "ENTRYPOINT") + values("worker", "USER") + values("worker", "CMD")
    assert "RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1" in " ".join(values("worker", "ENV"))


def test_the_sample_runs_without_a_network_at_the_end_of_the_build() -> None:
    worker = stages()["worker"]
    smoke_test = next(i for i, (kind, value) in enumerate(worker) if kind == "RUN" and "--network=none" in value)
    assert "smoke.sh" in worker[smoke_test][1]
    assert {kind for kind, _ in worker[smoke_test + 1 :]} <= {"COMMENT"}


@pytest.mark.parametrize("engine", ["flink", "spark"])
def test_job_servers_are_where_the_profiles_expect_them(engine: str) -> None:
    folder = next(value.split()[-1] for value in values("launcher", "COPY") if "--from=job-servers" in value)
    manifests = yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / engine / "rendered.yaml").read_text())
    profile = yaml.safe_load(next(one for one in manifests if one["kind"] == "ConfigMap")["data"]["runner.yaml"])
    assert profile["jar"] == f"{folder}{engine}-job-server.jar"
    assert f"/{engine}-job-server.jar" in values("job-servers", "COPY")[0]


def test_kubernetes_uses_the_user_of_the_image() -> None:
    user = values("launcher", "USER")[0].split(":")[0]
    assert f"--uid {user}" in " ".join(values("worker", "RUN"))
    manifests = yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / "flink" / "rendered.yaml").read_text())
    job = next(one for one in manifests if one["kind"] == "Job")
    assert [one["securityContext"]["runAsUser"] for one in job["spec"]["template"]["spec"]["containers"]] == [int(user)]
