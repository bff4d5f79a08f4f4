"""No control character of a document, a name or an error reaches a terminal or a pipe."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

from gristmill.pipelines.cli.console import SafeConsole, SafeFormatter, escaped
from gristmill.pipelines.cli.control_characters import escape_controls, replace_controls
from gristmill.pipelines.cli.main import main
from gristmill.pipelines.reports.tables import document_panel, ledger_table
from gristmill.store.counts import RecordCounts
from gristmill.store.ledger import LedgerLine, build_ledger

FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
HOSTILE = [
    "\x1b]0;title\x07",  # sets the title
    "\x1b]52;c;aGk=\x07",  # writes to the clipboard
    "\x1b[2J\x1b[31m",
    "\x9b31m\x9d0;title\x9c",  # the same as C1 controls
    "a\u202egpj.exe",
    "\u2066hidden\u2069",
    "over\rwritten\x08\x7f",
    "\x00",
    "[/] [bold] [link=file:///etc/passwd]x[/link]",
]
ANY_TEXT = st.text(st.one_of(st.characters(), st.sampled_from("\x1b\x07\x9b\x9d\u202e\u2067\x7f[]/")), max_size=40)


@pytest.mark.parametrize("character", ["\t", "\n", " ", "~", "\xa0", "é", "\u200d", "\u2028", "漢"])
def test_other_characters_stay(character: str) -> None:
    assert replace_controls(character) == character
    assert escape_controls(f'"{character}"') == f'"{character}"'


@given(ANY_TEXT)
def test_escaped_json_means_the_same(text: str) -> None:
    plain = json.dumps(text, ensure_ascii=False)
    assert not FORBIDDEN.search(escape_controls(plain))
    assert json.loads(escape_controls(plain)) == text


@given(ANY_TEXT)
def test_a_console_prints_no_control_character(text: str) -> None:
    console = SafeConsole(width=80)
    table = Table(title=escaped(text))
    table.add_row(escaped(text))
    document = {"id": text, "source": text, "url": text, "text": text}
    reasons = RecordCounts(1, 0, {text or "-": 1}, {}, 1, 1)
    with console.capture() as captured:
        console.print(text, markup=False)
        console.print(escaped(text), table, document_panel(document))
        console.print(ledger_table(build_ledger([LedgerLine("extract", reasons, "records")])))
    assert not FORBIDDEN.search(captured.get())


@pytest.mark.parametrize("terminal", [False, True])
def test_styles_and_progress_bars_keep_their_own_controls(terminal: bool) -> None:
    console = SafeConsole(width=80, force_terminal=terminal, color_system="standard" if terminal else None)
    with console.capture() as captured:
        console.print("[bold red]error:[/] no")
    assert captured.get() == ("\x1b[1;31merror:\x1b[0m no\n" if terminal else "error: no\n")


def commands(hostile: str, folder: Path) -> list[tuple[list[str], str | None]]:
    """Commands with ``hostile`` in each place where text of others may be, with their standard input."""
    name = hostile.replace("\0", "").replace("/", "")
    page, text = folder / f"{name}.html", folder / f"{name}.txt"
    page.write_text(f"<title>{hostile}</title><p>{hostile} {'word ' * 60}")
    text.write_text(f"{hostile} {'word ' * 60}")
    row = json.dumps({"text": hostile, "html": f"<p>{hostile}", "url": f"http://a.example/{hostile}"})
    recipe = folder / f"{name}.yaml"
    recipe.write_text(json.dumps({"name": "x", "sources": [{"name": hostile, "format": hostile, hostile: 1}]}))
    return [
        (["extract", str(page)], None),
        (["extract", "-"], row),
        (["judge", str(text)], None),
        (["judge", "-"], row),
        (["redact", "-"], row),
        (["extract", "-"], json.dumps({hostile: 1})),
        (["extract", f"missing {name}"], None),
        (["judge", "--set", f"{name}=1", str(text)], None),
        (["plan", str(recipe)], None),
        (["plan", f"missing {name}"], None),
        (["ledger", str(folder / name)], None),
        (["ledger", f"--{name}"], None),
        ([name], None),
    ]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_command_prints_a_control_character(hostile: str, tmp_path: Path) -> None:
    for arguments, stdin in commands(hostile, tmp_path):
        result = CliRunner().invoke(main, arguments, input=stdin, env={"COLUMNS": "200"})
        assert result.output
        assert result.exception is None or isinstance(result.exception, SystemExit), arguments
        assert not FORBIDDEN.search(result.output), arguments


def test_log_records_have_no_control_characters() -> None:
    record: Any = logging.LogRecord("beam", logging.ERROR, "x.py", 1, "worker said %s", ("\x1b[2J",), None)
    assert SafeFormatter("%(message)s").format(record) == "worker said \N{REPLACEMENT CHARACTER}[2J"
