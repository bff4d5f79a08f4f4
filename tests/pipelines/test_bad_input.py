"""Bad input is counted under a reason or reported as a clear error, and completed work is kept."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gristmill.errors import InputError
from gristmill.pipelines.recipe import dump_recipe
from gristmill.pipelines.reports.document_history import Selection, inspect_documents
from gristmill.pipelines.work_directory import current, read_ledger
from tests.pipelines.conftest import CompletedRun, run_recipe
from tests.pipelines.small_recipes import fault, lines, prose, recipe, source

INFO = b"WARC/1.0\r\nWARC-Type: warcinfo\r\nWARC-Record-ID: <urn:uuid:1>\r\nContent-Length: 4\r\n\r\nab\r\n\r\n\r\n"


def page(number: int, body: bytes) -> bytes:
    """A response record."""
    block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + body
    head = (
        f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:{number}>\r\n"
        f"WARC-Target-URI: https://a.example/{number}\r\nWARC-Date: 2026-01-01T00:00:00Z\r\n"
        f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(block)}\r\n\r\n"
    )
    return head.encode() + block + b"\r\n\r\n"


def counts(completed_run: CompletedRun, stage: str = "extract") -> tuple[int, int, dict[str, int], dict[str, int]]:
    (row,) = [row for row in completed_run.ledger["stages"] if row["stage"] == stage]
    return row["in"], row["kept"], row["dropped"], row["failed"]


# --- faults in files are counted under a reason ---


def test_a_truncated_warc_file(tmp_path: Path) -> None:
    members = [gzip.compress(page(number, f"<p>{prose(number)}</p>".encode())) for number in range(3)]
    cut = b"".join(members)[:-50]
    completed_run = run_recipe(
        recipe(source(tmp_path, "web", "warc", {"a.warc.gz": cut, "b.warc.gz": members[0]})),
        tmp_path / "work",
        until="extract",
    )
    assert counts(completed_run) == (4, 3, {}, {"truncated": 1})
    (failed,) = inspect_documents(completed_run.work, Selection(None, None, "truncated"), 9)
    start = len(members[0]) + len(members[1])
    assert (failed["record"]["file"], failed["record"]["offset"]) == ("a.warc.gz", start)
    assert failed["record"]["length"] == len(cut) - start


def test_archives_without_pages(tmp_path: Path) -> None:
    source_config = source(
        tmp_path, "web", "warc", {"empty.warc.gz": b"", "empty.warc": b"", "info.warc.gz": gzip.compress(INFO)}
    )
    error_message = fault(InputError, recipe(source_config), tmp_path / "work", until="extract")
    assert error_message == (
        "extract keeps none of 1 records, 1 of them because of record_type:warcinfo: correct the recipe"
    )
    ledger = read_ledger(str(tmp_path / "work"))
    assert ledger["balanced"]
    assert (ledger["stages"][0]["in"], ledger["stages"][0]["dropped"]) == (1, {"record_type:warcinfo": 1})


def test_files_in_another_format_than_their_source(tmp_path: Path) -> None:
    sources = [
        source(
            tmp_path,
            "texts",
            "text",
            {"a.txt": bytes(range(256)), "b.txt": "Grüße".encode("latin-1"), "c.txt": b""},
            max_failed=1,
        ),
        source(tmp_path, "rows", "parquet", {"a.parquet": b"PAR1 and no more PAR1"}, max_failed=1),
        source(
            tmp_path,
            "lines",
            "jsonl",
            {"a.jsonl.gz": b"not gzip", "b.jsonl.gz": gzip.compress(lines(*"abc" * 999))[:-9]},
            max_failed=1,
        ),
        source(
            tmp_path,
            "web",
            "warc",
            {"a.warc.gz": b"\x1f\x8b no gzip", "b.warc": b"<html>a page</html>\n"},
            max_failed=1,
        ),
    ]
    completed_run = run_recipe(recipe(*sources), tmp_path / "work", until="extract")
    rejects = rejected(completed_run)
    assert sorted((row["source"], row["record"]["file"], row["fate"], row["reason"]) for row in rejects) == [
        ("lines", "a.jsonl.gz", "failed", "corrupt"),
        ("lines", "b.jsonl.gz", "failed", "truncated"),
        ("rows", "a.parquet", "failed", "unreadable"),
        ("texts", "a.txt", "failed", "not_text"),
        ("texts", "c.txt", "dropped", "empty"),
        ("web", "a.warc.gz", "failed", "garbage"),
        ("web", "b.warc", "failed", "garbage"),
    ]
    assert all(row["detail"] for row in rejects if row["fate"] == "failed")


def rejected(completed_run: CompletedRun) -> list[dict[str, Any]]:
    """The records that are not documents: those rejected by extract."""
    records = inspect_documents(completed_run.work, Selection(None, None, None), 10**6)
    return [record for record in records if "text" not in record]


def test_broken_lines(tmp_path: Path) -> None:
    broken = [b'{"text": ', b"[1]", b'{"text": 5}', b'{"body": "x"}', b"", b'{"text": " "}', b'{"text": "\xff"}']
    text = b"\n".join([b'{"text": "fine"}', *broken, b'{"text": "last"}'])
    completed_run = run_recipe(
        recipe(source(tmp_path, "lines", "jsonl", {"a.jsonl": text}, max_failed=1)), tmp_path / "work", until="extract"
    )
    assert counts(completed_run) == (8, 2, {"empty": 1}, {"bad_json": 3, "missing_text": 2})
    for row in rejected(completed_run):
        offset, length = row["record"]["offset"], row["record"]["length"]
        assert text[offset : offset + length] in text.splitlines(keepends=True)


MEMORY = """
import json, resource, sys
from tests.pipelines.conftest import run_recipe
from gristmill.pipelines.recipe import load_recipe

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

