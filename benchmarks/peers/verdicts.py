"""Whether the rules of the variant ``datatrove`` agree with datatrove's filters, on the same texts.

    python -m benchmarks verdicts            # a quarter of an hour
    python -m benchmarks verdicts --quick    # a twentieth of the texts

datatrove runs in an environment of its own (``peer_environments``); for the verdict of a rule all other rules of its
filter are off. ``fineweb`` is the whole chain of its ``examples/fineweb.py`` after extraction, and in Gristmill the
preset ``fineweb`` with the variant ``datatrove``. A text on which datatrove's filter fails (a division by zero, for a
text without words) is not compared.

Tables: agreement by rule, and how many texts the rule drops; every disagreement with Gristmill's value. Known reasons:
Gristmill rounds to four digits before it compares; it takes a run of more than 1,000 characters for one word, on which
spaCy would spend minutes; spaCy joins characters across a space if they form an emoticon (one text in 800 has such a
token). The last line is one JSON object: ``agreement_min`` over the rules, ``agreement_<rule>`` and ``texts``, as
shares.
"""

from __future__ import annotations

import json
import subprocess
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, get_args

from rich.table import Table

from benchmarks.harness.benchmark_main import benchmark_main
from benchmarks.harness.mixed_texts import MixedText, mixed_texts
from benchmarks.harness.peer_environments import datatrove_command
from benchmarks.harness.result_tables import CONSOLE, result_table
from gristmill.transforms.quality.apply_rules import Check, explain
from gristmill.transforms.quality.judge_section import JudgeSection
from gristmill.transforms.quality.line_rules_section import C4LineRule
from gristmill.transforms.quality.measure_signals import measure_texts
from gristmill.transforms.quality.rule_table import rules_of_families

CODE_THRESHOLDS = {"repeated_line_chars": 0.01, "sentences": 5}
"""Thresholds of datatrove's code that differ from those of the papers."""

SECTIONS = {
    "gopher": JudgeSection(
        variant="datatrove", rules=rules_of_families("quality", "repetition", "fineweb"), thresholds=CODE_THRESHOLDS
    ),
    "c4": JudgeSection(
        variant="datatrove",
        rules=rules_of_families("c4"),
        thresholds=CODE_THRESHOLDS,
        lines={"rules": get_args(C4LineRule), "min_words": 3},
    ),
    "fineweb": JudgeSection(variant="datatrove", preset="fineweb", thresholds=CODE_THRESHOLDS),
}
"""FineWeb's own rules are compared one by one on whole texts, those of C4 with all of its line rules."""


class Disagreement(NamedTuple):
    """A text for which the two verdicts on a rule differ."""

    text: int
    rule: str
    datatrove_keeps: bool
    value: float | str | None
    threshold: float | tuple[str, ...] | None


def main() -> None:
    benchmark_main(measure, description=__doc__, quick="a twentieth of the texts")


def measure(options: Namespace) -> dict[str, float]:
    texts = mixed_texts(20 if options.quick else 1)
    verdicts, checks = datatrove_verdicts(texts), gristmill_checks(texts)
    compared = {
        rule: [text for text, by_rule in enumerate(verdicts) if by_rule[rule] is not None] for rule in verdicts[0]
    }
    disagreements = list(_disagreements(verdicts, checks))
    counts = {rule: sum(one.rule == rule for one in disagreements) for rule in compared}
    agreement = {rule: 1 - counts[rule] / len(numbers) for rule, numbers in compared.items() if numbers}
    CONSOLE.print(_agreement_table(verdicts, compared, counts, agreement))
    for one in disagreements:
        text = texts[one.text]
        verdict = "keeps" if one.datatrove_keeps else "drops"
        reason = "equal when rounded to four digits" if one.value == one.threshold else "see the known reasons"
        CONSOLE.print(
            f"{one.rule}: {text.kind} {one.text} ({text.lang}): datatrove {verdict} it; "
            f"value {one.value}, threshold {one.threshold}: {reason}"
        )
    figures = {"agreement_min": min(agreement.values()), "texts": len(texts)}
    return figures | {f"agreement_{rule}": share for rule, share in agreement.items()}


def datatrove_verdicts(texts: Sequence[MixedText]) -> list[dict[str, bool | None]]:
    """Return datatrove's verdicts by text and rule; None if its filter fails."""
    with TemporaryDirectory() as folder:
        path = write_texts(Path(folder), [text.text for text in texts])
        return [json.loads(line) for line in run_filters("verdicts", path).splitlines()]


def write_texts(folder: Path, texts: Sequence[str]) -> Path:
    """Write the texts in the form that ``run_filters.py`` reads."""
    path = folder / "texts.jsonl"
    path.write_text("".join(json.dumps(text) + "\n" for text in texts), encoding="utf-8")
    return path


def run_filters(task: str, path: Path) -> str:
    """Run ``run_filters.py`` in datatrove's environment and return its output."""
    command = datatrove_command("run_filters.py", task, path)
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout


def gristmill_checks(texts: Sequence[MixedText]) -> list[dict[str, Check]]:
    """Return Gristmill's checks by text and rule; a text passes ``fineweb`` if it passes every rule of the preset."""
    results: list[dict[str, Check]] = [{} for _ in texts]
    langs, sources = ["en"] * len(texts), [""] * len(texts)
    for name, section in SECTIONS.items():
        signals = measure_texts([text.text for text in texts], langs, sources, section).signals
        for row, by_rule in enumerate(results):
            values = {signal: float(column[row]) for signal, column in signals.items()}
            checks = explain(values, "en", "", section)
            if name == "fineweb":
                failed = [check.rule for check in checks if not check.passed]
                by_rule["fineweb"] = Check("language", ", ".join(failed), None, not failed)
            else:
                by_rule |= {check.rule: check for check in checks}
    return results


def _disagreements(
    verdicts: Sequence[dict[str, bool | None]], checks: Sequence[dict[str, Check]]
) -> Iterator[Disagreement]:
    for rule in verdicts[0]:
        for text, (by_rule, checks_by_rule) in enumerate(zip(verdicts, checks, strict=True)):
            verdict, check = by_rule[rule], checks_by_rule[rule]
            if verdict is not None and verdict != check.passed:
                yield Disagreement(text, rule, verdict, check.value, check.threshold)


def _agreement_table(
    verdicts: Sequence[dict[str, bool | None]],
    compared: dict[str, list[int]],
    disagreements: dict[str, int],
    agreement: dict[str, float],
) -> Table:
    columns = ("rule", "texts", "dropped by datatrove", "disagreements", "agreement")
    table = result_table("verdicts by rule", columns)
    for rule, share in agreement.items():
        dropped = sum(verdicts[text][rule] is False for text in compared[rule])
        table.add_row(rule, str(len(compared[rule])), str(dropped), str(disagreements[rule]), f"{share:.4%}")
    return table


if __name__ == "__main__":
    main()
