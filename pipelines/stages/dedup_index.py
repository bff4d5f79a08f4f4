"""The index of ``dedup``: the signatures of earlier runs, and the documents that they removed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from gristmill.errors import InputError
from gristmill.pipelines.stage import RunContext
from gristmill.pipelines.stages.signatures import Signatures
from gristmill.pipelines.work_directory import current
from gristmill.store import storage
from gristmill.store.receipts import Manifest
from gristmill.store.stage_directory import StageDirectory
from gristmill.transforms.dedup.signature_reader import SignatureFiles, SignedUnit


class EarlierRun(NamedTuple):
    """The signatures of an earlier run, and its removals; without removals, all of its documents count as kept."""

    signatures: StageDirectory
    removals: StageDirectory | None


def index_hashes(locations: Sequence[str]) -> list[Any]:
    """The hashes of the index's files, for the stage's key. Raises InputError if a location is not an index."""
    return [
        [receipt.file(kind).sha256 for receipt in one.read_manifest().receipts for kind in kinds]
        for earlier in map(find_earlier, locations)
        for one, kinds in _files(earlier)
    ]


def index_units(context: RunContext) -> tuple[SignedUnit, ...]:
    """The units of the recipe's index, earliest first.

    Raises InputError if one has signatures of other settings, or removals that do not belong to its signatures.
    """
    locations = context.recipe.dedup.index
    key = Signatures().directory(context).key
    return tuple(
        unit
        for number, location in enumerate(locations)
        for unit in _units(find_earlier(location), location, key, number - len(locations))
    )


def find_earlier(location: str) -> EarlierRun:
    """The run in a work directory, or a ``signatures-…`` folder alone. Raises InputError if it is neither."""
    folder, _, name = location.rstrip("/").rpartition("/")
    if name.startswith(f"{Signatures.name}-"):
        earlier = EarlierRun(StageDirectory(folder, Signatures.name, name.partition("-")[2]), None)
    else:
        stages = current(location)
        if missing := [stage for stage in (Signatures.name, "dedup") if stage not in stages]:
            raise InputError(
                f"dedup.index names {location}, where {missing[0]} has not been run: run its recipe until dedup"
            )
        earlier = EarlierRun(stages[Signatures.name], stages["dedup"])
    for one in filter(None, earlier):
        if not storage.exists(one.manifest_url):
            raise InputError(
                f"dedup.index names {location}, but {one.manifest_url} does not exist: run its recipe to the end"
            )
    return earlier


def _files(earlier: EarlierRun) -> Iterator[tuple[StageDirectory, tuple[str, ...]]]:
    yield earlier.signatures, SignatureFiles._fields
    if earlier.removals:
        yield earlier.removals, ("removals",)


def _units(earlier: EarlierRun, location: str, key: str, generation: int) -> Iterator[SignedUnit]:
    signatures = earlier.signatures
    if signatures.key != key:
        raise InputError(
            f"dedup.index names {location}, whose signatures were made with other shingles, bands, seed, partitions, "
            f"verification or version ({signatures.name}, this recipe: {Signatures.name}-{key}): run its recipe again "
            "with the settings of this one"
        )
    removals = _removals(earlier.removals, signatures.read_manifest(), location) if earlier.removals else {}
    for receipt in signatures.read_manifest().receipts:
        files = SignatureFiles(*(signatures.file_url(receipt.file(kind)) for kind in SignatureFiles._fields))
        removed = removals.get(str(receipt.input["documents"]), "")
        yield SignedUnit(receipt.unit, "", files, receipt.counts.kept, generation, removed)


def _removals(directory: StageDirectory, signed: Manifest, location: str) -> dict[str, str]:
    """URLs of the removals by unit of documents. Raises InputError if they were decided on other signatures."""
    fingerprints = {unit: receipt.file("fingerprints").sha256 for unit, receipt in signed.by_document().items()}
    decided = directory.read_manifest().by_document()
    if fingerprints != {unit: receipt.input["sha256"]["fingerprints"] for unit, receipt in decided.items()}:
        raise InputError(
            f"dedup.index names {location}, whose removals are older than its signatures: run its recipe again"
        )
    return {unit: directory.file_url(receipt.file("removals")) for unit, receipt in decided.items()}
