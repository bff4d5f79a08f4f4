"""How the DCLM variant finds words: as the library segments them, in linear time."""

from __future__ import annotations

import pytest

from gristmill.transforms.quality.dclm_variant import _WORD_BOUNDARY, _with_few_flags


def words(text: str) -> list[str]:
    return [word for word in _WORD_BOUNDARY.split(text) if word and word[0].isalnum()]


@pytest.mark.parametrize("flags", [98, 99, 100, 101, 102, 1001])
@pytest.mark.parametrize("around", ["a {} b", "a{}b", "{}", "a1{}\u0301b", "{}a.b", "a\u200d{}\ufe0fa"])
def test_words_beside_a_long_run_of_flags_stay_the_same(around: str, flags: int) -> None:
    text = around.format("\U0001f1e9" * flags)
    short = _with_few_flags(text)
    assert words(short) == words(text)
    assert (len(short) < len(text)) == (flags >= 100)
