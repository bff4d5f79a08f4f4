"""Foreign readers: whether other trainers read exported tokens bit for bit where the width of a token changes.

A mix of random tokens, with the smallest and the largest id among them, is made for each vocabulary and exported in
every format. The readers of six trainers, in an environment of their own that is installed at the first use, read the
exports in order; llm.c has no package, so its files are read by their documented layout. Tokens are compared one by
one, and so are the ends of the documents where a format keeps them.

    python -m benchmarks foreign_readers            # 4,000 sequences of each vocabulary
    python -m benchmarks foreign_readers --quick    # 100

The last line is one JSON object: ``formats``; ``exports``, the pairs of format and vocabulary that were read;
``differing``, those that did not give the same tokens or documents; ``refused``, the pairs that `export` refused.
Megatron has no type for ids of 2^31 and above, so one is refused. ``differing`` must be 0.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.harness.benchmark_main import benchmark_main, empty_work_folder
from benchmarks.harness.peer_environments import FOREIGN_READERS, peer_python
from benchmarks.harness.process_cost import run_command
from benchmarks.harness.result_tables import CONSOLE, result_table
from benchmarks.harness.synthetic_mix import write_mix
from gristmill.errors import InputError
from gristmill.mixing.export.export_mix import export_mix
from gristmill.mixing.export.format_table import FORMATS

VOCABULARIES = (65_499, 65_500, 65_536, 65_537, (1 << 31) + 1)
SEQUENCE_LENGTH = 256

_SEQUENCES, _QUICK_SEQUENCES = 4_000, 100
_SHARDS = 3
_READERS = 2
_SCRIPT = Path(__file__).parents[1] / "peers" / "foreign_readers" / "read_tokens.py"
_OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
_LLMC_TYPES = {(20240520, 1): "<u2", (20240801, 7): "<u4"}


def main() -> None:
    benchmark_main(
        measure, description=__doc__, quick=f"{_QUICK_SEQUENCES} sequences of each vocabulary", needs_data=False
    )


def measure(options: Namespace) -> dict[str, float]:
    work = empty_work_folder("foreign_readers")
    mixes = {vocabulary: _tokens(vocabulary, options.quick) for vocabulary in VOCABULARIES}
    for vocabulary, tokens in mixes.items():
        write_mix(work / f"mix-{vocabulary}", tokens, vocabulary, len(tokens) // _SHARDS)
    refusals = {name: _export(work, name) for name in FORMATS}
    readable = {name: [one for one in VOCABULARIES if one not in refused] for name, refused in refusals.items()}
    python = peer_python("foreign_readers", FOREIGN_READERS, over_ours=True)
    with ThreadPoolExecutor(_READERS) as pool:
        found = pool.map(lambda name: _differing(work, python, name, readable[name], mixes), FORMATS)
        differing = dict(zip(FORMATS, found, strict=True))
    table = result_table("tokens read by other trainers, by vocabulary", ("format", *map("{:,}".format, VOCABULARIES)))
    for name in FORMATS:
        outcomes = {**dict.fromkeys(VOCABULARIES, "equal"), **dict.fromkeys(refusals[name], "refused")}
        table.add_row(name, *(outcomes | differing[name]).values())
    CONSOLE.print(table)
    for name, refused in refusals.items():
        for message in refused.values():
            CONSOLE.print(f"{name}: {message}", markup=False)
    return {
        "formats": len(FORMATS),
        "exports": sum(map(len, readable.values())),
        "differing": sum(map(len, differing.values())),
        "refused": sum(map(len, refusals.values())),
    }


def _tokens(vocabulary: int, quick: bool) -> npt.NDArray[np.int64]:
    draw = np.random.default_rng(vocabulary)
    tokens = draw.integers(0, vocabulary, (_QUICK_SEQUENCES if quick else _SEQUENCES, SEQUENCE_LENGTH))
    tokens[0, :2] = tokens[-1, -2:] = vocabulary - 1, 0
    return tokens


def _export(work: Path, name: str) -> dict[int, str]:
    """Export every mix in a format; return the messages of those that are refused."""
    refused = {}
    for vocabulary in VOCABULARIES:
        try:
            export_mix(str(work / f"mix-{vocabulary}"), str(_folder(work, name, vocabulary)), FORMATS[name])
        except InputError as error:
            refused[vocabulary] = str(error)
    return refused


def _folder(work: Path, name: str, vocabulary: int) -> Path:
    return work / name / str(vocabulary)


def _differing(
    work: Path, python: Path, name: str, readable: Sequence[int], mixes: dict[int, npt.NDArray[np.int64]]
) -> dict[int, str]:
    """Read the exports in a format; return what differs, by vocabulary."""
    if name != "llmc":
        folders = [str(_folder(work, name, vocabulary)) for vocabulary in readable]
        command = [str(python), str(_SCRIPT), name, str(SEQUENCE_LENGTH), *folders]
        run_command(command, _OFFLINE, work / f"{name}.log")
    differing = {}
    for vocabulary in readable:
        folder = _folder(work, name, vocabulary)
        read: Any = {"tokens": _read_llmc(folder)} if name == "llmc" else np.load(f"{folder}.npz")
        tokens = mixes[vocabulary].reshape(-1)
        # Each sequence of the made-up mix has two documents of half its length.
        ends = np.arange(1, 2 * len(mixes[vocabulary]) + 1) * (SEQUENCE_LENGTH // 2)
        if not np.array_equal(read["tokens"].reshape(-1).astype(np.int64), tokens):
            differing[vocabulary] = "tokens differ"
        elif "document_ends" in read and not np.array_equal(read["document_ends"], ends):
            differing[vocabulary] = "documents differ"
    return differing


def _read_llmc(folder: Path) -> npt.NDArray[Any]:
    parts = []
    for path in sorted(folder.glob("*.bin")):
        header = np.fromfile(path, "<i4", 256)
        tokens = np.fromfile(path, _LLMC_TYPES[int(header[0]), int(header[1])], offset=1024)
        if len(tokens) != header[2]:
            raise SystemExit(f"{path} has {len(tokens)} tokens, but its header says {header[2]}")
        parts.append(tokens)
    return np.concatenate(parts)


if __name__ == "__main__":
    main()
