"""The token equation: for each source, documents × copies − cropped + separators = tokens in the shards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from gristmill.mixing.build_shard import ShardCount
from gristmill.mixing.mix_plan import MixPlan, SourcePlan
from gristmill.mixing.source_stream import SourceStream, TokenCount


class TokenBalance(NamedTuple):
    """The token equation of one source.

    Attributes:
        documents: Documents of one copy, from the token files.
        document_tokens: Their tokens without separators.
        copies: Epochs started.
        cropped_tokens: Document tokens of the stream after its last used token.
        cropped_separators: Separators of the stream after its last used token.
        separators: Separators in the shards.
        shard_tokens: All tokens in the shards.
    """

    source: str
    documents: int
    document_tokens: int
    copies: int
    cropped_tokens: int
    cropped_separators: int
    separators: int
    shard_tokens: int

    @property
    def balanced(self) -> bool:
        tokens = self.document_tokens * self.copies - self.cropped_tokens + self.separators
        return tokens == self.shard_tokens and self.documents * self.copies - self.cropped_separators == self.separators


def token_balances(
    plan: MixPlan, streams: Mapping[str, SourceStream], counts: Iterable[ShardCount]
) -> tuple[TokenBalance, ...]:
    """Return the equation of every source, from the plan, the streams and the counts of all shards."""
    separators = dict.fromkeys((source.source for source in plan.sources), 0)
    tokens = dict(separators)
    for count in counts:
        separators[count.source] += count.separators
        tokens[count.source] += count.document_tokens + count.separators
    return tuple(
        TokenBalance(
            source=source.source,
            documents=source.documents,
            document_tokens=source.tokens - source.documents,
            copies=plan.copies(source),
            cropped_tokens=cropped.documents,
            cropped_separators=cropped.separators,
            separators=separators[source.source],
            shard_tokens=tokens[source.source],
        )
        for source in plan.sources
        for cropped in [_cropped(plan, source, streams)]
    )


def _cropped(plan: MixPlan, source: SourcePlan, streams: Mapping[str, SourceStream]) -> TokenCount:
    return streams[source.source].rest_of_epoch(plan.used_tokens(source)) if source.sequences else TokenCount(0, 0)
