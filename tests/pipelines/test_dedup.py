"""Deduplication in whole runs: it does not depend on order, and with an index equals one run over everything."""

from __future__ import annotations

import gzip
import json
import random
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from gristmill.errors import InputError
from gristmill.pipelines.stages.dedup import Dedup
from gristmill.pipelines.stages.signatures import Signatures
from gristmill.pipelines.work_directory import current
from tests.pipelines.conftest import CompletedRun, run_recipe
from tests.pipelines.small_recipes import fault, recipe, source

Rows = list[dict[str, str]]

JUDGE = {"rules": [], "languages": None}
SEED = random.Random(7)
VOCABULARY = [f"word{number}" for number in range(400)]


def _texts(count: int) -> list[str]:
    """Random texts, pages of a template, copies of earlier texts, copies with an edit, and short texts."""
    texts: list[str] = []
    template = SEED.choices(VOCABULARY, k=60)
    for number in range(count):
        match number % 5:
            case 0:
                texts.append(" ".join(SEED.choices(VOCABULARY, k=90)))
            case 1:
                texts.append(" ".join([*template, *SEED.choices(VOCABULARY, k=14)]))
            case 2:
                texts.append(SEED.choice(texts).upper())
            case 3:
                words = SEED.choice(texts).split()
                words[SEED.randrange(len(words))] = SEED.choice(VOCABULARY)
                texts.append(" ".join(words))
            case _:
                texts.append(" ".join(SEED.choices(VOCABULARY[:3], k=SEED.randrange(4))) or "…")
    return texts


ROWS: Rows = [{"id": f"urn:{number}", "text": text} for number, text in enumerate(_texts(400))]


def _run(folder: Path, sources: dict[str, Rows], files: int = 1, workers: int = 1, **more: Any) -> CompletedRun:
    """Run until dedup on the rows of each source, distributed over ``files``."""
    recipe_sources = []
    for name, rows in sources.items():
        parts = {
            f"{part}.jsonl": b"".join(json.dumps(row).encode() + b"\n" for row in rows[part::files])
            for part in range(files)
        }
        recipe_sources.append(source(folder, name, "jsonl", parts, fields={"id": "id", "url": "url"}))
    dedup = {"partitions": 4, **more.pop("dedup", {})}
    return run_recipe(recipe(*recipe_sources, judge=JUDGE, dedup=dedup, **more), folder / "work", workers, "dedup")


def _removals(completed_run: CompletedRun) -> pa.Table:
    """The decision about each document, sorted by id."""
    stages = current(completed_run.work)
    tables = []
    removals = {str(r.input["documents"]): r for r in stages["dedup"].read_manifest().receipts}
    for receipt in stages["extract"].read_manifest().receipts:
        ids = pq.read_table(stages["extract"].file_url(receipt.file("documents")), columns=["id"])
        found = pq.read_table(stages["dedup"].file_url(removals[receipt.unit].file("removals")))
        tables.append(found.add_column(0, "id", ids["id"]))
    return pa.concat_tables(tables).sort_by("id").combine_chunks()


def _bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def _removed(completed_run: CompletedRun) -> set[bytes]:
    table = _removals(completed_run)
    return set(table.filter(table["removed"])["id"].to_pylist())


def _kept(table: pa.Table) -> list[bytes]:
    return table.filter(pc.greater(table["cluster"], 0))["id"].to_pylist()  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def one_file(tmp_path_factory: pytest.TempPathFactory) -> CompletedRun:
    """All rows in one file, in order."""
    return _run(tmp_path_factory.mktemp("one_file"), {"web": ROWS})


def test_documents_are_removed_and_kept(one_file: CompletedRun) -> None:
    found = _removals(one_file)
    kinds = found["duplicate"].value_counts().to_pylist()
    assert {kind["values"] for kind in kinds} == {"exact_duplicate", "near_duplicate", None}
    assert min(kind["counts"] for kind in kinds) > 20
    kept = dict(zip(found["id"].to_pylist(), found["cluster"].to_pylist(), strict=True))
    assert sum(kept.values()) == len(ROWS)  # a removed document is counted in the cluster of its match
    assert all(kept[match] > 1 for match in found["match"].drop_null().to_pylist())


