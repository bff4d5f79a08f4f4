"""A cost model: the work of every step of a run over a number of WARC files, in seconds, bytes, requests and memory.

It combines figures measured on a few thousand documents (``cost_model.yaml``) with what the code does, for one source
on an object store. Everything here is a pure function of figures and settings.
"""

from __future__ import annotations

from math import ceil, expm1, log1p
from pathlib import Path
from typing import Any, NamedTuple

import yaml

Figures = dict[str, Any]

FIGURES = Path(__file__).with_name("cost_model.yaml")


class Settings(NamedTuple):
    """Number of archives of a run, and the sizes in its recipe."""

    files: int
    unit_bytes: int = 256 * 2**20
    partitions: int = 64
    buckets: int = 64
    extractor: str = "gristmill"
    duplicates: str = "crawl"
    """The name of the figures in ``dedup.in_buckets``."""


class Size(NamedTuple):
    """Amounts of data at each point of a run."""

    units: int
    stored: float
    pages: float
    documents: float
    judged: float
    in_buckets: float
    members: float
    final: float
    tokens: float
    shards: int

    @classmethod
    def of(cls, figures: Figures, settings: Settings) -> Size:
        crawl, kept = figures["crawl"], figures["kept"]
        share = settings.files / crawl["files"]
        per_file = ceil(crawl["stored_bytes"] / crawl["files"] / settings.unit_bytes)
        pages = share * crawl["pages"]
        documents = pages * kept["extracted"]
        judged = documents * kept["judged"]
        final = judged * kept["deduplicated"]
        tokens = final * (figures["text_bytes"]["final"] / figures["bytes_per_token"] + 1)
        shared = figures["dedup"]["in_buckets"][settings.duplicates]
        return cls(
            settings.files * per_file,
            share * crawl["stored_bytes"],
            pages,
            documents,
            judged,
            judged * shared["share"],
            judged * shared["share"] * shared["members"],
            final,
            tokens,
            ceil(tokens / figures["shard_tokens"]),
        )


class Step(NamedTuple):
    """One step of a stage, summed over its tasks: seconds of processor and waiting time, bytes and requests.

    ``memory`` is that of the process that needs most. ``tasks`` is the number of tasks, which can run in parallel.
    """

    stage: str
    name: str
    tasks: int
    cpu: float
    wait: float
    read: float
    written: float
    gets: float
    puts: float
    shuffled: float
    memory: float

    @property
    def seconds(self) -> float:
        return self.cpu + self.wait


class Traffic(NamedTuple):
    """What a step reads and writes on the object store. Opening a file takes two requests: its size and its footer."""

    read: float = 0.0
    opened: float = 0.0
    requested: float = 0.0
    """Further requests for a part of a file."""
    written: float = 0.0
    files: float = 0.0
    temporary: float = 0.0
    """Bytes written and deleted when the stage is complete."""

    def gets(self, storage: Figures) -> float:
        result: float = 2 * self.opened + self.requested + self.read / storage["block"]
        return result

    def wait(self, storage: Figures, parallel: int = 1) -> float:
        """Return seconds with ``parallel`` requests at a time, which share the bandwidth."""
        requests = self.gets(storage) + self.files
        result: float = (
            requests * storage["latency"] / parallel
            + (self.read + self.written + self.temporary) / storage["bandwidth"]
        )
        return result


def load_figures(path: Path = FIGURES) -> Figures:
    """Read the figures of the model."""
    figures: Figures = yaml.safe_load(path.read_text())
    return figures


def start_and_item(measured: Figures) -> tuple[float, float]:
    """Return the seconds of a stage's start-up and of one item, from its times at two sizes."""
    (few, many), (short, long) = measured["items"], measured["seconds"]
    item = (long - short) / (many - few)
    return max(short - few * item, 0.0), item


