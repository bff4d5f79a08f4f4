"""Attempts, receipts and manifests."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pytest

from gristmill.errors import InputError, RunError
from gristmill.store import storage
from gristmill.store.counts import RecordCounts
from gristmill.store.receipts import FileEntry, Receipt
from gristmill.store.stage_directory import StageDirectory

SCHEMA = pa.schema([("n", pa.int64())])


def no_summary(receipts: tuple[Receipt, ...]) -> dict[str, int]:
    return {}


def work_on(directory: StageDirectory, unit: str, values: list[int], dropped: int = 0) -> Receipt:
    with directory.attempt(unit) as attempt:
        attempt.table("numbers", SCHEMA).write(pa.table({"n": values}, SCHEMA))
        payload = attempt.payload("bytes", ".bin")
        payload.write(bytes(values), len(values))
        counts = RecordCounts.of_rows(len(values) + dropped, len(values) + dropped, {"odd": dropped} if dropped else {})
        return attempt.commit({"source": "test"}, counts)


def test_a_unit_is_complete_when_it_has_a_receipt(storage_root: str) -> None:
    directory = StageDirectory(storage_root, "judge", "0" * 16)
    assert directory.completed_units() == set()
    receipt = work_on(directory, "a", [1, 2, 3], dropped=2)
    assert directory.completed_units() == {"a"}
    assert directory.receipt("a") == receipt
    for entry in receipt.files:
        data = storage.read_bytes(directory.file_url(entry))
        assert (entry.rows, entry.bytes, entry.sha256) == (3, len(data), sha256(data).hexdigest())
        assert entry.sha256[:16] in entry.path


def test_two_attempts_leave_one_result_and_one_heartbeat(storage_root: str) -> None:
    directory = StageDirectory(storage_root, "judge", "0" * 16)
    first, second = work_on(directory, "a", [1]), work_on(directory, "a", [1])
    assert first == second
    assert len(storage.listing(storage.join(directory.url, "numbers"))) == 1
    assert len(directory.heartbeats.unfinished()) == 1  # of the second; the first removed its own


def test_a_failed_attempt_leaves_only_its_heartbeat(tmp_path: Path) -> None:
    directory = StageDirectory(str(tmp_path), "judge", "0" * 16)

    def fail() -> None:
        with directory.attempt("a") as attempt:
            attempt.table("numbers", SCHEMA)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert directory.completed_units() == set()
    assert [str(path) for path in tmp_path.rglob("*") if path.is_file()] == directory.heartbeats.unfinished()


def test_counts_that_do_not_balance_are_not_committed(tmp_path: Path) -> None:
    directory = StageDirectory(str(tmp_path), "judge", "0" * 16)
    with pytest.raises(RunError, match="do not balance"), directory.attempt("a") as attempt:
        attempt.commit({}, RecordCounts(3, 1, {"x": 1}, {}, 3, 3))
    assert directory.completed_units() == set()


def test_a_manifest_sums_the_receipts_of_the_requested_units(storage_root: str) -> None:
    directory = StageDirectory(storage_root, "judge", "0" * 16)
    for unit, values in {"b": [1, 2], "a": [3], "older": [9]}.items():
        work_on(directory, unit, values, dropped=1)
    manifest = directory.write_manifest(["b", "a"], lambda receipts: {"units": len(receipts)})
    assert [receipt.unit for receipt in manifest.receipts] == ["a", "b"]
    assert manifest.counts == RecordCounts(5, 3, {"odd": 2}, {}, 5, 5)
    assert manifest.summary == {"units": 2}
    assert directory.read_manifest() == manifest
    assert [entry.rows for entry in manifest.files("numbers")] == [1, 2]


def test_a_manifest_requires_every_receipt(tmp_path: Path) -> None:
    directory = StageDirectory(str(tmp_path), "judge", "0" * 16)
    work_on(directory, "a", [1])
    with pytest.raises(RunError, match="1 of 2 units have no receipt, first b"):
        directory.write_manifest(["a", "b"], no_summary)


def test_a_manifest_contains_no_path_of_the_machine(tmp_path: Path) -> None:
    texts = []
    for name in ("here", "there"):
        directory = StageDirectory(str(tmp_path / name), "judge", "0" * 16)
        work_on(directory, "a", [1, 2])
        directory.write_manifest(["a"], no_summary)
        texts.append(Path(directory.manifest_url).read_bytes())
        assert str(tmp_path) not in texts[-1].decode()
        assert json.loads(texts[-1])["books"]["in"] == 2
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("documents/a.parquet", True),
        ("a..b/..c", True),
        ("documents/../../outside.parquet", False),
        ("../outside.parquet", False),
        ("..", False),
        ("/etc/passwd", False),
        ("file:///etc/passwd", False),
        ("", False),
        ("a\0b", False),
    ],
)
def test_a_receipt_cannot_name_a_file_outside_of_the_directory(path: str, allowed: bool) -> None:
    directory = StageDirectory("/work", "judge", "0" * 16)
    entry = FileEntry("documents", path, 1, 1, "0" * 64)
    if allowed:
        assert directory.file_url(entry) == f"{directory.url}/{path}"
        return
    with pytest.raises(InputError, match="names a file outside of it"):
        directory.file_url(entry)
