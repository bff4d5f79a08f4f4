"""Redaction: what is found, what is not, and that redaction is idempotent."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gristmill.transforms.core.edits import Span
from gristmill.transforms.redaction.email_addresses import EmailFinder, OfflineEmailRecognizer
from gristmill.transforms.redaction.pii_entities import PII_ENTITIES, PiiEntity, pattern_entity
from gristmill.transforms.redaction.redact_section import RedactSection
from gristmill.transforms.redaction.redactor import Redactor

REDACTOR = Redactor(RedactSection())


def found(text: str, redactor: Redactor = REDACTOR) -> list[str]:
    return [text[span.start : span.end] for span in redactor.find(text)]


EMAILS = [
    ("write to bob@example.com today", "bob@example.com"),
    ("<first.last+tag@mail.example.co.uk>", "first.last+tag@mail.example.co.uk"),
    ("Mail bob@example.com.The next sentence", "bob@example.com"),  # .The is not a public suffix
    ("in _italics@example.org_ here", "_italics@example.org"),
    ("邮箱bob@qq.com欢迎来信", "bob@qq.com"),  # the script around it has no spaces
    ("用户@例子.中国 是地址", "用户@例子.中国"),
    ("https://example.com/?mail=bob@example.com&x=1", "bob@example.com"),  # not the whole query string
    (f"{'a' * 64}@example.com", f"{'a' * 64}@example.com"),
    (f"x {'a' * 65}@example.com", None),  # one more than RFC 5321 allows
    ("bob@localhost and bob@host.invalidtld", None),
    ("@decorator.method and a @ b.com", None),
    ("logo@2x.png and matrix a@b.T", None),
    ("$ go get example.com/module@v1.3.4", None),
    ("bob@203.0.113.9x", None),
]

IPS = [
    ("from 203.0.113.9 today", "203.0.113.9"),
    ("198.51.100.7, 192.0.2.1"[:12], "198.51.100.7"),
    ("net 203.0.113.0/24.", "203.0.113.0/24"),
    ("http://203.0.113.9:8080/path", "203.0.113.9"),
    ("2001:db8::1", "2001:db8::1"),
    ("[2001:0db8:0000:0000:0000:0000:0000:0001]", "2001:0db8:0000:0000:0000:0000:0000:0001"),
    ("::ffff:203.0.113.9", "::ffff:203.0.113.9"),
    ("ping 1.1.1.1 works", "1.1.1.1"),  # with a cue word
    ("IP address: 2.5.4.28", "2.5.4.28"),
    ("see 2.5.4.99 there", None),  # one number from 32 to 99, so an identifier
    ("see 2.5.4.100 there", "2.5.4.100"),
    ("see 2.5.31.40 there", None),
    ("see 2.5.32.40 there", "2.5.32.40"),
    ("127.0.0.1 10.1.2.3 192.168.1.1 172.16.0.1 169.254.1.1", None),
    ("172.15.255.255", "172.15.255.255"),
    ("172.32.0.0", "172.32.0.0"),
    ("100.64.0.1", None),
    ("100.63.255.1", "100.63.255.1"),
    ("223.255.255.1", "223.255.255.1"),
    ("224.0.0.1 and 255.255.255.0 and 0.0.0.0", None),
    ("fe80::1 ::1 fd00::1 ff02::1 :: 1fff::1 4000::1", None),
    ("std::vector<a::b> and 2000::1", "2000::1"),
    ("Mozilla/5.0 Chrome/117.0.0.0 Safari", None),
    ("version 87.120.1.2", None),
    ("v87.120.1.2", None),
    ("1.3.6.1.4.1.311.21", None),
    ("203.0.113.256", None),
    ("203.0.113.09", None),
    ("2024:10:12:20:30", None),
]

PHONES = [
    ("Phone: 467 3395", "467 3395"),
    ("Phone: 467 339", None),  # six digits
    ("call me on +1 (425) 882-8080.", "+1 (425) 882-8080"),
    ("+44 20 7946 0958", "+44 20 7946 0958"),
    ("from='+14258828080'", "+14258828080"),
    ("x = y +1555867531", None),  # one digit too few
    ("(212) 555-1234", "(212) 555-1234"),
    ("212-555-1234 ext. 42", "212-555-1234 ext. 42"),
    ("212.555.1234", "212.555.1234"),
    ("at 01 23 45 67 89", "01 23 45 67 89"),
    ("030 12345678", "030 12345678"),
    ("030/12345678", "030/12345678"),
    ("电话：13812345678", None),  # not in a region of the recipe
    ("tel 2125551234", "2125551234"),
    ("id 2125551234", None),
    ("homephone:212-555-2121", "212-555-2121"),
    ("1024-65535 and (32768..65535) and (32768 65535", None),
    ("2024-11-21 1030 and 09-05-2002 and 1998-2001", None),
    ("612 345 678", None),  # a sum of money
    ("tel. 612 345 678", "612 345 678"),
    ("0.999999999 and +3.1400000 and 1234.567890", None),
    ("34100.00 18800 and +1978-04-17 and 1814-05-17", None),
    ("0x2125551234 and abc2125551234 and 2125551234abc", None),
    ("ISBN 0-7356-0567-1 and 978-0-7356-0567-1", None),
    ("SSN 123-45-6789", None),
    ("4111 1111 1111 1111", None),
    ("5f 09 92 26 89 93 c0", None),
    ("v6.4.102...6.4.103", None),
    ("(Oxford 1995). 369-376", None),
    ("212-555-1234 212-555-9876", "212-555-1234"),
]


@pytest.mark.parametrize(("text", "expected"), EMAILS + IPS + PHONES)
def test_finds_pii_and_nothing_else(text: str, expected: str | None) -> None:
    assert found(text)[:1] == ([expected] if expected else [])


def test_finds_all_matches_in_a_text() -> None:
    text = "212-555-1234 212-555-9876, 203.0.113.9-203.0.113.12; a@example.com,b@example.org"
    assert found(text) == [
        *("212-555-1234", "212-555-9876", "203.0.113.9", "203.0.113.12", "a@example.com", "b@example.org"),
    ]


@pytest.mark.parametrize("entity", PII_ENTITIES.values(), ids=PII_ENTITIES.keys())
def test_the_example_of_every_entity_is_found_with_its_score_and_replaced(entity: PiiEntity) -> None:
    redactor = Redactor(RedactSection(entities=[entity.name]))
    assert redactor.find(entity.example) == [Span(0, len(entity.example), entity.name, entity.score)]
    assert redactor.redact(entity.example) == entity.replacement


@pytest.mark.parametrize("entity", PII_ENTITIES.values(), ids=PII_ENTITIES.keys())
def test_the_section_derives_from_the_table(entity: PiiEntity) -> None:
    default = RedactSection()
    assert (entity.name in default.entities) == (entity.name in default.replacements) == entity.by_default
    fields = RedactSection.model_fields
    assert f"{entity.name} (such as {entity.example})" in (fields["entities"].description or "")
    assert f"{entity.name} {entity.score}" in (fields["thresholds"].description or "")


def test_a_pattern_entity_finds_the_matches_of_its_pattern() -> None:
    entity = pattern_entity("TICKET", "T-1", 0.7, r"\bT-\d+\b")
    assert entity.replacement == "<TICKET>"
    assert not entity.by_default
    find = entity.build_finder(RedactSection())
    assert list(find("T-1, AT-2 and T-34")) == [Span(0, 3, "TICKET", 0.7), Span(14, 18, "TICKET", 0.7)]


def test_offsets_are_characters() -> None:
    assert REDACTOR.find("😀é bob@example.com") == [Span(3, 18, "EMAIL_ADDRESS", 1.0)]


def test_a_cue_word_raises_the_score() -> None:
    scores = [REDACTOR.find(text)[0].score for text in ("(212) 555-1234", "Fax (212) 555-1234", "203.0.113.9")]
    assert scores == [0.4, 0.75, 0.6]


@pytest.mark.parametrize(("threshold", "kept"), [(0.4, True), (0.41, False)])
def test_threshold(threshold: float, kept: bool) -> None:
    redactor = Redactor(RedactSection(thresholds={"PHONE_NUMBER": threshold}))
    assert bool(found("(212) 555-1234", redactor)) == kept


def test_entities_and_replacements_are_configurable() -> None:
    redactor = Redactor(RedactSection(entities=["EMAIL_ADDRESS"], replacements={"EMAIL_ADDRESS": "[mail]"}))
    assert redactor.redact("a@example.com 203.0.113.9") == "[mail] 203.0.113.9"
    assert Redactor(RedactSection(replacements={})).redact("203.0.113.9") == "<IP_ADDRESS>"


def test_phone_regions_determine_the_national_formats() -> None:
    spanish = Redactor(RedactSection(phone_regions=["ES"]))
    assert found("01 23 45 67 89")
    assert not found("01 23 45 67 89", spanish)


def test_stricter_leniency_rejects_other_groupings() -> None:
    strict = Redactor(RedactSection(phone_leniency="exact_grouping"))
    assert found("21-25-551-234 or (212) 555-1234", strict) == ["(212) 555-1234"]


def test_a_replacement_may_match_as_a_whole_only() -> None:
    whole = Redactor(RedactSection(replacements={"EMAIL_ADDRESS": "email@example.com"}))
    once = whole.redact("a@example.org, b@example.org")
    assert once == "email@example.com, email@example.com" == whole.redact(once)
    with pytest.raises(ValueError, match="would itself be redacted"):
        Redactor(RedactSection(replacements={"EMAIL_ADDRESS": "or tel 212-555-1234"}))


def test_unknown_region_or_entity_is_an_error() -> None:
    with pytest.raises(ValidationError, match="unknown phone regions: UK"):
        RedactSection(phone_regions=["UK"])
    with pytest.raises(ValidationError):
        RedactSection(entities=["PERSON"])


PIECES = st.sampled_from(
    [
        *("bob@example.com", "@x.de", "a@b.中国", "203.0.113.9", "2001:db8::1", ".1", "1.2.3.4", "ip "),
        *("212-555-1234", "+44 20 7946 0958", "01 23 45 67 89", "7946", "(0)", "tel", "phone", "0", "12", "345"),
        *("+", "-", ".", "/", ":", "@", "_", "<", ">", "中", "é", "x", " ", ", ", "\n"),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join))
def test_redaction_is_idempotent(text: str) -> None:
    once = REDACTOR.redact(text)
    assert REDACTOR.redact(once) == once


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join))
def test_spans_are_sorted_and_disjoint(text: str) -> None:
    spans = REDACTOR.find(text)
    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    assert all(left.end <= right.start for left, right in pairwise(spans))


def test_matches_exposed_by_redaction_are_redacted() -> None:
    text = "a@b.中国555-123-4567@example.com 中国(212) 555-1234"
    assert REDACTOR.redact(REDACTOR.redact(text)) == REDACTOR.redact(text)


@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from("ab.-@_+中é1 "), max_size=60))
def test_email_windows_lose_no_match(text: str) -> None:
    """Matches of the recognizer in the whole text are covered by matches in the windows around each @."""
    whole = OfflineEmailRecognizer().analyze(text, ["EMAIL_ADDRESS"])
    covered = {i for span in EmailFinder().find(text) for i in range(span.start, span.end)}
    assert all(text.index("@", result.start) in covered for result in whole)


def test_no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In a new process without a cache, e-mail addresses are found although every connection is refused."""
    code = (
        "import socket\n"
        "def refuse(*a, **k): raise SystemExit('network access')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from gristmill.transforms.redaction.redactor import Redactor\n"
        "from gristmill.transforms.redaction.redact_section import RedactSection\n"
        "print(Redactor(RedactSection()).redact('a@example.co.uk +1 212 555 1234 203.0.113.9'))"
    )
    environment = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "PATH": ""}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout == "<EMAIL_ADDRESS> <PHONE_NUMBER> <IP_ADDRESS>\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("entity", "precision", "recall"),
    [("EMAIL_ADDRESS", 1.0, 1.0), ("IP_ADDRESS", 1.0, 13 / 14), ("PHONE_NUMBER", 0.97, 0.84)],
)
def test_labelled_spans(shared_data: Path, entity: str, precision: float, recall: float) -> None:
    """Exact spans of presidio-research's synthetic data set. The one IP address missed is in no allocated block."""
    documents = json.loads((shared_data / "pii" / "synth_dataset_v2.json").read_text())
    gold, predicted = set(), set()
    for number, document in enumerate(documents):
        gold |= {
            (number, span["start_position"], span["end_position"])
            for span in document["spans"]
            if span["entity_type"] == entity
        }
        predicted |= {
            (number, span.start, span.end) for span in REDACTOR.find(document["full_text"]) if span.entity == entity
        }
    assert len(gold & predicted) / len(predicted) >= precision
    assert len(gold & predicted) / len(gold) >= recall