def item_seconds(figures: Figures, stage: str, text: float | None = None) -> float:
    """Return the seconds of an item; of one with ``text`` bytes if the cost is proportional to the text."""
    measured = figures["stages"][stage]
    _, item = start_and_item(measured)
    return item * text / measured["text"] if text is not None and measured["text"] else item


def page_seconds(figures: Figures, extractor: str) -> float:
    """Return the seconds of a page in `extract`, scaled from the benchmark's extractor to another one."""
    extractors = figures["extractors"]
    result: float = (
        item_seconds(figures, "extract")
        * extractors[extractor]["page_seconds"]
        / extractors["trafilatura"]["page_seconds"]
    )
    return result


def distinct(drawn: float, kinds: float) -> float:
    """Return the expected number of ``kinds`` that occur at least once in ``drawn`` draws."""
    if kinds <= 1:
        return min(drawn, kinds)
    return -kinds * expm1(drawn * log1p(-1 / kinds))


def steps(figures: Figures, settings: Settings) -> list[Step]:
    """Return every step of a run from ``extract`` to ``mix``, in order."""
    size = Size.of(figures, settings)
    return [
        *_extract(figures, settings, size),
        *_sidecar_stages(figures, size),
        *_dedup(figures, settings, size),
        *_final(figures, settings, size),
        _mix(figures, settings, size),
    ]


def _unit_step(
    figures: Figures, size: Size, stage: str, cpu: float, read: float, opened: int, written: float, files: int
) -> Step:
    """A stage that works unit by unit: each looks for its receipt, writes one, and writes heartbeats."""
    storage = figures["storage"]
    traffic = Traffic(read, size.units * opened, size.units, written, size.units * (files + 2))
    heartbeats = (cpu + traffic.wait(storage)) / storage["heartbeat_seconds"]
    memory = figures["stages"][stage]["peak_mb"] * 1e6
    if stage == "tokenize":  # a unit's tokens four times: as produced, concatenated, in the payload, as bytes
        memory += 4 * figures["token_bytes"] * size.tokens / size.units
    if stage == "signatures":  # bands as produced, concatenated, sorted
        memory += 3 * 12 * figures["dedup"]["bands"] * size.judged / size.units
    return Step(
        stage,
        "",
        size.units,
        cpu,
        traffic.wait(storage),
        read,
        written,
        traffic.gets(storage),
        traffic.files + heartbeats,
        size.units * figures["bytes"]["task"],
        memory,
    )


def _extract(figures: Figures, settings: Settings, size: Size) -> list[Step]:
    written = size.documents * figures["bytes"]["documents"] + size.pages * figures["bytes"]["rejects"]
    cpu = size.pages * page_seconds(figures, settings.extractor)
    return [_unit_step(figures, size, "extract", cpu, size.stored, 1, written, 2)]


def _sidecar_stages(figures: Figures, size: Size) -> list[Step]:
    each, text = figures["bytes"], figures["text_bytes"]["extracted"]
    documents = size.documents * each["documents"]
    sidecars = size.documents * (each["signals"] + each["verdicts"])
    signed = size.judged * (each["bands"] + each["fingerprints"])
    signal, judge = (size.documents * item_seconds(figures, stage, text) for stage in ("signals", "judge"))
    sign = size.judged * item_seconds(figures, "signatures", text)
    return [
        _unit_step(figures, size, "signals", signal, documents, 1, size.documents * each["signals"], 1),
        _unit_step(figures, size, "judge", judge, sidecars, 2, size.documents * each["verdicts"], 1),
        _unit_step(figures, size, "signatures", sign, documents, 2, signed, 2),
    ]


