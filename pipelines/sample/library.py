"""Python's standard library as a source of code, and its docstrings as a source of prose.

It is not bundled but copied from the running interpreter, so the bytes depend on the version of Python.
"""

from __future__ import annotations

import ast
import gzip
import json
import shutil
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

from gristmill.errors import InputError

CODE = (
    *("argparse", "ast", "asyncio", "base64", "bisect", "calendar", "collections", "concurrent", "configparser"),
    *("contextlib", "copy", "csv", "dataclasses", "datetime", "difflib", "enum", "fractions", "functools", "glob"),
    *("gzip", "heapq", "html", "http", "importlib", "inspect", "ipaddress", "json", "logging", "pathlib", "pprint"),
    *("queue", "random", "re", "sched", "shutil", "socketserver", "statistics", "string", "tempfile", "textwrap"),
    *("threading", "tokenize", "traceback", "typing", "urllib", "uuid", "zipfile"),
)
"""Modules and packages whose source is copied: about 3 MB. Modules that a version of Python lacks are skipped."""

NO_PROSE = frozenset({"distutils", "encodings", "idlelib", "lib2to3", "pydoc_data", "this", "turtledemo"})
"""Modules and packages whose docstrings are not used: tables, tools, and deprecated modules."""

LEAST_WORDS = 40
"""Minimum number of words of a module's docstrings; modules with fewer give no document."""

_TESTS = frozenset({"test", "tests", "idle_test"})


def copy_code(target: Path) -> None:
    """Copy the modules of ``CODE`` to ``target``, with their paths in the library."""
    library = _library()
    for path in _sources(library, CODE):
        copy = target / path.relative_to(library)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def write_docstrings(target: Path) -> None:
    """Write a gzipped JSON line ``{"id", "text"}`` for each public module with enough docstrings."""
    library = _library()
    public = (name for name in sys.stdlib_module_names - NO_PROSE if not name.startswith("_"))
    with target.open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as lines:
        for path in _sources(library, public):
            text = docstrings(path.read_bytes())
            if len(text.split()) >= LEAST_WORDS:
                document = {"id": _module_name(path.relative_to(library)), "text": text}
                lines.write(json.dumps(document, ensure_ascii=False).encode() + b"\n")


def docstrings(source: bytes) -> str:
    """The docstrings of a module, its classes and functions, in source order, without repeats."""
    found = (
        (node.lineno if hasattr(node, "lineno") else 0, ast.get_docstring(node))
        for node in _statements(ast.parse(source))
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
    )
    return "\n\n".join(dict.fromkeys(text for _, text in sorted((line, text) for line, text in found if text)))


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield ``node`` and the statements in it. ``ast.walk`` also visits every expression, which takes twice as long."""
    yield node
    for field in ("body", "handlers", "orelse", "finalbody", "cases"):
        for child in getattr(node, field, ()):
            yield from _statements(child)


def _sources(library: Path, names: Iterable[str]) -> Iterator[Path]:
    """The files of the modules and packages ``names``, sorted, without tests."""
    for name in sorted(names):
        for path in sorted([library / f"{name}.py", *(library / name).rglob("*.py")]):
            if path.is_file() and _TESTS.isdisjoint(path.relative_to(library).parts):
                yield path


def _module_name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def _library() -> Path:
    library = Path(sysconfig.get_paths()["stdlib"])
    if not (library / "ast.py").is_file():
        raise InputError(f"no source of Python's library in {library}; run the demo with a Python that has it")
    return library
