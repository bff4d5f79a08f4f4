"""The project modules that a stage's output depends on: found from its imports, hashed by their syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path

from gristmill.pipelines.stage import Stage
from tests.conftest import REPOSITORY

PACKAGES = ("corpus", "extraction", "classifiers", "transforms", "tokenization", "mixing")
"""Packages whose code can affect output. Code of the others (storage, runners) moves bytes and does not shape them."""

STUB = REPOSITORY / "transforms" / "__init__.pyi"


def stage_modules(stage: Stage) -> list[Path]:
    """The modules that a stage imports, directly or not; without recipe sections, whose values are in the key."""
    start = REPOSITORY / f"{type(stage).__module__.removeprefix('gristmill.').replace('.', '/')}.py"
    found: set[Path] = set()
    queue = [start]
    while queue:
        for path in _imports(queue.pop()):
            if path not in found:
                found.add(path)
                queue.append(path)
    return sorted(path for path in found if not path.stem.endswith("_section"))


def code_hash(stage: Stage) -> str:
    """A hash of the syntax trees of the stage's modules, docstrings and comments left out."""
    digest = sha256()
    for path in stage_modules(stage):
        digest.update(f"{path.relative_to(REPOSITORY)}\n{_tree_hash(path)}\n".encode())
    return digest.hexdigest()[:32]


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def _tree_hash(path: Path) -> str:
    return sha256(_dump(parse(path)).encode()).hexdigest()


def _dump(node: object) -> str:
    """Like ``ast.dump``, but equal on every version of Python: empty fields and docstrings are left out."""
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(node) if value not in (None, []))
        return f"{type(node).__name__}({','.join(f'{name}={_dump(value)}' for name, value in fields)})"
    if isinstance(node, list):
        return f"[{','.join(_dump(item) for item in node if not _is_docstring(item))}]"
    return repr(node)


def _is_docstring(node: object) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _imports(path: Path) -> Iterator[Path]:
    names = {
        (*node.module.split("."), alias.name)
        for node in ast.walk(parse(path))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("gristmill")
        for alias in node.names
    }
    exported = _exported()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "transforms":
            yield from filter(None, [exported.get(node.attr)])
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("gristmill."):
            names.add((*node.value.split("."), ""))
    for parts in names:
        yield from _module(parts[1:])


@cache
def _exported() -> dict[str, Path]:
    """The transforms that ``gristmill.transforms`` exports lazily, with their modules."""
    return {
        alias.name: REPOSITORY / "transforms" / f"{node.module.replace('.', '/')}.py"
        for node in parse(STUB).body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }


def _module(parts: tuple[str, ...]) -> Iterator[Path]:
    """The module that a dotted name stands for, which may be a name inside of it."""
    if not parts or parts[0] not in PACKAGES:
        return
    for length in (len(parts), len(parts) - 1):
        path = REPOSITORY.joinpath(*parts[:length])
        if path.with_suffix(".py").is_file():
            yield path.with_suffix(".py")
            return
        if (path / "__init__.py").is_file() and length == len(parts):
            yield path / "__init__.py"
            return
