"""Many alternatives of a regular expression, searched for at once.

Python's ``re`` tries the alternatives of ``a|b|c`` one after the other at every place of a text. Here those that begin
with the same letter are tried only where that letter stands, and those that begin with ``^`` only at the start: class
names are searched for trafilatura's 140 alternatives in 1.5 µs instead of 10. Whether anything is found stays the same,
which is all that is told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)
_LETTER = re.compile(r"[\w -](?![?*+{])")
_GROUP = re.compile(r"\((?:\?:|(?!\?))")
_SET = re.compile(r"\[(\w+)\](?![?*+{])")
_REPEATED = re.compile(r"[?*+{]")


def any_found(patterns: Iterable[str]) -> Callable[[str], bool]:
    """What tells whether one of the patterns, or more, is found in a text. None may refer to its groups or set flags
    for more than a group.
    """
    by_letter: dict[str, list[str]] = {}
    at_start: list[str] = []
    others: list[str] = []
    for one in dict.fromkeys(one for pattern in patterns for one in alternatives(pattern)):
        if one.startswith("^"):
            at_start.append(one[1:])
        elif _LETTER.match(one):
            by_letter.setdefault(one[0], []).append(one[1:])
        else:
            others.append(one)
    somewhere = [f"{letter}(?:{'|'.join(rests)})" for letter, rests in by_letter.items()]
    tests = [re.compile("|".join(somewhere)).search] if somewhere else []
    tests += [re.compile("|".join(at_start)).match] if at_start else []
    tests += [re.compile(other).search for other in others]

    def found(text: str) -> bool:
        for test in tests:  # noqa: SIM110, a generator costs as much as a test
            if test(text):
                return True
        return False

    return found


def alternatives(pattern: str) -> list[str]:
    """Patterns of which one is found wherever ``pattern`` is. Groups and sets at their very beginning are spelt out."""
    return [one for branch in _branches(pattern) for one in _spelt_out(branch)]


def _spelt_out(branch: str) -> Iterator[str]:
    if group := _GROUP.match(branch):
        end = _closing(branch)
        rest = branch[end + 1 :]
        if not _REPEATED.match(rest):
            for inner in _branches(branch[group.end() : end]):
                yield from _spelt_out(inner + rest)
            return
    if letters := _SET.match(branch):
        yield from (letter + branch[letters.end() :] for letter in letters[1])
    else:
        yield branch


def _branches(pattern: str) -> list[str]:
    """The alternatives of a pattern that no group holds."""
    cuts = [place for place, token, depth in _tokens(pattern) if token == "|" and not depth]
    return [pattern[start + 1 : end] for start, end in pairwise([-1, *cuts, len(pattern)])]


def _closing(pattern: str) -> int:
    """Where the group ends that a pattern begins with."""
    return next(place for place, token, depth in _tokens(pattern) if token == ")" and not depth)


def _tokens(pattern: str) -> Iterator[tuple[int, str, int]]:
    """Where each token is, the token, and how many groups are open around it."""
    depth = 0
    for token in _TOKEN.finditer(pattern):
        depth -= token[0] == ")"
        yield token.start(), token[0], depth
        depth += token[0] == "("
