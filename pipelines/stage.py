"""The base classes of stages, and the state of a run that stages share.

A stage declares everything that only it knows as class attributes: what affects its bytes, what it counts, which
sidecar it writes, what it adds to the report. Code that handles all stages reads these and names no stage.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from gristmill.errors import InputError, RunError
from gristmill.pipelines.key_record import KeyRecord
from gristmill.pipelines.recipe import Recipe
from gristmill.store.keys import content_key, key_of, library_versions
from gristmill.store.receipts import Manifest, Receipt
from gristmill.store.stage_directory import StageDirectory

if TYPE_CHECKING:
    import apache_beam as beam
    from rich.table import Table

    from gristmill.transforms.core.tasks import Round, Task


@dataclass
class RunContext:
    """The state of a run: its recipe, its work directory, and the stages completed so far."""

    recipe: Recipe
    work: str
    manifests: dict[str, Manifest] = field(default_factory=dict)
    directories: dict[str, StageDirectory] = field(default_factory=dict)

    def manifest(self, stage: str) -> Manifest:
        """The manifest of a completed stage; raises RunError if the stage has not run."""
        if stage not in self.manifests:
            raise RunError(f"stage {stage} has not been run in {self.work}")
        return self.manifests[stage]

    @property
    def tokenizer(self) -> Receipt:
        """The only receipt of the tokenizer stage: its file and its summary."""
        return self.manifest("tokenizer").receipts[0]


class JobPending(Exception):  # noqa: N818 - not an error: the run ends normally while its job continues elsewhere
    """A job was submitted and has not finished; the message says where it runs and how to resume."""


class Stage(ABC):
    """One stage of the pipeline. ``pipelines.run`` decides when it runs and skips the units that are complete."""

    name: ClassVar[str]
    versions: ClassVar[Mapping[int, str]]
    """What each version changed in the output; the last one is current. Add one whenever the bytes change for the same
    input: ``tests/pipelines/test_golden.py`` fails until then."""
    libraries: ClassVar[tuple[str, ...]] = ()
    """Distributions whose versions affect the output."""
    counted: ClassVar[str] = "documents"
    """What the record counts of this stage count."""
    counted_per_weight: ClassVar[float | None] = None
    """Counted items per unit of ``Task.weight``, for progress bars; None if it has to be measured."""
    takes_from: ClassVar[str | None] = None
    """The stage whose ``kept`` must equal this stage's ``in``."""
    requires_all_units: ClassVar[bool] = False
    """True if the units of the stage can only be processed together."""
    sidecar: ClassVar[str | None] = None
    """The kind of the stage's file that has one row for each extracted document, as ``gristmill inspect`` shows it."""
    keeps_unlisted_files: ClassVar[bool] = False
    """True if files below the stage's directory that no receipt lists are part of its output."""

    @property
    def version(self) -> int:
        return max(self.versions)

    def is_enabled(self, recipe: Recipe) -> bool:
        """Whether the recipe asks for this stage."""
        return True

    @abstractmethod
    def key_config(self, recipe: Recipe) -> Mapping[str, Any]:
        """The part of the recipe that affects this stage's bytes, by recipe key, with files replaced by their hashes.

        ``libraries`` are versions by name, of those that only this recipe uses. Other names than recipe keys are
        phrases: a message names what has changed by them.
        """

    def tables(self, recipe: Recipe) -> Mapping[str, Any]:
        """Word lists, patterns and rules of the project that affect the output: their content is in the key."""
        return {}

    @abstractmethod
    def tasks(self, context: RunContext, directory: StageDirectory) -> list[Task]:
        """All units of this stage; the stages before it have completed."""

    def core_hours(self, pending: list[Task], recipe: Recipe) -> float | None:
        """Estimate of the core hours of a run over ``pending``; None if the stage cannot tell."""
        return None

    def check(self, context: RunContext) -> None:
        """Raise InputError for a problem that would otherwise only appear after hours of work."""
        return

    def check_pending(self, pending: list[Task]) -> Iterable[str]:
        """Return what the beginning of the input shows, in sentences for the user, before a job starts.

        Raises InputError for what makes the job useless.
        """
        return ()

    def check_counts(self, manifest: Manifest, context: RunContext) -> None:
        """Raise InputError if the counts of the completed stage show a wrong recipe: by default, if nothing is kept."""
        counts = manifest.counts
        if counts.records and not counts.kept:
            reason, rejected = Counter({**counts.dropped, **counts.failed}).most_common(1)[0]
            raise InputError(
                f"{self.name} keeps none of {counts.records:,} {self.counted}, {rejected:,} of them because of "
                f"{reason}: correct the recipe"
            )

    def summary(self, context: RunContext, receipts: tuple[Receipt, ...]) -> Mapping[str, Any]:
        """What the manifest records about the stage as a whole. Raises RunError if the totals do not add up."""
        return {}

    def finalize(self, directory: StageDirectory, manifest: Manifest) -> None:
        """Write additional files once the manifest is written."""
        return

    def report(self, manifest: Manifest) -> Iterable[Table]:
        """Tables about this stage that a run prints at its end."""
        return ()

    def directory(self, context: RunContext) -> StageDirectory:
        """The stage's directory for this recipe; its key covers everything that affects the output."""
        return StageDirectory(context.work, self.name, key_of(self.name, *self._key_parts(context.recipe)))

    def key_record(self, recipe: Recipe) -> KeyRecord:
        """What the key of the stage's directory is made of, for ``key.json``."""
        version, libraries, config, tables = self._key_parts(recipe)
        return {"version": version, "libraries": libraries, "config": config, "tables": tables}

    def _key_parts(self, recipe: Recipe) -> tuple[int, dict[str, str], Mapping[str, Any], dict[str, str]]:
        tables = {name: content_key(table) for name, table in self.tables(recipe).items()}
        return self.version, library_versions(self.libraries), self.key_config(recipe), tables


class BeamStage(Stage):
    """A stage that runs a Beam pipeline over its units: every stage but the trainer."""

    @abstractmethod
    def build(
        self, tasks: beam.PCollection, pending: list[Task], context: RunContext, directory: StageDirectory
    ) -> Any:
        """Apply the stage's transforms to the pending tasks."""

    def prerequisite_rounds(
        self, pending: list[Task], context: RunContext, directory: StageDirectory
    ) -> Iterator[Round]:
        """Yield rounds of units that must complete first, each in a pipeline of its own.

        The next round is requested once the previous one is complete. Rounds that have a manifest are skipped, so an
        interrupted run resumes where it stopped.
        """
        return iter(())


class LaunchStage(Stage):
    """A stage that starts a job of its own instead of a Beam pipeline: the trainer."""

    @abstractmethod
    def launch(self, pending: list[Task], context: RunContext, directory: StageDirectory) -> None:
        """Run the job and write the units' receipts. Raises JobPending if the job continues elsewhere."""
