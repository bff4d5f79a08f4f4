"""The mix plan: how many sequences each group contributes.

The share of a group of ``n`` tokens is proportional to ``weight * n**alpha`` (exponential smoothing: XLM, Conneau and
Lample 2019). A group that would be repeated more than ``max_epochs`` times is capped there, and the others share the
rest in the same proportions, until none exceeds its cap. Shares are rounded to whole sequences by largest remainder, so
each group is within one sequence of its share. The computation is exact (powers are decimals of 20 digits, shares are
fractions), so a plan does not depend on floating-point arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from gristmill.errors import InputError
from gristmill.mixing.mix_section import MixSection

MAX_SEQUENCES = 1 << 40
"""Maximum number of sequences of a group: ``global_order`` computes its times in 64 bits up to here."""

MAX_GROUPS = 10_000
"""Maximum number of groups: to find a position, ``global_order`` looks at each of them 64 times."""

_SHOWN_GROUPS = 20


class GroupSize(NamedTuple):
    """Documents and tokens of each bucket of a group, summed over its units; separators count as tokens."""

    bucket_documents: tuple[int, ...]
    bucket_tokens: tuple[int, ...]

    @property
    def tokens(self) -> int:
        return sum(self.bucket_tokens)


class GroupPlan(BaseModel):
    """The part of one group in the plan.

    ``share`` is its share before caps, rounded to 6 digits for display. A group is ``capped`` if it contributes all
    that ``max_epochs`` allows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    group: str
    bucket_documents: tuple[int, ...]
    bucket_tokens: tuple[int, ...]
    share: float
    sequences: int
    capped: bool

    @property
    def documents(self) -> int:
        return sum(self.bucket_documents)

    @property
    def tokens(self) -> int:
        """Tokens of one epoch, including separators."""
        return sum(self.bucket_tokens)


