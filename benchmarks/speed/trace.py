"""How long ``gristmill trace`` takes in each direction, in a work directory of 100,000 documents.

The work directory is made up: 50 units with texts, all sidecars, token files, shards and a training run, in the formats
of the pipeline and with a mix by its own plan. Every trace is a command in a process of its own, so the figures include
the start of Python and the imports; ``help_s`` is what ``gristmill --help`` takes. Seconds are those of the fastest
round by the clock, ``cpu_…`` the processor time of the same command, which a busy machine changes less.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Iterable, Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from benchmarks.harness.benchmark_main import benchmark_main, empty_work_folder
from benchmarks.harness.result_tables import CONSOLE, result_table
from gristmill.corpus.arrays import Bools
from gristmill.corpus.document import DOCUMENT_SCHEMA, document_id
from gristmill.mixing.build_shard import PIECE_SCHEMA, ShardCount, build_shard
from gristmill.mixing.mix_plan import GroupSize, make_mix_plan
from gristmill.mixing.mix_section import MixSection
from gristmill.mixing.mixed_shards import MixedShards
from gristmill.mixing.write_shard import NumberedShard, ShardInputs, ShardWriter, TokenUnit, mix_summary
from gristmill.store import storage
from gristmill.store.counts import RecordCounts
from gristmill.store.keys import pretty_json
from gristmill.store.receipts import Receipt
from gristmill.store.stage_directory import StageDirectory
from gristmill.tokenization.token_batch import Tokens
from gristmill.tokenization.token_file import TOKEN_INDEX_SCHEMA, document_buckets
from gristmill.transforms.core.edits import EDITS_SCHEMA
from gristmill.transforms.dedup.removals_file import REMOVALS_SCHEMA
from gristmill.transforms.extract.extract_beam import REJECTS_SCHEMA
from gristmill.transforms.quality.signals_sidecar import SIGNALS_SCHEMA
from gristmill.transforms.quality.verdicts_sidecar import VERDICTS_SCHEMA

UNITS = 50
BUCKETS = 16
TEXT_BYTES = 2000
BATCH = 16
VOCAB_SIZE = 8192
TAKEDOWN = 1000
SECTION = MixSection(alpha=1.0, sequence_length=1024, shard_tokens=1 << 22)
KEY = "0" * 16


class Decided(NamedTuple):
    """The documents of a unit, and which of them are kept."""

    ids: pa.Array
    kept: Bools


def main() -> None:
    benchmark_main(measure, description=__doc__, quick="5,000 documents, one round", needs_data=False)


def measure(options: Namespace) -> dict[str, float]:
    documents, rounds = (5_000, 1) if options.quick else (100_000, 3)
    folder = empty_work_folder("trace")
    ids = write_work(folder / "work", folder / "run", documents // UNITS)
    mix = MixedShards.open(str(folder / "work" / f"mix-{KEY}"))
    middle = len(mix) // 2
    kept = next(piece["id"].hex() for piece in mix.documents(middle).to_pylist())
    dropped = document_id("web", "0-0").hex()
    takedown = folder / "takedown.txt"
    chosen = random.Random(0).sample(ids, min(TAKEDOWN, len(ids) // 2))
    takedown.write_text("".join(f"{one}\n" for one in chosen))
    run = ["--run", str(folder / "run")]
    queries: dict[str, list[str]] = {
        "sequence": ["--sequence", str(middle), *run],
        "step": ["--step", str(middle // BATCH), *run],
        "id": ["--id", kept, *run],
        "dropped_id": ["--id", dropped],
        "url": ["--url", address(ids.index(kept)), *run],
        "takedown": ["--takedown", str(takedown), *run],
    }
    commands = {name: ["trace", str(folder / "work"), "--json", *query] for name, query in queries.items()}
    commands = {"help": ["--help"], **commands}
    best = {name: (float("inf"), float("inf")) for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            best[name] = min(best[name], timed(command))
    table = result_table(f"gristmill trace, {len(ids):,} documents", ("query", "seconds", "processor seconds"))
    for name, (seconds, processor) in best.items():
        table.add_row(name, f"{seconds:.2f}", f"{processor:.2f}")
    CONSOLE.print(table)
    shutil.rmtree(folder)
    return {
        "documents": len(ids),
        "sequences": len(mix),
        **{f"{name}_s": seconds for name, (seconds, _) in best.items()},
        **{f"cpu_{name}_s": processor for name, (_, processor) in best.items()},
        "slowest_s": max(seconds for name, (seconds, _) in best.items()),
    }


def timed(arguments: list[str]) -> tuple[float, float]:
    """Run a command; return its seconds by the clock, and those of the processor."""
    code = "from gristmill.pipelines.cli.main import main; main()"
    start, before = time.monotonic(), os.times()
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    return time.monotonic() - start, processor


def write_work(work: Path, run: Path, rows: int) -> list[str]:
    """Write a work directory of ``UNITS`` units of ``rows`` documents, and a run; return the ids of the documents."""
    stages = ["extract", "signals", "judge", "dedup", "refine", "tokenizer", "tokenize", "mix"]
    made = {stage: StageDirectory(str(work), stage, KEY) for stage in stages}
    rng = np.random.default_rng(0)
    decided = [write_unit(made, number, rows, rng) for number in range(UNITS)]
    for stage in stages[:5]:
        made[stage].write_manifest([str(number) for number in range(UNITS)], lambda _: {})
    with made["tokenizer"].attempt("tokenizer") as attempt:
        attempt.payload("tokenizer", ".json").write(b"{}", 1)
        attempt.commit({"source": None}, RecordCounts.of_rows(0, 0), {"vocab_size": VOCAB_SIZE})
    made["tokenizer"].write_manifest(["tokenizer"], lambda _: {})
    receipts = [write_tokens(made["tokenize"], number, one, rng) for number, one in enumerate(decided)]
    made["tokenize"].write_manifest([str(number) for number in range(UNITS)], lambda _: {})
    write_mix(made["mix"], made["tokenize"], receipts)
    write_run(run, made["mix"])
    storage.replace(str(work / "latest.json"), pretty_json({stage: made[stage].name for stage in stages}))
    recipe = {"sources": [{"name": "web", "format": "warc", "root": "/data"}]}
    storage.replace(str(work / "recipe.yaml"), json.dumps(recipe).encode())
    return [id.as_py().hex() for one in decided for id in one.ids]


def address(number: int) -> str:
    return f"https://site-{number % 997}.example/2026/a-page-of-this-site/{number}"


def write_unit(made: Mapping[str, StageDirectory], number: int, rows: int, rng: np.random.Generator) -> Decided:
    """Write the documents of a unit, of 2 kB each, and what every stage decided about them."""
    ids = pa.array([document_id("web", f"{number}-{row}") for row in range(rows)], pa.binary(16))
    text = rng.integers(97, 123, rows * TEXT_BYTES).astype(np.uint8).tobytes().decode()
    documents = pa.table(
        {
            "id": ids,
            "source": pa.array(["web"] * rows),
            "text": pa.array([text[at : at + TEXT_BYTES] for at in range(0, len(text), TEXT_BYTES)], pa.large_string()),
            "text_bytes": np.full(rows, TEXT_BYTES),
            "url": [address(number * rows + row) for row in range(rows)],
            "date": ["2026-01-01T00:00:00Z"] * rows,
            "lang": ["en"] * rows,
            "lang_score": np.full(rows, 0.97, np.float32),
            "warc": [
                {"file": f"{number}.warc.gz", "offset": row * 5000, "length": 5000, "record_id": f"{number}-{row}"}
                for row in range(rows)
            ],
            "meta": pa.nulls(rows, pa.string()),
        }
    )
    rejects = pa.Table.from_pylist(
        [
            {"id": document_id("web", f"{number}-reject-{row}"), "fate": "dropped", "reason": "media_type", "also": []}
            | {"detail": "", "source": "web", "url": None, "date": None, "file": f"{number}.warc.gz"}
            | {"offset": 0, "length": 1, "record_id": f"{number}-reject-{row}"}
            for row in range(rows)
        ],
        schema=REJECTS_SCHEMA,
    )
    judged, removed = rng.random(rows) > 0.2, rng.random(rows) < 0.1
    judged[0] = False
    kept = judged & ~removed
    signals = {name: rng.random(rows, np.float32) for name in SIGNALS_SCHEMA.names if name != "cuts"}
    verdicts = {
        "kept": judged,
        "reason": pa.array(["words_min"] * rows, mask=judged),
        "value": pa.array(np.full(rows, 12.0), mask=judged),
        "threshold": pa.array(np.full(rows, 50.0), mask=judged),
        "also": [[]] * rows,
    }
    removed &= judged
    removals = {
        "removed": removed,
        "duplicate": pa.array(["near_duplicate"] * rows, mask=~removed),
        "match": pa.array([ids[0].as_py()] * rows, pa.binary(16), mask=~removed),
        "jaccard": pa.array(np.full(rows, 0.9), mask=~removed),
        "cluster": kept.astype(np.int32),
    }
    nothing = pa.nulls(rows, pa.string())
    edits = {"kept": kept, "reason": nothing, "detail": nothing, "edits": [[]] * rows}
    _write(
        made["extract"], number, rows, ("documents", DOCUMENT_SCHEMA, documents), ("rejects", REJECTS_SCHEMA, rejects)
    )
    _write(made["signals"], number, rows, ("signals", SIGNALS_SCHEMA, pa.table({**signals, "cuts": [[]] * rows})))
    _write(made["judge"], number, rows, ("verdicts", VERDICTS_SCHEMA, _table(verdicts, VERDICTS_SCHEMA)))
    _write(made["dedup"], number, rows, ("removals", REMOVALS_SCHEMA, _table(removals, REMOVALS_SCHEMA)))
    final = documents.filter(pa.array(kept))
    _write(
        made["refine"],
        number,
        rows,
        ("documents", DOCUMENT_SCHEMA, final),
        ("edits", EDITS_SCHEMA, _table(edits, EDITS_SCHEMA)),
    )
    return Decided(ids, kept)


def _table(columns: Mapping[str, Any], schema: pa.Schema) -> pa.Table:
    return pa.table({field.name: pa.array(columns[field.name], _plain_type(field.type)) for field in schema})


def _plain_type(type: pa.DataType) -> pa.DataType:
    return type.value_type if pa.types.is_dictionary(type) else type


def _write(stage: StageDirectory, number: int, rows: int, *tables: tuple[str, pa.Schema, pa.Table]) -> None:
    with stage.attempt(str(number)) as attempt:
        for kind, schema, table in tables:
            attempt.table(kind, schema).write(table)
        attempt.commit({"documents": str(number), "source": "web"}, RecordCounts.of_rows(rows, rows), {})


def write_tokens(stage: StageDirectory, number: int, decided: Decided, rng: np.random.Generator) -> Receipt:
    """Write the token file of a unit: 400 tokens a document on average, in row groups by bucket."""
    ids = decided.ids.filter(pa.array(decided.kept))
    buckets = document_buckets(ids, BUCKETS, 0)
    order = np.argsort(buckets, kind="stable")
    ends = np.cumsum(rng.integers(2, 800, len(ids)))
    starts = np.concatenate([[0], ends[:-1]])
    payload = rng.integers(1, VOCAB_SIZE, ends[-1]).astype("<u2")
    payload[ends - 1] = 0
    index = pa.table(
        {"id": ids.take(pa.array(order)), "source": ["web"] * len(ids), "bucket": buckets[order]}
        | {"start": starts, "end": ends}
    )
    summary = {
        "bucket_documents": np.bincount(buckets, minlength=BUCKETS).tolist(),
        "bucket_tokens": np.bincount(buckets[order], ends - starts, BUCKETS).astype(int).tolist(),
    }
    with stage.attempt(str(number)) as attempt:
        attempt.payload("tokens", ".bin").write(payload.tobytes(), len(payload))
        table = attempt.table("token_index", TOKEN_INDEX_SCHEMA, ".docs.parquet", beside="tokens")
        for bucket in range(BUCKETS):
            table.write(index.filter(pa.array(buckets[order] == bucket)))
        given = {"documents": str(number), "source": "web"}
        return attempt.commit(given, RecordCounts.of_rows(len(ids), len(ids)), summary)


def write_mix(mix: StageDirectory, tokenize: StageDirectory, receipts: Iterable[Receipt]) -> None:
    """Write the shards of all tokens in the order of a plan."""
    receipts = list(receipts)
    size = GroupSize(
        *(
            tuple(np.sum([receipt.summary[name] for receipt in receipts], axis=0).tolist())
            for name in ("bucket_documents", "bucket_tokens")
        )
    )
    units = tuple(
        TokenUnit("web", *(tokenize.file_url(receipt.file(kind)) for kind in ("tokens", "token_index")))
        for receipt in receipts
    )
    plan = make_mix_plan({"web": size}, SECTION)
    inputs = ShardInputs(plan, {"web": units}, 0, "uint16")

    def read_tokens(group: str, unit: int, start: int, count: int) -> Tokens:
        return np.fromfile(units[unit].payload, "<u2", count, offset=2 * start)

    counts: list[ShardCount] = []
    for number in range(plan.shards):
        shard = build_shard(plan, number, inputs.streams(), read_tokens, eos_id=0, dtype="<u2")
        counts += shard.counts
        assert shard.pieces.schema.equals(PIECE_SCHEMA)
        with mix.attempt(f"shard-{number:05}") as attempt:
            writer = ShardWriter(attempt)
            writer.add(NumberedShard(plan.shard_range(number)[0], shard))
            sequences = len(shard.tokens)
            summary = {"first_sequence": writer.first_sequence, "sequences": sequences, "counts": []}
            attempt.commit({"source": None}, RecordCounts.of_rows(sequences, sequences), summary)
    names = [f"shard-{number:05}" for number in range(plan.shards)]
    mix.write_manifest(names, partial(lambda facts, _: facts, mix_summary(inputs, counts, VOCAB_SIZE)))


def write_run(run: Path, mix: StageDirectory) -> None:
    """Write the logs of a training run of one pass over the mix."""
    run.mkdir()
    manifest = Path(mix.manifest_url).read_bytes()
    (run / "run.json").write_text(json.dumps({"mix": sha256(manifest).hexdigest(), "train": {}}))
    steps = json.loads(manifest)["facts"]["sequences"] // BATCH
    rows = (
        {"step": step, "first_sequence": step * BATCH, "sequences": (step + 1) * BATCH, "loss": 3.0}
        for step in range(steps)
    )
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    main()
