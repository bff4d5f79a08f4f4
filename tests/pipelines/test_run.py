"""The whole pipeline on the bundled sample: the outcome of every planted page, and the guarantees of a run."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from gristmill.mixing.mixed_shards import MixedShards
from gristmill.pipelines.recipe import load_recipe
from gristmill.pipelines.reports.document_history import Selection, inspect_documents
from gristmill.pipelines.sample import build as sample_build
from gristmill.pipelines.work_directory import current
from gristmill.store import storage
from gristmill.store.receipts import Manifest
from gristmill.store.stage_directory import StageDirectory
from gristmill.tokenization.token_encoder import Encoder
from tests.pipelines.conftest import CompletedRun, copy_stages, run_recipe

EXPECTED: dict[str, dict[str, Any]] = yaml.safe_load(
    (Path(sample_build.__file__).parent / "expected.yaml").read_text()
)["pages"]


def final_texts(completed_run: CompletedRun) -> dict[bytes, str]:
    """Final text by document id."""
    refine = current(completed_run.work)["refine"]
    tables = [pq.read_table(refine.file_url(entry)) for entry in refine.read_manifest().files("documents")]
    table = pa.concat_tables(table.select(["id", "text"]) for table in tables)
    return dict(zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True))


def stage(completed_run: CompletedRun, name: str) -> tuple[StageDirectory, Manifest]:
    directory = current(completed_run.work)[name]
    return directory, directory.read_manifest()


@pytest.mark.parametrize("url", sorted(EXPECTED))
def test_every_planted_page_has_its_outcome(url: str, documents: list[dict[str, Any]]) -> None:
    expected = EXPECTED[url]
    outcome, _, kind = expected["fate"].partition(": ")
    # Requests and metadata of the same URL are dropped by their record type.
    found = [row for row in documents if row["url"] == url and not str(row["reason"]).startswith("record_type:")]
    assert [row["fate"] for row in found] == [outcome]
    if outcome == "dropped":
        reason = {"too_short": "words_min", "spam": expected.get("rule")}.get(kind, kind)
        assert found[0]["reason"] == reason
        assert set(expected.get("also", ())) <= {
            other["rule"] if isinstance(other, dict) else other for other in found[0]["also"]
        }
    if "language" in expected and outcome == "kept":
        assert found[0]["lang"] == expected["language"]


def test_personal_data_is_redacted_and_look_alikes_are_kept(
    completed_run: CompletedRun, documents: list[dict[str, Any]]
) -> None:
    texts = final_texts(completed_run)
    by_url = {row["url"]: texts[bytes.fromhex(row["id"])] for row in documents if bytes.fromhex(row["id"]) in texts}
    planted = {url: page["pii"] for url, page in EXPECTED.items() if "pii" in page and page["fate"] == "kept"}
    assert planted
    for url, kinds in planted.items():
        for entity, strings in kinds.items():
            assert f"<{entity}>" in by_url[url]
            for string in strings:
                assert string not in by_url[url]
    for url, page in EXPECTED.items():
        for string in page.get("stays", ()) if page["fate"] == "kept" else ():
            assert string in by_url[url]


def test_contaminated_documents_name_the_question(documents: list[dict[str, Any]]) -> None:
    contaminated = [row for row in documents if row["reason"] == "contaminated"]
    assert {row["url"] for row in contaminated} == {url for url, page in EXPECTED.items() if "benchmark" in page}
    assert all(row["test_item"].startswith("schoolbook:") for row in contaminated)


def test_a_near_duplicate_names_a_kept_document(documents: list[dict[str, Any]]) -> None:
    by_id = {row["id"]: row for row in documents}
    removed = [row for row in documents if "match" in row]
    assert removed
    for row in removed:
        assert by_id[row["match"]]["fate"] == "kept"
        assert row["jaccard"] >= 0.72
    removed_per_match = Counter(row["match"] for row in removed)
    assert {row["id"]: row["cluster"] for row in documents if row.get("cluster", 0) > 1} == {
        kept: count + 1 for kept, count in removed_per_match.items()
    }


def test_the_corrupt_record_is_named(documents: list[dict[str, Any]]) -> None:
    (corrupt,) = [row for row in documents if row["fate"] == "failed"]
    assert corrupt["record"]["length"] > 0
    assert corrupt["detail"]


def test_record_counts_balance_from_stage_to_stage(completed_run: CompletedRun) -> None:
    assert completed_run.ledger["balanced"]
    kept = {row["stage"]: row["kept"] for row in completed_run.ledger["stages"]}
    for row in completed_run.ledger["stages"]:
        assert row["in"] == row["kept"] + sum(row["dropped"].values()) + sum(row["failed"].values())
        if row["takes_from"]:
            assert row["in"] == kept[row["takes_from"]]
    assert [row["stage"] for row in completed_run.ledger["stages"]] == list(completed_run.done)


def test_sidecars_are_row_aligned(completed_run: CompletedRun) -> None:
    _, extract = stage(completed_run, "extract")
    rows = {receipt.unit: receipt.file("documents").rows for receipt in extract.receipts}
    for name, kind in {"signals": "signals", "judge": "verdicts", "dedup": "removals", "refine": "edits"}.items():
        _, manifest = stage(completed_run, name)
        assert {r.input["documents"]: r.file(kind).rows for r in manifest.receipts} == rows


def test_manifests_contain_no_local_paths(completed_run: CompletedRun, sample: Path) -> None:
    for directory in current(completed_run.work).values():
        text = Path(directory.manifest_url).read_text()
        assert completed_run.work not in text
        assert str(sample) not in text


def test_every_file_has_the_hash_in_its_manifest(completed_run: CompletedRun) -> None:
    for directory in current(completed_run.work).values():
        for receipt in directory.read_manifest().receipts:
            for entry in receipt.files:
                assert storage.content_hash(directory.file_url(entry)) == entry.sha256


def test_token_counts_balance_and_the_mixture_meets_its_target(completed_run: CompletedRun) -> None:
    _, mix = stage(completed_run, "mix")
    assert all(counts["balanced"] for counts in mix.summary["token_books"])
    total = sum(row["mixed_tokens"] for row in mix.summary["mixture"])
    assert total == sum(entry.rows for entry in mix.files("shards"))
    for row in mix.summary["mixture"]:
        if not any(other["capped"] for other in mix.summary["mixture"]):
            assert row["got"] == pytest.approx(row["asked"], abs=mix.summary["sequence_length"] / total + 1e-6)


def test_sequences_are_the_tokens_of_their_documents(completed_run: CompletedRun) -> None:
    texts = final_texts(completed_run)
    directory, tokenizer = stage(completed_run, "tokenizer")
    encoder = Encoder(storage.read_bytes(directory.file_url(tokenizer.receipts[0].file("tokenizer"))).decode())
    shards = MixedShards.open(current(completed_run.work)["mix"].url, verify=True)
    complete_documents = 0
    for position in range(0, len(shards), 97):
        tokens = shards.tokens(position, 1)[0]
        covered = 0
        for piece in shards.documents(position).to_pylist():
            part = tokens[piece["start"] : piece["end"]]
            covered += len(part)
            text = encoder.encode(texts[piece["id"]])
            ends_here = piece["offset"] + len(part) == len(text) + 1
            expected = np.append(text, encoder.eos_id)[piece["offset"] : piece["offset"] + len(part)]
            assert part.tolist() == expected.tolist()
            complete_documents += ends_here
        assert covered == shards.sequence_length
    assert complete_documents


def test_running_again_does_nothing(completed_run: CompletedRun) -> None:
    before = completed_run.manifests()
    again = run_recipe(completed_run.recipe, completed_run.work)
    assert set(again.units_processed().values()) == {0}
    assert again.manifests() == before


@pytest.fixture
def copied(completed_run: CompletedRun, tmp_path: Path) -> Path:
    """A copy of the work directory of the processed sample, for further runs."""
    return Path(shutil.copytree(completed_run.work, tmp_path / "work"))


def test_a_changed_threshold_runs_judge_again_but_not_signals(
    completed_run: CompletedRun, sample: Path, copied: Path
) -> None:
    recipe = load_recipe(str(sample / "recipe.yaml"), ["judge.thresholds.words_min=100"])
    stricter = run_recipe(recipe, copied, until="judge")
    assert stricter.units_processed() == {"extract": 0, "signals": 0, "judge": 7}
    dropped = {row["stage"]: row["dropped"] for row in stricter.ledger["stages"]}["judge"]
    assert dropped["words_min"] > completed_run.ledger["stages"][2]["dropped"]["words_min"]
    assert run_recipe(completed_run.recipe, copied, until="judge").units_processed()["judge"] == 0


@pytest.mark.parametrize("changed", ["judge.thresholds.words_min=100", "judge.thresholds.words_min=5"])
def test_a_changed_threshold_gives_the_output_of_a_fresh_run(
    completed_run: CompletedRun, sample: Path, copied: Path, tmp_path: Path, changed: str
) -> None:
    """For a stricter and a looser threshold, the same bytes from the verdicts up to the final documents."""
    recipe = load_recipe(str(sample / "recipe.yaml"), [changed])
    again = run_recipe(recipe, copied, until="refine")
    fresh_work = copy_stages(completed_run, tmp_path / "fresh", "judge", "signatures", "dedup", "refine")
    fresh = run_recipe(recipe, fresh_work, until="refine")
    assert again.units_processed()["signals"] == 0
    expected = fresh.manifests()
    assert {stage: again.manifests()[stage] for stage in expected} == expected


def test_lines_are_cut_and_measured_again_but_not_extracted_again(
    completed_run: CompletedRun, sample: Path, copied: Path
) -> None:
    choice = ["judge.lines.rules=[few_words]", "refine.redact=null"]
    recipe = load_recipe(str(sample / "recipe.yaml"), choice)
    cut = run_recipe(recipe, copied, until="refine")
    assert (cut.units_processed()["extract"], cut.units_processed()["signals"]) == (0, 7)
    assert cut.ledger["balanced"]
    rows = [row for row in inspect_documents(cut.work, Selection(None, None, None), 10**6) if "text" in row]
    extracted = {row["id"]: row["text"] for row in rows}
    code = {row["id"] for row in rows if row["source"] == "code"}  # no line is cut from code
    shorter = 0
    for id, text in final_texts(cut).items():
        if id.hex() in code:
            assert text == extracted[id.hex()]
            continue
        lines = [line for line in extracted[id.hex()].split("\n") if not line.strip() or len(line.split()) >= 5]
        if extracted[id.hex()].isascii():
            assert text.rstrip("\n") == "\n".join(lines).rstrip("\n")
            shorter += text != extracted[id.hex()]
    assert shorter


def test_an_added_warc_file_is_the_only_one_extracted(
    completed_run: CompletedRun, sample: Path, tmp_path: Path, copied: Path
) -> None:
    more = Path(shutil.copytree(sample, tmp_path / "more"))
    shutil.copyfile(more / "web" / "crawl-0.warc.gz", more / "web" / "crawl-2.warc.gz")
    grown = run_recipe(load_recipe(str(more / "recipe.yaml")), copied)
    done = grown.units_processed()
    assert (done["extract"], done["signals"], done["judge"], done["signatures"]) == (1, 1, 1, 1)
    assert grown.ledger["balanced"]
    # Its pages are all duplicates: they are dropped as exact copies, and final documents of other files are reused.
    before, after = (row["dropped"] for row in (completed_run.ledger["stages"][4], grown.ledger["stages"][4]))
    assert after["exact_duplicate"] > before["exact_duplicate"]
    assert done["refine"] <= 3
    fresh = run_recipe(load_recipe(str(more / "recipe.yaml")), tmp_path / "fresh")
    assert fresh.manifests() == grown.manifests()
