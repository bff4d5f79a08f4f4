"""What a stage is to the mill: what it depends on, its units, and the Beam graph over them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from gristmill.errors import RunError
from gristmill.pipelines.recipe import Recipe
from gristmill.store.keys import key_of, library_versions
from gristmill.store.stage_directory import Manifest, Receipt, StageDirectory

if TYPE_CHECKING:
    import apache_beam as beam

    from gristmill.transforms.core.units import Round, Task


@dataclass
class RunContext:
    """A recipe being milled in a work directory, and the manifests of the stages that are done so far."""

    recipe: Recipe
    work: str
    manifests: dict[str, Manifest] = field(default_factory=dict)
    directories: dict[str, StageDirectory] = field(default_factory=dict)

    def manifest(self, stage: str) -> Manifest:
        if stage not in self.manifests:
            raise RunError(f"stage {stage} is not done yet in {self.work}")
        return self.manifests[stage]

    @property
    def tokenizer(self) -> Receipt:
        """The tokenizer's one receipt: its file and its facts."""
        return self.manifest("tokenizer").receipts[0]


class UnderWay(Exception):  # noqa: N818 - no error: the run ends well, and a job of its own goes on
    """A launch is handed over and not done yet; says where it is, and how to go on. The ledger ends before it."""


class Stage(ABC):
    """One stage of the mill. Subclasses say what; ``mill.run`` says when, and skips what stands."""

    name: ClassVar[str]
    version: ClassVar[int]
    """Raised whenever the same input would give other bytes; golden tests force it."""
    libraries: ClassVar[tuple[str, ...]] = ()
    """Distributions whose versions shape the data."""
    counted: ClassVar[str] = "documents"
    takes_from: ClassVar[str | None] = None
    """The stage whose ``kept`` must be this stage's ``in``."""
    requires_all_units: ClassVar[bool] = False
    """True where units can only be worked on together."""

    @abstractmethod
    def key_config(self, recipe: Recipe) -> Any:
        """The part of the recipe that shapes this stage's bytes, as plain JSON, assets by content."""

    @abstractmethod
    def tasks(self, context: RunContext, directory: StageDirectory) -> list[Task]:
        """All units of this stage, given the manifests of those before it."""

    def check(self, context: RunContext) -> None:
        """Raise InputError for what would otherwise come to light after hours of work."""
        return

    def summary(self, context: RunContext, receipts: tuple[Receipt, ...]) -> Mapping[str, Any]:
        """What the manifest says of the whole stage. Raises RunError where it does not add up."""
        return {}

    def finalize(self, directory: StageDirectory, manifest: Manifest) -> None:
        """Leave beside the manifest what people need of it."""
        return

    def directory(self, context: RunContext) -> StageDirectory:
        key = key_of(self.name, self.version, library_versions(self.libraries), self.key_config(context.recipe))
        return StageDirectory(context.work, self.name, key)


class BeamStage(Stage):
    """A stage that is a Beam pipeline over its units: all but the trainer."""

    @abstractmethod
    def build(
        self, tasks: beam.PCollection, pending: list[Task], context: RunContext, directory: StageDirectory
    ) -> Any:
        """The Beam graph over the pending units."""

    def prerequisite_rounds(
        self, pending: list[Task], context: RunContext, directory: StageDirectory
    ) -> Iterator[Round]:
        """Rounds of units, each a pipeline, that must be done first; each is asked for once the one before it is done.

        Those whose manifest stands are left out, so that asking again goes on where a run ended.
        """
        return iter(())


class Launch(Stage):
    """A stage that is no Beam pipeline but a job of its own: the trainer."""

    @abstractmethod
    def launch(self, pending: list[Task], context: RunContext, directory: StageDirectory) -> None:
        """Run the job and write the units' receipts. Raises UnderWay where it goes on elsewhere."""
