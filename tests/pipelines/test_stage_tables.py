"""The literal tables that a stage's modules hold are in the stage's key."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from gristmill.pipelines.recipe import parse_recipe
from gristmill.pipelines.stage import RunContext, Stage
from gristmill.pipelines.stages import STAGES
from gristmill.store.keys import content_key
from tests.conftest import REPOSITORY
from tests.pipelines.stage_code import parse, stage_modules
from tests.pipelines.table_corpus import stage_tables

LEAST_ENTRIES = 8
"""Literals with fewer entries are code: a change of them is caught by the hash of the syntax trees."""

_SCHEMA = "a schema of an output file: part of the code, whose hash golden.json records"
_CODE = "part of the code, whose hash golden.json records: a new row comes with code that uses it"
_COMPILED = "belongs to a compiled module, which hides it: part of the code, whose hash golden.json records"
_TRIAL = "what is tried before a foreign file is opened, which changes no output"

NOT_IN_KEYS = {
    "classifiers.model_trials.TEXTS": _TRIAL,
    "classifiers.transformer._REMEDY": "a part of messages",
    "corpus.document.DOCUMENT_SCHEMA": _SCHEMA,
    "extraction.engines.markup_limits._PARSER_OPTIONS": _CODE,
    "extraction.learned.block_rendering._FIELDS": _CODE,
    "extraction.learned.markup_words._PREFIXES": _COMPILED,
    "extraction.learned.text_scan.KINDS": _COMPILED,
    "extraction.learned.text_scan._MEMBERS": _COMPILED,
    "mixing.build_shard.PIECE_SCHEMA": _SCHEMA,
    "tokenization.token_file.TOKEN_INDEX_SCHEMA": _SCHEMA,
    "tokenization.tokenizer_trial._SAMPLES": _TRIAL,
    "transforms.contamination.decontaminator.HITS_FIELD": _SCHEMA,
    "transforms.dedup.rank._SORT_KEYS": _CODE,
    "transforms.dedup.signature_file.FINGERPRINT_SCHEMA": _SCHEMA,
    "transforms.extract.extract_beam.REJECTS_SCHEMA": _SCHEMA,
    "transforms.quality.common_signals.COMMON_SIGNALS": _CODE,
    "transforms.quality.datatrove_variant.TERMINAL_RANGES": "in the key as SENTENCE_TERMINALS, which derives from it",
    "transforms.read.archive_formats.WARC": _CODE,
    "transforms.read.archive_formats.WET": _CODE,
    "transforms.read.code_files.CODE": _CODE,
    "transforms.read.code_files._EXTENSIONS": "the default of a recipe key, whose value is in the key of each unit",
    "transforms.read.json_lines.JSONL": _CODE,
    "transforms.read.parquet_pages._CODECS": _CODE,
    "transforms.read.parquet_rows.PARQUET": _CODE,
    "transforms.redaction.phone_numbers.LENIENCY": _CODE,
}
"""Literal tables that no key holds, with the reason."""


def tables(path: Path) -> Iterator[str]:
    """Names of the module-level constants that are literal tables of ``LEAST_ENTRIES`` entries or more."""
    for node in parse(path).body:
        target = (
            node.targets[0]
            if isinstance(node, ast.Assign)
            else node.target
            if isinstance(node, ast.AnnAssign)
            else None
        )
        value = getattr(node, "value", None)
        if (
            isinstance(target, ast.Name)
            and target.id.isupper()
            and value is not None
            and _entries(value) >= LEAST_ENTRIES
        ):
            yield f"{'.'.join(path.relative_to(REPOSITORY).with_suffix('').parts)}.{target.id}"


def _entries(node: ast.AST) -> int:
    """The number of constants in a literal; the words of a string that is split count one by one."""
    constants = [child.value for child in ast.walk(node) if isinstance(child, ast.Constant)]
    words = sum(len(value.split()) if isinstance(value, str) else 1 for value in constants)
    return words if not isinstance(node, ast.Call) or constants else 0


@cache
def tables_of_stages() -> dict[str, list[Stage]]:
    """Every literal table, and the stages that import its module."""
    found: dict[str, list[Stage]] = {}
    for stage in STAGES:
        for path in stage_modules(stage):
            for name in tables(path):
                found.setdefault(name, []).append(stage)
    return found


@pytest.mark.parametrize("name", sorted(tables_of_stages().keys() - NOT_IN_KEYS.keys()))
def test_every_table_is_in_the_key_of_a_stage_that_uses_it(name: str) -> None:
    """One stage is enough: a unit's key holds the hashes of the files that it reads from the stages before."""
    in_keys = {key for table in stage_tables(tables_of_stages()[name]) for key in _nested_keys(table)}
    value = _value(name)
    assert content_key(getattr(value, "pattern", value)) in in_keys


def test_every_exception_exists() -> None:
    assert sorted(NOT_IN_KEYS.keys() - tables_of_stages().keys()) == []


def test_a_new_row_changes_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop word added for a language must not leave the directory of ``signals`` unchanged."""
    recipe = parse_recipe({"name": "r", "sources": [{"name": "s", "format": "text", "root": str(tmp_path)}]})
    signals = next(stage for stage in STAGES if stage.name == "signals")
    tables = signals.tables(recipe)
    before = signals.directory(RunContext(recipe, str(tmp_path))).key
    stop_words = {**tables["variant"]["stop_words"], "xx": "row"}
    changed = {**tables, "variant": {**tables["variant"], "stop_words": stop_words}}
    monkeypatch.setattr(type(signals), "tables", lambda self, recipe: changed)
    assert signals.directory(RunContext(recipe, str(tmp_path))).key != before


def _nested_keys(table: object) -> Iterator[str]:
    """The content keys of a table and of the tables in it."""
    yield content_key(getattr(table, "pattern", table))
    if isinstance(table, Mapping):
        for item in table.values():
            yield from _nested_keys(item)


def _value(name: str) -> object:
    module, _, constant = f"gristmill.{name}".rpartition(".")
    return getattr(import_module(module), constant)
