"""``gristmill.transforms`` imports its Beam transforms on first use, and pure modules load without Beam."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import apache_beam as beam

from gristmill import transforms
from tests.conftest import REPOSITORY

FOLDER = REPOSITORY / "transforms"


def beam_modules() -> list[Path]:
    """The Beam module of each package, which is named after it."""
    return [path for path in sorted(FOLDER.glob("*/*_beam.py")) if path.stem == f"{path.parent.name}_beam"]


def test_every_name_of_the_stub_is_a_transform() -> None:
    assert len(transforms.__all__) > 20
    assert all(issubclass(getattr(transforms, name), beam.PTransform) for name in transforms.__all__)


def test_the_stub_lists_every_public_transform() -> None:
    modules = [import_module(f"gristmill.transforms.{path.parent.name}.{path.stem}") for path in beam_modules()]
    public = {
        value.__name__
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, beam.PTransform)
        and value.__module__ == module.__name__
        and not value.__name__.startswith("_")
    }
    assert public == set(transforms.__all__)


def test_pure_modules_load_without_beam() -> None:
    """Every module below ``transforms/`` except the Beam modules."""
    names = [
        ".".join(("gristmill", *path.relative_to(REPOSITORY).with_suffix("").parts)).removesuffix(".__init__")
        for path in sorted(FOLDER.rglob("*.py"))
        if not path.stem.endswith("_beam")
    ]
    script = (
        "import importlib, sys\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module(name)\n"
        "    assert 'apache_beam' not in sys.modules, f'{name} imports Beam'\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
