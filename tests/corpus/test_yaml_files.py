"""YAML files of users: each error is one sentence that names the file, and no file takes much time or memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gristmill.corpus.yaml_files import MAX_BYTES, MAX_DEPTH, MAX_VALUES, apply_override, read_mapping
from gristmill.errors import InputError


def doubling(levels: int) -> str:
    """Lists of which each holds the one before it twice."""
    lines = [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, levels)]
    return "\n".join(["a0: &a0 [x, x]", *lines])


def merges(levels: int) -> str:
    """Mappings of which each merges the one before it twice."""
    lines = [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, levels)]
    return "\n".join(["a0: &a0 {k: 1}", *lines])


def chain(levels: int) -> str:
    """Lists of which each holds the one before it."""
    return "\n".join(["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, levels))])


def read(path: Path, text: str | bytes) -> dict[str, Any]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_mapping(str(path), "recipe", "a mapping")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1", {"a": 1}),
        ("a: &x [1, 2]\nb: *x\n", {"a": [1, 2], "b": [1, 2]}),
        ("a: &x {k: 1}\nb: {<<: *x, l: 2}\n", {"a": {"k": 1}, "b": {"k": 1, "l": 2}}),
        (f"a: {'[' * (MAX_DEPTH - 2)}{']' * (MAX_DEPTH - 2)}", None),
        (chain(MAX_DEPTH - 2), None),
        (doubling(12), None),
        (f"a: {'9' * 100}", None),
        (f"a: {'x' * 5000}", None),
    ],
)
def test_what_is_within_the_bounds_is_read(tmp_path: Path, text: str, expected: dict[str, Any] | None) -> None:
    found = read(tmp_path / "r.yaml", text)
    assert expected is None or found == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (doubling(30), "stands for more than 20,000 values"),
        (chain(MAX_DEPTH), "or 100 levels"),
        ("a: &a [*a]", "stands for more than"),
        ("a: &a {<<: *a}", "stands for more than"),
        (merges(30), "stands for more than 20,000 values"),
        ("a: [" + "1," * MAX_VALUES + "]", "has more than 20,000 values"),
        (f"a: {'[' * MAX_DEPTH}{']' * MAX_DEPTH}", "nested deeper than 100 levels"),
        ("a: " + "[" * 50_000, "nested deeper than 100 levels"),
        ("\n".join(" " * n + "a:" for n in range(200)), "nested deeper than 100 levels"),
        ("a: 1" + ":1" * 50_000, "a number has more than 100 characters"),
        (f"a: {'9' * 5000}", "a number has more than 100 characters"),
        ("a: 2026-99-99", "month must be in"),
        ("a: {b", "not valid YAML"),
        ("a: 1\na: 2", "key 'a' appears twice"),
        (b"a: \xff", "is not a YAML file"),
        ("[]", "must be a mapping"),
        ("", "must be a mapping"),
        ("a: " + "x" * MAX_BYTES, "more than 1,048,576 bytes"),
    ],
)
def test_the_error_is_one_sentence_that_names_the_file(tmp_path: Path, text: str | bytes, reason: str) -> None:
    with pytest.raises(InputError) as raised:
        read(tmp_path / "r.yaml", text)
    message = str(raised.value)
    assert str(tmp_path / "r.yaml") in message
    assert reason in message
    assert len(message.splitlines()) == 1
    assert len(message) < 500


@pytest.mark.parametrize(
    ("assignment", "reason"),
    [
        ("a.b", "write it as key=value"),
        ("a.b.c=1", "no such key"),
        ("list.7=1", "no such key"),
        ("a={", "the value is not valid YAML"),
        ("a=2026-99-99", "the value is not valid YAML"),
        (f"a={'[' * 500}", "the value is not valid YAML"),
    ],
)
def test_the_error_for_an_override(assignment: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        apply_override({"a": {"b": 1}, "list": [0]}, assignment, "--set")


def test_overrides() -> None:
    data: dict[str, Any] = {"list": [0]}
    for assignment in ("a.b=[1, 2]", "list.0=x", "c=key=value"):
        apply_override(data, assignment, "--set")
    assert data == {"a": {"b": [1, 2]}, "list": ["x"], "c": "key=value"}
