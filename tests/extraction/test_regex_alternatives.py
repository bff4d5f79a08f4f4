"""The fast test for alternatives agrees with ``re``."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.extraction.engines.regex_alternatives import alternatives, any_matcher

PATTERNS = [
    "nav|^menu|na",
    "(?:entry|art)-content|article(?:-|__)?body",
    "(^|\\s)link(\\s|$)|(?:^| )ad-",
    "[Cc]omment(?!ary)|comol|^[Cc]omment[s-]",
    "(?i:fulltext)|[^a]b|b?c|(?:ab)*d|[ab]+e|a{2}f",
    "^^x|[a-c]z|[]|]q|\\|w|\\(v|[(|]u",
    "^",
    "",
    "(?!)",
    "a|",
    "^post\\Z|^(?:a|b)c",
]
WORDS = "nav menu na entry art article - __ body content link ad- Comment comment ary s comol fullTEXT post ac bc"
PIECES = st.sampled_from([*WORDS.split(), "\n", *"abcdefxyz]|qw(vu"]) | st.text(max_size=2)


@given(patterns=st.lists(st.sampled_from(PATTERNS), max_size=4), pieces=st.lists(PIECES, max_size=6))
def test_matches_if_any_pattern_matches(patterns: list[str], pieces: list[str]) -> None:
    text = " ".join(pieces) if len(pieces) % 2 else "".join(pieces)
    assert any_matcher(patterns)(text) == any(re.search(pattern, text) for pattern in patterns)


@given(pattern=st.sampled_from(PATTERNS), pieces=st.lists(PIECES, max_size=5))
def test_an_alternative_matches_if_the_pattern_does(pattern: str, pieces: list[str]) -> None:
    text = "".join(pieces)
    assert any(re.search(one, text) for one in alternatives(pattern)) == bool(re.search(pattern, text))


@pytest.mark.parametrize(
    ("pattern", "expanded"),
    [
        ("a|b", ["a", "b"]),
        ("(?:a|b)c|d", ["ac", "bc", "d"]),
        ("((?:a|b)c|d)e", ["ace", "bce", "de"]),
        ("(?:a|b)?c", ["(?:a|b)?c"]),
        ("[Cc]o[|]", ["Co[|]", "co[|]"]),
        ("[Cc]*o", ["[Cc]*o"]),
        ("[a-c]o|[^c]o", ["[a-c]o", "[^c]o"]),
        ("(?i:a|b)c", ["(?i:a|b)c"]),
        (r"a\|b|\(c", [r"a\|b", r"\(c"]),
        ("x(?:a|b)", ["x(?:a|b)"]),
        ("", [""]),
    ],
)
def test_alternatives(pattern: str, expanded: list[str]) -> None:
    assert alternatives(pattern) == expanded
