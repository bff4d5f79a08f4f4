"""Language tags of sources in the codes of the identifier."""

from __future__ import annotations

import pytest

from gristmill.classifiers.language import LanguageIdentifier
from gristmill.transforms.read.language_codes import LANGUAGE_CODES, normalise_language


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("en", "en"),
        ("EN", "en"),
        (" en\n", "en"),
        ("en-US", "en"),
        ("en_US", "en"),
        ("eng", "en"),
        ("eng_Latn", "en"),
        ("de-CH-1996", "de"),
        ("de-x-dialect-a", "de"),
        ("sl-rozaj-biske", "sl"),
        ("deu", "de"),
        ("ger", "de"),
        ("zh-Hans", "zh"),
        ("zh-Hant-HK", "zh"),
        ("zho", "zh"),
        ("chi", "zh"),
        ("cmn", "zh"),
        ("cmn_Hani", "zh"),
        ("zh-cmn-Hans-CN", "zh"),
        ("zh-yue", "yue"),
        ("yue", "yue"),
        ("wuu", "wuu"),
        ("arb", "ar"),
        ("arz", "arz"),
        ("nob", "no"),
        ("nb-NO", "no"),
        ("nor", "no"),
        ("nno", "nn"),
        ("iw", "he"),
        ("in", "id"),
        ("ji", "yi"),
        ("fil", "tl"),
        ("hbs", "sh"),
        ("gsw", "als"),
        ("als", None),
        ("pes", "fa"),
        ("kmr", "ku"),
        ("ckb", "ckb"),
        ("ceb", "ceb"),
        ("hau", "ha"),
        ("haw", "haw"),
        ("und", None),
        ("mul", None),
        ("zxx", None),
        ("qaa", None),
        ("xx", None),
        ("unk", None),
        ("English", None),
        ("en, de", None),
        ("en-", None),
        ("x-klingon", None),
        ("e", None),
        ("", None),
        ("\u0435n", None),
    ],
)
def test_language_tags(tag: str, code: str | None) -> None:
    assert normalise_language(tag) == code


DIFFERENT_IN_CLDR = {
    "nob",
    "hbs",
    "sh",
    "tl",
    "tgl",
    "tw",
    "twi",
    "bh",
    "bih",
    "bcl",
    "bxr",
    "diq",
    "gom",
    "mhr",
    "pnb",
}
"""Codes for which the identifier's own, or that of ISO 639-1, takes the place of CLDR's."""


def test_every_code_stands_for_itself_and_the_identifier_s_are_among_them() -> None:
    codes = set(LANGUAGE_CODES.values())
    assert {code for code in codes if LANGUAGE_CODES.get(code, code) != code} == set()
    assert set(LanguageIdentifier.load().languages) - codes == set()
    assert {len(code) for code in LANGUAGE_CODES} == {2, 3}
    assert len({code for code in codes if len(code) == 2}) >= 183


def test_codes_agree_with_cldr() -> None:
    aliases = pytest.importorskip("babel.core").get_global("language_aliases")
    ours = {code: own for code, own in LANGUAGE_CODES.items() if code in aliases}
    assert len(ours) > 200
    assert {code for code, own in ours.items() if own != aliases[code].split("_")[0]} <= DIFFERENT_IN_CLDR
