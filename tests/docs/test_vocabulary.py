"""Names and phrases that were replaced by the field's terms do not come back."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.conftest import REPOSITORY

RETIRED = {
    "Fold",
    "SidecarFold",
    "ShardFold",
    "Closing",
    "UnitEnd",
    "SpreadTasks",
    "EachItem",
    "EachBatch",
    "Parcel",
    "Parcels",
    "post_all",
    "beat",
    "beats",
    "in_vain",
    "Vain",
    "standing",
    "stands",
    "settled",
    "Nursery",
    "nursery",
    "tether",
    "tethered",
    "told",
    "Told",
    "telling",
    "SAY",
    "PRINT",
    "loose",
    "dear",
    "AskDear",
    "rote",
    "Mill",
    "mill",
    "milled",
    "Milled",
    "milling",
    "Books",
    "books",
    "rooms",
    "floors",
    "house",
    "mend",
    "mended",
    "hears",
    "wares",
    "fate",
    "TokenBooks",
    "token_books",
    "UnderWay",
    "under_way",
}
"""Identifiers that may not be defined: classes, functions, parameters, variables, imported aliases."""

RETIRED_MEMBERS = {"whole", "slice", "before", "facts"}
"""Names that may not be members of a class; as local variables they are ordinary words."""

RETIRED_MODULES = {
    "books",
    "loose",
    "faults",
    "nursery",
    "tether",
    "parcels",
    "telling",
    "mill",
    "section",
    "transform",
}

RETIRED_PHRASES = (
    r"what no receipt names",
    r"is nobody's",
    r"\bthe same of (?:two|three|four) words",
    r"at most differ|differ at most",
    r"once that is mended",
    r"(?:goes|go) on from here",
    r"\bin vain\b",
    r"\b(?:the|a|whole|to|of) mills?\b",
    r"\bmilled\b|\bmilling\b",
    r"\bthe books of\b",
    r"\bthe rooms?\b|\bfloors\b",
    r"\bdear (?:one|scorer|step|search)|before dear\b",
    r"\bhears\b|\bwares\b|\bkinsmen\b",
    r"\bmend(?:ed|s)?\b",
    r"\bas it stands\b|\bas they stand\b",
    r"\bturn(?:s|ed)? away\b",
    r"\bwhoever\b|\bwhosoever\b|\bwherein\b|\bthereof\b|\bwhereof\b",
    r"\bcomes? to light\b",
    r"\bbrought? (?:their|its) \w+ down\b",
    r"\bthere are no more of\b",
    r"\bhang(?:s)? on\b",
)

TEXT_SUFFIXES = {".md", ".yaml", ".yml", ".toml", ".tpl", ".sh", ".pxd"}
EXEMPT = (
    "docs/glossary.md",
    "CHANGELOG.md",
    "tests/docs/test_vocabulary.py",
    "benchmarks/results/",
    "pipelines/sample/web/",
)
"""What quotes the retired words, is a record of the past, or is a corpus."""

_PHRASES = re.compile("|".join(RETIRED_PHRASES), re.IGNORECASE)


@cache
def tracked(*suffixes: str) -> list[Path]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True, text=True).stdout.split("\0")
    paths = [REPOSITORY / name for name in listed if name and not name.startswith(EXEMPT)]
    return [path for path in paths if path.suffix in suffixes and path.is_file() and not path.is_symlink()]


@cache
def nodes(path: Path) -> list[ast.AST]:
    """The syntax tree of a module."""
    return list(ast.walk(ast.parse(path.read_text())))


def defined(tree: list[ast.AST]) -> Iterator[str]:
    """Every name that a module defines."""
    for node in tree:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.alias) and node.asname:
            yield node.asname


def members(tree: list[ast.AST]) -> Iterator[str]:
    """Every name that a class of the module defines in its body."""
    for node in tree:
        if isinstance(node, ast.ClassDef):
            for child in node.body:
                if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    yield child.name
                elif isinstance(child, ast.AnnAssign) and isinstance(child.target, ast.Name):
                    yield child.target.id
                elif isinstance(child, ast.Assign):
                    yield from (target.id for target in child.targets if isinstance(target, ast.Name))


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Line numbers and text: of a module its comments and docstrings, and its other strings if it is not a test."""
    text = path.read_text()
    if path.suffix not in {".py", ".pyi"}:
        yield from enumerate(text.splitlines(), 1)
        return
    if _PHRASES.search(text):  # to find comments is slow, and a comment is on one line
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string
    in_tests = path.is_relative_to(REPOSITORY / "tests")
    for node in nodes(path):
        if isinstance(node, ast.Expr) or not in_tests:
            value = node.value if isinstance(node, ast.Expr) else node
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield value.lineno, " ".join(value.value.split())


def test_no_retired_identifier_is_defined() -> None:
    found = {}
    for path in tracked(".py", ".pyi"):
        tree = nodes(path)
        names = (
            (RETIRED & set(defined(tree))) | (RETIRED_MEMBERS & set(members(tree))) | (RETIRED_MODULES & {path.stem})
        )
        if names:
            found[str(path.relative_to(REPOSITORY))] = sorted(names)
    assert found == {}


def test_no_retired_phrase_is_used() -> None:
    found = [
        f"{path.relative_to(REPOSITORY)}:{line}: {match[0]}"
        for path in tracked(".py", ".pyi", *TEXT_SUFFIXES)
        for line, text in prose(path)
        for match in _PHRASES.finditer(text)
    ]
    assert found == []
