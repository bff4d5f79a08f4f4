"""Groups of the mixture by columns of the documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gristmill.corpus.record import UnitSummary
from gristmill.errors import RunError
from gristmill.mixing.group_index import GROUP_SIZES, GroupWork, GroupWriter, group_names, read_groups
from gristmill.mixing.mix_section import MixSection
from gristmill.store.stage_directory import StageDirectory

IDS = [bytes([number]) * 16 for number in range(5)]
DOCUMENTS = pa.table(
    {
        "id": pa.array(IDS, pa.binary(16)),
        "source": pa.array(["web"] * 5).dictionary_encode(),
        "lang": pa.array(["en", "de", None, "en", "en"]).dictionary_encode(),
        "meta": ['{"stars":3,"topic":"boats"}', '{"topic":"rivers/deep"}', None, '{"topic":["a","b"]}', "{}"],
    }
)


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (["source"], ["web"] * 5),
        (["lang"], ["en", "de", "und", "en", "en"]),
        (["source", "lang"], ["web/en", "web/de", "web/und", "web/en", "web/en"]),
        (["meta.topic"], ["boats", "rivers/deep", "und", '["a", "b"]', "und"]),
        (["lang", "meta.stars"], ["en/3", "de/und", "und/und", "en/und", "en/und"]),
    ],
)
def test_names_of_groups(columns: list[str], names: list[str]) -> None:
    assert group_names(DOCUMENTS, columns).to_pylist() == names


def test_no_documents_have_no_names() -> None:
    assert group_names(DOCUMENTS.slice(0, 0), ["lang", "meta.topic"]).to_pylist() == []


@pytest.mark.parametrize(
    ("groups", "error"),
    [
        (["topic"], "no column 'topic' can form groups"),
        (["lang", "lang"], "names a column twice"),
        ([], "at least 1 item"),
    ],
)
def test_other_columns_form_no_groups(groups: list[str], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        MixSection.model_validate({"groups": groups})


def write(folder: Path, buckets: list[list[int]]) -> GroupWork:
    """Write documents and a token index with the documents of each bucket, which have 10 times their number tokens."""
    pq.write_table(DOCUMENTS, folder / "documents.parquet")
    schema = pa.schema([("id", pa.binary(16)), ("start", pa.int64()), ("end", pa.int64())])
    with pq.ParquetWriter(folder / "index.parquet", schema) as index:
        for rows in buckets:
            columns: dict[str, Any] = {"id": [IDS[row] for row in rows], "start": [0] * len(rows)}
            index.write_table(pa.table({**columns, "end": [10 * row for row in rows]}, schema), row_group_size=8)
    names = str(folder / "documents.parquet"), str(folder / "index.parquet")
    return GroupWork(*names, ("lang",), len(IDS))


def test_groups_are_aligned_with_the_token_index(tmp_path: Path) -> None:
    *buckets, end = read_groups(write(tmp_path, [[4, 1], [], [0, 2, 3]]))
    assert [bucket.to_pylist() for bucket in buckets if isinstance(bucket, pa.Table)] == [
        [{"group": "en", "tokens": 40}, {"group": "de", "tokens": 10}],
        [],
        [{"group": "en", "tokens": 0}, {"group": "und", "tokens": 20}, {"group": "en", "tokens": 30}],
    ]
    assert end == UnitSummary(5, 5, 5)


def test_another_token_index_is_noticed(tmp_path: Path) -> None:
    work = write(tmp_path, [[0, 1]])
    pq.write_table(DOCUMENTS.slice(1), tmp_path / "documents.parquet")
    with pytest.raises(RunError, match=r"has documents that .* lacks"):
        list(read_groups(work))


def test_the_sidecar_and_the_sizes_of_groups(tmp_path: Path) -> None:
    *buckets, end = read_groups(write(tmp_path, [[4, 1], [], [0, 2, 3]]))
    directory = StageDirectory(str(tmp_path), "groups", "0" * 16)
    with directory.attempt("unit") as attempt:
        writer = GroupWriter(attempt)
        assert [writer.add(bucket) for bucket in buckets if isinstance(bucket, pa.Table)] == [2, 0, 3]
        assert isinstance(end, UnitSummary)
        counts, summary = writer.finish(end)
        receipt = attempt.commit({"source": "web"}, counts, summary)
    with pq.ParquetFile(directory.file_url(receipt.file("groups"))) as sidecar:
        groups = [sidecar.read_row_group(bucket)["group"].to_pylist() for bucket in range(sidecar.num_row_groups)]
    assert groups == [["en", "de"], [], ["en", "und", "en"]]
    assert summary[GROUP_SIZES] == {
        "de": {"bucket_documents": [1, 0, 0], "bucket_tokens": [10, 0, 0]},
        "en": {"bucket_documents": [1, 0, 2], "bucket_tokens": [40, 0, 30]},
        "und": {"bucket_documents": [0, 0, 1], "bucket_tokens": [0, 0, 20]},
    }
