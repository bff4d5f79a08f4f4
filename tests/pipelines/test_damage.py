"""Failures of the machine and damaged work directories: the error is one sentence, and completed work is kept."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gristmill.errors import InputError, RunError
from gristmill.pipelines.recipe import dump_recipe, load_recipe
from gristmill.pipelines.reports.document_history import Selection, inspect_documents
from gristmill.pipelines.work_directory import current
from gristmill.runners.job_errors import root_cause
from tests.pipelines.conftest import CompletedRun, run_recipe
from tests.pipelines.small_recipes import fault, lines, prose, recipe, source

# --- failures of the machine ---

LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
from gristmill.pipelines.cli.main import main
main(sys.argv[2:])
"""


def gristmill_run(recipe: Path, work: Path, *options: str, limit: int = -1) -> subprocess.CompletedProcess[str]:
    """``gristmill run`` in a process that cannot write files larger than ``limit`` bytes."""
    command = [sys.executable, "-c", LIMITED, str(limit), "run", recipe, "--work", work, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.fixture
def bulky(tmp_path: Path) -> Path:
    """A recipe whose second source is larger than the first."""
    few, many = (lines(*(prose(seed) for seed in range(*span))) for span in ((0, 10), (10, 200)))
    path = tmp_path / "recipe.yaml"
    path.write_text(
        dump_recipe(
            recipe(
                source(tmp_path, "few", "jsonl", {"a.jsonl": few}), source(tmp_path, "many", "jsonl", {"a.jsonl": many})
            )
        )
    )
    return path


def assert_fails_with(failed: subprocess.CompletedProcess[str], cause: str) -> None:
    """Assert that a run ended with a one-sentence error that names ``cause``."""
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    last = failed.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert f"{cause}; fix this, then run the same command again to resume" in last


def assert_resumes(recipe: Path, work: Path, other: Path) -> None:
    """Assert that the run resumed in ``work`` gives the same manifests as an undisturbed run in ``other``."""
    again, undisturbed = (run_recipe(load_recipe(str(recipe)), place, until="judge") for place in (work, other))
    assert again.manifests() == undisturbed.manifests()
    assert not list(work.rglob(".part-*"))


TWO_SLOW = [pytest.param("1"), pytest.param("2", marks=pytest.mark.slow)]


# The log of two workers exceeds the limit too: failing to write it must not keep them from reporting the error.
@pytest.mark.parametrize("workers", TWO_SLOW)
def test_a_file_size_limit(bulky: Path, tmp_path: Path, workers: str) -> None:
    failed = gristmill_run(bulky, tmp_path / "work", "--workers", workers, "--until", "judge", limit=10_000)
    assert_fails_with(failed, "File too large")
    assert_resumes(bulky, tmp_path / "work", tmp_path / "other")


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[tuple[Path, Callable[[], None]]]:
    """A file system of 60 kB, and a function that enlarges it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=60k", "none", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("NO PERMISSION TO MOUNT: the test of a full disk needs a tmpfs")

    def enlarge() -> None:
        subprocess.run(["mount", "-o", "remount,size=100m", str(folder)], check=True)

    yield folder, enlarge
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk(bulky: Path, tmp_path: Path, tiny_disk: tuple[Path, Callable[[], None]]) -> None:
    folder, enlarge = tiny_disk
    failed = gristmill_run(bulky, folder / "work", "--workers", "1", "--until", "judge")
    assert_fails_with(failed, "No space left on device")
    enlarge()
    assert_resumes(bulky, folder / "work", tmp_path / "other")


@pytest.mark.parametrize("workers", TWO_SLOW)
def test_an_interrupt(bulky: Path, tmp_path: Path, workers: str) -> None:
    command = [sys.executable, "-m", "gristmill.pipelines.cli.main", "run", bulky, "--work", tmp_path / "work"]
    with subprocess.Popen([*command, "--workers", workers], stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        assert running.stderr.readline().startswith("extract ")
        running.send_signal(signal.SIGINT)
        *_, last = output = running.stderr.readlines()
    assert running.returncode == 1
    assert last == "error: interrupted; run the same command again to resume\n"
    assert "Traceback" not in "".join(output)
    assert_resumes(bulky, tmp_path / "work", tmp_path / "other")


WORKER = """instruction failed
Traceback (most recent call last):
  File "units.py", line 99, in process
ValueError: first

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "units.py", line 101, in process
{}: {} [while running 'ReadSources/ParDo(_Read)-ptransform-5'] [ptransform ids: ref_AppliedPTransform_12]
"""


@pytest.mark.parametrize(
    ("raised", "kind", "message"),
    [
        (InputError("a.parquet has no column [while running 'ReadSources']"), "InputError", "a.parquet has no column"),
        (RuntimeError(WORKER.format("gristmill.errors.InputError", "no column")), "InputError", "no column"),
        (
            RuntimeError(WORKER.format("RuntimeError", "OSError: [Errno 27] File too large")),
            "OSError",
            "File too large",
        ),
        (RuntimeError(WORKER.format("pyarrow.lib.ArrowInvalid", "no footer")), "ArrowInvalid", "no footer"),
        (OSError(28, "No space left on device"), "OSError", "No space left on device"),
        (RuntimeError("KeyboardInterrupt"), "RuntimeError", "KeyboardInterrupt"),
        (MemoryError(), "MemoryError", ""),
    ],
)
def test_the_root_cause_of_beam_errors(raised: Exception, kind: str, message: str) -> None:
    assert root_cause(raised) == (kind, message)


# --- damaged work directories ---


@pytest.fixture
def judged(tmp_path: Path) -> CompletedRun:
    return run_recipe(
        recipe(source(tmp_path, "lines", "jsonl", {"a.jsonl": lines(prose(1), "short")})),
        tmp_path / "work",
        until="judge",
    )


def test_a_truncated_manifest_is_rewritten(judged: CompletedRun) -> None:
    before = judged.manifests()
    for directory in current(judged.work).values():
        manifest = Path(directory.manifest_url)
        manifest.write_bytes(manifest.read_bytes()[:40])
    again = run_recipe(judged.recipe, judged.work, until="judge")
    assert set(again.units_processed().values()) == {0}
    assert again.manifests() == before


def test_a_truncated_manifest_is_named(judged: CompletedRun) -> None:
    manifest = Path(current(judged.work)["judge"].manifest_url)
    manifest.write_bytes(manifest.read_bytes()[:40])
    with pytest.raises(RunError, match=f"^{manifest} is damaged: run the recipe again to rewrite it$"):
        list(inspect_documents(judged.work, Selection(None, None, None), 1))


@pytest.mark.parametrize("length", [0, 40])
def test_a_truncated_receipt_is_named(judged: CompletedRun, length: int) -> None:
    before = judged.manifests()
    (receipt,) = Path(current(judged.work)["signals"].url, "receipts").iterdir()
    receipt.write_bytes(receipt.read_bytes()[:length])
    error_message = fault(RunError, judged.recipe, Path(judged.work), until="judge")
    assert error_message == f"{receipt} is damaged: delete it, then run the same command again to redo its unit"
    receipt.unlink()
    again = run_recipe(judged.recipe, judged.work, until="judge")
    assert again.units_processed() == {"extract": 0, "signals": 1, "judge": 0}
    assert again.manifests() == before


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:40])])
def test_a_missing_or_truncated_data_file_is_named(judged: CompletedRun, damage: Callable[[Path], Any]) -> None:
    (file,) = Path(current(judged.work)["extract"].url, "documents").iterdir()
    (receipt,) = Path(current(judged.work)["extract"].url, "receipts").iterdir()
    damage(file)
    error_message = fault(RunError, judged.recipe, Path(judged.work), until="signatures")
    assert (
        error_message
        == f"{file} is missing or damaged: delete it and {receipt}, then run the same command again to write both"
    )
    file.unlink(missing_ok=True)
    receipt.unlink()
    assert run_recipe(judged.recipe, judged.work, until="signatures").ledger["balanced"]


def test_a_work_directory_with_an_unknown_protocol(tmp_path: Path) -> None:
    small = recipe(source(tmp_path, "lines", "jsonl", {"a.jsonl": lines(prose(1))}))
    with pytest.raises(
        InputError, match=r"^nosuch://bucket/work/recipe.yaml cannot be opened: Protocol not known: nosuch$"
    ):
        run_recipe(small, "nosuch://bucket/work", until="extract")
