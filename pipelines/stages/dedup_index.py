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


class Earlier(NamedTuple):
    """An earlier run's signatures; and its removals, unless all that it signed is to count."""

    signatures: StageDirectory
    removals: StageDirectory | None


def index_hashes(locations: Sequence[str]) -> list[Any]:
    """What the stage's key holds of the index: contents, not places. Raises InputError for what is no index."""
    return [
        [receipt.file(kind).sha256 for receipt in one.read_manifest().receipts for kind in kinds]
        for earlier in map(find_earlier, locations)
        for one, kinds in _files(earlier)
    ]


def index_units(context: RunContext) -> tuple[SignedUnit, ...]:
    """The units of the recipe's index, earliest first.

    Raises InputError where one was signed otherwise than this recipe signs, or was deduplicated before it was signed.
    """
    locations = context.recipe.dedup.index
    key = Signatures().directory(context).key
    return tuple(
        unit
        for number, location in enumerate(locations)
        for unit in _units(find_earlier(location), location, key, number - len(locations))
    )


def find_earlier(location: str) -> Earlier:
    """The run at a work directory, or the ``signatures-…`` folder itself. Raises InputError where there is neither."""
    folder, _, name = location.rstrip("/").rpartition("/")
    if name.startswith(f"{Signatures.name}-"):
        earlier = Earlier(StageDirectory(folder, Signatures.name, name.partition("-")[2]), None)
    else:
        stages = current(location)
        if missing := [stage for stage in (Signatures.name, "dedup") if stage not in stages]:
            raise InputError(
                f"dedup.index names {location}, where {missing[0]} is not done: run its recipe until dedup"
            )
        earlier = Earlier(stages[Signatures.name], stages["dedup"])
    for one in filter(None, earlier):
        if not storage.exists(one.manifest_url):
            raise InputError(
                f"dedup.index names {location}, but there is no {one.manifest_url}: run its recipe to the end"
            )
    return earlier


def _files(earlier: Earlier) -> Iterator[tuple[StageDirectory, tuple[str, ...]]]:
    yield earlier.signatures, SignatureFiles._fields
    if earlier.removals:
        yield earlier.removals, ("removals",)


def _units(earlier: Earlier, location: str, key: str, generation: int) -> Iterator[SignedUnit]:
    signatures = earlier.signatures
    if signatures.key != key:
        raise InputError(
            f"dedup.index names {location}, which was signed with other shingles, bands, seed, partitions, "
            f"verification or version ({signatures.name}, here {Signatures.name}-{key}): run its recipe again with "
            "those of this one"
        )
    removals = _removals(earlier.removals, signatures.read_manifest(), location) if earlier.removals else {}
    for receipt in signatures.read_manifest().receipts:
        files = SignatureFiles(*(signatures.file_url(receipt.file(kind)) for kind in SignatureFiles._fields))
        gone = removals.get(str(receipt.input["documents"]), "")
        yield SignedUnit(receipt.unit, "", files, receipt.counts.kept, generation, gone)


def _removals(directory: StageDirectory, signed: Manifest, location: str) -> dict[str, str]:
    """The removals of each unit of documents. Raises InputError where they were decided on other signatures."""
    prints = {str(one.input["documents"]): one.file("fingerprints").sha256 for one in signed.receipts}
    decided = {str(one.input["documents"]): one for one in directory.read_manifest().receipts}
    if prints != {document: one.input["sha256"]["fingerprints"] for document, one in decided.items()}:
        raise InputError(
            f"dedup.index names {location}, whose dedup is older than its signatures: run its recipe again"
        )
    return {document: directory.file_url(one.file("removals")) for document, one in decided.items()}
