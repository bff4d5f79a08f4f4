"""The work that a number of WARC files makes in every step of a run: seconds, bytes, requests, memory.

From figures that were measured on a few thousand documents (``capacity.yaml``) and from how the code goes about it, for
one source on an object store. Everything here is a pure function of figures and settings.
"""

from __future__ import annotations

from math import ceil, expm1, log1p
from pathlib import Path
from typing import Any, NamedTuple

import yaml

Figures = dict[str, Any]

FIGURES = Path(__file__).with_name("capacity.yaml")


class Settings(NamedTuple):
    """What a run is given: so many archives, and the recipe's sizes."""

    files: int
    unit_bytes: int = 256 * 2**20
    partitions: int = 64
    buckets: int = 64
    extractor: str = "gristmill"
    duplicates: str = "crawl"
    """Which figures of ``dedup.in_buckets``."""


class Size(NamedTuple):
    """How much is there at each point of a run."""

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
    def of(cls, given: Figures, settings: Settings) -> Size:
        crawl, kept = given["crawl"], given["kept"]
        share = settings.files / crawl["files"]
        per_file = ceil(crawl["stored_bytes"] / crawl["files"] / settings.unit_bytes)
        pages = share * crawl["pages"]
        documents = pages * kept["extracted"]
        judged = documents * kept["judged"]
        final = judged * kept["deduplicated"]
        tokens = final * (given["text_bytes"]["final"] / given["bytes_per_token"] + 1)
        shared = given["dedup"]["in_buckets"][settings.duplicates]
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
            ceil(tokens / given["shard_tokens"]),
        )


class Step(NamedTuple):
    """One step of a stage, all of its tasks together: seconds of a processor, of waiting, bytes and requests.

    ``memory`` is that of the process that needs most. ``tasks`` can run beside one another, not less than one each.
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
    """What a step reads and writes on the object store. An open file costs two requests: its size, and its footer."""

    read: float = 0.0
    opened: float = 0.0
    asked: float = 0.0
    """Further requests for a part of a file."""
    written: float = 0.0
    files: float = 0.0
    swept: float = 0.0
    """Written too, but gone when the stage is done."""

    def gets(self, storage: Figures) -> float:
        return 2 * self.opened + self.asked + self.read / storage["block"]

    def wait(self, storage: Figures, together: int = 1) -> float:
        """Seconds, with so many requests side by side; they share the bandwidth."""
        requests = self.gets(storage) + self.files
        return requests * storage["latency"] / together + (self.read + self.written + self.swept) / storage["bandwidth"]


def load_figures(path: Path = FIGURES) -> Figures:
    figures: Figures = yaml.safe_load(path.read_text())
    return figures


def start_and_item(measured: Figures) -> tuple[float, float]:
    """Seconds of a stage's start, and of one item, from its times at two sizes."""
    (few, many), (short, long) = measured["items"], measured["seconds"]
    item = (long - short) / (many - few)
    return max(short - few * item, 0.0), item


def item_seconds(given: Figures, stage: str, text: float | None = None) -> float:
    """Seconds of an item; of one with ``text`` bytes where cost follows text."""
    measured = given["stages"][stage]
    _, item = start_and_item(measured)
    return item * text / measured["text"] if text is not None and measured["text"] else item


def page_seconds(given: Figures, extractor: str) -> float:
    """Of the stage extract; another extractor than the benchmark's in proportion."""
    alone = given["extractors"]
    return item_seconds(given, "extract") * alone[extractor]["page_seconds"] / alone["trafilatura"]["page_seconds"]


def distinct(drawn: float, kinds: float) -> float:
    """How many of ``kinds`` come up at least once in ``drawn`` draws, on average."""
    if kinds <= 1:
        return min(drawn, kinds)
    return -kinds * expm1(drawn * log1p(-1 / kinds))


def steps(given: Figures, settings: Settings) -> list[Step]:
    """Every step of a run from ``extract`` to ``mix``, in order."""
    size = Size.of(given, settings)
    return [
        *_extract(given, settings, size),
        *_aligned(given, size),
        *_dedup(given, settings, size),
        *_final(given, settings, size),
        _mix(given, settings, size),
    ]


