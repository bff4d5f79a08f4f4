"""Reads exports with the readers of their trainers. ``robustness/foreign_readers.py`` runs it in their environment.

    python read_tokens.py FORMAT SEQUENCE_LENGTH FOLDER…

Of each folder, all sequences are read in order and written to FOLDER.npz as ``tokens``, and where the format keeps
documents, ``document_ends``: the token after each document, counted from the first token of the folder.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

Read = tuple[Any, "list[int] | None"]
"""The tokens of a folder, and the token after each document, if the format keeps documents."""


def read_megatron(folder: Path, sequence_length: int) -> Read:
    from megatron.core.datasets.indexed_dataset import IndexedDataset

    documents: list[Any] = []
    for path in sorted(folder.glob("*.bin")):
        dataset = IndexedDataset(str(path.with_suffix("")))
        boundaries = dataset.document_indices
        documents += [
            np.concatenate([dataset[number] for number in range(first, end)]) for first, end in pairwise(boundaries)
        ]
    return np.concatenate(documents), np.cumsum([len(one) for one in documents]).tolist()


def read_olmo(folder: Path, sequence_length: int) -> Read:
    from olmo_core.data import NumpyFSLDataset
    from olmo_core.data.utils import iter_document_indices

    about = json.loads((folder / "gristmill.json").read_text())
    paths = sorted(folder.glob("*.npy"))
    dtype = np.dtype(about["token_type"]).type
    dataset = NumpyFSLDataset(
        *paths,
        sequence_length=sequence_length,
        pad_token_id=about["eos_id"],
        eos_token_id=about["eos_id"],
        vocab_size=about["vocab_size"],
        dtype=dtype,
    )
    dataset.prepare()
    ends: list[int] = []
    first = 0
    for path in paths:
        ends += [first + end for _, end in iter_document_indices(path, use_array_if_local=False)]
        first = ends[-1]
    return np.concatenate([dataset[number]["input_ids"].numpy() for number in range(len(dataset))]), ends


def read_datatrove(folder: Path, sequence_length: int) -> Read:
    from datatrove.utils.dataset import DatatroveFolderDataset

    about = json.loads((folder / "gristmill.json").read_text())
    token_bytes = np.dtype(about["token_type"]).itemsize
    dataset = DatatroveFolderDataset(
        str(folder), sequence_length - 1, token_size=token_bytes, return_positions=True, shuffle=False
    )
    items = [dataset[number] for number in range(len(dataset))]
    positions = np.concatenate([item["positions"].numpy() for item in items])
    starts = np.flatnonzero(positions == 0)  # of each document, and of each sequence
    return np.concatenate([item["input_ids"].numpy() for item in items]), [*starts[1:].tolist(), len(positions)]


def read_litdata(folder: Path, sequence_length: int) -> Read:
    from litdata import StreamingDataset, TokensLoader

    dataset = StreamingDataset(str(folder), item_loader=TokensLoader(block_size=sequence_length), shuffle=False)
    return _concatenate(dataset), None


def read_mosaic(folder: Path, sequence_length: int) -> Read:
    from streaming import StreamingDataset

    dataset = StreamingDataset(local=str(folder), shuffle=False, batch_size=1)
    return _concatenate(dataset[number]["tokens"] for number in range(len(dataset))), None


def read_hf_tokens(folder: Path, sequence_length: int) -> Read:
    from datasets import load_dataset

    dataset = load_dataset(str(folder), split="train", cache_dir=f"{folder}.cache")
    lengths = [length for row in dataset["seq_lengths"] for length in row]
    return _concatenate(dataset.with_format("numpy")["input_ids"]), np.cumsum(lengths).tolist()


READERS = {
    "megatron": read_megatron,
    "olmo": read_olmo,
    "datatrove": read_datatrove,
    "litdata": read_litdata,
    "mosaic": read_mosaic,
    "hf-tokens": read_hf_tokens,
}


def _concatenate(sequences: Iterable[Any]) -> Any:
    return np.concatenate([np.asarray(one) for one in sequences])


def main(name: str, sequence_length: int, folders: Iterable[str]) -> None:
    for folder in folders:
        tokens, ends = READERS[name](Path(folder), sequence_length)
        arrays = {"tokens": tokens} if ends is None else {"tokens": tokens, "document_ends": np.array(ends, np.int64)}
        np.savez(f"{folder}.npz", **arrays)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