@pytest.mark.parametrize(
    ("files", "unit_size", "workers"),
    [(1, 2**28, 1), (7, 2**16, 1), pytest.param(5, 2**28, 2, marks=pytest.mark.slow)],
)
def test_output_does_not_depend_on_input_order_unit_size_or_workers(
    files: int, unit_size: int, workers: int, one_file: CompletedRun, tmp_path: Path
) -> None:
    rows = random.Random(files).sample(ROWS, len(ROWS))
    found = _run(tmp_path, {"web": rows}, files, workers, unit_size=unit_size)
    assert _bytes(_removals(found)) == _bytes(_removals(one_file))


def test_two_workers_write_the_same_files_as_one(tmp_path: Path) -> None:
    one, two = (_run(tmp_path / str(n), {"web": ROWS}, files=3, workers=n, unit_size=2**16) for n in (1, 2))
    assert one.manifests() == two.manifests()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Work directories of several tests, which differ in their settings of dedup and share the stages before."""
    return tmp_path_factory.mktemp("shared")


def _run_halves(folder: Path, old: Rows, new: Rows, **settings: Any) -> tuple[CompletedRun, CompletedRun, CompletedRun]:
    """Run over two sources together, over the first one, and over the second one with the first as index."""
    together = _run(folder / "both", {"old": old, "new": new}, dedup={**settings, "priority": ["old", "new"]})
    before = _run(folder / "old", {"old": old}, files=2, dedup=settings)
    after = _run(folder / "new", {"new": new}, files=3, dedup={**settings, "index": [before.work]})
    return together, before, after


@pytest.mark.parametrize("verify", ["exact", "estimate", "none"])
def test_with_an_index_the_same_is_removed_as_in_one_run(verify: str, folder: Path) -> None:
    together, before, after = _run_halves(folder, ROWS[::2], ROWS[1::2], verify=verify)
    assert _removed(before) | _removed(after) == _removed(together)
    earlier, found = _removals(before), _removals(after)
    kept = {*_kept(earlier), *_kept(found)}
    matches = set(found["match"].drop_null().to_pylist())
    assert matches <= kept
    assert matches & set(earlier["id"].to_pylist())


def _with_urls(rows: Rows) -> Rows:
    """Every second row gets the URL of one of a few pages, in one of two equivalent spellings."""
    spellings = ["http://www.page{}.example/?b=1&a=2", "https://page{}.example:443?a=2&b=1&utm_source=x#top"]
    return [{**row, "url": spellings[n % 4 // 2].format(n * n % 97)} if n % 2 else row for n, row in enumerate(rows)]


@pytest.mark.parametrize("verify", ["exact", "none"])
def test_with_urls_and_an_index_the_same_is_removed_as_in_one_run(verify: str, folder: Path) -> None:
    rows = _with_urls(ROWS)
    random.Random(1).shuffle(rows)
    together, before, after = _run_halves(folder / "urls", rows[:200], rows[200:], verify=verify, urls=True)
    assert _removed(before) | _removed(after) == _removed(together)
    found = _removals(together)
    by_url = found.filter(pc.equal(found["duplicate"], "same_url"))
    assert by_url.num_rows > 20
    assert by_url["jaccard"].null_count == by_url.num_rows
    assert set(by_url["match"].to_pylist()) <= set(_kept(found))
    assert together.ledger["balanced"]


def test_documents_without_words_are_removed_by_their_url(tmp_path: Path) -> None:
    rows = [{"id": f"urn:{n}", "text": "…", "url": f"http://page.example/{n % 2}"} for n in range(4)]
    assert len(_removed(_run(tmp_path, {"web": rows}, dedup={"urls": True}))) == 2
    assert not _removed(_run(tmp_path, {"web": rows}))


def test_in_the_scope_of_an_index_each_document_is_decided_independently(tmp_path: Path) -> None:
    """Both copies of a document are removed or both are kept, and matches are documents of the index."""
    before = _run(tmp_path / "old", {"old": ROWS[:200]})
    once, again = ([{**row, "id": f"{row['id']}:{copy}"} for row in ROWS[100:300]] for copy in range(2))
    narrow = {"index": [before.work], "scope": "index"}
    one, two = (_run(tmp_path / str(len(rows)), {"new": rows}, dedup=narrow) for rows in (once, [*once, *again]))
    assert len(_removed(two)) == 2 * len(_removed(one)) > 200
    assert set(_removals(two)["match"].drop_null().to_pylist()) <= set(_kept(_removals(before)))
    removed = len(_removed(two))
    wide = _run(tmp_path / "400", {"new": [*once, *again]}, dedup={"index": [before.work]})
    assert len(_removed(wide)) > removed


def test_the_scope_of_an_index_requires_an_index(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name at least one under `index`"):
        recipe(source(tmp_path, "web", "jsonl", {}), dedup={"scope": "index"})


def test_with_simhash_and_an_index_the_same_is_removed_as_in_one_run(folder: Path, tmp_path: Path) -> None:
    settings = {"simhash": {"distance": 6}, "urls": True}
    together, before, after = _run_halves(folder, ROWS[::2], ROWS[1::2], **settings)
    assert _removed(before) | _removed(after) == _removed(together)
    found = _removals(together)
    kinds = {row["values"]: row["counts"] for row in found["duplicate"].value_counts().to_pylist()}
    assert min(kinds["near_duplicate"], kinds["exact_duplicate"]) > 5
    assert found.filter(pc.equal(found["duplicate"], "near_duplicate"))["jaccard"].null_count == kinds["near_duplicate"]
    error_message = fault(
        InputError,
        recipe(source(tmp_path, "web", "jsonl", {}), judge=JUDGE, dedup={"index": [before.work]}),
        tmp_path / "work",
        "dedup",
    )
    assert "whose signatures were made with other shingles" in error_message


def test_defaults_of_newer_settings_are_not_in_keys(tmp_path: Path) -> None:
    """Signatures and decisions made before these settings existed stay valid, unless one of them is set."""
    web = source(tmp_path, "web", "jsonl", {})

    def key_configs(**section: Any) -> list[Any]:
        return [stage.key_config(recipe(web, dedup=section)) for stage in (Signatures(), Dedup())]

    assert not {"shingle", "urls", "scope", "simhash"} & key_configs()[1]["dedup"].keys()
    assert key_configs() == key_configs(shingle="words", urls=False, scope="all", simhash=None)
    for section in ({"shingle": "characters"}, {"urls": True}, {"simhash": {}}):
        assert all(new != old for new, old in zip(key_configs(**section), key_configs(), strict=True))


def test_real_text_in_two_runs_is_deduplicated_as_in_one(shared_data: Path, tmp_path: Path) -> None:
    with gzip.open(shared_data / "text" / "win32-docs-en.jsonl.gz", "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in islice(lines, 34700, 37700)]
    rows = [{"id": f"urn:{number}", "text": text} for number, text in enumerate(texts)]
    together = _run(tmp_path / "both", {"old": rows[::2], "new": rows[1::2]}, dedup={"priority": ["old", "new"]})
    before = _run(tmp_path / "old", {"old": rows[::2]})
    after = _run(tmp_path / "new", {"new": rows[1::2]}, dedup={"index": [before.work]})
    assert _removed(before) | _removed(after) == _removed(together)
    assert len(_removed(after)) > 100


def test_an_index_of_signatures_includes_removed_documents(tmp_path: Path) -> None:
    """With a signatures directory as index, any document matches; with a work directory, only kept ones."""
    text = " ".join(VOCABULARY[:60])
    twice = [{"id": "urn:b", "text": text}, {"id": "urn:a", "text": text}]
    before = _run(tmp_path / "old", {"old": twice})
    signatures = current(before.work)["signatures"].url
    new = {"new": [{"id": "urn:c", "text": f"{text} more"}]}
    assert len(_removed(before)) == 1
    for number, index in enumerate((before.work, signatures)):
        after = _run(tmp_path / f"new{number}", new, dedup={"index": [index]})
        (match,) = _removals(after)["match"].to_pylist()
        assert match in set(_removals(before)["id"].to_pylist()) - (_removed(before) if index == before.work else set())


def test_an_index_is_identified_by_its_contents(tmp_path: Path) -> None:
    """The stage's key depends on the contents of the index, not on its location."""
    _run(tmp_path / "old", {"old": ROWS[:50]})
    (tmp_path / "old").rename(tmp_path / "moved")
    moved = str(tmp_path / "moved" / "work")
    first = _run(tmp_path / "new", {"new": ROWS[50:90]}, dedup={"index": [moved]}).manifests()
    Path(moved).rename(tmp_path / "again")
    second = _run(tmp_path / "new", {"new": ROWS[50:90]}, dedup={"index": [str(tmp_path / "again")]})
    assert second.units_processed()["dedup"] == 0
    assert second.manifests() == first
    without = _run(tmp_path / "new", {"new": ROWS[50:90]})
    assert without.units_processed()["dedup"] == 1
    assert without.manifests()["dedup"] != first["dedup"]