def _unit_step(
    given: Figures, size: Size, stage: str, cpu: float, read: float, opened: int, written: float, files: int
) -> Step:
    """A stage that works unit by unit: each asks for its receipt, writes one, and tells its progress."""
    storage = given["storage"]
    traffic = Traffic(read, size.units * opened, size.units, written, size.units * (files + 2))
    beats = (cpu + traffic.wait(storage)) / storage["beat_seconds"]
    memory = given["stages"][stage]["peak_mb"] * 1e6
    if stage == "tokenize":  # a unit's tokens four times over: as they come, put together, in the payload, as bytes
        memory += 4 * given["token_bytes"] * size.tokens / size.units
    if stage == "signatures":  # bands as they come, put together, sorted
        memory += 3 * 12 * given["dedup"]["bands"] * size.judged / size.units
    return Step(
        stage,
        "",
        size.units,
        cpu,
        traffic.wait(storage),
        read,
        written,
        traffic.gets(storage),
        traffic.files + beats,
        size.units * given["bytes"]["task"],
        memory,
    )


def _extract(given: Figures, settings: Settings, size: Size) -> list[Step]:
    written = size.documents * given["bytes"]["documents"] + size.pages * given["bytes"]["rejects"]
    cpu = size.pages * page_seconds(given, settings.extractor)
    return [_unit_step(given, size, "extract", cpu, size.stored, 1, written, 2)]


def _aligned(given: Figures, size: Size) -> list[Step]:
    each, text = given["bytes"], given["text_bytes"]["extracted"]
    documents = size.documents * each["documents"]
    sidecars = size.documents * (each["signals"] + each["verdicts"])
    signed = size.judged * (each["bands"] + each["fingerprints"])
    signal, judge = (size.documents * item_seconds(given, stage, text) for stage in ("signals", "judge"))
    sign = size.judged * item_seconds(given, "signatures", text)
    return [
        _unit_step(given, size, "signals", signal, documents, 1, size.documents * each["signals"], 1),
        _unit_step(given, size, "judge", judge, sidecars, 2, size.documents * each["verdicts"], 1),
        _unit_step(given, size, "signatures", sign, documents, 2, signed, 2),
    ]


def _dedup(given: Figures, settings: Settings, size: Size) -> list[Step]:
    of, each, storage = given["dedup"], given["bytes"], given["storage"]
    base = given["dedup_peak_mb"] * 1e6
    rows = size.judged * of["bands"]
    in_rounds = rows > of["one_place_rows"]
    shuffle = 0.0 if in_rounds else 16 * size.members

    def step(
        name: str, tasks: int, cpu: float, traffic: Traffic, shuffled: float, memory: float, together: int = 1
    ) -> Step:
        wait, gets = traffic.wait(storage, together), traffic.gets(storage)
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
    read_ahead = min(storage["block"], (file_bytes + footer) / 2)  # what is fetched beside the row group
    together = min(storage["threads"], size.units)
    held = together * (read_ahead + settings.partitions * of["open_partition_bytes"])
    buckets = step(
        "shared buckets",
        settings.partitions,
        rows * of["bucket_row_seconds"] + opens * of["open_seconds"] * settings.partitions / 64,
        Traffic(
            opens * (footer + read_ahead),
            opens,
            opens,
            files=2.0 * settings.partitions if in_rounds else 0.0,
            swept=(16 + 2 * of["edge_bytes"]) * size.members if in_rounds else 0.0,
        ),
        shuffle,
        rows / settings.partitions * of["bucket_row_bytes"] + held,
        together,
    )
    parts = ceil(rows / of["task_rows"])
    if in_rounds:
        edges, opens = of["turns"] * 2 * of["edge_bytes"] * size.members, of["turns"] * parts * parts
        components = [
            step(
                "components, rounds",
                parts,
                of["turns"] * size.members * of["turn_row_seconds"],
                Traffic(edges, opens, opens, files=of["turns"] * parts, swept=edges),
                0.0,
                of["task_rows"] * of["star_row_bytes"],
                storage["threads"],
            ),
            step(
                "components, join",
                1,
                of["join_rows"] * of["member_seconds"],
                Traffic(2 * of["edge_bytes"] * of["join_rows"], parts, files=1.0, swept=16 * of["join_rows"]),
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
    groups = max(size.units, size.documents * given["text_bytes"]["extracted"] / given["group_bytes"])
    prints, texts = batches * distinct(in_batch, size.units), batches * distinct(in_batch, groups)
    unit_rows = size.judged / size.units
    group_stored = min(
        given["group_bytes"] * each["documents"] / given["text_bytes"]["extracted"],
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
        of["batch_documents"] * given["text_bytes"]["extracted"] * 3,
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


def _final(given: Figures, settings: Settings, size: Size) -> list[Step]:
    each, text, storage = given["bytes"], given["text_bytes"]["final"], given["storage"]
    read = size.documents * (each["documents"] + each["verdicts"] + each["removals"])
    final = size.final * each["final"]
    refined = size.final * item_seconds(given, "refine", text)
    groups = max(size.units, size.documents * given["text_bytes"]["extracted"] / given["group_bytes"])
    chosen = groups * min(1.0, given["sample_bytes"] / (size.final * text) * size.final / groups)
    sampled = chosen * final / groups
    looking = Traffic(
        sampled + groups * min(storage["block"], 16 * size.final / groups), size.units, groups + 3 * chosen
    )
    tokenizer = Step(
        "tokenizer",
        "one task",
        1,
        given["tokenizer_seconds_per_byte"] * given["sample_bytes"],
        looking.wait(storage),
        looking.read,
        0.0,
        looking.gets(storage),
        3.0,
        0.0,
        given["tokenizer_peak_mb"] * 1e6 + 6.0 * given["sample_bytes"],
    )
    index = size.final * each["token_index"] + size.units * settings.buckets * given["mix"]["index_footer_bytes"]
    tokens = size.tokens * given["token_bytes"] + index
    encoded = size.final * item_seconds(given, "tokenize", text)
    return [
        _unit_step(given, size, "refine", refined, read, 3, final + size.documents * each["edits"], 2),
        tokenizer,
        _unit_step(given, size, "tokenize", encoded, final, 1, tokens, 2),
    ]


def _mix(given: Figures, settings: Settings, size: Size) -> Step:
    of, storage, each = given["mix"], given["storage"], given["bytes"]
    shard = min(given["shard_tokens"], size.tokens)
    bucket = size.tokens / settings.buckets
    loads = size.shards * min(settings.buckets, 1 + shard / bucket)
    opens = loads * size.units
    index_file = size.final * each["token_index"] / size.units + settings.buckets * of["index_footer_bytes"]
    read_ahead = min(storage["block"], index_file / 2)
    index_read = settings.buckets * of["index_footer_bytes"] + read_ahead
    together = min(storage["threads"], size.units)
    documents = shard * size.final / size.tokens
    stretch = size.tokens / size.units / settings.buckets  # a bucket's tokens in a unit lie together
    reads = min(documents, distinct(documents, size.units) * max(1.0, stretch / of["read_gap_tokens"])) * size.shards
    payload = size.tokens / size.units * given["token_bytes"]
    token_read = min(payload, storage["block"] + min(stretch, size.tokens / reads) * given["token_bytes"])
    rows = size.final / settings.buckets
    indices = Traffic(opens * index_read, opens, opens)
    shards = size.tokens * (given["token_bytes"] + each["piece_index"])
    payloads = Traffic(reads * token_read, reads / 2, reads, shards, 4.0 * size.shards)
    wait = indices.wait(storage, together) + payloads.wait(storage)
    cpu = size.tokens * item_seconds(given, "mix") / 512 + loads * rows * of["row_seconds"]
    cpu += opens * of["index_open_seconds"] * settings.buckets / 64
    held = min(of["cached_buckets"], settings.buckets) * of["row_bytes"] + of["sort_bytes"]
    memory = given["stages"]["mix"]["peak_mb"] * 1e6 + rows * held + 3 * shard * given["token_bytes"]
    memory += together * read_ahead
    return Step(
        "mix",
        "",
        size.shards,
        cpu,
        wait,
        indices.read + payloads.read,
        payloads.written,
        indices.gets(storage) + payloads.gets(storage),
        payloads.files + (cpu + wait) / storage["beat_seconds"],
        size.shards * each["task"],
        memory,
    )


def requests_dollars(given: Figures, every: list[Step]) -> float:
    """What the object store takes for requests."""
    prices = given["prices"]
    return float(sum(step.gets * prices["get"] + step.puts * prices["put"] for step in every))


def kept_bytes(every: list[Step]) -> float:
    """What stands in the work directory in the end."""
    return sum(step.written for step in every)
