"""What an extraction engine declares: its section of a recipe, how it is loaded, and what its text depends on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from gristmill.corpus.recipe_section import Section
from gristmill.extraction.engines.extraction_engine import ExtractionEngine, MarkupLimits

Focus = Annotated[
    Literal["balanced", "precision", "recall"],
    Field(description="Which error to avoid when in doubt: neither, boilerplate in the text, or missing text."),
]
Format = Annotated[Literal["text", "markdown"], Field(description="Write the main text as plain text or as Markdown.")]
Comments = Annotated[bool, Field(description="Keep readers' comments.")]
Tables = Annotated[bool, Field(description="Keep the text of tables.")]


class ExtractorSection(Section):
    """The options of one engine, at ``extract.extractor`` in a recipe.

    A subclass narrows ``name`` to ``Literal["<engine>"] = "<engine>"`` and adds the options of its engine. Its
    docstring is the engine's description in the recipe's schema.
    """

    name: str


@dataclass(frozen=True)
class EngineDefinition:
    """An extraction engine that a recipe can name.

    Args:
        section: The engine's options; the default of ``name`` is the engine's name. load: Returns the engine for an
        instance of ``section``. Imports the engine's libraries only when called, so that
            recipes can be read without them. Must be a module-level function: it is pickled for the child process.
        libraries: Distributions whose versions determine the text; they are part of the stage's key. The first one is
            the engine's own, which must be installed; the others are its dependencies.
        isolated: Whether the engine runs in a child process: true for third-party parsers, whose time and memory no
            counted limit bounds for certain.
        model: A model file that determines the text; its hash is part of the stage's key.
    """

    section: type[ExtractorSection]
    load: Callable[[Any, MarkupLimits], ExtractionEngine]
    libraries: tuple[str, ...] = ()
    isolated: bool = True
    model: Path | None = None

    @property
    def name(self) -> str:
        """The value of ``extract.extractor.name`` that selects the engine."""
        name: str = self.section.model_fields["name"].default
        return name
