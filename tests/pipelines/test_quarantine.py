"""A page that crashes the extraction process costs one record; the quarantine list makes such runs reproducible."""

from __future__ import annotations

import gzip
import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from gristmill.errors import InputError
from gristmill.extraction.engines.engine_definition import EngineDefinition, ExtractorSection
from gristmill.extraction.engines.engine_table import ENGINES
from gristmill.pipelines.work_directory import current, delete_orphans
from gristmill.store.receipts import FileEntry
from tests.extraction import misbehaving_engines
from tests.pipelines.conftest import CompletedRun, run_recipe
from tests.pipelines.small_recipes import fault, prose, recipe, source
from tests.pipelines.test_bad_input import counts, page

REPOSITORY = Path(__file__).resolve().parents[2]
FRAGILE = {"extractor": {"name": "trafilatura"}}
MISSING = EngineDefinition(ExtractorSection, misbehaving_engines.load, ("no-such-package",))


def files(completed_run: CompletedRun) -> list[FileEntry]:
    return [entry for receipt in completed_run.done["extract"].manifest.receipts for entry in receipt.files]


def contents(completed_run: CompletedRun) -> list[tuple[str, str]]:
    return sorted((entry.kind, entry.sha256) for entry in files(completed_run))


def children() -> set[str]:
    """The extraction processes that are children of this process."""
    found = {Path(task).read_text() for task in map(str, Path("/proc/self/task").glob("*/children"))}
    pids = [pid for line in found for pid in line.split()]
    return {pid for pid in pids if b"engines.extraction_process" in Path(f"/proc/{pid}/cmdline").read_bytes()}


def test_a_page_that_crashes_its_extractor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    crashing = EngineDefinition(ExtractorSection, misbehaving_engines.load, ("lxml",))
    monkeypatch.setitem(ENGINES, "trafilatura", crashing)
    bodies = [f"{prose(number)}{' CRASH' * (number == 2)}" for number in range(5)]
    archive = b"".join(gzip.compress(page(number, body.encode())) for number, body in enumerate(bodies))
    source_config = source(tmp_path, "web", "warc", {"a.warc.gz": archive})

    monkeypatch.setenv("GRISTMILL_TEST_CRASH", "1")
    crashed = run_recipe(recipe(source_config, extract=FRAGILE), tmp_path / "work", until="extract")
    assert counts(crashed) == (5, 4, {}, {"crash": 1})
    written = Path(current(crashed.work)["extract"].url, "quarantine.jsonl")
    (line,) = map(json.loads, written.read_text().splitlines())
    assert (line["cause"], line["url"], line["file"]) == ("crash", "https://a.example/2", "a.warc.gz")
    assert delete_orphans(crashed.work, [], [], delete=True) == (0, 0)

    kept = tmp_path / "quarantine.jsonl"
    kept.write_bytes(written.read_bytes())
    monkeypatch.delenv("GRISTMILL_TEST_CRASH")  # another machine, where the page does no harm
    harmless = run_recipe(recipe(source_config, extract=FRAGILE), tmp_path / "harmless", until="extract")
    assert counts(harmless) == (5, 5, {}, {})
    assert not Path(current(harmless.work)["extract"].url, "quarantine.jsonl").exists()
    listed = run_recipe(
        recipe(source_config, extract={**FRAGILE, "quarantine": str(kept)}), tmp_path / "listed", until="extract"
    )
    assert contents(listed) == contents(crashed) != contents(harmless)
    assert Path(current(listed.work)["extract"].url, "quarantine.jsonl").read_bytes() == kept.read_bytes()
    assert current(listed.work)["extract"].key != current(crashed.work)["extract"].key

    deadline = time.monotonic() + 20
    while children() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not children(), f"an extraction process of {os.getpid()} is still running"


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "[]",
        '{"id": "ab"}',
        '{"id": "xy", "cause": "crash", "detail": ""}',
        '{"id": "ab", "cause": "ennui", "detail": ""}',
    ],
)
def test_an_invalid_quarantine_list(tmp_path: Path, text: str) -> None:
    (tmp_path / "list").write_text(text)
    invalid = recipe(source(tmp_path, "t", "text", {"a.txt": b"x"}), extract={"quarantine": str(tmp_path / "list")})
    error_message = fault(InputError, invalid, tmp_path / "work")
    assert error_message == (
        f"extract.quarantine: {tmp_path}/list is not a quarantine list; "
        "use the quarantine.jsonl of an extract directory"
    )


def test_a_missing_engine_is_reported_before_anything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "rs-trafilatura", MISSING)
    source_config = source(tmp_path, "t", "text", {"a.txt": b"x"})
    missing_engine = recipe(source_config, extract={"extractor": {"name": "rs-trafilatura"}})
    error_message = fault(InputError, missing_engine, tmp_path / "work")
    assert error_message == (
        "extract.extractor: the engine rs-trafilatura is not installed; run pip install 'gristmill[no-such-package]'"
    )


def test_releases_of_other_engines_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source_config = source(tmp_path, "t", "text", {"a.txt": b"A text of some words."})
    resiliparse = recipe(source_config, extract={"extractor": {"name": "resiliparse"}})
    first = run_recipe(resiliparse, tmp_path / "work", until="extract")
    monkeypatch.setitem(ENGINES, "trafilatura", MISSING)
    assert run_recipe(resiliparse, tmp_path / "work", until="extract").units_processed() == {"extract": 0}
    changed = replace(ENGINES["resiliparse"], libraries=("resiliparse", "no-such-package"))
    monkeypatch.setitem(ENGINES, "resiliparse", changed)
    again = run_recipe(resiliparse, tmp_path / "work", until="extract")
    assert again.units_processed() == {"extract": 1}
    assert contents(again) == contents(first)
