"""datatrove and nanotron: ``tokens-*.ds``, which are linked, with ``.ds.index`` and ``.ds.metadata`` beside them.

Layout, after ``TokenizedFile`` in ``datatrove/pipeline/tokens/tokenizer.py`` (datatrove 0.10): the tokens are
headerless little-endian uint16 or uint32; the index is the token after each document, uint64; the metadata are three
lines of text: tokenizer and bytes of a token with a bar between them, tokens, and tokens for people.
"""

from __future__ import annotations

from gristmill.mixing.export.export_format import ExportFolder, ExportFormat, document_ends, file_stem
from gristmill.mixing.mixed_shards import MixedShards
from gristmill.store import storage


def write(mix: MixedShards, folder: ExportFolder) -> str:
    """Link the shards; write their indexes and metadata."""
    token_bytes = mix.dtype.itemsize
    for number, shard in enumerate(mix.shards):
        name = f"{file_stem(mix, number)}.ds"
        tokens = shard.sequences * mix.sequence_length
        folder.link(storage.join_below(mix.url, shard.path), name)
        folder.write_bytes(f"{name}.index", document_ends(mix, shard).astype("<u8").tobytes())
        folder.write_bytes(f"{name}.metadata", f"unknown|{token_bytes}\n{tokens}\n{tokens / 1e6:.3g} MT".encode())
    return (
        f"DatatroveFolderDataset reads them with token_size={token_bytes} and seq_len={mix.sequence_length - 1}, which "
        "it increases by one"
    )


DATATROVE = ExportFormat("datatrove", "datatrove", {"uint16": "uint16", "uint32": "uint32"}, write)
