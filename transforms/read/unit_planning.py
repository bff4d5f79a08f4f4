"""From a source to its units.

Units follow from the source alone: one file, a range of a long archive that is compressed record by record, or a
bucket of a folder's many small files. Files go to buckets by a hash of their paths, so one file more changes one unit
and leaves the others as they were, but where the number of buckets doubles.
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from hashlib import blake2b

from gristmill.errors import InputError
from gristmill.store import storage
from gristmill.transforms.read.archive_reader import splittable
from gristmill.transforms.read.crawl_listing import choose, crawl_paths
from gristmill.transforms.read.source_section import SourceSection
from gristmill.transforms.read.source_unit import Unit, UnitFile
from gristmill.transforms.read.stored_file import Stored, open_planned

FILES_PER_UNIT = 4096


def plan_units(source: SourceSection, unit_size: int) -> list[Unit]:
    """The source's units, largest first, ties by identity.

    Raises InputError where a pattern matches nothing or there is no such crawl, OSError where storage fails. Reads
    192 KiB of each file, and the beginning of archives larger than ``unit_size`` bytes.
    """
    files = _files(source)
    if source.format in ("text", "code"):
        units = _buckets(source, files, unit_size)
    elif source.format in ("warc", "wet"):
        units = [unit for file in files for unit in _ranges(source, file, unit_size)]
    else:
        units = [_unit(source, (file,)) for file in files]
    return sorted(units, key=lambda unit: (-unit.size, unit.identity()))


def _files(source: SourceSection) -> list[UnitFile]:
    patterns = source.paths if source.crawl is None else _of_crawl(source, source.crawl)
    sizes: dict[str, int] = {}
    for pattern, matches in zip(
        patterns, storage.map_in_threads(partial(storage.glob, source.root), patterns), strict=True
    ):
        found = dict(matches)
        if source.format == "code":
            found = {path: size for path, size in found.items() if path.lower().endswith(source.extensions)}
        if not found:
            keys = "`root`, `paths` or `extensions`" if source.format == "code" else "`root` or `paths`"
            raise InputError(
                f"source {source.name!r}: no file below {source.root} matches {pattern!r}; "
                f"correct {keys}, or leave the source out"
            )
        sizes |= found
    paths = sorted(sizes)
    prints = storage.map_in_threads(
        lambda path: storage.fingerprint(storage.join(source.root, path), sizes[path]), paths
    )
    return [UnitFile(path, sizes[path], prints[i]) for i, path in enumerate(paths)]


def _of_crawl(source: SourceSection, crawl: str) -> list[str]:
    paths = crawl_paths(source.root, crawl, source.format)
    return choose(paths, len(paths) if source.sample is None else source.sample, source.sample_seed)


def _ranges(source: SourceSection, file: UnitFile, unit_size: int) -> list[Unit]:
    if file.size <= unit_size or not _splittable(source, file, unit_size):
        return [_unit(source, (file,))]
    starts = range(0, file.size, unit_size)
    return [Unit(source.name, source.format, (file,), at, min(at + unit_size, file.size)) for at in starts]


def _splittable(source: SourceSection, file: UnitFile, unit_size: int) -> bool:
    with open_planned(source.root, file) as opened:
        return splittable(Stored(opened, file.size), file.path, unit_size)


def _buckets(source: SourceSection, files: list[UnitFile], unit_size: int) -> list[Unit]:
    total = sum(file.size for file in files)
    wanted = max(1, -(-total // unit_size), -(-len(files) // FILES_PER_UNIT))
    count = 1 << (wanted - 1).bit_length()
    buckets: dict[int, list[UnitFile]] = defaultdict(list)
    for file in files:
        digest = blake2b(file.path.encode("utf-8", "surrogateescape"), digest_size=8).digest()
        buckets[int.from_bytes(digest, "little") % count].append(file)
    return [_unit(source, tuple(bucket)) for bucket in buckets.values()]


def _unit(source: SourceSection, files: tuple[UnitFile, ...]) -> Unit:
    return Unit(source.name, source.format, files, 0, sum(file.size for file in files))
