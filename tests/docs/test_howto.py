"""Every how-to page is applied to a copy of the repository, and its commands are run there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

PAGES = sorted((REPOSITORY / "docs" / "howto").glob("add-*.md"))
KINDS = {
    "add-a-quality-rule",
    "add-a-pii-entity",
    "add-stop-words",
    "add-a-source-format",
    "add-an-extraction-engine",
    "add-a-scorer",
    "add-a-runner-profile",
    "add-a-stage",
}
MAX_FILES = 2
GENERATED = {"docs/recipe.schema.json"}
COMMAND_SECONDS = 300

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TARGET = re.compile(r"^\+\+\+ (?:b/)?(\S+)", re.MULTILINE)
_REMOVED = re.compile(r"^--- (?:a/)?(\S+)\n\+\+\+ /dev/null", re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in a language."""
    return [text for name, text in _FENCE.findall(page.read_text()) if name == language]


def changed_files(page: Path) -> list[str]:
    """The files that the page's worked example changes or creates, except generated files."""
    diffs = "".join(blocks(page, "diff"))
    names = {*_TARGET.findall(diffs), *_REMOVED.findall(diffs)} - {"/dev/null"} - GENERATED
    return sorted(names)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the files that git tracks or would track, and of the compiled modules."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True, text=True).stdout
    compiled = [path for path in REPOSITORY.glob("[a-z]*/**/*.so") if ".venv" not in path.parts]
    names = {*filter(None, listed.split("\0")), *(str(path.relative_to(REPOSITORY)) for path in compiled)}
    for name in names:
        source, target = REPOSITORY / name, tmp_path / name
        if source.is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(os.readlink(source))
        elif source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return tmp_path


def test_there_is_a_page_for_every_kind_of_extension() -> None:
    assert {page.stem for page in PAGES} == KINDS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_an_extension_changes_at_most_two_files_besides_its_test(page: Path) -> None:
    files = changed_files(page)
    tests = [name for name in files if name.startswith("tests/")]
    assert tests, "the worked example has no test"
    assert len(files) - len(tests) in range(1, MAX_FILES + 1), files
    assert f"Files to change: {len(files) - len(tests)} (" in page.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_worked_example_runs(page: Path, copy: Path) -> None:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(copy),
    }
    for diff in blocks(page, "diff"):
        applied = subprocess.run(
            ["git", "apply", "--unidiff-zero", "-"],
            cwd=copy,
            input=diff,
            capture_output=True,
            text=True,
            env={**environment, "GIT_CEILING_DIRECTORIES": str(copy.parent)},
        )
        assert applied.returncode == 0, applied.stderr
    commands = [line[2:] for text in blocks(page, "console") for line in text.splitlines() if line.startswith("$ ")]
    assert commands, "the page runs no command"
    for command in commands:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=COMMAND_SECONDS,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
