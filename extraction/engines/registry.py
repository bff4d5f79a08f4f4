"""The engines that a recipe may name, and how each is opened.

An engine is a module with ``load(choice, limits)``, imported only where it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from gristmill.errors import InputError
from gristmill.extraction.engines.engine import ExtractionEngine, Limits, OpenEngine
from gristmill.extraction.engines.isolated import Bounds, Isolated
from gristmill.extraction.extract_section import ExtractSection
from gristmill.extraction.learned import MODEL

_HERE = "gristmill.extraction.engines"


class Kind(NamedTuple):
    """Where an engine is, what shapes its text (versions of distributions, a model), and whether it needs a process.

    ``isolated`` is for foreign parsers, which no counted limit bounds for certain: they run in a child process.
    """

    module: str
    libraries: tuple[str, ...]
    isolated: bool = True
    model: Path | None = None


KINDS = {
    "gristmill": Kind("gristmill.extraction.learned.engine", (), isolated=False, model=MODEL),
    "trafilatura": Kind(f"{_HERE}.trafilatura", ("trafilatura", "justext", "lxml", "lxml_html_clean")),
    "resiliparse": Kind(f"{_HERE}.resiliparse", ("resiliparse", "lxml")),
    "rs-trafilatura": Kind(f"{_HERE}.rs_trafilatura", ("rs-trafilatura", "lxml")),
}
"""By the name that a recipe gives to ``extract.extractor.name``."""


@dataclass(frozen=True)
class InProcess:
    """An engine in this very process."""

    engine: ExtractionEngine

    def __call__(self, html: str, url: str | None = None) -> str:
        return self.engine(html, url)

    def close(self) -> None:
        """Nothing is held."""


def kind_of(section: ExtractSection) -> Kind:
    return KINDS[section.extractor.name]


def require_engine(section: ExtractSection) -> None:
    """Raises InputError where the package of the engine that the recipe names is not installed."""
    for package in kind_of(section).libraries[:1]:  # the others are what that one needs
        try:
            version(package)
        except PackageNotFoundError:
            raise InputError(
                f"extract.extractor: the engine {section.extractor.name} is not installed; "
                f"pip install 'gristmill[{package}]'"
            ) from None


def loader(section: ExtractSection) -> Callable[[], ExtractionEngine]:
    """What makes the section's engine, here or in another process."""
    limits = Limits(section.max_nodes, section.max_depth)
    return partial(_load, kind_of(section).module, section.extractor, limits)


def open_engine(section: ExtractSection) -> OpenEngine:
    """The section's engine, ready for pages. Raises InputError where it is not installed."""
    require_engine(section)
    if kind_of(section).isolated:
        return Isolated(loader(section), Bounds(section.max_seconds, section.max_memory))
    return InProcess(loader(section)())


def _load(module: str, choice: Any, limits: Limits) -> ExtractionEngine:
    engine: ExtractionEngine = import_module(module).load(choice, limits)
    return engine
