"""The token equation: for each group, documents × copies − cropped + separators = tokens in the shards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from gristmill.mixing.build_shard import ShardCount
from gristmill.mixing.group_stream import GroupStream, TokenCount
from gristmill.mixing.mix_plan import GroupPlan, MixPlan


class TokenBalance(NamedTuple):
    """The token equation of one group.

    Attributes:
        documents: Documents of one copy, from the token files.
        document_tokens: Their tokens without separators.
        copies: Epochs started.
        cropped_tokens: Document tokens of the stream after its last used token.
        cropped_separators: Separators of the stream after its last used token.
        separators: Separators in the shards.
        shard_tokens: All tokens in the shards.
    """

    group: str
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
    plan: MixPlan, streams: Mapping[str, GroupStream], counts: Iterable[ShardCount]
) -> tuple[TokenBalance, ...]:
    """Return the equation of every group, from the plan, the streams and the counts of all shards."""
    separators = dict.fromkeys((group.group for group in plan.groups), 0)
    tokens = dict(separators)
    for count in counts:
        separators[count.group] += count.separators
        tokens[count.group] += count.document_tokens + count.separators
    return tuple(
        TokenBalance(
            group=group.group,
            documents=group.documents,
            document_tokens=group.tokens - group.documents,
            copies=plan.copies(group),
            cropped_tokens=cropped.documents,
            cropped_separators=cropped.separators,
            separators=separators[group.group],
            shard_tokens=tokens[group.group],
        )
        for group in plan.groups
        for cropped in [_cropped(plan, group, streams)]
    )


def _cropped(plan: MixPlan, group: GroupPlan, streams: Mapping[str, GroupStream]) -> TokenCount:
    return streams[group.group].rest_of_epoch(plan.used_tokens(group)) if group.sequences else TokenCount(0, 0)
