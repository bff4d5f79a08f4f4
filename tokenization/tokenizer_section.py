"""The recipe sections ``tokenizer`` and ``tokenize``."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from gristmill.corpus.recipe_section import Asset, ByteSize, Section

END_OF_TEXT = "<|endoftext|>"
"""The token after every document, as in GPT-2. The same text inside a document is not encoded as this token."""


class TokenizerSection(Section):
    """The tokenizer: trained on a sample of the final documents, or given as a file."""

    path: Asset | None = Field(
        None, description="A tokenizer.json to use. The default is a byte-level BPE trained on a sample."
    )
    vocab_size: int = Field(
        32_768,
        ge=512,
        le=1 << 20,
        description="Maximum number of entries of a trained vocabulary, including special tokens and the 256 bytes. A "
        "small sample gives fewer. A token takes two bytes on disk with fewer than 65,500 entries, else four.",
    )
    end_of_text: str = Field(
        END_OF_TEXT,
        min_length=1,
        description="The special token after every document. A tokenizer given by `path` must have it.",
    )
    extra_tokens: tuple[str, ...] = Field(
        (),
        description="Additional special tokens of a trained vocabulary, such as chat or fill-in-the-middle markers.",
    )
    sample_bytes: ByteSize = Field(
        1 << 28, ge=1, description="Size of the training sample in bytes of UTF-8, shared equally between the sources."
    )
    min_frequency: int = Field(
        2, ge=1, description="A pair is merged only if it occurs at least this often in the sample."
    )
    digits: int = Field(
        3,
        ge=1,
        le=3,
        description="Maximum number of digits of a token: 3 as in GPT-4, 1 for one token per digit.",
    )
    seed: int = Field(0, ge=0, description="Seed of the sample.")

    @property
    def special_tokens(self) -> list[str]:
        """All special tokens, by number; ``end_of_text`` is 0."""
        return [self.end_of_text, *self.extra_tokens]

    @model_validator(mode="after")
    def _check_special_tokens(self) -> TokenizerSection:
        specials = self.special_tokens
        if len(set(specials)) < len(specials) or "" in specials:
            raise ValueError("special tokens must be unique and not empty")
        if self.vocab_size < 256 + len(specials):
            raise ValueError(f"vocab_size must be at least {256 + len(specials)}: 256 bytes plus the special tokens")
        return self


class TokenizeSection(Section):
    """Token files of the final documents."""

    buckets: int = Field(
        64,
        ge=1,
        le=1 << 15,
        description="Number of buckets, a power of two. The hash of its id determines the bucket of a document. "
        "Documents are shuffled within a bucket, whose index is read into memory: use enough buckets for at most a few "
        "million documents each.",
    )
    seed: int = Field(0, ge=0, description="Seed of the assignment of documents to buckets.")

    @field_validator("buckets")
    @classmethod
    def _check_power_of_two(cls, buckets: int) -> int:
        if buckets & (buckets - 1):
            raise ValueError(f"buckets must be a power of two, not {buckets}")
        return buckets
