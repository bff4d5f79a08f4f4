"""What a recipe may do: variables and commands need the user's permission, and no file or message shows a secret."""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from time import process_time

import apache_beam as beam
import pytest
import yaml
from click.testing import CliRunner, Result

from gristmill.errors import RunError
from gristmill.pipelines.cli.main import main
from gristmill.pipelines.recipe import dump_recipe, load_recipe, parse_recipe
from gristmill.pipelines.recipe_commands import recipe_commands, require_allowed
from gristmill.pipelines.variables import VariableNotAllowedError, expand, has_userinfo, hide, unexpanded
from tests.canary import CANARY, shows_canary, write_recipe


def gristmill(*arguments: object) -> Result:
    """Run a command in this process; an exception that it does not handle fails the test."""
    result = CliRunner().invoke(main, list(map(str, arguments)), env={"COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", CANARY)
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("ABSENT", raising=False)


REFUSED = {
    "${SECRET}": "r uses ${SECRET}: allow it with --env SECRET",
    "${SECRET:-x}": "r uses ${SECRET}: allow it with --env SECRET",
    "${ABSENT}": "r uses ${ABSENT}: allow it with --env ABSENT",
    "${SECRET}${ABSENT}${SECRET}": "r uses ${SECRET} and ${ABSENT}: allow it with --env SECRET --env ABSENT",
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_variable_that_is_not_allowed(text: str) -> None:
    with pytest.raises(VariableNotAllowedError) as caught:
        expand({"sources": [{"root": text}]}, (), "r")
    assert str(caught.value) == REFUSED[text]


EXPANDED = {
    "a-${SECRET}/b": f"a-{CANARY}/b",
    "${ABSENT:-x}": "x",
    "${EMPTY:-x}": "x",
    "${SECRET:-x}": CANARY,
    "${ABSENT:-$x}": "$x",
    "$SECRET": "$SECRET",
}


@pytest.mark.parametrize("text", EXPANDED)
def test_expanded(text: str) -> None:
    assert expand([text, 3, None], {"SECRET", "EMPTY"}, "r") == [EXPANDED[text], 3, None]


USERINFO = {
    "https://user:secret@host/a": "https://***@host/a",
    "https://token@host/a": "https://***@host/a",
    "HTTP://a:b@host": "HTTP://***@host",
    "s3://KEY:SEC/RET@bucket/a": "s3://***@bucket/a",
    "no file at ftp://u:p@ss@h/x, run again": "no file at ftp://***@h/x, run again",
    "simplecache::https://u:p@h/x": "simplecache::https://***@h/x",
}
NO_USERINFO = [
    "https://host/a@b",
    "https://host:8080/a@b",
    "https://host?mail=a:b@c",
    "https://[::1]:80/a@b",
    "abfss://container@account.dfs.core.windows.net/a",
    "sftp://user@host/a",
    "s3://bucket/a:b@c",
    "hdfs://host:8020 refused a:b@c",
    "a@b",
]


@pytest.mark.parametrize("text", USERINFO)
def test_credentials_in_a_url_are_hidden(text: str) -> None:
    assert has_userinfo(text)
    assert hide(text, {}) == USERINFO[text]


@pytest.mark.parametrize("text", NO_USERINFO)
def test_a_url_without_credentials_is_shown(text: str) -> None:
    assert not has_userinfo(text)
    assert hide(text, {}) == text


HIDDEN = [
    (f"no file at /a/{CANARY}/b", "no file at /a/${SECRET}/b"),
    ("http://host/a%20b%2Fc", "http://host/${PATH_PART}"),
    ("http://host/a%20b/c", "http://host/${PATH_PART}"),
    (f"{CANARY}-long {CANARY}", "${LONGER} ${SECRET}"),
    ("one x", "one x"),  # too short to be a secret
]


@pytest.mark.parametrize(("text", "shown"), HIDDEN)
def test_values_are_hidden(text: str, shown: str) -> None:
    values = {"SECRET": CANARY, "PATH_PART": "a b/c", "LONGER": f"{CANARY}-long", "SHORT": "x", "EMPTY": ""}
    assert hide(text, values) == shown


def test_unexpanded_data_expands_to_the_same() -> None:
    data = {"root": f"/a/{CANARY}/b", "paths": [CANARY, 3], CANARY: None}
    written = unexpanded(data, {"SECRET": CANARY})
    assert written == {"root": "/a/${SECRET}/b", "paths": ["${SECRET}", 3], CANARY: None}
    assert expand(written, {"SECRET"}, "r") == data


@pytest.mark.parametrize("text", ["${A:-", "a://b:", "http://", "a://" + "x" * 20, "${" * 2])
def test_the_search_is_linear_in_the_text(text: str) -> None:
    def seconds(size: int) -> float:
        start = process_time()
        hide(text * size + " @", {"SECRET": CANARY})
        with_variables = text * size
        expand(with_variables, (), "r")
        return process_time() - start

    assert seconds(8000) < 8 * max(seconds(2000), 0.01)


def test_a_recipe_with_credentials_in_a_url(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    for arguments in (["--set", f"sources.1.root=https://user:{CANARY}@host/a"], ["--work", f"s3://K:{CANARY}@bucket"]):
        result = gristmill("run", recipe, "--env", "SECRET", "--work", tmp_path / "work", *arguments)
        assert result.exit_code == 2
        assert "credentials" in result.output
        assert CANARY not in result.output
    assert not (tmp_path / "work").exists()
    for url in (f"https://{CANARY}@host/recipe.yaml", f"s3://K:{CANARY}@bucket/recipe.yaml"):
        assert CANARY not in gristmill("plan", url).output


def test_dumped_recipe_has_no_values(tmp_path: Path) -> None:
    recipe = load_recipe(str(write_recipe(tmp_path)), env=["SECRET"])
    assert recipe.variables == {"SECRET": CANARY}
    dumped = dump_recipe(recipe)
    assert CANARY not in dumped
    assert yaml.safe_load(dumped)["sources"][0]["root"] == f"{tmp_path}/${{SECRET}}/web"
    assert parse_recipe(yaml.safe_load(dumped), env=["SECRET"]) == recipe


@pytest.mark.parametrize(("workers", "until"), [(1, "mix"), (2, "extract")])
def test_a_run_writes_and_prints_no_secret(
    tmp_path: Path, workers: int, until: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, work = write_recipe(tmp_path), tmp_path / "work"
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    refused = gristmill("run", recipe, "--work", work, "--until", "judge")
    assert refused.exit_code == 2
    assert refused.output.strip().endswith("recipe.yaml uses ${SECRET}: allow it with --env SECRET")
    assert not work.exists()
    run = ["run", recipe, "--work", work, "--workers", workers, "--until", until, "--env", "SECRET"]
    result = gristmill(*run)
    assert result.exit_code == 0, result.output
    shown = result.output + gristmill("ledger", work).output + gristmill("inspect", work, "-n", 100).output
    cleaned = gristmill("clean", work, "--env", "SECRET")
    assert cleaned.exit_code == 0
    assert gristmill("clean", work).output.strip().endswith("uses ${SECRET}: allow it with --env SECRET")
    planned = gristmill("plan", recipe, "--work", work, "--env", "SECRET", "--json")
    assert json.loads(planned.output)["environment"] == ["SECRET"]
    assert "SECRET" in gristmill("plan", recipe, "--env", "SECRET").output
    assert CANARY not in shown + cleaned.output + planned.output + "".join(capfd.readouterr())
    assert shows_canary(work) == []
    assert shows_canary(tmp_path / "temporary") == []


def no_files(source: Path) -> None:
    (source / "a.jsonl.gz").unlink()


def not_jsonl(source: Path) -> None:
    (source / "a.jsonl.gz").write_bytes(gzip.compress(b"<html>\n" * 40))


def not_gzip(source: Path) -> None:
    (source / "a.jsonl.gz").write_bytes(b"\x1f\x8b\x08 no gzip" * 20)


def dead_link(source: Path) -> None:
    (source / "b.jsonl").symlink_to(source / "nowhere.jsonl")


@pytest.mark.parametrize("damage", [no_files, not_jsonl, not_gzip, dead_link])
def test_a_failing_run_writes_and_prints_no_secret(
    tmp_path: Path, damage: object, capfd: pytest.CaptureFixture[str]
) -> None:
    recipe, work = write_recipe(tmp_path), tmp_path / "work"
    assert callable(damage)
    damage(tmp_path / CANARY / "web")
    result = gristmill("run", recipe, "--work", work, "--workers", 1, "--until", "judge", "--env", "SECRET")
    assert result.exit_code in (1, 2), result.output
    assert "web" in result.output
    assert CANARY not in result.output + "".join(capfd.readouterr())
    assert shows_canary(work) == []


def test_an_unexpected_error_saves_a_traceback_without_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError(f"/a/{CANARY} and https://u:{CANARY}2@host")

    monkeypatch.setattr("gristmill.pipelines.plan.plan_run", fail)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    result = gristmill("plan", write_recipe(tmp_path), "--env", "SECRET")
    assert result.exit_code == 1
    assert "${SECRET}" in result.output
    assert CANARY not in result.output
    assert len(list((tmp_path / "temporary").iterdir())) == 1
    assert shows_canary(tmp_path / "temporary") == []


LAUNCHES = [
    ({"kind": "local"}, []),
    ({"kind": "command", "command": "go {out}"}, ["train.launch.command: go {out}"]),
    ({"kind": "slurm"}, []),
    (
        {"kind": "slurm", "through": "ssh login", "options": ["--prolog=a"], "setup": [". venv/bin/activate", "b"]},
        [
            "train.launch.through: ssh login",
            "train.launch.options: --prolog=a",
            "train.launch.setup: . venv/bin/activate",
            "train.launch.setup: b",
        ],
    ),
    ({"kind": "kubernetes", "image": "trainer:1"}, ["train.launch.image: trainer:1"]),
    (
        {"kind": "kubernetes", "image": "trainer:1", "kubectl": "kubectl --context gpus"},
        ["train.launch.kubectl: kubectl --context gpus", "train.launch.image: trainer:1"],
    ),
    ({"kind": "command", "command": "go ${SECRET}"}, ["train.launch.command: go ${SECRET}"]),
]


@pytest.mark.parametrize(("launch", "commands"), LAUNCHES)
def test_commands_of_a_recipe(tmp_path: Path, launch: dict[str, object], commands: list[str]) -> None:
    path = write_recipe(tmp_path, train={"launch": launch})
    assert recipe_commands(load_recipe(str(path), env=["SECRET"])) == commands
    planned = gristmill("plan", path, "--env", "SECRET", "--json")
    assert json.loads(planned.output)["commands"] == commands
    listed = gristmill("plan", path, "--env", "SECRET").output
    assert all(command in listed for command in commands)
    assert CANARY not in planned.output + listed


def test_commands_need_permission(tmp_path: Path) -> None:
    (tmp_path / "go.py").write_text("import pathlib; pathlib.Path(__file__).with_suffix('.ran').touch()\n")
    command = f"{sys.executable} {tmp_path / 'go.py'}"
    train = {"steps": 1, "launch": {"kind": "command", "command": command}}
    recipe = write_recipe(tmp_path, train=train)
    run = ["run", recipe, "--work", tmp_path / "work", "--workers", 1, "--env", "SECRET"]
    result = gristmill(*run)
    assert result.exit_code == 2
    assert " ".join(result.output.split()) == (
        f"error: the recipe small runs commands (train.launch.command: {command}): allow them with --allow-commands, "
        "or stop before them with --until mix"
    )
    assert not os.path.exists(tmp_path / "work")
    assert gristmill(*run, "--until", "extract").exit_code == 0
    assert gristmill(*run, "--until", "train").exit_code == 2
    assert not (tmp_path / "go.ran").exists()
    require_allowed(load_recipe(str(recipe), env=["SECRET"]), None, allow_commands=True)


def test_a_run_that_is_interrupted_leaves_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(runner: object, name: str, build: Callable[[beam.Pipeline], object], units: int) -> None:
        build(beam.Pipeline())
        raise RunError(f"{name}: cannot read {tmp_path}/{CANARY}/web/a.jsonl.gz")

    monkeypatch.setattr("gristmill.runners.embedded_stage_runner.EmbeddedStageRunner.run", fail)
    work = tmp_path / "work"
    result = gristmill("run", write_recipe(tmp_path), "--work", work, "--workers", 1, "--env", "SECRET")
    assert result.exit_code == 1
    assert "cannot read" in result.output
    assert CANARY not in result.output
    assert shows_canary(work) == []
