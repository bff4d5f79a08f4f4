"""Converts dates of archives and data sets to the form that documents use."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,]\d+)?)?\s*(?:[Zz]|UTC|GMT|([+-])(\d\d):?(\d\d))?)?"
)
_DIGITS = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)")


def normalise_date(text: str) -> str | None:
    """Convert an ISO 8601 date (UTC if it has no zone) or 14 digits to ``YYYY-MM-DDTHH:MM:SSZ``; else return None.

    A date without a time means midnight. Fractions of a second are cut off.
    """
    text = text.strip()
    match = _ISO.fullmatch(text) or _DIGITS.fullmatch(text)
    if match is None:
        return None
    numbers = [int(part or 0) for part in match.groups()[:6]]
    try:
        date = datetime(*numbers, tzinfo=timezone.utc) - _offset(*match.groups()[6:])  # type: ignore[arg-type, misc]
    except (ValueError, OverflowError):
        return None
    return f"{date.year:04}-{date:%m-%dT%H:%M:%S}Z"


def _offset(sign: str | None = None, hours: str = "0", minutes: str = "0") -> timedelta:
    if sign is None:
        return timedelta(0)
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return -offset if sign == "-" else offset
