"""The command line: what each command prints, its exit status, and that errors are one sentence."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gristmill.errors import InputError, RunError
from gristmill.pipelines import run
from gristmill.pipelines.cli.main import main
from gristmill.pipelines.recipe import load_recipe
from gristmill.pipelines.work_directory import current
from tests.pipelines.conftest import CompletedRun, run_recipe

WIDE = {"COLUMNS": "200"}


def gristmill(*arguments: object, stdin: str | bytes | None = None) -> Result:
    """Run a command in this process; an exception that it does not handle fails the test."""
    result = CliRunner().invoke(main, list(map(str, arguments)), input=stdin, env=WIDE)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def rows(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.output.splitlines()]


def sentence(result: Result, status: int = 2) -> str:
    """The message of a command that failed with ``status``, which must be its only line of output."""
    assert result.exit_code == status, result.output
    (line,) = result.output.splitlines()
    return line.removeprefix("error: ")


@pytest.fixture
def work(completed_run: CompletedRun, tmp_path: Path) -> Path:
    """A copy of the work directory of the processed sample, for tests that change it."""
    return Path(shutil.copytree(completed_run.work, tmp_path / "work"))


def test_every_command_has_help() -> None:
    listed = gristmill("--help").output
    for name, command in main.commands.items():
        assert name in listed
        result = gristmill(name, "-h")
        assert result.exit_code == 0
        assert result.output.startswith(f"Usage: main {name}")
        for parameter in command.params:
            assert parameter.human_readable_name in result.output or max(parameter.opts, key=len) in result.output


@pytest.mark.parametrize(
    "arguments",
    [[], ["grind"], ["run"], ["run", "r.yaml"], ["run", "r.yaml", "--work", "w", "--workers", "0"]],
)
def test_wrong_arguments_print_the_usage(arguments: list[str]) -> None:
    result = gristmill(*arguments)
    assert result.exit_code == 2
    assert result.output.startswith("Usage: ")


def test_ledger(completed_run: CompletedRun) -> None:
    table = gristmill("ledger", completed_run.work)
    assert table.exit_code == 0
    assert "ledger: balanced" in table.output
    for row in completed_run.ledger["stages"]:
        (line,) = [line for line in table.output.splitlines() if line.split()[:1] == [row["stage"]]]
        assert line.split()[1:3] == [f"{row['in']:,}", f"{row['kept']:,}"]
    plain = gristmill("ledger", completed_run.work, "--json")
    assert plain.exit_code == 0
    assert json.loads(plain.output) == completed_run.ledger


def test_a_ledger_that_does_not_balance_exits_with_status_1(completed_run: CompletedRun, tmp_path: Path) -> None:
    unbalanced = {**completed_run.ledger, "balanced": False, "imbalances": ["judge read 5, but extract kept 6"]}
    (tmp_path / "ledger.json").write_text(json.dumps(unbalanced))
    table = gristmill("ledger", tmp_path)
    assert table.exit_code == 1
    assert "NOT BALANCED" in table.output
    assert "judge read 5, but extract kept 6" in table.output
    plain = gristmill("ledger", tmp_path, "--json")
    assert plain.exit_code == 1
    assert json.loads(plain.output) == unbalanced


@pytest.mark.parametrize("command", [["ledger"], ["ledger", "--json"], ["inspect"], ["clean"], ["clean", "--yes"]])
def test_a_folder_that_is_not_a_work_directory(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "file").write_text("x")
    for place in (tmp_path, tmp_path / "absent", tmp_path / "file"):
        assert "it is not a work directory, or nothing has been run in it" in sentence(gristmill(*command, place))


@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_a_damaged_ledger_or_list_of_stages(work: Path, text: str) -> None:
    for name, command in (("ledger.json", "ledger"), ("latest.json", "inspect"), ("latest.json", "clean")):
        (work / name).write_text(text)
        error_message = sentence(gristmill(command, work))
        assert error_message == f"{work}/{name} is damaged: run the recipe again to rewrite it"


def test_plan_before_the_first_run(sample: Path) -> None:
    planned = json.loads(gristmill("plan", sample / "recipe.yaml", "--json").output)
    extract, *others = planned["stages"]
    assert planned["recipe"] == "demo"
    assert extract["units"] == 7
    assert extract["standing"] == 0
    assert extract["input_bytes"] > 0
    assert extract["core_hours"] > 0
    assert {row["units"] for row in others} == {None}
    assert " ".join(row["stage"] for row in others) == (
        "signals judge signatures dedup refine tokenizer tokenize mix train"
    )
    table = gristmill("plan", sample / "recipe.yaml").output
    assert "train are known once the stages before are complete" in " ".join(table.split())
    for row in planned["stages"]:
        assert row["directory"] in table


def test_plan_of_a_completed_run(completed_run: CompletedRun, sample: Path, tmp_path: Path) -> None:
    before = sorted(Path(completed_run.work).rglob("*"))
    planned = json.loads(gristmill("plan", sample / "recipe.yaml", "--work", completed_run.work, "--json").output)
    *completed, train = planned["stages"]
    for row in completed:
        assert row["units"] == row["standing"] > 0
        assert row["input_bytes"] == 0
        assert row["directory"] == current(completed_run.work)[row["stage"]].name
    assert (train["units"], train["standing"]) == (1, 0)
    assert "the units of every stage are known" in planned["note"]
    stricter = "judge.thresholds.words_min=99"
    changed = json.loads(
        gristmill("plan", sample / "recipe.yaml", "--work", completed_run.work, "--set", stricter, "--json").output
    )
    assert [row["standing"] for row in changed["stages"][:4]] == [7, 7, 0, None]
    assert sorted(Path(completed_run.work).rglob("*")) == before


def test_plan_lists_the_units_of_the_next_run_not_of_the_last_manifest(completed_run: CompletedRun) -> None:
    recipe = Path(completed_run.work) / "recipe.yaml"
    fewer_files = "sources.0.paths=[crawl-0.warc.gz]"
    planned = json.loads(gristmill("plan", recipe, "--work", completed_run.work, "--set", fewer_files, "--json").output)
    assert [row["units"] for row in planned["stages"][:3]] == [6, 6, 6]


def test_plan_of_an_invalid_recipe(tmp_path: Path) -> None:
    assert sentence(gristmill("plan", tmp_path / "no.yaml")).startswith("no recipe at ")
    (tmp_path / "a.yaml").write_text("name: a\nsources: [{name: web, format: warc, root: crawl}]")
    assert sentence(gristmill("plan", tmp_path / "a.yaml")) == (
        f"source 'web': no file below {tmp_path}/crawl matches '**/*'; correct `root` or `paths`, or remove the source"
    )


def test_inspect_selects(completed_run: CompletedRun, documents: list[dict[str, Any]]) -> None:
    def inspected(*options: str) -> list[dict[str, Any]]:
        return rows(gristmill("inspect", completed_run.work, "--json", "-n", "1000000", *options))

    assert inspected() == documents
    assert inspected("--source", "code") == [row for row in documents if row["source"] == "code"]
    assert inspected("--url", "portgazette") == [row for row in documents if "portgazette" in (row["url"] or "")]
    for reason in ("record_type", "words_min", "near_duplicate", "contaminated"):
        chosen = inspected("--reason", reason)
        assert chosen
        assert chosen == [row for row in documents if str(row["reason"]).partition(":")[0] == reason]
    assert len(rows(gristmill("inspect", completed_run.work, "--json", "-n", "3", "--source", "web"))) == 3
    assert len(rows(gristmill("inspect", completed_run.work, "--json"))) == 5


def test_inspect_shows_a_panel(completed_run: CompletedRun, documents: list[dict[str, Any]]) -> None:
    shown = gristmill("inspect", completed_run.work, "--url", "portgazette", "-n", "1").output
    first = next(row for row in documents if "portgazette" in (row["url"] or ""))
    assert first["id"] in shown
    assert first["url"] in shown
    assert first["text"][:40] in shown


def test_inspect_finds_nothing(completed_run: CompletedRun) -> None:
    assert sentence(gristmill("inspect", completed_run.work, "--source", "wbe")) == (
        f"no document in {completed_run.work} matches; "
        f"gristmill ledger {completed_run.work} lists the reasons that occur"
    )


def test_clean_deletes_only_unreferenced_files(completed_run: CompletedRun, work: Path) -> None:
    before = {path for path in work.rglob("*") if path.is_file()}
    extract = Path(current(str(work))["extract"].url)
    leftovers = {
        extract / "documents" / "0123456789abcdef-0123456789abcdef.parquet",
        extract / "receipts" / "0123456789abcdef.json",
        extract / ".part-x" / "documents.parquet",
        extract / ".part-0123",
        work / "judge-0123456789abcdef" / "manifest.json",
        work / "train-0123456789abcdef" / "runs" / "a" / "step-5.pt",
    }
    for path in leftovers:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    (work / "notes.txt").write_text("a user's file")
    (work / "input").mkdir()
    (work / "input" / "a.jsonl").write_text("{}")
    own = {work / "notes.txt", work / "input" / "a.jsonl"}
    result = gristmill("clean", work)
    assert result.exit_code == 0
    assert result.output == "would delete (--yes to do it): 6 files, 0.0 MB\n"
    assert all(path.exists() for path in leftovers)
    assert gristmill("clean", work, "--yes").output == "deleted: 6 files, 0.0 MB\n"
    assert {path for path in work.rglob("*") if path.is_file()} == before | own
    assert gristmill("clean", work).output == "would delete (--yes to do it): 0 files, 0.0 MB\n"
    assert set(run_recipe(completed_run.recipe, work).units_processed().values()) == {0}


def test_clean_after_a_partial_run_keeps_the_later_stages(completed_run: CompletedRun, work: Path) -> None:
    run_recipe(completed_run.recipe, work, until="judge")
    gristmill("clean", work, "--yes")
    assert set(run_recipe(completed_run.recipe, work).units_processed().values()) == {0}


def test_clean_deletes_the_stages_of_an_older_recipe(completed_run: CompletedRun, sample: Path, work: Path) -> None:
    before = current(str(work))["judge"]
    run_recipe(load_recipe(str(sample / "recipe.yaml"), ["judge.thresholds.words_min=99"]), work, until="judge")
    gristmill("clean", work, "--yes")
    assert not [path for path in Path(before.url).rglob("*") if path.is_file()]
    assert run_recipe(completed_run.recipe, work, until="judge").units_processed() == {
        "extract": 0,
        "signals": 0,
        "judge": 7,
    }


def test_schema() -> None:
    assert json.loads(gristmill("schema").output)["title"] == "Recipe"


def test_run_prints_what_was_done(completed_run: CompletedRun, sample: Path, work: Path) -> None:
    result = gristmill("run", sample / "recipe.yaml", "--work", work, "--workers", "1", "--until", "mix")
    assert result.exit_code == 0
    assert "kept 499 of 697 records" in result.output
    assert "all 7 units reused" in result.output
    assert "ledger: balanced" in result.output
    assert "docstrings" in result.output.partition("mixture")[2]


def test_run_until_an_unknown_stage(sample: Path, tmp_path: Path) -> None:
    result = gristmill("run", sample / "recipe.yaml", "--work", tmp_path, "--workers", "1", "--until", "jugde")
    assert sentence(result).startswith("no stage 'jugde'; the stages of this recipe are extract, signals, judge,")


def test_a_work_directory_that_cannot_be_created(sample: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    for place, why in ((file, "File exists"), (file / "work", "Not a directory")):
        result = gristmill("run", sample / "recipe.yaml", "--work", place, "--workers", "1")
        assert sentence(result) == f"cannot create the work directory {place}: {why}; choose another folder"
    assert file.read_text() == "x"


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_work_directory_that_is_not_writable(sample: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    error_message = sentence(gristmill("run", sample / "recipe.yaml", "--work", tmp_path))
    assert error_message == f"{tmp_path} is not writable; choose another folder, or change its permissions"
    error_message = sentence(gristmill("run", sample / "recipe.yaml", "--work", tmp_path / "work"))
    assert error_message.startswith(f"cannot create the work directory {tmp_path}/work: Permission denied")


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (InputError("a key is wrong:\n correct it"), 2, "a key is wrong: correct it"),
        (RunError("a stage failed"), 1, "a stage failed"),
        (
            OSError(28, "No space left on device", "/w/a"),
            1,
            "No space left on device: /w/a; fix this, then run the same ",
        ),
        (KeyboardInterrupt(), 1, "interrupted; run the same command again to resume"),
        (KeyError("[bold]x"), 1, "KeyError: '[bold]x' (the traceback is in "),
    ],
)
def test_errors_become_sentences(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int, message: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(run, "run", fail)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    result = gristmill("run", sample / "recipe.yaml", "--work", tmp_path / "work", "--workers", "1")
    assert sentence(result, status).startswith(message)
    logs = [path.read_text() for path in tmp_path.glob("gristmill-error-*.log")]
    assert len(logs) == isinstance(error, KeyError)
    assert all("Traceback" in text and "KeyError" in text for text in logs)


def test_train_on_a_folder_that_is_not_a_mix(completed_run: CompletedRun, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "pass the directory of a completed mix stage" in sentence(gristmill("train", tmp_path, "--out", out))
    judged = current(completed_run.work)["judge"].url
    assert "pass the directory of a mix stage" in sentence(gristmill("train", judged, "--out", out))
    wrong = gristmill("train", current(completed_run.work)["mix"].url, "--out", out, "--set", "step=3")
    assert sentence(wrong) == "--set: step: unknown key; did you mean 'steps'?"
    assert not out.exists()


def test_train_without_torch(completed_run: CompletedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gristmill.training.launch.local_launch.find_spec", lambda name: None)
    shards = current(completed_run.work)["mix"].url
    error_message = sentence(gristmill("train", shards, "--out", tmp_path))
    assert error_message == "training needs PyTorch and safetensors: pip install 'gristmill[train]'"


PAGE = (
    b"<html><body><main><h1>Ferry</h1><p>The ferry to the island leaves at nine and is late.</p></main></body></html>"
)


def test_extract_on_files_and_on_lines(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_bytes(PAGE)
    (row,) = rows(gristmill("extract", page))
    assert row["file"] == str(page)
    assert "The ferry to the island leaves at nine and is late." in row["text"]
    assert row["lang"] == "en"
    line = json.dumps({"html": PAGE.decode(), "url": "https://a.example/", "key": 7})
    (piped,) = rows(gristmill("extract", "-", stdin=line))
    assert piped == {"key": 7, "url": "https://a.example/", **{k: row[k] for k in ("text", "lang", "lang_score")}}
    (too_large,) = rows(gristmill("extract", page, "--set", "max_bytes=10"))
    assert too_large["dropped"] == "too_large"


def test_judge_on_files_and_on_lines(tmp_path: Path) -> None:
    text = tmp_path / "a.txt"
    text.write_text("Too short to be kept.")
    (row,) = rows(gristmill("judge", text))
    assert (row["kept"], row["reason"]) == (False, "words_min")
    assert row["rules"]["words_min"] == {"value": 5.0, "threshold": 50.0, "passed": False}
    lines = "\n".join(json.dumps({"text": text.read_text(), "n": n}) for n in range(2))
    piped = rows(gristmill("judge", "-", "--set", "rules=[words_min]", "--set", "thresholds.words_min=5", stdin=lines))
    assert [(row["n"], row["kept"], row["reason"]) for row in piped] == [(0, True, None), (1, True, None)]


def test_redact_on_files_and_on_lines(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b'\xef\xbb\xbf{"text": "write to ann@b.org", "n": 1}\r\n\r\n{"text": "nobody \\ud800"}')
    first, second = rows(gristmill("redact", file))
    assert first == {
        "n": 1,
        "text": "write to <EMAIL_ADDRESS>",
        "edits": [{"start": 9, "end": 18, "entity": "EMAIL_ADDRESS", "score": 1.0}],
    }
    assert second == {"text": "nobody \ud800", "edits": []}
    assert rows(gristmill("redact", "-", stdin=file.read_bytes())) == [first, second]


def test_a_command_on_lines_stops_at_an_invalid_line(tmp_path: Path) -> None:
    result = gristmill("redact", "-", stdin='{"text": "fine"}\nnot JSON')
    assert result.exit_code == 2
    assert result.output.splitlines() == [
        '{"text": "fine", "edits": []}',
        "error: -, line 2: not valid JSON; give one JSON object per line",
    ]
    assert sentence(gristmill("extract", tmp_path / "no.html")) == f"no file {tmp_path}/no.html"
    assert sentence(gristmill("judge", "-", "--set", "min_lang_score=2", stdin="")) == (
        "--set: min_lang_score: must be less than or equal to 1, not 2"
    )


def process(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)


def test_commands_that_only_read_do_not_import_beam(completed_run: CompletedRun) -> None:
    code = """if True:
        import sys
        from gristmill.pipelines.cli.main import main
        try:
            main(sys.argv[1:])
        finally:
            slow_imports = {"apache_beam", "torch", "trafilatura", "tokenizers", "pandas"} & set(sys.modules)
            assert not slow_imports, slow_imports
    """
    for arguments in (["--help"], ["run", "--help"], ["ledger", completed_run.work], ["inspect", completed_run.work]):
        completed = process(code, *arguments)
        assert completed.returncode == 0, completed.stderr


def test_a_closed_pipe_prints_no_error(completed_run: CompletedRun) -> None:
    command = [
        sys.executable,
        "-m",
        "gristmill.pipelines.cli.main",
        "inspect",
        completed_run.work,
        "--json",
        "-n",
        "100000",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert json.loads(running.stdout.readline())
        running.stdout.close()
        assert running.stderr.read() == b""
