"""Texts and source code: one document a file."""

from __future__ import annotations

import codecs
import re

from gristmill.corpus.document import Origin
from gristmill.corpus.record import Dropped, Failed, Raw

_NO_TEXT = re.compile("[\0-\x08\x0e-\x1a\x1c-\x1f\x7f-\x9f]")
"""Control characters, but for white space and escape, which terminals' colours begin with."""


def read_file(data: bytes, origin: Origin) -> Raw | Dropped | Failed:
    """The text of a file; fails with not_text where it is none."""
    text = decode_text(data)
    if text is None:
        return Failed(origin, "not_text", "neither UTF-8, UTF-16 with a byte order mark nor Latin-1 text")
    return Raw(origin, "text/plain", text) if text.strip() else Dropped(origin, "empty")


def decode_text(data: bytes) -> str | None:
    """By byte order mark, else UTF-8, else Latin-1 without control characters; None where there is a NUL."""
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
        return None if utf16 or _NO_TEXT.search(text) else text
    return None if "\0" in text else text
