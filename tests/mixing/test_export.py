"""Exports read back by the layouts that their trainers document, with NumPy and the standard library."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Callable
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.harness.synthetic_mix import write_mix
from gristmill.errors import InputError
from gristmill.mixing.build_shard import PIECE_SCHEMA
from gristmill.mixing.export import export_format
from gristmill.mixing.export.export_mix import export_mix
from gristmill.mixing.export.format_table import FORMATS
from gristmill.mixing.mixed_shards import MixedShards

LENGTH = 8
SEQUENCES = 7
PER_SHARD = 3
VOCABULARIES = (65_499, 65_500, 65_536, 65_537)
LINKED = ("megatron", "olmo", "datatrove")
DOCUMENTS = [0, 5, 10, 16, 21, 24]
"""Where documents of the first shard start, and its end: the second continues in the second sequence."""


class Read(NamedTuple):
    """The tokens of each shard, and the tokens after its documents if the format keeps them."""

    tokens: list[Any]
    document_ends: list[list[int]] | None


def tokens_of(vocabulary: int) -> Any:
    tokens = np.random.default_rng(vocabulary).integers(0, vocabulary, (SEQUENCES, LENGTH))
    tokens[0, :2] = tokens[-1, -2:] = vocabulary - 1, 0
    return tokens


def make_mix(root: Path, vocabulary: int) -> str:
    """A mix of three shards; in the first, a document continues from the first into the second sequence."""
    mix = write_mix(root, tokens_of(vocabulary), vocabulary, PER_SHARD)
    pieces = [("a", 0, 0, 5), ("b", 0, 5, 8), ("b", 3, 8, 10), ("c", 0, 10, 16), ("c", 9, 16, 21), ("d", 0, 21, 24)]
    rows = [
        {"id": 16 * name.encode(), "source": "s", "group": "s", "offset": offset, "start": start, "end": end, "copy": 0}
        for name, offset, start, end in pieces
    ]
    pq.write_table(pa.Table.from_pylist(rows, PIECE_SCHEMA), root / "shards" / "shard-00000.docs.parquet")
    return mix


def ends_of_halves(shards: int) -> list[list[int]]:
    """The documents' ends of all shards but the first: each sequence has two halves."""
    rows = [PER_SHARD, PER_SHARD, SEQUENCES - 2 * PER_SHARD][1:]
    return [list(range(LENGTH // 2, count * LENGTH + 1, LENGTH // 2)) for count in rows][: shards - 1]


def read_megatron(folder: Path) -> Read:
    tokens, ends = [], []
    for path in sorted(folder.glob("*.idx")):
        data = path.read_bytes()
        assert data[:9] == b"MMIDIDX\0\0"
        version, code, count, boundaries = struct.unpack_from("<QBQQ", data, 9)
        assert (version, boundaries) == (1, count + 1)
        lengths = np.frombuffer(data, "<i4", count, 34)
        pointers = np.frombuffer(data, "<i8", count, 34 + 4 * count)
        assert np.frombuffer(data, "<i8", count + 1, 34 + 12 * count).tolist() == list(range(count + 1))
        assert len(data) == 34 + 12 * count + 8 * (count + 1)
        dtype = np.dtype({8: "<u2", 4: "<i4"}[code])
        payload = np.fromfile(path.with_suffix(".bin"), dtype)
        starts = pointers // dtype.itemsize
        assert (payload[starts] == np.array([payload[start] for start in starts])).all()
        tokens.append(np.concatenate([payload[a : a + n] for a, n in zip(starts, lengths, strict=True)]))
        ends.append((starts + lengths).tolist())
    return Read(tokens, ends)


def read_olmo(folder: Path) -> Read:
    dtype = json.loads((folder / "gristmill.json").read_text())["token_type"]
    lines = [gzip.decompress(path.read_bytes()).decode().split() for path in sorted(folder.glob("*.csv.gz"))]
    rows = [[tuple(map(int, line.split(","))) for line in shard] for shard in lines]
    for shard in rows:
        assert [start for start, _ in shard] == [0, *(end for _, end in shard[:-1])]
    return Read(
        [np.fromfile(path, dtype) for path in sorted(folder.glob("*.npy"))], [[e for _, e in shard] for shard in rows]
    )


def read_datatrove(folder: Path) -> Read:
    tokens, ends = [], []
    for path in sorted(folder.glob("*.ds")):
        first, count, _ = Path(f"{path}.metadata").read_text().split("\n")
        tokens.append(np.fromfile(path, f"<u{first.split('|')[1]}"))
        assert len(tokens[-1]) == int(count)
        ends.append(np.fromfile(f"{path}.index", "<u8").tolist())
    return Read(tokens, ends)


def read_litdata(folder: Path) -> Read:
    index = json.loads((folder / "index.json").read_text())
    (data_format,) = index["config"]["data_format"]
    tokens = []
    for chunk in index["chunks"]:
        data = (folder / chunk["filename"]).read_bytes()
        assert len(data) == chunk["chunk_bytes"] <= index["config"]["chunk_bytes"]
        items = read_items(data, chunk["chunk_size"])
        dtype = {"no_header_numpy:5": "<u2", "no_header_numpy:6": "<u4"}[data_format]
        tokens.append(np.concatenate([np.frombuffer(item, dtype) for item in items]))
        assert len(tokens[-1]) == chunk["dim"]
    return Read(tokens, None)


def read_items(data: bytes, count: int) -> list[bytes]:
    """The items of a file whose header has their number and their offsets."""
    number, *offsets = np.frombuffer(data, "<u4", count + 2).tolist()
    assert (number, offsets[-1]) == (count, len(data))
    return [data[a:b] for a, b in pairwise(offsets)]


def read_llmc(folder: Path) -> Read:
    tokens = []
    for path in sorted(folder.glob("*.bin")):
        header = np.fromfile(path, "<i4", 256)
        assert not header[3:].any()
        dtype = {(20240520, 1): "<u2", (20240801, 7): "<u4"}[int(header[0]), int(header[1])]
        tokens.append(np.fromfile(path, dtype, offset=1024))
        assert len(tokens[-1]) == header[2]
    return Read(tokens, None)


def read_mosaic(folder: Path) -> Read:
    index = json.loads((folder / "index.json").read_text())
    assert index["version"] == 2
    tokens = []
    for shard in index["shards"]:
        data = (folder / shard["raw_data"]["basename"]).read_bytes()
        assert len(data) == shard["raw_data"]["bytes"]
        ((name, encoding, size),) = zip(
            shard["column_names"], shard["column_encodings"], shard["column_sizes"], strict=True
        )
        kind, dtype, length = encoding.split(":")
        assert (name, kind, int(length), size) == ("tokens", "ndarray", LENGTH, LENGTH * np.dtype(dtype).itemsize)
        begin = 4 * (shard["samples"] + 2)
        columns = json.loads(data[begin : begin + data[begin:].index(b"}") + 1])
        assert columns == {key: value for key, value in shard.items() if key in columns}
        tokens.append(np.concatenate([np.frombuffer(item, dtype) for item in read_items(data, shard["samples"])]))
    return Read(tokens, None)


def read_hf_tokens(folder: Path) -> Read:
    tokens, ends = [], []
    for path in sorted((folder / "data").glob("train-*-of-00003.parquet")):
        table = pq.read_table(path)
        assert {len(ids) for ids in table["input_ids"].to_pylist()} == {LENGTH}
        tokens.append(table["input_ids"].combine_chunks().flatten().to_numpy())
        lengths = table["seq_lengths"].to_pylist()
        assert {sum(one) for one in lengths} == {LENGTH}
        ends.append(np.cumsum([length for one in lengths for length in one]).tolist())
    return Read(tokens, ends)


READERS: dict[str, Callable[[Path], Read]] = {
    "megatron": read_megatron,
    "olmo": read_olmo,
    "datatrove": read_datatrove,
    "litdata": read_litdata,
    "llmc": read_llmc,
    "mosaic": read_mosaic,
    "hf-tokens": read_hf_tokens,
}


def content(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
@pytest.mark.parametrize("name", FORMATS)
def test_tokens_are_read_back_bit_for_bit(tmp_path: Path, name: str, vocabulary: int) -> None:
    mix = make_mix(tmp_path / "mix", vocabulary)
    before = content(tmp_path / "mix")
    export_mix(mix, str(tmp_path / "a"), FORMATS[name])
    read = READERS[name](tmp_path / "a")
    expected = tokens_of(vocabulary)
    assert [len(part) for part in read.tokens] == [3 * LENGTH, 3 * LENGTH, LENGTH]
    assert (np.concatenate(read.tokens).astype(np.int64) == expected.reshape(-1)).all()
    assert read.tokens[0].dtype.itemsize == (2 if vocabulary < 65_500 else 4)
    if read.document_ends is not None:
        by_sequence = [LENGTH] if name == "hf-tokens" else []
        assert read.document_ends == [sorted([*DOCUMENTS[1:], *by_sequence]), *ends_of_halves(3)]
    assert content(tmp_path / "mix") == before
    export_mix(mix, str(tmp_path / "b"), FORMATS[name])
    assert content(tmp_path / "a") == content(tmp_path / "b")


def test_every_format_is_read_back() -> None:
    assert set(READERS) == set(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_tokens_are_linked_where_there_is_no_header(tmp_path: Path, name: str) -> None:
    mix = make_mix(tmp_path / "mix", 300)
    export_mix(mix, str(tmp_path / "out"), FORMATS[name])
    links = [path.stat().st_nlink for path in sorted((tmp_path / "mix" / "shards").glob("*.bin"))]
    assert links == [2 if name in LINKED else 1] * 3


@pytest.mark.parametrize("name", FORMATS)
def test_the_description_has_what_a_configuration_needs(tmp_path: Path, name: str) -> None:
    mix = make_mix(tmp_path / "mix", 65_537)
    done = export_mix(mix, str(tmp_path / "out"), FORMATS[name])
    assert json.loads((tmp_path / "out" / "gristmill.json").read_text()) == {
        "format": name,
        "token_type": "int32" if name == "megatron" else "uint32",
        "vocab_size": 65_537,
        "eos_id": 0,
        "sequence_length": LENGTH,
        "sequences": SEQUENCES,
        "mix_sha256": MixedShards.open(mix).digest,
    }
    assert ("has no uint32" in done.note) == (name in ("megatron", "llmc"))


def test_a_repeated_or_interrupted_document_is_several(tmp_path: Path) -> None:
    """Epochs of one document that follow each other, a gap, and a part that is missing."""
    mix = write_mix(tmp_path / "mix", tokens_of(300)[:2], 300, 2)
    pieces = [(0, 0, 3, 0), (0, 3, 6, 1), (0, 8, 12, 0), (4, 12, 14, 0), (7, 14, 16, 0)]
    rows = [
        {"id": bytes(16), "source": "s", "group": "s", "offset": offset, "start": start, "end": end, "copy": copy}
        for offset, start, end, copy in pieces
    ]
    index = tmp_path / "mix" / "shards" / "shard-00000.docs.parquet"
    pq.write_table(pa.Table.from_pylist(rows, PIECE_SCHEMA), index)
    export_mix(mix, str(tmp_path / "out"), FORMATS["datatrove"])
    assert np.fromfile(tmp_path / "out" / "tokens-00000.ds.index", "<u8").tolist() == [3, 6, 8, 14, 16]
    rows[-1]["end"] = 17
    pq.write_table(pa.Table.from_pylist(rows, PIECE_SCHEMA), index)
    with pytest.raises(InputError, match=r"shard-00000\.docs\.parquet in .* does not match its shard"):
        export_mix(mix, str(tmp_path / "again"), FORMATS["datatrove"])


def with_facts(mix: str, **facts: object) -> None:
    path = Path(mix) / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "facts": {**manifest["facts"], **facts}}))


def test_ids_that_megatron_cannot_hold_are_refused(tmp_path: Path) -> None:
    mix = make_mix(tmp_path / "mix", 65_500)
    with_facts(mix, vocab_size=1 << 31)
    export_mix(mix, str(tmp_path / "out"), FORMATS["megatron"])
    with_facts(mix, vocab_size=(1 << 31) + 1)
    with pytest.raises(InputError, match=r"^Megatron has no uint32, and not all ids .* 2,147,483,649 fit its int32"):
        export_mix(mix, str(tmp_path / "refused"), FORMATS["megatron"])
    assert not (tmp_path / "refused").exists()


@pytest.mark.parametrize("name", FORMATS)
def test_another_width_is_refused_by_name(tmp_path: Path, name: str) -> None:
    mix = write_mix(tmp_path / "mix", np.zeros((2, 8), np.int64), 300)
    with_facts(mix, dtype="uint64", sequence_length=2)
    one_format = FORMATS[name]
    with pytest.raises(InputError, match=rf"type uint64, which {one_format.trainer} cannot read \(it has uint16 and "):
        export_mix(mix, str(tmp_path / "out"), one_format)


@pytest.mark.parametrize(
    ("name", "sequences", "sequence_length", "fits"),
    [
        ("llmc", (1 << 31) // 64 - 1, 64, True),
        ("llmc", (1 << 31) // 64, 64, False),
        ("litdata", 1 << 30, 1, False),  # 2 GiB of tokens, but 4 GiB of offsets
        ("litdata", (1 << 32) // 4100, 2048, True),
        ("litdata", (1 << 32) // 4100 + 1, 2048, False),
        ("mosaic", (1 << 32) // 4100, 2048, True),
        ("mosaic", (1 << 32) // 4100 + 1, 2048, False),
        ("megatron", 1 << 30, 2048, True),
    ],
)
def test_shards_that_a_format_cannot_index_are_refused(
    tmp_path: Path, name: str, sequences: int, sequence_length: int, fits: bool
) -> None:
    mix = MixedShards.open(write_mix(tmp_path / "mix", np.zeros((1, 8), np.int64), 300, 1))
    shard = mix.shards[0]._replace(sequences=sequences)
    large = type(mix)(**{**vars(mix), "sequence_length": sequence_length, "shards": (shard,)})
    if fits:
        FORMATS[name].check(large)
    else:
        with pytest.raises(InputError, match=r"^shard shards/shard-00000\.bin in .*: lower mix\.shard_tokens"):
            FORMATS[name].check(large)


def test_a_corrupt_shard_is_found_while_it_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_format, "BLOCK_BYTES", 2 * LENGTH * 2)  # two sequences
    mix = make_mix(tmp_path / "mix", 300)
    export_mix(mix, str(tmp_path / "intact"), FORMATS["llmc"])
    shard = tmp_path / "mix" / "shards" / "shard-00001.bin"
    shard.write_bytes(b"\1" + shard.read_bytes()[1:])
    with pytest.raises(InputError, match=r"^shard shards/shard-00001\.bin in .* is corrupt \(sha256\): run"):
        export_mix(mix, str(tmp_path / "out"), FORMATS["llmc"])
    assert not (tmp_path / "out" / "gristmill.json").exists()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("full", "^.*/full exists and is not an empty folder: delete it, or name another one$"),
        ("file", "^.*/file exists and is not an empty folder"),
        ("work/mix-0123456789abcdef", "where Gristmill keeps its own files: name a folder elsewhere$"),
        ("work/mix-0123456789abcdef/export", "is in .*/mix-0123456789abcdef, where Gristmill keeps its own files"),
        ("work/export", "is in .*/work, where Gristmill keeps its own files"),
        ("other/deep/export", "is in .*/other, where Gristmill keeps its own files"),
        ("link/export", "is in .*/work, where Gristmill keeps its own files"),
    ],
)
def test_where_an_export_may_not_go(tmp_path: Path, target: str, message: str) -> None:
    mix = make_mix(tmp_path / "work" / "mix-0123456789abcdef", 300)
    for name in ("work/latest.json", "work/recipe.yaml", "other/manifest.json", "other/receipts/x", "full/x", "file"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    (tmp_path / "link").symlink_to("work")
    with pytest.raises(InputError, match=message):
        export_mix(mix, str(tmp_path / target), FORMATS["olmo"])


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    mix = make_mix(tmp_path / "mix", 300)
    (tmp_path / "manifest.json").write_text("{}")  # of something else
    (tmp_path / "out").mkdir()
    export_mix(mix, str(tmp_path / "out"), FORMATS["olmo"])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "gristmill.json",
        *(f"tokens-0000{number}.{suffix}" for number in range(3) for suffix in ("csv.gz", "npy")),
    ]


@pytest.mark.parametrize("name", FORMATS)
def test_other_filesystems(tmp_path: Path, name: str) -> None:
    """From memory to the disk, and from the disk to memory."""
    mix = make_mix(tmp_path / "mix", 300)
    export_mix(mix, str(tmp_path / "out"), FORMATS[name])
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "mix"), "/export-test/mix", recursive=True)
    try:
        export_mix("memory://export-test/mix", str(tmp_path / "from"), FORMATS[name])
        assert content(tmp_path / "from") == content(tmp_path / "out")
        export_mix(mix, "memory://export-test/to", FORMATS[name])
        memory.get("/export-test/to", str(tmp_path / "to"), recursive=True)
        assert content(tmp_path / "to") == content(tmp_path / "out")
        with pytest.raises(InputError, match="is not an empty folder"):
            export_mix(mix, "memory://export-test/to", FORMATS[name])
        with pytest.raises(InputError, match="keeps its own files"):
            export_mix("memory://export-test/mix", "memory://export-test/mix/to", FORMATS[name])
    finally:
        memory.rm("/export-test", recursive=True)
