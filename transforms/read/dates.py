"""Converts dates of archives and data sets to the form that documents use."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone

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
        moment = datetime(*numbers, tzinfo=timezone.utc) - _offset(*match.groups()[6:])  # type: ignore[arg-type, misc]
    except (ValueError, OverflowError):
        return None
    return f"{moment.year:04}-{moment:%m-%dT%H:%M:%S}Z"


def format_date(value: date) -> str | None:
    """Return a date, or a time that is in UTC if it has no zone, in the form of ``normalise_date``."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(timezone.utc).replace(tzinfo=None)
    return normalise_date(value.isoformat())


def _offset(sign: str | None = None, hours: str = "0", minutes: str = "0") -> timedelta:
    if sign is None:
        return timedelta(0)
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return -offset if sign == "-" else offset
