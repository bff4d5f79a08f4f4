"""Compares compiled modules with their Python source."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from gristmill.corpus import hashed_words

needs_compiler = pytest.mark.skipif(
    not hashed_words.COMPILED, reason="not compiled: install again with a C compiler to run this test"
)


def uncompiled(module: ModuleType) -> ModuleType:
    """The source of a compiled module, loaded as plain Python."""
    assert module.__file__ is not None
    source = Path(module.__file__).parent / f"{module.__name__.rpartition('.')[2]}.py"
    spec = importlib.util.spec_from_file_location(f"uncompiled_{source.stem}", source)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded
