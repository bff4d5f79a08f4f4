"""Traces a training step, a sequence or documents in both directions.

::

    training step ↔ sequence ↔ shard and offset ↔ document ↔ URL ↔ file and range of the source

Nothing is computed again and no index of its own is kept: the logs of a run name the sequences of a step, the index of
a shard the documents of a sequence, and the columns of ids of the stages' files everything else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cached_property
from typing import NamedTuple

from gristmill.errors import InputError
from gristmill.mixing.mixed_shards import MixedShards
from gristmill.pipelines.trace.document_decisions import STAGES, read_documents, recipe_sources
from gristmill.pipelines.trace.find_documents import find_records, is_id, parse_id
from gristmill.pipelines.trace.mixed_sequences import sequences_between, sequences_with
from gristmill.pipelines.trace.stage_files import Row, open_stages
from gristmill.pipelines.trace.training_steps import TrainingSteps
from gristmill.store import storage


class Trace(NamedTuple):
    """What was found; `gristmill trace --json` prints these fields.

    Attributes:
        mix: Name of the directory of the mix; None before ``mix`` has run.
        run: Folder of the training run, if there is one.
        steps: ``step``, and its sequences ``first_sequence`` to ``end`` (exclusive). Steps count from 0.
        sequences: ``sequence``, its place in a shard (``file``, ``offset`` and ``length`` in bytes), what the run did
            with it (``training``: trained, skipped, rolled_back, not_reached; ``step``), and ``pieces``: ``id``,
            ``source``, ``group``, tokens ``start`` to ``end`` of the sequence, which are those from ``offset`` on of
            the document, and ``copy``, the epoch from 0. If documents were asked for, only their pieces are listed.
        documents: ``id``, ``source``, ``url``, ``date``, ``meta``, ``record`` (where it is in the source), ``fate``
            (kept, dropped, failed), the ``stage`` and ``reason`` of a record that is not kept, and ``decisions`` by
            stage.
        unknown: Ids and URLs that were asked for and are not in the work directory.
    """

    mix: str | None
    run: str | None
    steps: list[Row]
    sequences: list[Row]
    documents: list[Row]
    unknown: list[str]


class Tracer:
    """Traces in a work directory; ``run`` is the folder of a training run, by default that of the stage ``train``."""

    def __init__(self, work: str, run: str | None = None) -> None:
        """Raises InputError if ``work`` is not a work directory with documents, or ``run`` is no run on its mix."""
        self._work = work
        self._stages = open_stages(work, STAGES)
        if "extract" not in self._stages:
            raise InputError(f"{work} has no documents yet: run its recipe")
        self._run_url = run or self._own_run()
        if run is not None:
            _ = self._run

    def step(self, number: int) -> Trace:
        """Trace a step of the run to its sequences and their documents. Raises InputError if there is none."""
        if self._run is None:
            raise InputError(f"{self._work} has no training run: pass the folder of one with --run")
        return self._sequences(*self._run.batch(number))

    def sequence(self, number: int) -> Trace:
        """Trace a sequence to its documents and its step. Raises InputError if there is none."""
        return self._sequences(number, number + 1)

    def documents(self, ids: Iterable[str], urls: Collection[str] = ()) -> Trace:
        """Trace documents, by their ids in hex or exact URLs, to all sequences and steps that contain them.

        Raises InputError if none of them is in the work directory, or an id is invalid.
        """
        asked = {one: parse_id(one) for one in ids}
        sources = recipe_sources(self._work)
        found = find_records(self._stages["extract"], set(asked.values()), urls)
        documents = read_documents(self._stages, found, sources)
        known = {document["id"] for document in documents}
        addresses = {document["url"] for document in documents}
        unknown = [one for one, id in asked.items() if id.hex() not in known]
        unknown += [url for url in urls if url not in addresses]
        if not documents:
            raise InputError(_not_found(unknown, self._work))
        mixed = "mix" in self._stages
        return self._trace(
            sequences_with(self._mix, [bytes.fromhex(id) for id in known]) if mixed else [], documents, unknown
        )

    def require_mix(self) -> None:
        """Raise InputError if there is no mix."""
        if "mix" not in self._stages:
            raise InputError(f"{self._work} has no mix yet: run its recipe until mix")

    @cached_property
    def _mix(self) -> MixedShards:
        self.require_mix()
        return MixedShards.open(self._stages["mix"].directory.url)

    @cached_property
    def _run(self) -> TrainingSteps | None:
        return TrainingSteps.read(self._run_url, self._mix.digest, self._work) if self._run_url else None

    def _own_run(self) -> str | None:
        if "train" not in self._stages:
            return None
        train = self._stages["train"]
        return storage.join_below(train.directory.url, train.manifest.summary["out"])

    def _sequences(self, first: int, end: int) -> Trace:
        sequences = sequences_between(self._mix, first, end)
        pieces = [piece for sequence in sequences for piece in sequence["pieces"]]
        ids = {bytes.fromhex(piece["id"]) for piece in pieces}
        found = find_records(self._stages["extract"], ids, sources={piece["source"] for piece in pieces})
        rows = read_documents(
            self._stages, (one for one in found if one.kind == "documents"), recipe_sources(self._work)
        )
        order = {id: place for place, id in enumerate(dict.fromkeys(piece["id"] for piece in pieces))}
        documents = sorted(rows, key=lambda row: order[row["id"]])
        known = {document["id"] for document in documents}
        return self._trace(sequences, documents, [id for id in order if id not in known])

    def _trace(self, sequences: list[Row], documents: list[Row], unknown: list[str]) -> Trace:
        """Add what the run did with the sequences, and its steps."""
        run = self._run if "mix" in self._stages else None
        steps: dict[int, Row] = {}
        traced = []
        for sequence in sequences:
            outcome, step = run.training(sequence["sequence"]) if run else (None, None)
            traced.append({**sequence, "training": outcome, "step": step})
            if run and step is not None and outcome == "trained" and step not in steps:
                first, end = run.batch(step)
                steps[step] = {"step": step, "first_sequence": first, "end": end}
        mix = self._stages["mix"].directory.name if "mix" in self._stages else None
        return Trace(mix, run.url if run else None, list(steps.values()), traced, documents, unknown)


def trace_takedown(tracer: Tracer, lines: Iterable[str]) -> Trace:
    """Trace the documents named by ``lines``, an id or a URL each. Raises InputError if there is none, or no mix."""
    tracer.require_mix()
    names = list(dict.fromkeys(filter(None, map(str.strip, lines))))
    if not names:
        raise InputError("the list is empty: write one document id or URL per line")
    ids = [name for name in names if is_id(name)]
    return tracer.documents(ids, [name for name in names if not is_id(name)])


def _not_found(names: list[str], work: str) -> str:
    if len(names) > 1:
        return f"none of the {len(names):,} documents is in {work}"
    if is_id(names[0]):
        return f"no document {names[0]} in {work}"
    return f"no document in {work} has the URL {names[0]}; gristmill inspect {work} --url finds parts of URLs"