class MixPlan(BaseModel):
    """All that determines the content of the shards besides the token files. Groups are sorted by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sequence_length: int
    sequences_per_shard: int
    seed: int
    groups: tuple[GroupPlan, ...]

    @property
    def sequences(self) -> int:
        return sum(group.sequences for group in self.groups)

    @property
    def tokens(self) -> int:
        return self.sequences * self.sequence_length

    @property
    def shards(self) -> int:
        return -(-self.sequences // self.sequences_per_shard)

    def shard_range(self, shard: int) -> tuple[int, int]:
        """Return the first sequence and the number of sequences of a shard. Raises IndexError if it does not exist."""
        if not 0 <= shard < self.shards:
            raise IndexError(f"no shard {shard} in a plan of {self.shards}")
        first = shard * self.sequences_per_shard
        return first, min(self.sequences_per_shard, self.sequences - first)

    def used_tokens(self, group: GroupPlan) -> int:
        """Return the tokens that a group contributes, in all copies together."""
        return group.sequences * self.sequence_length

    def epochs(self, group: GroupPlan) -> float:
        """Return the number of epochs of a group, rounded to 4 digits."""
        return round(self.used_tokens(group) / group.tokens, 4) if group.tokens else 0.0

    def copies(self, group: GroupPlan) -> int:
        """Return the number of epochs started; the last one may be cropped."""
        return -(-self.used_tokens(group) // group.tokens) if group.tokens else 0

    def cropped_tokens(self, group: GroupPlan) -> int:
        """Return the tokens of the last copy that are not used, including separators."""
        return self.copies(group) * group.tokens - self.used_tokens(group)


def make_mix_plan(sizes: Mapping[str, GroupSize], section: MixSection) -> MixPlan:
    """Return the plan for groups of the given sizes.

    Raises InputError if a weight names an unknown group, if the caps do not allow the requested tokens, or if the
    tokens do not fill one sequence.
    """
    if len(sizes) > MAX_GROUPS:
        raise InputError(
            f"mix.groups forms {len(sizes):,} groups, more than {MAX_GROUPS:,}: use columns of fewer values"
        )
    if unknown := sorted(set(section.weights or {}) - set(sizes)):
        names = sorted(sizes)
        rest = f" and {len(names) - _SHOWN_GROUPS:,} more" if len(names) > _SHOWN_GROUPS else ""
        known = f"{', '.join(names[:_SHOWN_GROUPS])}{rest}"
        raise InputError(f"mix.weights names group {unknown[0]!r}, but the groups are {known}")
    weights = {name: _weight(name, sizes[name], section) for name in sorted(sizes)}
    caps = {
        name: int(Fraction(str(section.max_epochs)) * sizes[name].tokens / section.sequence_length) if weight else 0
        for name, weight in weights.items()
    }
    total = _total_sequences(sizes, weights, caps, section)
    sequences = _apportion(_shares(weights, caps, total), total)
    total_weight = sum(weights.values())
    return MixPlan(
        sequence_length=section.sequence_length,
        sequences_per_shard=section.shard_tokens // section.sequence_length,
        seed=section.seed,
        groups=tuple(
            GroupPlan(
                group=name,
                bucket_documents=sizes[name].bucket_documents,
                bucket_tokens=sizes[name].bucket_tokens,
                share=round(float(weight / total_weight), 6),
                sequences=sequences[name],
                capped=weight > 0 and sequences[name] == caps[name],
            )
            for name, weight in weights.items()
        ),
    )


def _weight(name: str, size: GroupSize, section: MixSection) -> Fraction:
    """Return ``weight * n**alpha``, or 0 for a group without tokens."""
    factor = Fraction(str((section.weights or {}).get(name, 1.0)))
    if not size.tokens or not factor:
        return Fraction(0)
    with localcontext(Context(prec=50)):
        power = (Decimal(size.tokens).ln() * Decimal(str(section.alpha))).exp()
    return factor * Fraction(Context(prec=20).plus(power))


def _total_sequences(
    sizes: Mapping[str, GroupSize], weights: Mapping[str, Fraction], caps: Mapping[str, int], section: MixSection
) -> int:
    possible = sum(caps.values())
    if section.tokens is None:
        once = sum(sizes[name].tokens for name, weight in weights.items() if weight)
        total = min(once // section.sequence_length, possible)
    else:
        total = section.tokens // section.sequence_length
    if total == 0:
        raise InputError(
            f"the mix has less than one sequence of {section.sequence_length} tokens: reduce mix.sequence_length"
        )
    if total > possible:
        raise InputError(
            f"mix.tokens is {section.tokens}, but {section.max_epochs:g} epochs of the groups have only "
            f"{possible * section.sequence_length} tokens: reduce mix.tokens or increase mix.max_epochs"
        )
    if total > MAX_SEQUENCES:
        raise InputError(f"a mix of {total} sequences is too large: the maximum is {MAX_SEQUENCES}")
    return total


def _shares(weights: Mapping[str, Fraction], caps: Mapping[str, int], total: int) -> dict[str, Fraction]:
    """Return the sequences of each group before rounding: proportional to its weight, at most its cap."""
    uncapped = {name for name, weight in weights.items() if weight}
    shares = dict.fromkeys(weights, Fraction(0))
    while uncapped:
        rest = total - sum((shares[name] for name in shares.keys() - uncapped), Fraction(0))
        level = rest / sum((weights[name] for name in uncapped), Fraction(0))
        shares |= {name: level * weights[name] for name in uncapped}
        over = {name for name in uncapped if shares[name] > caps[name]}
        if not over:
            break
        shares |= {name: Fraction(caps[name]) for name in over}
        uncapped -= over
    return shares


def _apportion(shares: Mapping[str, Fraction], total: int) -> dict[str, int]:
    """Round shares to whole numbers that sum to ``total``, by largest remainder, then by name."""
    whole = {name: int(share) for name, share in shares.items()}
    by_remainder = sorted(shares, key=lambda name: (whole[name] - shares[name], name))
    for name in by_remainder[: total - sum(whole.values())]:
        whole[name] += 1
    return whole
