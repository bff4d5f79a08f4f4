"""Lone surrogates, which JSON can escape and UTF-8 cannot encode."""

from __future__ import annotations

import re

_SURROGATES = re.compile("[\ud800-\udfff]")


def replace_surrogates(text: str) -> str:
    """Return ``text`` with lone surrogates replaced, so that it can be encoded as UTF-8."""
    try:
        text.encode()  # several times as fast as the regular expression
    except UnicodeEncodeError:
        return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text)
    return text
