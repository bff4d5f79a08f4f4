"""What a stage's key is made of is recorded, and a run that cannot resume says why in one sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from gristmill.pipelines.key_record import key_changes, restart_reason, write_key_record
from gristmill.pipelines.plan import plan_run
from gristmill.pipelines.recipe import Recipe, parse_recipe
from gristmill.pipelines.stage import Stage
from gristmill.pipelines.stages import STAGES, stages_of
from gristmill.pipelines.stages.signals import Signals
from gristmill.pipelines.work_directory import current
from gristmill.store import storage
from gristmill.store.keys import key_of
from gristmill.store.stage_directory import StageDirectory
from tests.pipelines.conftest import CompletedRun, run_recipe
from tests.pipelines.small_recipes import lines, prose, recipe, source
from tests.pipelines.test_cli import gristmill, sentence

ONE, OTHER = "0123456789abcdef" * 4, "fedcba9876543210" * 4
VERSIONS = {1: "first", 2: "cells of tables", 3: "columns text_bytes and meta"}


def record(config: Any = None, **parts: Any) -> dict[str, Any]:
    return {"version": 3, "libraries": {}, "config": {} if config is None else config, "tables": {}, **parts}


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        (1, 3, ['it is at version 3 now, "columns text_bytes and meta", was at 1']),
        (4, 3, ["it is at version 3, was at 4, which a later Gristmill wrote"]),
    ],
)
def test_changes_of_the_version(old: int, new: int, changes: list[str]) -> None:
    assert key_changes(record(version=old), record(version=new), VERSIONS) == changes


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ({"pyarrow": "20.0.0"}, {"pyarrow": "21.0.0"}, ["pyarrow 21.0.0 is installed, was 20.0.0"]),
        ({"regex": "2026.1"}, {"regex": "absent"}, ["regex is not installed, was 2026.1"]),
        ({"regex": "absent"}, {"regex": "2026.1"}, ["regex 2026.1 is installed, was absent"]),
        ({}, {"ada-url": "1.2"}, ["it uses ada-url 1.2 now"]),
        ({"ada-url": "1.2"}, {}, ["it no longer uses ada-url"]),
    ],
)
def test_changes_of_libraries(old: dict[str, str], new: dict[str, str], changes: list[str]) -> None:
    assert key_changes(record(libraries=old), record(libraries=new), VERSIONS) == changes
    of_recipe = record({"libraries": old}), record({"libraries": new})
    assert key_changes(*of_recipe, VERSIONS) == changes


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ({"a": "1"}, {"a": "2"}, ["the table a of Gristmill differs"]),
        ({"b": "1"}, {"b": "1", "a": "1"}, ["the table a of Gristmill differs"]),
        (
            {"b": "1", "a": "1"},
            {"b": "2"},
            ["the table a of Gristmill differs", "the table b of Gristmill differs"],
        ),
    ],
)
def test_changes_of_tables(old: dict[str, str], new: dict[str, str], changes: list[str]) -> None:
    assert key_changes(record(tables=old), record(tables=new), VERSIONS) == changes


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        (50, 80, ["judge is 80, was 50"]),
        (
            {"thresholds": {"words_min": 50}},
            {"thresholds": {"words_min": 80}},
            ["judge.thresholds.words_min is 80, was 50"],
        ),
        ({"a": "x", "b": None}, {"a": "y", "b": 0.5}, ['judge.a is "y", was "x"', "judge.b is 0.5, was null"]),
        ({"a": 50.0}, {"a": 80.5}, ["judge.a is 80.5, was 50"]),
        ({"a": True}, {}, ["judge.a is not set, was true"]),
        ({}, {"a": []}, ["judge.a is [], was not set"]),
        ({"langs": ["en"]}, {"langs": ["en", "de"]}, ['judge.langs is ["en", "de"], was ["en"]']),
        # lists of sections: by item if there are as many, without the index
        ({"overlays": [{"x": 1}, {"x": 2}]}, {"overlays": [{"x": 1}, {"x": 3}]}, ["judge.overlays.x is 3, was 2"]),
        ({"overlays": [{"x": 1}]}, {"overlays": []}, ["judge.overlays has 0 items, had 1"]),
        ({"overlays": []}, {"overlays": [{"x": 1}]}, ["judge.overlays has 1 item, had 0"]),
        ([{"x": 1}, "15.0"], [{"x": 2}, "15.1"], ["judge.x is 2, was 1", 'a value of judge is "15.1", was "15.0"']),
        ([[1, 2], 3], [[1, 4], 3], ["judge is [1, 4], was [1, 2]"]),
        # the same change of two items is listed once
        ({"o": [{"x": 1}, {"x": 1}]}, {"o": [{"x": 2}, {"x": 2}]}, ["judge.o.x is 2, was 1"]),
        # files are in a key by their hash
        ({"m": {"sha256": ONE}}, {"m": {"sha256": OTHER}}, ["the content of judge.m changed"]),
        ({"m": ONE}, {"m": OTHER}, ["the content of judge.m changed"]),
        ({"m": ONE[:16]}, {"m": OTHER[:16]}, ["the content of judge.m changed"]),
        ({"m": None}, {"m": {"sha256": OTHER}}, ["judge.m is a file, was null"]),
        ({"m": {"sha256": ONE}}, {"m": None}, ["judge.m is null, was a file"]),
        ({"l": [{"sha256": ONE}]}, {"l": [{"sha256": OTHER}]}, ["the content of judge.l changed"]),
        ({"l": [{"sha256": ONE}]}, {"l": []}, ["judge.l has 0 items, had 1"]),
        # long values
        ({"a": "x" * 99}, {"a": "y" * 99}, ["judge.a changed"]),
        ({"a": None}, {"a": {"x": "y" * 99}}, ["judge.a is set, was null"]),
        ({"a": {"x": "y" * 99}}, {"a": None}, ["judge.a is null, was set"]),
        ({"a": {"x": "y" * 99}}, {}, ["judge.a is not set, was set"]),
        # tuples are lists in JSON
        ({"a": (1, 2)}, {"a": [1, 2]}, ["its key is computed differently now"]),
    ],
)
def test_changes_of_the_recipe(old: Any, new: Any, changes: list[str]) -> None:
    assert key_changes(record({"judge": old}), record({"judge": new}), VERSIONS) == changes


def test_changes_are_in_the_order_version_libraries_recipe_tables() -> None:
    old = record({"a": 1}, version=2, libraries={"b": "1"}, tables={"c": "1"})
    new = record({"a": 2}, version=3, libraries={"b": "2"}, tables={"c": "2"})
    assert [change.split()[0] for change in key_changes(old, new, VERSIONS)] == ["it", "b", "a", "the"]


def directory(work: Path, key: int, config: Any, units: int = 1) -> StageDirectory:
    """A stage directory with ``units`` receipts, and a key record unless ``config`` is None."""
    made = StageDirectory(str(work), "judge", f"{key:016x}")
    for unit in range(units):
        storage.create(storage.join(made.url, "receipts", f"{unit}.json"), b"{}")
    if config is not None:
        write_key_record(made, record(config))
    return made


def set_values(*names: str) -> dict[str, int]:
    return dict.fromkeys(names, 1)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (set_values("a"), "judge runs again: a is 1, was not set"),
        (set_values("a", "b", "c"), "judge runs again: a is 1, was not set; b is 1, was not set; c is 1, was not set"),
        (
            set_values("a", "b", "c", "d"),
            "judge runs again: a is 1, was not set; b is 1, was not set; c is 1, was not set; and 1 more change",
        ),
        (
            set_values("a", "b", "c", "d", "e"),
            "judge runs again: a is 1, was not set; b is 1, was not set; c is 1, was not set; and 2 more changes",
        ),
    ],
)
def test_a_sentence_has_at_most_three_reasons(tmp_path: Path, config: dict[str, int], expected: str) -> None:
    directory(tmp_path, 1, {})
    assert restart_reason(StageDirectory(str(tmp_path), "judge", f"{2:016x}"), record(config), VERSIONS) == expected


def damaged(text: str) -> Callable[[Path], int]:
    return lambda work: (work / f"judge-{1:016x}" / "key.json").write_text(text)


@pytest.mark.parametrize(
    ("prepare", "expected"),
    [
        pytest.param(lambda work: None, None, id="nothing has run"),
        pytest.param(lambda work: directory(work, 1, {"a": 1}, units=0), None, id="no unit completed"),
        pytest.param(lambda work: directory(work, 9, None), None, id="this key was started"),
        pytest.param(lambda work: [directory(work, 1, {"a": 1}), directory(work, 9, {"a": 2})], None, id="resumes"),
        pytest.param(lambda work: directory(work, 1, {"a": 1}), "a is 2, was 1", id="one earlier directory"),
        pytest.param(
            lambda work: [directory(work, 1, {"a": 1, "b": 1}), directory(work, 2, {"a": 3})],
            "a is 2, was 3",
            id="the most alike of several",
        ),
        pytest.param(
            lambda work: [directory(work, 1, None), directory(work, 2, {"a": 3, "b": 1})],
            "a is 2, was 3; b is not set, was 1",
            id="one without a record, one with",
        ),
        *(
            pytest.param(
                lambda work, text=text: (
                    [directory(work, 1, {}), damaged(text)(work)] if text else directory(work, 1, None)
                ),
                "judge-0000000000000001 was written before Gristmill recorded what a key is made of",
                id=f"record {text!r}",
            )
            for text in ("", "{", "[]", '{"version": 1}')
        ),
    ],
)
def test_the_earlier_directory(tmp_path: Path, prepare: Callable[[Path], Any], expected: str | None) -> None:
    prepare(tmp_path)
    reason = restart_reason(StageDirectory(str(tmp_path), "judge", f"{9:016x}"), record({"a": 2}), VERSIONS)
    assert reason == (expected and f"judge runs again: {expected}")


def secret_recipe(folder: Path) -> Recipe:
    """A recipe that names files and a launch command, all of which have ``secret`` in their name."""
    (folder / "secret").mkdir()
    names = ("domains.txt", "quarantine.jsonl", "benchmark.jsonl", "words.txt")
    files = {name: folder / "secret" / name for name in names}
    files["domains.txt"].write_text("ads.example\n")
    files["quarantine.jsonl"].write_text("")
    files["benchmark.jsonl"].write_bytes(lines(prose(1)))
    files["words.txt"].write_text("sale\n")
    extract = {"url": {"domains": [str(files["domains.txt"])]}, "quarantine": str(files["quarantine.jsonl"])}
    benchmarks = [{"name": "items", "paths": [str(files["benchmark.jsonl"])]}]
    launch = {"kind": "command", "command": "secret-launcher {section}"}
    return recipe(
        {"name": "texts", "format": "text", "root": str(folder / "secret")},
        extract=extract,
        scores=[{"name": "bad", "kind": "words", "lists": {"en": str(files["words.txt"])}, "max": 1}],
        repeats={"lines": {}},
        refine={"decontaminate": {"benchmarks": benchmarks}},
        mix={"groups": ["source", "lang"]},
        train={"launch": launch},
    )


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_a_record_has_no_path_and_changes_with_the_key_only(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    one, other = secret_recipe(tmp_path / "one"), secret_recipe(tmp_path / "other")
    assert stage.is_enabled(one)
    found = stage.key_record(one)
    assert found == stage.key_record(other)
    assert found["version"] == stage.version
    assert found["libraries"].keys() == set(stage.libraries)
    assert found["tables"].keys() == stage.tables(one).keys()
    text = json.dumps(found)
    assert "secret" not in text
    assert "://" not in text


@pytest.mark.parametrize(
    ("name", "section", "changes"),
    [
        ("extract", {"languages": ["en", "de"]}, {"extract": ['extract.languages is ["en", "de"], was null']}),
        ("judge", {"thresholds": {"words_min": 80}}, {"judge": ["judge.thresholds.words_min is 80, was 50"]}),
        (
            "judge",
            {"languages": ["en"], "overlays": [{"lang": "en", "rules": []}]},
            {"judge": ['judge.languages is ["en"], was null', "judge.overlays has 1 item, had 0"]},
        ),
        (
            "judge",
            {"lines": {"min_words": 7}},
            {
                "signals": ["judge.lines.min_words is 7, was 5"],
                "judge": ["judge.lines.min_words is 7, was 5"],
            },
        ),
        (
            "dedup",
            {"ngram": 4},
            {"signatures": ["dedup.ngram is 4, was 5"], "dedup": ["dedup.ngram is 4, was 5"]},
        ),
        (
            "dedup",
            {"urls": True, "shingle": "characters"},
            {
                "signatures": [
                    'dedup.shingle is "characters", was not set',
                    f"it uses ada-url {version('ada-url')} now",
                ],
                "dedup": ['dedup.shingle is "characters", was not set', "dedup.urls is true, was not set"],
            },
        ),
        (
            "dedup",
            {"simhash": {"distance": 4}},
            {
                "signatures": [
                    "dedup.bands is not set, was [14, 8]",
                    "dedup.seed is not set, was 1",
                    'dedup.simhash is {"distance": 4}, was not set',
                    'dedup.verify is not set, was "exact"',
                ],
                "dedup": ['dedup.simhash is {"distance": 4}, was not set'],
            },
        ),
        (
            "tokenizer",
            {"end_of_text": "<eos>"},
            {
                "tokenizer": ['tokenizer.end_of_text is "<eos>", was "<|endoftext|>"'],
                "tokenize": ['tokenizer.end_of_text is "<eos>", was "<|endoftext|>"'],
            },
        ),
        ("dedup", {"threshold": 0.8}, {"dedup": ["dedup.threshold is 0.8, was 0.72"]}),
        ("dedup", {"scope": "all", "urls": False}, {}),
        (
            "refine",
            {"redact": {"entities": ["EMAIL_ADDRESS"]}},
            {
                "refine": [
                    'refine.redact.entities is ["EMAIL_ADDRESS"], was ["EMAIL_ADDRESS", "IP_ADDRESS", "PHONE_NUMBER"]',
                    "the table pii_entities of Gristmill differs",
                ]
            },
        ),
        ("tokenize", {"buckets": 8}, {"tokenize": ["tokenize.buckets is 8, was 4"]}),
        ("mix", {"seed": 7}, {"mix": ["mix.seed is 7, was 0"]}),
        ("train", {"steps": 7}, {}),
        ("train", {"seed": 7}, {"train": ["train.seed is 7, was 0"]}),
    ],
)
def test_changes_of_a_recipe_by_stage(name: str, section: dict[str, Any], changes: dict[str, list[str]]) -> None:
    base = recipe({"name": "texts", "format": "text", "root": "."})
    other = changed(base, **{name: {**base.model_dump(mode="json")[name], **section}})
    found = {}
    for stage in stages_of(base):
        if key_of(stage.key_record(base)) != key_of(stage.key_record(other)):
            found[stage.name] = key_changes(stage.key_record(base), stage.key_record(other), stage.versions)
    assert found == changes


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> CompletedRun:
    """A run up to ``judge`` over six short documents."""
    folder = tmp_path_factory.mktemp("small")
    texts = source(folder, "texts", "jsonl", {"a.jsonl": lines(*(prose(seed) for seed in range(6)))})
    return run_recipe(recipe(texts), folder / "work", until="judge")


@pytest.fixture
def work(small: CompletedRun, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small.work, tmp_path / "work"))


def changed(base: Recipe, **sections: Any) -> Recipe:
    return parse_recipe({**base.model_dump(mode="json"), **sections})


def reasons(completed: CompletedRun) -> dict[str, str]:
    """The sentences of the stages of a run that started over."""
    return {stage: notice for stage, done in completed.done.items() for notice in done.step.notices}


def records(work: Path) -> dict[str, Any]:
    return {path.parent.name: json.loads(path.read_bytes()) for path in work.glob("*-*/key.json")}


def test_a_first_run_records_its_keys_and_a_second_says_nothing(small: CompletedRun, work: Path) -> None:
    assert reasons(small) == {}
    stages = [stage for stage in stages_of(small.recipe) if stage.name in small.done]
    assert records(work) == {
        small.done[stage.name].step.directory.name: json.loads(json.dumps(stage.key_record(small.recipe)))
        for stage in stages
    }
    again = run_recipe(small.recipe, work, until="judge")
    assert reasons(again) == {}
    assert set(again.units_processed().values()) == {0}


def test_a_changed_threshold(small: CompletedRun, work: Path) -> None:
    stricter = changed(small.recipe, judge={"thresholds": {"words_min": 80}})
    expected = "judge runs again: judge.thresholds.words_min is 80, was 50"
    planned = {row["stage"]: row["restart_reason"] for row in plan_run(stricter, str(work))["stages"]}
    assert {stage: reason for stage, reason in planned.items() if reason} == {"judge": expected}
    assert reasons(run_recipe(stricter, work, until="judge")) == {"judge": expected}
    assert reasons(run_recipe(stricter, work, until="judge")) == {}
    assert reasons(run_recipe(small.recipe, work, until="judge")) == {}


def test_a_new_version(small: CompletedRun, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    last = max(Signals.versions)
    monkeypatch.setattr(Signals, "versions", {**Signals.versions, last + 1: "a signal more"})
    again = run_recipe(small.recipe, work, until="judge")
    assert reasons(again) == {
        "signals": f'signals runs again: it is at version {last + 1} now, "a signal more", was at {last}'
    }
    assert again.units_processed() == {"extract": 0, "signals": 1, "judge": 0}


def test_an_added_file_is_no_restart(small: CompletedRun, work: Path) -> None:
    root = Path(small.recipe.sources[0].root)
    try:
        (root / "b.jsonl").write_bytes(lines(prose(9)))
        again = run_recipe(small.recipe, work, until="judge")
    finally:
        (root / "b.jsonl").unlink()
    assert reasons(again) == {}
    assert set(again.units_processed().values()) == {1}


def test_directories_without_a_record(small: CompletedRun, work: Path) -> None:
    before = records(work)
    for path in work.glob("*-*/key.json"):
        path.unlink()
    extract = current(str(work))["extract"].name
    english = changed(small.recipe, extract={"languages": ["en"]})
    assert reasons(run_recipe(english, work, until="extract")) == {
        "extract": f"extract runs again: {extract} was written before Gristmill recorded what a key is made of"
    }
    again = run_recipe(small.recipe, work, until="judge")
    assert (reasons(again), set(again.units_processed().values())) == ({}, {0})
    assert records(work).items() >= before.items()


def test_commands_print_the_sentence(small: CompletedRun, work: Path) -> None:
    stricter = ("--set", "judge.thresholds.words_min=80")
    expected = "judge runs again: judge.thresholds.words_min is 80, was 50"
    planned = gristmill("plan", work / "recipe.yaml", "--work", work, *stricter)
    assert planned.output.splitlines()[-1] == expected
    ran = gristmill("run", work / "recipe.yaml", "--work", work, "--workers", 1, "--until", "judge", *stricter)
    assert expected in ran.stderr.splitlines()
    again = gristmill("run", work / "recipe.yaml", "--work", work, "--workers", 1, "--until", "judge")
    assert "runs again" not in again.output


def test_a_work_directory_of_another_version(small: CompletedRun, work: Path) -> None:
    """Its receipts have other facts, and its recipe keys that do not exist."""
    for path in work.glob("*-*/manifest.json"):
        manifest = json.loads(path.read_bytes())
        manifest["facts"] = {"unknown": 1}
        for unit in manifest["units"]:
            unit["facts"] = {"unknown": 1}
        path.write_text(json.dumps(manifest))
    written = yaml.safe_load((work / "recipe.yaml").read_bytes())
    (work / "recipe.yaml").write_text(yaml.safe_dump({**written, "polish": {"passes": 2}}))
    assert gristmill("ledger", work).exit_code == 0
    assert len(gristmill("inspect", work, "--json", "-n", 9).output.splitlines()) == 6
    for command in (("plan", work / "recipe.yaml", "--work", work), ("clean", work)):
        message = sentence(gristmill(*command))
        assert message.startswith(f"{work}/recipe.yaml: polish: unknown key")
    assert message.endswith("; run the recipe again to rewrite this file")
    run_recipe(small.recipe, work, until="judge")
    assert gristmill("clean", work).exit_code == 0
