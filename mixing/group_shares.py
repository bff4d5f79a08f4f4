"""The share of each group of a mixture: proportional to its weight, within bounds, in whole sequences.

All of it is exact (integers and fractions), so that a plan does not depend on floating-point arithmetic.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from typing import NamedTuple


class Bounds(NamedTuple):
    """The least and the greatest number of sequences of a group."""

    least: int
    most: int


def smoothed_weight(tokens: int, alpha: float, factor: float) -> Fraction:
    """Return ``factor * tokens**alpha``, the power rounded to 20 digits; 0 for a group without tokens.

    Exponential smoothing: XLM, Conneau and Lample 2019, section 3.1.
    """
    if not tokens or not factor:
        return Fraction(0)
    with localcontext(Context(prec=50)):
        power = (Decimal(tokens).ln() * Decimal(str(alpha))).exp()
    return Fraction(str(factor)) * Fraction(Context(prec=20).plus(power))


def apportion(weights: Mapping[str, Fraction], bounds: Mapping[str, Bounds], total: int) -> dict[str, int]:
    """Return the sequences of each group: proportional to its weight, within its bounds, ``total`` together.

    Groups that their bounds do not bind have the same ratio of sequences to weight, to within a sequence. Groups of
    weight 0 get none. The sums of the bounds must lie on both sides of ``total``.
    """
    return _rounded(_shares(weights, bounds, total), total)


def _shares(weights: Mapping[str, Fraction], bounds: Mapping[str, Bounds], total: int) -> dict[str, Fraction]:
    """Return the shares before rounding: ``level * weight``, within the bounds, for the level at which they fit."""
    used = {name: weight for name, weight in weights.items() if weight}
    levels = sorted({Fraction(bound) / weight for name, weight in used.items() for bound in bounds[name]})

    def sum_at(level: Fraction) -> Fraction:
        fixed, free = 0, Fraction(0)
        for name, weight in used.items():
            share = level * weight
            if share <= bounds[name].least:
                fixed += bounds[name].least
            elif share >= bounds[name].most:
                fixed += bounds[name].most
            else:
                free += weight
        return fixed + level * free

    index = bisect_left(levels, Fraction(total), key=sum_at)
    low, high = levels[max(0, index - 1)], levels[index]  # no group reaches a bound between these
    shares = dict.fromkeys(weights, Fraction(0))
    for name, weight in used.items():
        if low * weight >= bounds[name].most:
            shares[name] = Fraction(bounds[name].most)
        elif high * weight <= bounds[name].least:
            shares[name] = Fraction(bounds[name].least)
    free_groups = [
        name for name in used if low * used[name] < bounds[name].most and high * used[name] > bounds[name].least
    ]
    if free_groups:
        level = (total - sum(shares.values())) / sum((used[name] for name in free_groups), Fraction(0))
        shares |= {name: level * used[name] for name in free_groups}
    return shares


def _rounded(shares: Mapping[str, Fraction], total: int) -> dict[str, int]:
    """Round shares to whole numbers that sum to ``total``, by largest remainder, then by name."""
    whole = {name: int(share) for name, share in shares.items()}
    by_remainder = sorted(shares, key=lambda name: (whole[name] - shares[name], name))
    for name in by_remainder[: total - sum(whole.values())]:
        whole[name] += 1
    return whole
