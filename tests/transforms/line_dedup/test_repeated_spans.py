"""Repeated spans, against a set of all windows."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gristmill.transforms.line_dedup.repeated_spans import repeated_spans


def found(texts: list[str], size: int) -> list[list[tuple[int, int]]]:
    rows = repeated_spans(pa.array(texts, pa.large_string()), size).to_pylist()
    return [[(span["start"], span["end"]) for span in row] for row in rows]


def naive(texts: list[str], size: int) -> list[list[tuple[int, int]]]:
    """Byte by byte; a character is cut if all of its bytes are."""
    seen: set[bytes] = set()
    cuts = []
    for text in texts:
        data = text.encode()
        marked = bytearray(len(data))
        for at in range(len(data) - size + 1):
            window = data[at : at + size]
            if window in seen:
                marked[at : at + size] = b"\1" * size
            seen.add(window)
        is_cut, at = [], 0
        for character in text:
            width = len(character.encode())
            is_cut.append(all(marked[at : at + width]))
            at += width
        edges = [i for i in range(len(is_cut) + 1) if (i < len(is_cut) and is_cut[i]) != (i > 0 and is_cut[i - 1])]
        cuts.append(list(zip(edges[::2], edges[1::2], strict=True)))
    return cuts


def test_short_texts_have_no_spans() -> None:
    assert found([], 20) == []
    assert found(["", "short", ""], 20) == [[], [], []]


SENTENCE = "the same twenty-nine characters"


@pytest.mark.parametrize(
    ("texts", "cuts"),
    [
        ([SENTENCE, SENTENCE], [[], [(0, 31)]]),
        ([SENTENCE, SENTENCE[:19], SENTENCE[:20], SENTENCE[:21]], [[], [], [(0, 20)], [(0, 21)]]),
        ([f"a {SENTENCE} b", f"ccc {SENTENCE} dd"], [[], [(3, 36)]]),  # and the spaces on both sides
        ([f"{SENTENCE}. {SENTENCE}!"], [[(33, 64)]]),
        ([SENTENCE[:15], SENTENCE[15:], SENTENCE], [[], [], []]),  # a window lies in one document
        (
            ["é" * 5 + SENTENCE, "è" * 5 + SENTENCE],
            [[], [(5, 36)]],
        ),  # half a character is repeated, and kept
        (["x" * 20, "x" * 21], [[], [(0, 21)]]),
        (["x" * 40], [[(1, 40)]]),
    ],
)
def test_spans_of_twenty_bytes(texts: list[str], cuts: list[list[tuple[int, int]]]) -> None:
    assert found(texts, 20) == cuts


PIECES = st.sampled_from(["a", "b", "é", "文", "😀", "ab" * 9, "文字" * 4, "a b c d ", SENTENCE, SENTENCE[::-1], "\n"])


@given(st.lists(st.lists(PIECES, max_size=12).map("".join), max_size=8), st.integers(1, 40))
@example(["aaaaaaaaaaaa", "é" * 9], 3)
@settings(max_examples=300)
def test_spans_equal_those_of_a_set_of_windows(texts: list[str], size: int) -> None:
    assert found(texts, size) == naive(texts, size)


def test_spans_of_a_sliced_array() -> None:
    texts = pa.array(["unused", SENTENCE, SENTENCE, "unused"], pa.large_string()).slice(1, 2)
    assert repeated_spans(texts, 20).to_pylist() == [[], [{"start": 0, "end": 31}]]
