"""Plans the units of a source.

Units depend on the source alone: a file, a range of a long archive that is compressed record by record, or a group of a
folder's many small files.
"""

from __future__ import annotations

import errno
from functools import partial

from gristmill.errors import InputError
from gristmill.store import storage
from gristmill.transforms.read.crawl_listing import list_crawl_files, sample_paths
from gristmill.transforms.read.format_table import FORMATS
from gristmill.transforms.read.source_section import SourceSection
from gristmill.transforms.read.source_unit import PlannedFile, SourceUnit


def plan_units(source: SourceSection, unit_size: int) -> list[SourceUnit]:
    """Return the source's units, largest first, ties by identity.

    Raises InputError if a pattern matches no file, a link leads nowhere or the crawl does not exist, OSError if storage
    fails. Reads 192 KiB of each file, and the beginning of archives larger than ``unit_size`` bytes.
    """
    units = FORMATS[source.format].plan(source, _planned_files(source), unit_size)
    return sorted(units, key=lambda unit: (-unit.size, unit.identity()))


def _planned_files(source: SourceSection) -> list[PlannedFile]:
    patterns = source.paths if source.crawl is None else _crawl_files(source, source.crawl)
    by_extension = "extensions" in FORMATS[source.format].keys
    sizes: dict[str, int] = {}
    listings = storage.map_in_threads(partial(storage.glob, source.root), patterns)
    for pattern, listing in zip(patterns, listings, strict=True):
        matches = dict(listing)
        if by_extension:
            matches = {path: size for path, size in matches.items() if path.lower().endswith(source.extensions)}
        if not matches:
            keys = "`root`, `paths` or `extensions`" if by_extension else "`root` or `paths`"
            raise InputError(
                f"source {source.name!r}: no file below {source.root} matches {pattern!r}; "
                f"correct {keys}, or remove the source"
            )
        sizes |= matches
    paths = sorted(sizes)
    fingerprints = storage.map_in_threads(lambda path: _fingerprint(source, path, sizes[path]), paths)
    missing = [path for path, fingerprint in zip(paths, fingerprints, strict=True) if fingerprint is None]
    if missing:
        examples = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise InputError(
            f"source {source.name!r}: below {source.root} there are links to files that do not exist: {examples}; "
            "restore the files, or remove the links"
        )
    return [PlannedFile(path, sizes[path], fingerprint) for path, fingerprint in zip(paths, fingerprints, strict=True)]


def _fingerprint(source: SourceSection, path: str, size: int) -> str | None:
    """Return the fingerprint of a file, or None if it is a link that leads nowhere."""
    try:
        return storage.fingerprint(storage.join(source.root, path), size)
    except OSError as error:
        if size or error.errno not in (errno.ENOENT, errno.ELOOP):
            raise
        return None


def _crawl_files(source: SourceSection, crawl: str) -> list[str]:
    paths = list_crawl_files(source.root, crawl, source.format)
    return sample_paths(paths, len(paths) if source.sample is None else source.sample, source.sample_seed)
