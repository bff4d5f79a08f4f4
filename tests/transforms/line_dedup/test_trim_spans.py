"""Spans are trimmed to whole words."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.corpus.words import words
from gristmill.transforms.line_dedup.repeated_spans import SPANS_TYPE
from gristmill.transforms.line_dedup.trim_spans import trim_spans


def trim(text: str, *spans: tuple[int, int]) -> list[str]:
    rows = pa.array([[], [{"start": start, "end": end} for start, end in spans]], SPANS_TYPE)
    found = trim_spans(pa.array(["other", text], pa.large_string()), rows)
    assert set(found.text.tolist()) <= {1}
    return [text[start:end] for start, end in zip(found.start.tolist(), found.end.tolist(), strict=True)]


LONG = "x" * 200


@pytest.mark.parametrize(
    ("text", "span", "expected"),
    [
        ("walking\n\nThe end", (1, 16), ["\n\nThe end"]),
        ("walking home", (0, 7), ["walking"]),
        ("walking home", (0, 8), ["walking "]),
        ("walking home", (0, 9), ["walking "]),
        ("walking home", (0, 12), ["walking home"]),
        ("walking home", (2, 10), [" "]),
        ("walking home", (7, 10), [" "]),
        ("walking home", (8, 10), []),
        ("walking home", (8, 12), ["home"]),
        ("walking", (2, 5), []),
        ("walking", (2, 7), []),
        ("walking home", (9, 12), []),
        ("0x924 bytes", (3, 8), [" "]),
        ("1.4.210", (0, 6), ["1.4."]),
        ("日本語文", (1, 3), ["本語"]),  # in scripts without spaces, every character is a word
        ("été là", (1, 6), [" là"]),
        ("cafe\u0301s noirs", (5, 12), [" noirs"]),  # a letter keeps its mark
        ("cafe\u0301 noir", (4, 10), [" noir"]),
        (f"a {LONG} b", (70, 140), [LONG[:70]]),  # too long for a word
        (f"a {LONG} b", (70, 204), [f"{LONG[68:]} b"]),
    ],
)
def test_ends_of_spans_are_word_boundaries(text: str, span: tuple[int, int], expected: list[str]) -> None:
    assert trim(text, span) == expected


def test_no_spans() -> None:
    assert trim("") == []
    assert len(trim_spans(pa.array([], pa.large_string()), pa.array([], SPANS_TYPE)).text) == 0


@given(st.text(st.sampled_from("ab é日,. "), max_size=20), st.lists(st.integers(0, 20), max_size=6))
def test_cuts_and_remaining_text_are_whole_words(text: str, places: list[int]) -> None:
    bounds = sorted({min(place, len(text)) for place in places})
    spans = [span for span in zip(bounds[::2], bounds[1::2], strict=False) if span[0] < span[1]]
    rows = pa.array([[{"start": start, "end": end} for start, end in spans]], SPANS_TYPE)
    found = trim_spans(pa.array([text], pa.large_string()), rows)
    pieces, done = [], 0
    for start, end in zip(found.start.tolist(), found.end.tolist(), strict=True):
        assert any(start >= first and end <= last for first, last in spans)
        pieces += (text[done:start], text[start:end])
        done = end
    pieces.append(text[done:])
    assert [word for piece in pieces for word in words(piece)] == words(text)
    assert "".join(pieces) == text
