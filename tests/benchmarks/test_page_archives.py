"""The archives that the benchmark `ingest` processes."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from benchmarks.harness import page_archives
from benchmarks.harness.real_data import read_pages, stored_pages


def test_copies_of_pages_have_distinct_ids(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_archives, "stored_pages", lambda archive: islice(stored_pages(archive), 3))
    paths = page_archives.build_archives(tmp_path / "archives", 4, 16)
    pages = [list(read_pages(path)) for path in paths]
    assert [len(in_file) for in_file in pages] == [4, 4, 4, 4]
    flat = [page for in_file in pages for page in in_file]
    assert len({page.origin.record_id for page in flat}) == 16
    assert len({page.payload for page in flat}) == 6
