"""Repeated lines, paragraphs and spans in whole runs: optional, independent of order, and recorded as edits."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gristmill.corpus.words import words
from gristmill.errors import InputError
from gristmill.pipelines.plan import plan_run, wanted_directories
from gristmill.pipelines.recipe import Recipe, load_recipe
from gristmill.pipelines.reports.document_history import Selection, inspect_documents
from gristmill.pipelines.work_directory import current
from tests.pipelines.conftest import CompletedRun, copy_stages, run_recipe
from tests.pipelines.small_recipes import prose, recipe, source

Rows = list[dict[str, str]]

CHANCE = random.Random(11)
LINES = [prose(1000 + number, 14) for number in range(60)]
QUOTED = [prose(2000 + number, 30) for number in range(8)]
FOOTER = "Subscribe to our weekly letter and never miss a word of what we write.\n"


def _texts(count: int) -> list[str]:
    """Texts of unique and shared lines and paragraphs, each with a quotation, some with a footer."""
    texts = []
    for number in range(count):
        own = [prose(number * 10 + part, 40) for part in range(4)]
        shared = CHANCE.sample(LINES, 3)
        quoting = f"{own[2]} {CHANCE.choice(QUOTED)} {own[3]}"
        body = [own[0], f"{own[1]}\n{shared[0]}", "Ja.\nNein.", f"{shared[1]}\n{shared[2]}", quoting]
        texts.append(
            "\n\n".join(CHANCE.sample(body, len(body)))
            + ("\n\n" + FOOTER if number % 3 else "\nEnable JavaScript now.")
        )
    return texts


ROWS: Rows = [{"id": f"urn:{number}", "text": text} for number, text in enumerate(_texts(60))]
ALL = {"lines": {}, "paragraphs": {}, "spans": {"min_bytes": 60}}
JUDGE = {"rules": [], "languages": None, "lines": {"rules": ["javascript"]}}


def _recipe(folder: Path, sources: dict[str, Rows], repeats: Any, files: int = 1, **more: Any) -> Recipe:
    recipe_sources = []
    for name, rows in sources.items():
        parts = {
            f"{part}.jsonl": b"".join(json.dumps(row).encode() + b"\n" for row in rows[part::files])
            for part in range(files)
        }
        recipe_sources.append(source(folder, name, "jsonl", parts, fields={"id": "id"}))
    settings = {"judge": JUDGE, "refine": {"redact": None}, **more}
    return recipe(*recipe_sources, repeats={"partitions": 4, **repeats}, **settings)


def _run(
    folder: Path,
    sources: dict[str, Rows],
    repeats: Any,
    files: int = 1,
    workers: int = 1,
    until: str = "refine",
    **more: Any,
) -> CompletedRun:
    return run_recipe(_recipe(folder, sources, repeats, files, **more), folder / "work", workers, until)


def _run_again(first: CompletedRun, folder: Path, repeats: Any, workers: int = 1, files: int = 1) -> CompletedRun:
    """Run over all rows with the stages before passages copied from another run over as many ``files``."""
    work = copy_stages(first, folder / "work", "passages", "repeats", "refine")
    return run_recipe(_recipe(folder, {"web": ROWS}, repeats, files), work, workers, "refine")


def _sidecar(completed_run: CompletedRun, stage: str, kind: str, *columns: str) -> dict[bytes, Any]:
    """The rows of a sidecar of ``stage``, by document id."""
    stages = current(completed_run.work)
    found = {}
    receipts = {str(r.input.get("documents", r.unit)): r for r in stages[stage].read_manifest().receipts}
    for receipt in stages["extract"].read_manifest().receipts:
        ids = pq.read_table(stages["extract"].file_url(receipt.file("documents")), columns=["id"])["id"].to_pylist()
        table = pq.read_table(stages[stage].file_url(receipts[receipt.unit].file(kind)), columns=list(columns))
        found.update(zip(ids, table.to_pylist(), strict=True))
    return found


def _repeated(completed_run: CompletedRun) -> dict[bytes, list[dict[str, Any]]]:
    return {id: row["repeated"] for id, row in _sidecar(completed_run, "repeats", "repeats", "repeated").items()}


def _final(completed_run: CompletedRun, stage: str = "refine") -> dict[bytes, str]:
    """The texts of a stage by document id."""
    directory = current(completed_run.work)[stage]
    files = [directory.file_url(entry) for entry in directory.read_manifest().files("documents")]
    table = pa.concat_tables([pq.read_table(url, columns=["id", "text"]) for url in files])
    return dict(zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True))


@pytest.fixture(scope="module")
def one_file(tmp_path_factory: pytest.TempPathFactory) -> CompletedRun:
    """All rows in one file, in order."""
    return _run(tmp_path_factory.mktemp("one_file"), {"web": ROWS}, ALL)


@pytest.fixture(scope="module")
def three_files(tmp_path_factory: pytest.TempPathFactory) -> CompletedRun:
    """All rows in three files."""
    return _run(tmp_path_factory.mktemp("three_files"), {"web": ROWS}, ALL, files=3)


def test_a_recipe_without_repeats_has_no_such_stages(completed_run: CompletedRun) -> None:
    assert not [*Path(completed_run.work).glob("passages-*"), *Path(completed_run.work).glob("repeats-*")]
    assert not {"passages", "repeats"} & {row["stage"] for row in completed_run.ledger["stages"]}


def test_the_stages_come_before_refine_and_keep_every_document(one_file: CompletedRun) -> None:
    rows = {row["stage"]: row for row in one_file.ledger["stages"]}
    assert list(rows)[-4:] == ["dedup", "passages", "repeats", "refine"]
    assert (
        rows["passages"]["kept"]
        == rows["repeats"]["kept"]
        == rows["refine"]["in"]
        == rows["dedup"]["kept"]
        == len(ROWS)
    )
    (receipt,) = current(one_file.work)["repeats"].read_manifest().receipts
    assert receipt.summary["cut"]["repeated_line"] > 100
    assert receipt.summary["cut"]["repeated_paragraph"] > 30
    characters = receipt.summary["characters"]
    assert min(characters.values()) > 100
    cuts = [cut for cuts in _repeated(one_file).values() for cut in cuts]
    assert sum(characters.values()) == sum(cut["end"] - cut["start"] for cut in cuts)


def test_the_final_text_is_the_extracted_text_without_its_edits(one_file: CompletedRun) -> None:
    extracted, final = _final(one_file, "extract"), _final(one_file)
    edits = _sidecar(one_file, "refine", "edits", "kept", "edits")
    assert set(final) == {id for id, row in edits.items() if row["kept"]}
    entities = set()
    for id, text in final.items():
        pieces, position = [], 0
        for edit in edits[id]["edits"]:
            assert position <= edit["start"] < edit["end"] <= len(extracted[id])
            pieces.append(extracted[id][position : edit["start"]])
            position = edit["end"]
            entities.add(edit["entity"])
        assert text == "".join([*pieces, extracted[id][position:]])
        assert text.strip()
    assert entities == {"repeated_line", "repeated_paragraph", "repeated_span", "javascript"}


def test_one_copy_of_everything_is_kept(one_file: CompletedRun) -> None:
    everything = "\n".join(_final(one_file).values())
    for line in [*LINES, *QUOTED, FOOTER.strip()]:
        assert everything.count(line) == any(line in row["text"] for row in ROWS)
    assert everything.count("Nein.") == len(ROWS)  # short lines are kept
    before = {word for row in ROWS for word in words(row["text"])}
    assert set(words(everything)) >= before - {"Enable", "JavaScript", "now"}


@pytest.mark.parametrize(
    ("files", "unit_size", "workers"),
    [(1, 2**28, 1), (7, 2**16, 1), pytest.param(5, 2**28, 2, marks=pytest.mark.slow)],
)
def test_output_does_not_depend_on_input_order_unit_size_or_workers(
    files: int, unit_size: int, workers: int, one_file: CompletedRun, tmp_path: Path
) -> None:
    rows = random.Random(files).sample(ROWS, len(ROWS))
    found = _run(tmp_path, {"web": rows}, ALL, files, workers, unit_size=unit_size)
    assert _repeated(found) == _repeated(one_file)
    assert _final(found) == _final(one_file)


def test_two_workers_write_the_same_files_as_one(three_files: CompletedRun, tmp_path: Path) -> None:
    two = _run_again(three_files, tmp_path, ALL, workers=2, files=3)
    processed = two.units_processed()
    assert (processed["signatures"], processed["passages"], processed["repeats"], processed["refine"]) == (0, 3, 3, 3)
    assert two.manifests() == three_files.manifests()


def test_frequent_lines_are_removed_entirely(one_file: CompletedRun, tmp_path: Path) -> None:
    rule = {"lines": {"min_count": 10, "keep": "none"}}
    everything = "\n".join(_final(_run_again(one_file, tmp_path, rule)).values())
    assert FOOTER.strip() not in everything
    for line in LINES:
        count = sum(row["text"].count(line) for row in ROWS)
        assert everything.count(line) == (count if count < 10 else 0)


def test_the_source_of_higher_priority_keeps_its_copies(tmp_path: Path) -> None:
    old, new = ROWS[:30], ROWS[30:]
    for first, second in (("old", "new"), ("new", "old")):
        found = _run(tmp_path, {"old": old, "new": new}, {"lines": {}}, dedup={"priority": [first]})
        ids = {name: set(_of_source(found, name)) for name in ("old", "new")}
        final = _final(found)
        with_footer = {id for id, text in final.items() if FOOTER.strip() in text}
        assert len(with_footer) == 1
        assert with_footer < ids[first] - ids[second]


def test_a_source_can_be_excluded(tmp_path: Path) -> None:
    both = {"old": ROWS[:30], "new": ROWS[30:]}
    excluded = _run(tmp_path / "excluded", both, {**ALL, "exclude_sources": ["new"]})
    alone = _run(tmp_path / "alone", {"old": ROWS[:30]}, ALL)
    found = _repeated(excluded)
    assert not any(found[id] for id in _of_source(excluded, "new"))
    assert {id: found[id] for id in _of_source(excluded, "old")} == _repeated(alone)


def _of_source(completed_run: CompletedRun, name: str) -> list[bytes]:
    return [
        id for id, row in _sidecar(completed_run, "extract", "documents", "source").items() if row["source"] == name
    ]


def test_no_passages_are_written_for_spans_alone(three_files: CompletedRun, tmp_path: Path) -> None:
    spans = _run_again(three_files, tmp_path, {"spans": {"min_bytes": 70}}, files=3)
    assert "passages" not in current(spans.work)
    assert {cut["entity"] for cuts in _repeated(spans).values() for cut in cuts} == {"repeated_span"}
    assert "\n".join(_final(spans).values()).count(FOOTER.strip()[1:]) == 1


def test_spans_are_searched_within_groups(tmp_path: Path) -> None:
    """Two units that do not fit into one group: a span that occurs once in each is kept."""
    wide = [
        {"id": f"urn:{n}", "text": FOOTER + "\n".join(prose(n * 1000 + m, 200) for m in range(550))} for n in range(4)
    ]
    settings = {"spans": {"min_bytes": 60, "group_bytes": 2**20}}
    found = _run(tmp_path, {"web": wide[::2] + wide[1::2]}, settings, files=2, until="repeats")
    texts = current(found.work)["extract"].read_manifest().receipts
    assert len(texts) == 2
    assert all(2 * receipt.summary["text_bytes"] > 2**20 for receipt in texts)
    cut = [bool(cuts and cuts[0]["start"] == 0) for cuts in _repeated(found).values()]
    assert sum(cut) == 2


def test_a_document_without_remaining_text_is_dropped(tmp_path: Path) -> None:
    rows = [*ROWS[:5], {"id": "urn:x", "text": FOOTER}, {"id": "urn:y", "text": FOOTER + "\n" + prose(1)}]
    found = _run(tmp_path, {"web": rows}, {"lines": {"min_count": 2, "keep": "none"}})
    assert found.ledger["stages"][-1]["dropped"] == {"nothing_left": 1}
    (document,) = inspect_documents(found.work, Selection(None, None, "nothing_left"), 9)
    assert document["text"] == FOOTER.strip()


def test_inspect_shows_the_edits(one_file: CompletedRun) -> None:
    edits = [
        edit
        for row in inspect_documents(one_file.work, Selection(None, None, None), 99)
        for edit in row.get("edits", ())
    ]
    assert {edit.split()[0] for edit in edits} == {"repeated_line", "repeated_paragraph", "repeated_span", "javascript"}


def test_a_changed_count_does_not_hash_again(three_files: CompletedRun, tmp_path: Path) -> None:
    changed = {**ALL, "lines": {"min_count": 3, "keep": "none"}}
    copy_stages(three_files, tmp_path / "work")
    again = _run(tmp_path, {"web": ROWS}, changed, files=3)
    assert again.units_processed()["passages"] == 0
    assert again.units_processed()["repeats"] == 3


def test_an_added_file_is_the_only_one_hashed(tmp_path: Path) -> None:
    _run(tmp_path, {"web": ROWS[:40]}, ALL, until="repeats")
    more = source(
        tmp_path, "web", "jsonl", {"more.jsonl": b"".join(json.dumps(row).encode() + b"\n" for row in ROWS[40:])}
    )
    settings = {"judge": JUDGE, "refine": {"redact": None}, "repeats": {"partitions": 4, **ALL}}
    again = run_recipe(recipe({**more, "fields": {"id": "id"}}, **settings), tmp_path / "work", until="repeats")
    assert (again.units_processed()["passages"], again.units_processed()["repeats"]) == (1, 2)
    fresh = run_recipe(recipe({**more, "fields": {"id": "id"}}, **settings), tmp_path / "fresh", until="repeats")
    assert again.manifests() == fresh.manifests()


def test_plan_and_clean_include_the_stages(one_file: CompletedRun) -> None:
    rows = {row["stage"]: row for row in plan_run(one_file.recipe, one_file.work)["stages"]}
    for stage in ("passages", "repeats"):
        assert (rows[stage]["units"], rows[stage]["standing"]) == (1, 1)
        assert current(one_file.work)[stage].name in wanted_directories(one_file.work)


def test_a_corpus_without_words_has_no_repeats(tmp_path: Path) -> None:
    for name, rows in {"nothing": [], "wordless": [{"id": "urn:a", "text": "…"}, {"id": "urn:b", "text": "!"}]}.items():
        completed_run = _run(tmp_path / name, {"web": rows}, ALL)
        assert completed_run.ledger["balanced"]
        assert not any(_repeated(completed_run).values())


def test_the_sample_has_repeats_and_loses_no_documents(
    sample: Path, completed_run: CompletedRun, tmp_path: Path
) -> None:
    recipe = load_recipe(str(sample / "recipe.yaml"), ["repeats.paragraphs.min_words=5", "repeats.spans.min_bytes=100"])
    found = run_recipe(recipe, copy_stages(completed_run, tmp_path / "work", "refine"), until="refine")
    before, after = ({row["stage"]: row for row in run.ledger["stages"]} for run in (completed_run, found))
    assert found.ledger["balanced"]
    assert after["dedup"] == before["dedup"]
    edited = [receipt.summary["edited"] for receipt in current(found.work)["refine"].read_manifest().receipts]
    assert sum(counts.get("repeated_span", 0) + counts.get("repeated_paragraph", 0) for counts in edited) > 0
    assert completed_run.manifests()["dedup"] == found.manifests()["dedup"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("repeats={}", "has no rule"),
        ("repeats.lines.keep=last", "keep"),
        ("repeats.lines.min_count=1", "min_count"),
        ("repeats.exclude_sources=[nobody]", "nobody"),
    ],
)
def test_an_invalid_section_is_an_error(sample: Path, override: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_recipe(str(sample / "recipe.yaml"), [override, *(["repeats.lines={}"] if "exclude" in override else [])])