recipe, work = sys.argv[1:]
run_recipe(load_recipe(recipe, ["sources.0.paths=[small*]", "sources.1.paths=[small*]"]), work, until="extract")
before = peak()
completed = run_recipe(load_recipe(recipe), work, until="extract")
print(json.dumps([peak() - before, completed.ledger["stages"][0]]))
"""


def test_a_document_of_100_mb_is_dropped_without_being_read(tmp_path: Path) -> None:
    size = 100_000_000
    rows = {"small.jsonl": lines("small"), "vast.jsonl": lines("a" * size, "after it")}
    vast = gzip.compress(page(1, bytes(size)), compresslevel=1) + gzip.compress(page(2, b"<p>after it</p>"))
    pages = {"small.warc.gz": gzip.compress(page(0, b"<p>small</p>")), "vast.warc.gz": vast}
    sources = source(tmp_path, "rows", "jsonl", rows), source(tmp_path, "web", "warc", pages)
    (tmp_path / "recipe.yaml").write_text(dump_recipe(recipe(*sources)))
    process = subprocess.run(
        [sys.executable, "-c", MEMORY, tmp_path / "recipe.yaml", tmp_path / "work"], capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    growth, row = json.loads(process.stdout.splitlines()[-1])
    assert (row["in"], row["kept"], row["dropped"]) == (6, 4, {"too_large": 2})
    assert growth < 64 * 2**20


# --- faults that prevent a run are one sentence ---


def test_a_source_without_files(tmp_path: Path) -> None:
    source_config = source(tmp_path, "web", "warc", {"a.txt": b"x"}, paths=["*.warc.gz"])
    error_message = fault(InputError, recipe(source_config), tmp_path / "work")
    assert error_message == (
        f"source 'web': no file below {source_config['root']} matches '*.warc.gz'; "
        "correct `root` or `paths`, or remove the source"
    )
    error_message = fault(InputError, recipe({**source_config, "root": "/no/such/folder"}), tmp_path / "work")
    assert error_message.startswith("source 'web': no file below /no/such/folder matches '*.warc.gz'")


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_missing_column(tmp_path: Path, workers: int) -> None:
    """The error is raised in a worker; the message is the same whether that is this process or another."""
    source_config = source(tmp_path, "rows", "parquet", {})
    (tmp_path / "rows").mkdir()
    for name in ("a", "b"):
        pq.write_table(pa.table({"body": [name], "key": [1]}), tmp_path / "rows" / f"{name}.parquet")
    error_message = fault(InputError, recipe(source_config), tmp_path / "work", workers=workers)
    assert error_message in {
        f"{name}.parquet has no column 'text'; set `fields` to columns among body, key" for name in "ab"
    }


def test_a_file_that_is_not_a_language_model(tmp_path: Path) -> None:
    source_config = source(tmp_path, "lines", "jsonl", {"a.jsonl": lines("a")})
    section = {"language": {"model": f"{source_config['root']}/a.jsonl"}}
    error_message = fault(InputError, recipe(source_config, extract=section), tmp_path / "work")
    assert error_message.startswith(f"cannot load the model {source_config['root']}/a.jsonl")


def test_a_damaged_test_set(tmp_path: Path) -> None:
    source_config = source(
        tmp_path, "lines", "jsonl", {"a.jsonl": lines(prose(1)), "test.json": b'{"question": '}, paths=["*.jsonl"]
    )
    section = {"decontaminate": {"benchmarks": [{"name": "quiz", "paths": [f"{source_config['root']}/test.json"]}]}}
    error_message = fault(InputError, recipe(source_config, refine=section), tmp_path / "work", until="refine")
    assert "test.json cannot be read as the format of its name" in error_message


# --- sources and stages without documents ---


def test_sources_without_kept_documents_are_processed(tmp_path: Path) -> None:
    sources = (
        source(tmp_path, "good", "jsonl", {"a.jsonl": lines(*map(prose, range(20)))}),
        source(tmp_path, "thin", "jsonl", {"a.jsonl": lines("too short", "as well")}),
        source(tmp_path, "empty", "jsonl", {"a.jsonl": b""}),
        {**source(tmp_path, "good", "jsonl", {}), "name": "copy"},
    )
    completed_run = run_recipe(recipe(*sources, dedup={"partitions": 4, "priority": ["good"]}), tmp_path / "work")
    assert completed_run.ledger["balanced"]
    assert counts(completed_run, "judge")[1] == 40
    assert counts(completed_run, "dedup") == (40, 20, {"exact_duplicate": 20}, {})
    mix = current(completed_run.work)["mix"].read_manifest()
    shares = {row["group"]: (row["tokens"] > 0, row["got"]) for row in mix.summary["mixture"]}
    assert shares == {"copy": (False, 0), "empty": (False, 0), "good": (True, 1), "thin": (False, 0)}


@pytest.mark.parametrize(
    ("data", "last", "error_message"),
    [
        (
            b"",
            "refine",
            "the tokenizer has no text to train on: increase tokenizer.sample_bytes, or check why documents are "
            "dropped",
        ),
        (
            lines("too short"),
            "judge",
            "judge keeps none of 1 documents, 1 of them because of words_min: correct the recipe",
        ),
    ],
    ids=["no input", "nothing kept"],
)
def test_a_corpus_without_kept_documents(tmp_path: Path, data: bytes, last: str, error_message: str) -> None:
    empty = recipe(source(tmp_path, "thin", "jsonl", {"a.jsonl": data}))
    assert fault(InputError, empty, tmp_path / "work", until="mix") == error_message
    ledger = read_ledger(str(tmp_path / "work"))
    assert ledger["balanced"]
    assert [row["stage"] for row in ledger["stages"]][-1] == last


def test_a_mix_that_is_too_small(tmp_path: Path) -> None:
    source_config = source(tmp_path, "good", "jsonl", {"a.jsonl": lines(prose(1))})
    long = recipe(source_config, mix={"sequence_length": 2**20, "shard_tokens": 2**20})
    error_message = fault(InputError, long, tmp_path / "work", until="mix")
    assert re.fullmatch(
        r"the groups have \d+ tokens, less than one sequence of 1048576: reduce mix\.sequence_length", error_message
    )
    assert [row["stage"] for row in read_ledger(str(tmp_path / "work"))["stages"]][-1] == "tokenize"
    assert run_recipe(recipe(source_config), tmp_path / "work").units_processed()["tokenize"] == 0


# --- inputs of later stages are checked before the first stage runs ---


@pytest.mark.parametrize(
    ("key", "section"),
    [
        ("extract", {"url": {"domains": ["/no/such/file"]}}),
        ("extract", {"language": {"model": "/no/such/file"}}),
        ("refine", {"decontaminate": {"benchmarks": [{"name": "quiz", "paths": ["/no/such/file"]}]}}),
        ("refine", {"decontaminate": {"benchmarks": [{"name": "quiz", "paths": ["/no/such/file*"]}]}}),
        ("tokenizer", {"path": "/no/such/file"}),
    ],
)
def test_a_missing_list_model_or_test_set(tmp_path: Path, key: str, section: dict[str, Any]) -> None:
    faulty = recipe(source(tmp_path, "lines", "jsonl", {"a.jsonl": lines(prose(1))}), **{key: section})
    error_message = fault(InputError, faulty, tmp_path / "work", until="mix")
    assert error_message.startswith("no file /no/such/file")
    assert error_message.endswith(": correct its path in the recipe")
    assert not list((tmp_path / "work").glob("extract-*"))


# --- real archives ---


def test_malformed_archives_are_processed(shared_data: Path, tmp_path: Path) -> None:
    """Archives from the test suites of WARC tools and genuine Common Crawl records, many malformed on purpose."""
    root = shared_data / "warc"
    files = sorted(path for folder in ("odd", "common-crawl") for path in (root / folder).iterdir())
    source_config = {"name": "web", "format": "warc", "root": str(root), "paths": ["odd/*", "common-crawl/*"]}
    completed_run = run_recipe(recipe(source_config), tmp_path / "work", until="extract")
    receipts = current(completed_run.work)["extract"].read_manifest().receipts
    assert sorted(receipt.input["path"] for receipt in receipts) == [str(file.relative_to(root)) for file in files]
    for receipt in receipts:
        assert receipt.counts.balanced
        assert receipt.counts.records > 0
    failed = [row for row in rejected(completed_run) if row["fate"] == "failed"]
    print(f"\n{completed_run.ledger['stages'][0]}")
    for row in failed:
        at = row["record"]
        print(f"{at['file'][-60:]:<60} {at['offset']:>9} +{at['length']:<9} {row['reason']:<12} {row['detail']}")
        assert at["length"] > 0
        assert row["detail"]
    assert len(failed) == sum(completed_run.ledger["stages"][0]["failed"].values()) > 0