def _dedup(figures: Figures, settings: Settings, size: Size) -> list[Step]:
    of, each, storage = figures["dedup"], figures["bytes"], figures["storage"]
    base = figures["dedup_peak_mb"] * 1e6
    rows = size.judged * of["bands"]
    in_rounds = rows > of["one_place_rows"]
    shuffle = 0.0 if in_rounds else 16 * size.members

    def step(
        name: str, tasks: int, cpu: float, traffic: Traffic, shuffled: float, memory: float, parallel: int = 1
    ) -> Step:
        wait, gets = traffic.wait(storage, parallel), traffic.gets(storage)
        return Step(
            "dedup",
            name,
            tasks,
            cpu,
            wait,
            traffic.read,
            traffic.written,
            gets,
            traffic.files,
            shuffled,
            base + memory,
        )

    opens = settings.partitions * size.units
    file_bytes = size.judged * each["bands"] / size.units
    footer = settings.partitions * of["footer_partition_bytes"]
    read_ahead = min(storage["block"], (file_bytes + footer) / 2)  # fetched in addition to the row group
    parallel = min(storage["threads"], size.units)
    held = parallel * (read_ahead + settings.partitions * of["open_partition_bytes"])
    buckets = step(
        "shared buckets",
        settings.partitions,
        rows * of["bucket_row_seconds"] + opens * of["open_seconds"] * settings.partitions / 64,
        Traffic(
            opens * (footer + read_ahead),
            opens,
            opens,
            files=2.0 * settings.partitions if in_rounds else 0.0,
            temporary=(16 + 2 * of["edge_bytes"]) * size.members if in_rounds else 0.0,
        ),
        shuffle,
        rows / settings.partitions * of["bucket_row_bytes"] + held,
        parallel,
    )
    parts = ceil(rows / of["task_rows"])
    if in_rounds:
        edges, opens = of["turns"] * 2 * of["edge_bytes"] * size.members, of["turns"] * parts * parts
        components = [
            step(
                "components, rounds",
                parts,
                of["turns"] * size.members * of["turn_row_seconds"],
                Traffic(edges, opens, opens, files=of["turns"] * parts, temporary=edges),
                0.0,
                of["task_rows"] * of["star_row_bytes"],
                storage["threads"],
            ),
            step(
                "components, join",
                1,
                of["join_rows"] * of["member_seconds"],
                Traffic(2 * of["edge_bytes"] * of["join_rows"], parts, files=1.0, temporary=16 * of["join_rows"]),
                0.0,
                of["join_rows"] * of["join_row_bytes"],
                storage["threads"],
            ),
        ]
    else:
        cpu, memory = size.members * of["member_seconds"], size.members * of["member_bytes"]
        components = [step("components, one place", 1, cpu, Traffic(), shuffle, memory)]
    batches = max(1, ceil(size.in_buckets / of["batch_documents"]))
    in_batch = size.in_buckets / batches
    groups = max(size.units, size.documents * figures["text_bytes"]["extracted"] / figures["group_bytes"])
    prints, texts = batches * distinct(in_batch, size.units), batches * distinct(in_batch, groups)
    unit_rows = size.judged / size.units
    group_stored = min(
        figures["group_bytes"] * each["documents"] / figures["text_bytes"]["extracted"],
        size.documents * each["documents"] / size.units,
    )
    decide = step(
        "decide",
        batches,
        size.in_buckets * of["document_seconds"]
        + prints * unit_rows * of["fingerprint_seconds"]
        + texts * of["group_seconds"],
        Traffic(prints * unit_rows * each["fingerprints"] + texts * group_stored, 2 * prints, texts),
        size.in_buckets * 60,
        of["batch_documents"] * figures["text_bytes"]["extracted"] * 3,
    )
    removals = step(
        "removals",
        size.units,
        size.documents * 1e-6,
        Traffic(size.judged * 4, 2 * size.units, 2 * size.units, size.documents * each["removals"], 3.0 * size.units),
        size.units * each["task"],
        0.0,
    )
    return [buckets, *components, decide, removals]


