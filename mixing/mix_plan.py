"""The sampling plan: how many sequences each source gives.

A source of ``n`` tokens is asked for in proportion to ``weight * n**alpha`` (exponential smoothing: XLM, Conneau and
Lample 2019). One that would be repeated more than ``max_epochs`` times gives that much, and the others share the rest
in the same proportions, until none is over its cap. Shares become whole sequences by largest remainder, so each source
is within one sequence of its share. All of it is exact: powers are decimals of 20 digits, shares are fractions; a plan
does not depend on a processor's floats.
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
"""Sequences of one source; ``order`` computes its keys in 64 bits up to here."""


class SourceSize(NamedTuple):
    """What each bucket of a source holds, summed over its units: documents, and tokens with their separators."""

    bucket_documents: tuple[int, ...]
    bucket_tokens: tuple[int, ...]

    @property
    def tokens(self) -> int:
        return sum(self.bucket_tokens)


class SourcePlan(BaseModel):
    """One source's part of the plan.

    ``share`` is the proportion asked for before caps, rounded to 6 digits for people. ``capped`` sources give all that
    ``max_epochs`` allows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
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
        """Tokens of one epoch, separators included."""
        return sum(self.bucket_tokens)


class Plan(BaseModel):
    """Everything that the shards' content depends on, but for the token files themselves. Sources stand by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sequence_length: int
    sequences_per_shard: int
    seed: int
    sources: tuple[SourcePlan, ...]

    @property
    def sequences(self) -> int:
        return sum(source.sequences for source in self.sources)

    @property
    def tokens(self) -> int:
        return self.sequences * self.sequence_length

    @property
    def shards(self) -> int:
        return -(-self.sequences // self.sequences_per_shard)

    def shard_range(self, shard: int) -> tuple[int, int]:
        """First sequence and number of sequences of a shard. Raises IndexError if the plan has no such shard."""
        if not 0 <= shard < self.shards:
            raise IndexError(f"no shard {shard} in a plan of {self.shards}")
        first = shard * self.sequences_per_shard
        return first, min(self.sequences_per_shard, self.sequences - first)

    def used(self, source: SourcePlan) -> int:
        """Tokens that a source gives, all copies together."""
        return source.sequences * self.sequence_length

    def epochs(self, source: SourcePlan) -> float:
        """How often a source is read, rounded to 4 digits."""
        return round(self.used(source) / source.tokens, 4) if source.tokens else 0.0

    def copies(self, source: SourcePlan) -> int:
        """Epochs begun; the last one may be cropped."""
        return -(-self.used(source) // source.tokens) if source.tokens else 0

    def cropped(self, source: SourcePlan) -> int:
        """Tokens of the last copy that are not used, separators included."""
        return self.copies(source) * source.tokens - self.used(source)


def make_plan(sizes: Mapping[str, SourceSize], section: MixSection) -> Plan:
    """The plan for sources of ``sizes``.

    Raises InputError if a weight names no source, if the caps do not allow the tokens asked for, or if there is not
    enough for one sequence.
    """
    if unknown := sorted(set(section.weights or {}) - set(sizes)):
        raise InputError(f"mix.weights names source {unknown[0]!r}, but the sources are {', '.join(sorted(sizes))}")
    weights = {name: _weight(name, sizes[name], section) for name in sorted(sizes)}
    caps = {
        name: int(Fraction(str(section.max_epochs)) * sizes[name].tokens / section.sequence_length) if weight else 0
        for name, weight in weights.items()
    }
    total = _total_sequences(sizes, weights, caps, section)
    sequences = _apportion(_shares(weights, caps, total), total)
    everything = sum(weights.values())
    return Plan(
        sequence_length=section.sequence_length,
        sequences_per_shard=section.shard_tokens // section.sequence_length,
        seed=section.seed,
        sources=tuple(
            SourcePlan(
                source=name,
                bucket_documents=sizes[name].bucket_documents,
                bucket_tokens=sizes[name].bucket_tokens,
                share=round(float(weight / everything), 6),
                sequences=sequences[name],
                capped=weight > 0 and sequences[name] == caps[name],
            )
            for name, weight in weights.items()
        ),
    )


def _weight(name: str, size: SourceSize, section: MixSection) -> Fraction:
    """``weight * n**alpha``; 0 for a source without tokens."""
    factor = Fraction(str((section.weights or {}).get(name, 1.0)))
    if not size.tokens or not factor:
        return Fraction(0)
    with localcontext(Context(prec=50)):
        power = (Decimal(size.tokens).ln() * Decimal(str(section.alpha))).exp()
    return factor * Fraction(Context(prec=20).plus(power))


def _total_sequences(
    sizes: Mapping[str, SourceSize], weights: Mapping[str, Fraction], caps: Mapping[str, int], section: MixSection
) -> int:
    possible = sum(caps.values())
    if section.tokens is None:
        once = sum(sizes[name].tokens for name, weight in weights.items() if weight)
        total = min(once // section.sequence_length, possible)
    else:
        total = section.tokens // section.sequence_length
    if total == 0:
        raise InputError(
            f"the mix holds less than one sequence of {section.sequence_length} tokens: lower sequence_length"
        )
    if total > possible:
        raise InputError(
            f"mix.tokens asks for {section.tokens}, but {section.max_epochs:g} epochs of the sources give only "
            f"{possible * section.sequence_length}: lower mix.tokens or raise mix.max_epochs"
        )
    if total > MAX_SEQUENCES:
        raise InputError(f"a mix of {total} sequences is too large: {MAX_SEQUENCES} are possible")
    return total


def _shares(weights: Mapping[str, Fraction], caps: Mapping[str, int], total: int) -> dict[str, Fraction]:
    """Each source's sequences before rounding: in proportion to its weight, but not over its cap. Sums to ``total``."""
    free = {name for name, weight in weights.items() if weight}
    shares = dict.fromkeys(weights, Fraction(0))
    while free:
        left = total - sum((shares[name] for name in shares.keys() - free), Fraction(0))
        level = left / sum((weights[name] for name in free), Fraction(0))
        shares |= {name: level * weights[name] for name in free}
        over = {name for name in free if shares[name] > caps[name]}
        if not over:
            break
        shares |= {name: Fraction(caps[name]) for name in over}
        free -= over
    return shares


def _apportion(shares: Mapping[str, Fraction], total: int) -> dict[str, int]:
    """Whole numbers that sum to ``total``, by largest remainder; among equal remainders by name."""
    whole = {name: int(share) for name, share in shares.items()}
    by_remainder = sorted(shares, key=lambda name: (whole[name] - shares[name], name))
    for name in by_remainder[: total - sum(whole.values())]:
        whole[name] += 1
    return whole
