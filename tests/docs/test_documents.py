"""The documentation agrees with the code."""

from __future__ import annotations

import json
import re

import pytest

from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stages import STAGES
from tests.conftest import REPOSITORY


def test_the_published_schema_is_current() -> None:
    published = json.loads((REPOSITORY / "docs" / "recipe.schema.json").read_text())
    assert published == Recipe.model_json_schema(), "run `make schema`"


def test_the_architecture_names_every_stage_directory() -> None:
    text = (REPOSITORY / "docs" / "architecture.md").read_text()
    assert [stage.name for stage in STAGES if f"| `{stage.name}` |" not in text] == []


def test_every_dependency_is_documented_and_pinned() -> None:
    tomllib = pytest.importorskip("tomllib")  # Python 3.11
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    requirements = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    names = {re.split(r"[\[<>=]", name)[0] for name in requirements}
    documented = (REPOSITORY / "docs" / "dependencies.md").read_text()
    pinned = (REPOSITORY / "constraints.txt").read_text().lower().replace("_", "-")
    assert {name for name in names if name not in documented} == set()
    assert {name for name in names if f"{name.lower().replace('_', '-')}==" not in pinned} == set()
