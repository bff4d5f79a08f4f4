"""The recipe's sections for the stages ``tokenizer`` and ``tokenize``."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from gristmill.corpus.recipe_section import Asset, ByteSize, Section

END_OF_TEXT = "<|endoftext|>"
"""Stands after every document, as in GPT-2; the same text inside a document is never taken for it."""


class TokenizerSection(Section):
    """A tokenizer: trained on a sample of the final documents, or pinned."""

    path: Asset | None = Field(
        None, description="A tokenizer.json to use as it is. Without it a byte-level BPE is trained on a sample."
    )
    vocab_size: int = Field(
        32_768,
        ge=512,
        le=1 << 20,
        description="Entries of a trained vocabulary, special tokens and the 256 bytes included. Below 65,500 a token "
        "takes two bytes on disk, else four. A sample too small to fill it gives fewer.",
    )
    end_of_text: str = Field(
        END_OF_TEXT,
        min_length=1,
        description="The special token after every document. A pinned tokenizer must hold it.",
    )
    extra_tokens: tuple[str, ...] = Field(
        (),
        description="More special tokens for a trained vocabulary, such as chat or fill-in-the-middle marks.",
    )
    sample_bytes: ByteSize = Field(
        1 << 28, ge=1, description="How much text to train on, in bytes of UTF-8, shared between the sources."
    )
    min_frequency: int = Field(2, ge=1, description="A pair is merged only if the sample holds it at least so often.")
    digits: int = Field(
        3,
        ge=1,
        le=3,
        description="Numbers are cut into groups of at most so many digits: 3 as in GPT-4, 1 for one token a digit.",
    )
    seed: int = Field(0, ge=0, description="Chooses which documents are sampled.")

    @property
    def special_tokens(self) -> list[str]:
        """All special tokens, in the order of their numbers: ``end_of_text`` is 0."""
        return [self.end_of_text, *self.extra_tokens]

    @model_validator(mode="after")
    def _check_special_tokens(self) -> TokenizerSection:
        specials = self.special_tokens
        if len(set(specials)) < len(specials) or "" in specials:
            raise ValueError("special tokens must differ from one another and must not be empty")
        if self.vocab_size < 256 + len(specials):
            raise ValueError(f"vocab_size must be at least {256 + len(specials)}: 256 bytes and the special tokens")
        return self


class TokenizeSection(Section):
    """How final documents become token files."""

    buckets: int = Field(
        64,
        ge=1,
        le=1 << 15,
        description="Groups by a hash of the document id, a power of two. Documents are shuffled in a bucket, whose "
        "index is read into memory: choose so many that a bucket holds at most a few million documents.",
    )
    seed: int = Field(0, ge=0, description="Chooses which bucket a document falls in.")

    @field_validator("buckets")
    @classmethod
    def _check_power_of_two(cls, buckets: int) -> int:
        if buckets & (buckets - 1):
            raise ValueError(f"buckets must be a power of two, not {buckets}")
        return buckets
