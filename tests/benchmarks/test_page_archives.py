"""The archives that ``ingest.py`` mills."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from benchmarks.harness import gold_pages, page_archives
from benchmarks.harness.scaled_inputs import stored_pages


def test_copies_of_pages_have_ids_of_their_own(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "stored_pages", lambda archive: islice(stored_pages(archive), 3))
    paths = page_archives.build_archives(tmp_path / "archives", 4, 16)
    pages = [list(gold_pages.raw_pages(path)) for path in paths]
    assert [len(one) for one in pages] == [4, 4, 4, 4]
    flat = [raw for one in pages for raw in one]
    assert len({raw.origin.record_id for raw in flat}) == 16
    assert len({raw.payload for raw in flat}) == 6