def _final(figures: Figures, settings: Settings, size: Size) -> list[Step]:
    each, text, storage = figures["bytes"], figures["text_bytes"]["final"], figures["storage"]
    read = size.documents * (each["documents"] + each["verdicts"] + each["removals"])
    final = size.final * each["final"]
    refined = size.final * item_seconds(figures, "refine", text)
    groups = max(size.units, size.documents * figures["text_bytes"]["extracted"] / figures["group_bytes"])
    chosen = groups * min(1.0, figures["sample_bytes"] / (size.final * text) * size.final / groups)
    sampled = chosen * final / groups
    looking = Traffic(
        sampled + groups * min(storage["block"], 16 * size.final / groups), size.units, groups + 3 * chosen
    )
    tokenizer = Step(
        "tokenizer",
        "one task",
        1,
        figures["tokenizer_seconds_per_byte"] * figures["sample_bytes"],
        looking.wait(storage),
        looking.read,
        0.0,
        looking.gets(storage),
        3.0,
        0.0,
        figures["tokenizer_peak_mb"] * 1e6 + 6.0 * figures["sample_bytes"],
    )
    index = size.final * each["token_index"] + size.units * settings.buckets * figures["mix"]["index_footer_bytes"]
    tokens = size.tokens * figures["token_bytes"] + index
    encoded = size.final * item_seconds(figures, "tokenize", text)
    return [
        _unit_step(figures, size, "refine", refined, read, 3, final + size.documents * each["edits"], 2),
        tokenizer,
        _unit_step(figures, size, "tokenize", encoded, final, 1, tokens, 2),
    ]


def _mix(figures: Figures, settings: Settings, size: Size) -> Step:
    of, storage, each = figures["mix"], figures["storage"], figures["bytes"]
    shard = min(figures["shard_tokens"], size.tokens)
    bucket = size.tokens / settings.buckets
    loads = size.shards * min(settings.buckets, 1 + shard / bucket)
    opens = loads * size.units
    index_file = size.final * each["token_index"] / size.units + settings.buckets * of["index_footer_bytes"]
    read_ahead = min(storage["block"], index_file / 2)
    index_read = settings.buckets * of["index_footer_bytes"] + read_ahead
    parallel = min(storage["threads"], size.units)
    documents = shard * size.final / size.tokens
    stretch = size.tokens / size.units / settings.buckets  # a bucket's tokens in a unit are contiguous
    reads = min(documents, distinct(documents, size.units) * max(1.0, stretch / of["read_gap_tokens"])) * size.shards
    payload = size.tokens / size.units * figures["token_bytes"]
    token_read = min(payload, storage["block"] + min(stretch, size.tokens / reads) * figures["token_bytes"])
    rows = size.final / settings.buckets
    indices = Traffic(opens * index_read, opens, opens)
    shards = size.tokens * (figures["token_bytes"] + each["piece_index"])
    payloads = Traffic(reads * token_read, reads / 2, reads, shards, 4.0 * size.shards)
    wait = indices.wait(storage, parallel) + payloads.wait(storage)
    cpu = size.tokens * item_seconds(figures, "mix") / 512 + loads * rows * of["row_seconds"]
    cpu += opens * of["index_open_seconds"] * settings.buckets / 64
    held = min(of["cached_buckets"], settings.buckets) * of["row_bytes"] + of["sort_bytes"]
    memory = figures["stages"]["mix"]["peak_mb"] * 1e6 + rows * held + 3 * shard * figures["token_bytes"]
    memory += parallel * read_ahead
    return Step(
        "mix",
        "",
        size.shards,
        cpu,
        wait,
        indices.read + payloads.read,
        payloads.written,
        indices.gets(storage) + payloads.gets(storage),
        payloads.files + (cpu + wait) / storage["heartbeat_seconds"],
        size.shards * each["task"],
        memory,
    )


def requests_dollars(figures: Figures, run_steps: list[Step]) -> float:
    """Return the price of the requests of a run."""
    prices = figures["prices"]
    return float(sum(step.gets * prices["get"] + step.puts * prices["put"] for step in run_steps))


def kept_bytes(run_steps: list[Step]) -> float:
    """Return the bytes in the work directory at the end of a run."""
    return sum(step.written for step in run_steps)
