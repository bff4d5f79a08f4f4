"""The mix plan: how many sequences each group contributes to each segment of the training.

The share of a group of ``n`` tokens is proportional to ``weight * n**alpha`` (see ``group_shares``), within the bounds
that the recipe sets: shares, and the epochs of the group in all segments together. A segment is a stage of the recipe,
or what a change of weights leaves of one. In every segment, a group goes on where it stopped in the one before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from gristmill.errors import InputError
from gristmill.mixing.global_order import MAX_SEQUENCES, GlobalOrder, SegmentedOrder
from gristmill.mixing.group_shares import Bounds, apportion, smoothed_weight
from gristmill.mixing.mix_section import MixSection, Mixture
from gristmill.tokenization.id_hashing import hash_key

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
    """One group in the plan; ``sequences`` are those of all segments."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    group: str
    bucket_documents: tuple[int, ...]
    bucket_tokens: tuple[int, ...]
    sequences: int

    @property
    def documents(self) -> int:
        return sum(self.bucket_documents)

    @property
    def tokens(self) -> int:
        """Tokens of one epoch, including separators."""
        return sum(self.bucket_tokens)


class SegmentPlan(BaseModel):
    """A range of the sequences that has one mixture.

    Attributes:
        stage: Name of the stage that it belongs to; empty if the recipe has no stages.
        planned: Sequences of each group, in the order of the plan's groups, if the segment ran to the end of its stage.
        sequences: Number of sequences of the segment: those before the next change of weights.
        shares: Share of each group before its bounds, rounded to 6 digits for display.
        capped: For each group, whether it has all sequences that ``max_epochs`` leaves it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: str
    planned: tuple[int, ...]
    sequences: int
    shares: tuple[float, ...]
    capped: tuple[bool, ...]


class MixPlan(BaseModel):
    """All that determines the content of the shards besides the token files. Groups are sorted by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sequence_length: int
    sequences_per_shard: int
    seed: int
    groups: tuple[GroupPlan, ...]
    segments: tuple[SegmentPlan, ...]

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

    def order(self) -> SegmentedOrder:
        """Return the global order of the sequences."""
        names = [group.group for group in self.groups]
        return SegmentedOrder(
            [
                (_segment_order(names, segment.planned, self.seed, number), segment.sequences)
                for number, segment in enumerate(self.segments)
            ]
        )

    def up_to(self, sequence: int) -> MixPlan:
        """Return the part of the plan that decides the sequences before ``sequence``."""
        return self.part(self.segments_up_to(sequence))

    def segments_up_to(self, sequence: int) -> tuple[SegmentPlan, ...]:
        """Return the segments that decide the sequences before ``sequence``.

        A segment that goes on behind it counts as if it ran to the end of its stage, so that this part stays the same
        if the plan changes later.
        """
        segments: list[SegmentPlan] = []
        first = 0
        for segment in self.segments:
            if first >= sequence:
                break
            is_whole = first + segment.sequences <= sequence
            length = segment.sequences if is_whole else sum(segment.planned)
            segments.append(segment.model_copy(update={"sequences": length}))
            first += segment.sequences
        return tuple(segments)

    def part(self, segments: tuple[SegmentPlan, ...]) -> MixPlan:
        """Return the plan with other segments, and without what all segments together give each group."""
        groups = tuple(group.model_copy(update={"sequences": 0}) for group in self.groups)
        return self.model_copy(update={"segments": segments, "groups": groups})


def make_mix_plan(sizes: Mapping[str, GroupSize], section: MixSection) -> MixPlan:
    """Return the plan for groups of the given sizes.

    Raises InputError, with the key to change, if a key names an unknown group, if the bounds do not allow the requested
    tokens, if the tokens do not fill one sequence, or if a change of weights comes after the last sequence.
    """
    if len(sizes) > MAX_GROUPS:
        raise InputError(
            f"mix.groups forms {len(sizes):,} groups, more than {MAX_GROUPS:,}: use columns of fewer values"
        )
    segments, used = _segments(sizes, section)
    return MixPlan(
        sequence_length=section.sequence_length,
        sequences_per_shard=section.shard_tokens // section.sequence_length,
        seed=section.seed,
        groups=tuple(
            GroupPlan(
                group=name,
                bucket_documents=sizes[name].bucket_documents,
                bucket_tokens=sizes[name].bucket_tokens,
                sequences=used[name],
            )
            for name in sorted(sizes)
        ),
        segments=tuple(segments),
    )


def _segments(sizes: Mapping[str, GroupSize], section: MixSection) -> tuple[list[SegmentPlan], dict[str, int]]:
    """Return the segments, and the sequences of each group in all of them."""
    names = sorted(sizes)
    used = dict.fromkeys(names, 0)
    segments: list[SegmentPlan] = []
    changes = list(section.changes)
    first = 0
    for mixture in section.mixtures:
        rest: int | None = None  # sequences of the stage from ``first``
        while rest != 0:
            if changes and changes[0].sequence == first:
                mixture = mixture._replace(weights=changes.pop(0).weights)
            planned, weights, caps = _plan_segment(sizes, section, mixture, used, rest)
            total = sum(planned.values())
            length = min(total, changes[0].sequence - first) if changes else total
            total_weight = sum(weights.values())
            segment = SegmentPlan(
                stage=mixture.name,
                planned=tuple(planned.values()),
                sequences=length,
                shares=tuple(round(float(weight / total_weight), 6) for weight in weights.values()),
                capped=tuple(weight > 0 and planned[name] == caps[name] for name, weight in weights.items()),
            )
            counts = _segment_order(names, segment.planned, section.seed, len(segments)).counts_before(length)
            used = {name: used[name] + count for name, count in zip(names, counts, strict=True)}
            segments.append(segment)
            first, rest = first + length, total - length
    if changes:
        raise InputError(
            f"mix.changes has other weights from sequence {changes[0].sequence:,}, but the mix has {first:,} sequences"
        )
    return segments, used


