"""Opens the extraction engine that a recipe names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version

from gristmill.errors import InputError
from gristmill.extraction.engines.engine_definition import EngineDefinition
from gristmill.extraction.engines.engine_table import ENGINES
from gristmill.extraction.engines.extraction_engine import ExtractionEngine, MarkupLimits, OpenEngine
from gristmill.extraction.engines.isolated_engine import IsolatedEngine, ProcessBounds
from gristmill.extraction.extract_section import ExtractSection


@dataclass(frozen=True)
class InProcessEngine:
    """An engine that runs in the worker's own process."""

    engine: ExtractionEngine

    def __call__(self, html: str, url: str | None = None) -> str:
        return self.engine(html, url)

    def close(self) -> None:
        """Does nothing: there is no process to end."""


def engine_definition(section: ExtractSection) -> EngineDefinition:
    """The definition of the engine that the section names."""
    return ENGINES[section.extractor.name]


def require_engine(section: ExtractSection) -> None:
    """Raises InputError if the package of the section's engine is not installed."""
    for package in engine_definition(section).libraries[:1]:  # the others are dependencies of the first
        try:
            version(package)
        except PackageNotFoundError:
            raise InputError(
                f"extract.extractor: the engine {section.extractor.name} is not installed; "
                f"run pip install 'gristmill[{package}]'"
            ) from None


def engine_loader(section: ExtractSection) -> Callable[[], ExtractionEngine]:
    """A picklable function that loads the section's engine, in this process or in another."""
    limits = MarkupLimits(section.max_nodes, section.max_depth)
    return partial(engine_definition(section).load, section.extractor, limits)


def open_engine(section: ExtractSection) -> OpenEngine:
    """The section's engine, ready for pages. Raises InputError if it is not installed."""
    require_engine(section)
    if engine_definition(section).isolated:
        return IsolatedEngine(engine_loader(section), ProcessBounds(section.max_seconds, section.max_memory))
    return InProcessEngine(engine_loader(section)())
