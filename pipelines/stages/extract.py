"""``extract``: documents from the files of the sources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from gristmill import transforms
from gristmill.classifiers.language import model_path
from gristmill.corpus.recipe_section import key_config
from gristmill.extraction.charset_decoding import CHARSET_SUPERSETS
from gristmill.extraction.engines.markup_limits import MAY_FORMAT
from gristmill.extraction.engines.open_engine import engine_definition, require_engine
from gristmill.extraction.learned.html_tags import BLOCK_TAGS, COMMON_INLINE_TAGS, HIDDEN_TAGS, TAG_ROLES
from gristmill.extraction.quarantine import CAUSES, load_quarantine, quarantine_lines
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, RunContext
from gristmill.pipelines.stages.source_checks import check_first_records, require_few_failures, require_known_languages
from gristmill.store import storage
from gristmill.store.keys import asset_hash, key_of, library_versions
from gristmill.store.receipts import Manifest
from gristmill.store.stage_directory import StageDirectory, open_table
from gristmill.transforms.core.tasks import Task
from gristmill.transforms.read.format_table import FORMATS
from gristmill.transforms.read.language_codes import ISO_639_1, ISO_639_3
from gristmill.transforms.read.payload_types import SIGNATURES, XML_TYPES
from gristmill.transforms.read.source_section import SourceSection
from gristmill.transforms.read.source_unit import SourceUnit
from gristmill.transforms.read.unit_planning import plan_units
from gristmill.transforms.read.unit_reader import ReadLimits, SourceWork

if TYPE_CHECKING:
    import apache_beam as beam


class Extract(BeamStage):
    """Documents with their provenance, and beside them the records that were dropped or failed."""

    name = "extract"
    versions: ClassVar = {
        1: "text by trafilatura",
        2: "own extraction engine, engines in child processes, archives split at members",
        3: "language samples and checks applied to batches of records",
        4: "bodies decoded by their bytes, binaries and records of crawlers dropped, bad UTF-8 fails one row",
        5: "kept columns, declared languages, code as code, overlong ids and URLs dropped, counts by language",
        6: "limits on what archives, bodies and Parquet pages expand to; long runs of combining marks truncated alike",
    }
    counted = "records"
    libraries = ("fastwarc", "fasttext-community", "pyarrow", "resiliparse", "warcio", "zstandard")

    def key_config(self, recipe: Recipe) -> Mapping[str, Any]:
        engine = engine_definition(recipe.extract)
        return {
            "extract": key_config(recipe.extract),
            "libraries": library_versions(engine.libraries),
            "the engine's model": engine.model and asset_hash(str(engine.model)),
            "the language model": asset_hash(model_path(recipe.extract.language.model)),
        }

    def core_hours(self, pending: list[Task], recipe: Recipe) -> float | None:
        """Hours from ``extract`` to ``mix`` together."""
        rates = {source.name: FORMATS[source.format].core_megabytes_per_second for source in recipe.sources}
        return sum(task.weight / (rates[task.input["source"]] * 3.6e9) for task in pending)

    def check(self, context: RunContext) -> None:
        require_engine(context.recipe.extract)
        load_quarantine(context.recipe.extract.quarantine)
        require_known_languages(context.recipe)

    def check_pending(self, pending: list[Task]) -> Iterable[str]:
        return check_first_records(pending)

    def check_counts(self, manifest: Manifest, context: RunContext) -> None:
        require_few_failures(manifest, context.recipe)
        super().check_counts(manifest, context)

    def tables(self, recipe: Recipe) -> Mapping[str, Any]:
        # trafilatura is slow to import, and commands that only read import this module too.
        from gristmill.extraction.engines.trafilatura_xpaths import LISTS as XPATH_LISTS

        return {
            "charset_supersets": CHARSET_SUPERSETS,
            "formatting_tags": MAY_FORMAT,
            "block_tags": BLOCK_TAGS,
            "inline_tags": COMMON_INLINE_TAGS,
            "hidden_tags": HIDDEN_TAGS,
            "tag_roles": TAG_ROLES,
            "xpath_lists": XPATH_LISTS,
            "binary_signatures": SIGNATURES,
            "xml_types": XML_TYPES,
            "iso_639_1": ISO_639_1,
            "iso_639_3": ISO_639_3,
        }

    def tasks(self, context: RunContext, directory: StageDirectory) -> list[Task]:
        recipe = context.recipe
        limits = ReadLimits(max_bytes=recipe.extract.max_bytes)
        return [
            _task(directory, unit, source, limits)
            for source in recipe.sources
            for unit in plan_units(source, recipe.unit_size)
        ]

    def build(
        self, tasks: beam.PCollection, pending: list[Task], context: RunContext, directory: StageDirectory
    ) -> Any:
        return (
            tasks
            | transforms.ReadSources()
            | transforms.ExtractText(context.recipe.extract)
            | transforms.WriteDocuments(directory)
        )

    def finalize(self, directory: StageDirectory, manifest: Manifest) -> None:
        """Write ``quarantine.jsonl`` if pages crashed their extraction engine."""
        crashed = [receipt.file("rejects") for receipt in manifest.receipts if CAUSES & receipt.counts.failed.keys()]
        rows = (row for entry in crashed for row in open_table(directory.file_url(entry)).read().to_pylist())
        if crashed:
            storage.replace(storage.join(directory.url, "quarantine.jsonl"), quarantine_lines(rows))


_NOT_IN_KEYS = {"root", "paths", "crawl", "sample", "sample_seed", "max_failed", "kind"}
"""Keys of a source that do not affect how a unit is read: they select files, rules, or the counts that are allowed.

``kind`` does where it tells source code from other texts; a unit's key holds the media type that follows from it.
"""


def _task(directory: StageDirectory, unit: SourceUnit, source: SourceSection, limits: ReadLimits) -> Task:
    reading = source.model_dump(mode="json", exclude=_NOT_IN_KEYS) | {"text_media_type": source.text_media_type}
    key = key_of(directory.key, unit.identity(), reading)
    given = {
        "source": source.name,
        "files": len(unit.files),
        "path": unit.files[0].path,
        "range": [unit.start, unit.end],
        "identity": unit.identity(),
    }
    return Task(key, given, unit.end - unit.start, SourceWork(unit, source, limits))
