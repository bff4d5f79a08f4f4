"""Control characters in text from documents, URLs, file names and error messages, which must not reach a terminal.

Terminals obey the controls of C0 and C1 (ECMA-48), such as the escape sequences that move the cursor, set the title or
write to the clipboard; bidirectional controls (Unicode 15, UAX #9) change the order in which a line is shown.
"""

from __future__ import annotations

import re

BIDIRECTIONAL = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"

_SHOWN = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{BIDIRECTIONAL}]")
_IN_JSON = re.compile(f"[\x7f-\x9f{BIDIRECTIONAL}]")


def replace_controls(text: str) -> str:
    """Return ``text`` with each control character, except tab and line feed, replaced by U+FFFD."""
    return _SHOWN.sub("\N{REPLACEMENT CHARACTER}", text)


def escape_controls(json_text: str) -> str:
    """Return JSON with the control characters that JSON allows in strings as escapes, so that it means the same."""
    return _IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", json_text)
