"""Dates in the form that documents use."""

from __future__ import annotations

import pytest

from gristmill.transforms.read.dates import normalise_date


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2020-01-02T03:04:05Z", "2020-01-02T03:04:05Z"),
        ("2020-01-02t03:04:05.999z", "2020-01-02T03:04:05Z"),
        ("2020-01-02 03:04:05", "2020-01-02T03:04:05Z"),
        ("2020-01-01T23:04:05-02:00", "2020-01-02T01:04:05Z"),
        ("2020-01-02T01:04:05+0200", "2020-01-01T23:04:05Z"),
        ("2020-01-02", "2020-01-02T00:00:00Z"),
        ("20200102030405", "2020-01-02T03:04:05Z"),
        ("0099-01-02", "0099-01-02T00:00:00Z"),
        ("2020-02-30T00:00:00Z", None),
        ("0001-01-01T00:00:00+01:00", None),
        ("201404010000000000", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_normalise_date(text: str, date: str | None) -> None:
    assert normalise_date(text) == date