def test_an_invalid_index_is_rejected_before_any_work(tmp_path: Path) -> None:
    before = _run(tmp_path / "old", {"old": ROWS[:9]})
    web = source(tmp_path, "web", "jsonl", {"a.jsonl": json.dumps(ROWS[0]).encode()})
    messages = {
        str(tmp_path / "nowhere"): "nowhere",
        f"{before.work}/signatures-0123456789abcdef": "signatures-0123456789abcdef/manifest.json does not exist",
    }
    for index, message in messages.items():
        error_message = fault(
            InputError, recipe(web, judge=JUDGE, dedup={"index": [index]}), tmp_path / "work", "dedup"
        )
        assert message in error_message
    error_message = fault(
        InputError, recipe(web, judge=JUDGE, dedup={"index": [before.work], "ngram": 4}), tmp_path / "work", "dedup"
    )
    assert "whose signatures were made with other shingles" in error_message


def test_an_empty_corpus_has_no_removals(tmp_path: Path) -> None:
    for name, rows in {"nothing": [], "wordless": [{"id": "urn:a", "text": "…"}, {"id": "urn:b", "text": "!"}]}.items():
        completed_run = _run(tmp_path / name, {"web": rows})
        assert completed_run.ledger["balanced"]
        assert not _removed(completed_run)


def test_the_better_duplicate_by_a_signal_is_kept(tmp_path: Path) -> None:
    """By length, the second one would be kept."""
    words = " ".join(VOCABULARY[:80])
    rows = [{"id": "urn:a", "text": f"{words}\n{words}"}, {"id": "urn:b", "text": f"{words} {words} more"}]
    by_length, by_signal = (
        _removals(_run(tmp_path, {"web": rows}, dedup=settings)) for settings in ({}, {"quality": "lines"})
    )
    assert by_length["removed"].to_pylist() != by_signal["removed"].to_pylist()


def test_a_quality_that_is_not_a_signal_is_rejected(tmp_path: Path) -> None:
    web = source(tmp_path, "web", "jsonl", {"a.jsonl": json.dumps(ROWS[0]).encode()})
    error_message = fault(
        InputError, recipe(web, judge=JUDGE, dedup={"quality": "beauty"}), tmp_path / "work", "signatures"
    )
    assert "which is not a signal or a" in error_message