def _plan_segment(
    sizes: Mapping[str, GroupSize], section: MixSection, mixture: Mixture, used: Mapping[str, int], total: int | None
) -> tuple[dict[str, int], dict[str, Fraction], dict[str, int]]:
    """Return sequences, weight and cap of each group for ``total`` sequences, by default those of the whole stage."""
    keys = mixture.keys
    for key in ("weights", "min_shares", "max_shares"):
        _require_known(getattr(mixture, key), sizes, f"{keys}.{key}")
    weights = {
        name: smoothed_weight(size.tokens, mixture.alpha, mixture.weights.get(name, 1.0))
        for name, size in sorted(sizes.items())
    }
    allowed = Fraction(str(section.max_epochs))
    caps = {
        name: int(allowed * sizes[name].tokens / section.sequence_length) - used[name] if weight else 0
        for name, weight in weights.items()
    }
    if total is None:
        total = _total_sequences(sizes, weights, caps, section, mixture)
    if total > sum(caps.values()):
        raise InputError(
            f"{keys}.tokens is {total * section.sequence_length}, but {section.max_epochs:g} epochs of the groups have "
            f"only {sum(caps.values()) * section.sequence_length} tokens: reduce {keys}.tokens or increase "
            "mix.max_epochs"
        )
    bounds = {name: _bounds(name, caps[name], mixture, total) for name in weights}
    if total > (most := sum(bound.most for bound in bounds.values())):
        raise InputError(
            f"{keys}.max_shares and mix.max_epochs leave only {most * section.sequence_length} of "
            f"{total * section.sequence_length} tokens: increase one of them, or reduce {keys}.tokens"
        )
    return apportion(weights, bounds, total), weights, caps


def _bounds(name: str, cap: int, mixture: Mixture, total: int) -> Bounds:
    least = int(Fraction(str(mixture.min_shares.get(name, 0))) * total)
    most = min(cap, -int(-Fraction(str(mixture.max_shares.get(name, 1))) * total // 1))
    if least > most:
        raise InputError(
            f"{mixture.keys}.min_shares asks for {least:,} sequences of group {name!r}, but its weight and "
            f"mix.max_epochs allow {most:,}: reduce the one, or increase the other"
        )
    return Bounds(least, most)


def _total_sequences(
    sizes: Mapping[str, GroupSize],
    weights: Mapping[str, Fraction],
    caps: Mapping[str, int],
    section: MixSection,
    mixture: Mixture,
) -> int:
    """Return the number of sequences of a stage, at least 1."""
    length, keys = section.sequence_length, mixture.keys
    if sizes and not any(mixture.weights.get(name, 1.0) for name in sizes):
        raise InputError(f"{keys}.weights is 0 for every group: give one of them another weight")
    once = sum(sizes[name].tokens for name, weight in weights.items() if weight)
    if once < length:
        raise InputError(
            f"the groups have {once} tokens, less than one sequence of {length}: reduce mix.sequence_length"
        )
    if mixture.tokens is not None and mixture.tokens < length:
        raise InputError(
            f"{keys}.tokens is {mixture.tokens}, less than one sequence of {length} tokens: increase it, or reduce "
            "mix.sequence_length"
        )
    possible = sum(caps.values())
    if not possible:
        raise InputError(
            f"mix.max_epochs of {section.max_epochs:g} leaves no group a sequence of {length} tokens: increase it, or "
            "reduce mix.sequence_length"
        )
    total = min(once // length, possible) if mixture.tokens is None else mixture.tokens // length
    if total > MAX_SEQUENCES:
        raise InputError(f"a mix of {total} sequences is too large: the maximum is {MAX_SEQUENCES}")
    return total


def _require_known(names: Mapping[str, float], sizes: Mapping[str, GroupSize], key: str) -> None:
    if unknown := sorted(names.keys() - sizes.keys()):
        known = sorted(sizes)
        rest = f" and {len(known) - _SHOWN_GROUPS:,} more" if len(known) > _SHOWN_GROUPS else ""
        raise InputError(
            f"{key} names group {unknown[0]!r}, but the groups are {', '.join(known[:_SHOWN_GROUPS])}{rest}"
        )


def _segment_order(names: Sequence[str], planned: Sequence[int], seed: int, number: int) -> GlobalOrder:
    """Return the order of segment ``number``; each has offsets of its own, so that borders do not line up."""
    return GlobalOrder(dict(zip(names, planned, strict=True)), hash_key("segment", seed, number) if number else seed)
