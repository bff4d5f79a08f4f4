"""Do the rules of the variant ``datatrove`` say what datatrove's filters say? The same texts through both.

    python benchmarks/verdicts.py            # a quarter of an hour
    python benchmarks/verdicts.py --quick    # a twentieth of the texts

datatrove works in an environment of its own (``peers``); for a rule's verdict all others of its filter are off.
``fineweb`` is the whole chain of its ``examples/fineweb.py`` after extraction, and here the preset ``fineweb`` with the
variant ``datatrove``. A rule on which datatrove fails (a text without a word, divided by nothing) is not compared
there.

Tables: agreement by rule, and how many texts the rule drops; every disagreement, with the value here. Known reasons:
the mill rounds to four digits before it compares; it takes runs of more than 1,000 characters for one word, on which
spaCy would spend minutes; spaCy joins marks across a space where they make an emoticon (one text in 800 has such a
token). The last line is one JSON object: ``agreement_min`` over the rules, ``agreement_<rule>`` and ``texts``. Shares,
not percent.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, get_args

from inputs import require_data
from judge_texts import JudgedText, judged_texts
from peers import DATATROVE, python
from rich import box
from rich.console import Console
from rich.table import Table

from gristmill.transforms.quality.judge_rules import Check, explain
from gristmill.transforms.quality.judge_section import JudgeSection
from gristmill.transforms.quality.measure import measure_texts
from gristmill.transforms.quality.rule_names import (
    C4LineRule,
    C4Rule,
    FineWebRule,
    QualityRule,
    RepetitionRule,
    RuleName,
)

CODE = {"repeated_line_chars": 0.01, "sentences": 5}
"""Thresholds of datatrove's code that are not the paper's."""

_RULES = tuple(rule for rule in (*get_args(QualityRule), *get_args(RepetitionRule)) if rule != "language_score")
SECTIONS = {
    "gopher": JudgeSection(variant="datatrove", rules=(*_RULES, *get_args(FineWebRule)), thresholds=CODE),
    "c4": JudgeSection(
        variant="datatrove",
        rules=get_args(C4Rule),
        thresholds=CODE,
        lines={"rules": get_args(C4LineRule), "min_words": 3},
    ),
    "fineweb": JudgeSection(variant="datatrove", preset="fineweb", thresholds=CODE),
}
"""FineWeb's own rules are compared one by one on whole texts, C4's with all of its line rules."""

_PRINT = Console(highlight=False, width=150)


class Disagreement(NamedTuple):
    """A text on which the two say other things of one rule."""

    place: int
    rule: str
    theirs: bool
    value: float | None
    threshold: float | None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a twentieth of the texts")
    arguments = parser.parse_args()
    require_data()
    texts = judged_texts(20 if arguments.quick else 1)
    theirs, ours = their_verdicts(texts), our_checks(texts)
    compared = {rule: [place for place, said in enumerate(theirs) if said[rule] is not None] for rule in theirs[0]}
    found = list(_disagreements(theirs, ours))
    agreement = {
        rule: 1 - sum(one.rule == rule for one in found) / len(places) for rule, places in compared.items() if places
    }
    table = Table("rule", "texts", "dropped by datatrove", "disagree", "agreement", box=box.SIMPLE)
    for rule, share in agreement.items():
        dropped = sum(theirs[place][rule] is False for place in compared[rule])
        table.add_row(
            rule, str(len(compared[rule])), str(dropped), str(sum(one.rule == rule for one in found)), f"{share:.4%}"
        )
    _PRINT.print(table)
    for one in found:
        text = texts[one.place]
        kept = "keeps" if one.theirs else "drops"
        why = "equal when rounded to four digits" if one.value == one.threshold else "see above for known reasons"
        _PRINT.print(
            f"{one.rule}: {text.kind} {one.place} ({text.lang}): it {kept}; {one.value} for {one.threshold}: {why}"
        )
    figures = {"agreement_min": min(agreement.values()), "texts": len(texts)}
    print(json.dumps(figures | {f"agreement_{rule}": round(share, 6) for rule, share in agreement.items()}))


def their_verdicts(texts: Sequence[JudgedText]) -> list[dict[str, bool | None]]:
    """datatrove's verdicts by text and rule."""
    with TemporaryDirectory() as folder:
        path = write_texts(Path(folder), [text.text for text in texts])
        return [json.loads(line) for line in datatrove("verdicts", path).splitlines()]


def write_texts(folder: Path, texts: Sequence[str]) -> Path:
    """The texts as datatrove's side reads them."""
    path = folder / "texts.jsonl"
    path.write_text("".join(json.dumps(text) + "\n" for text in texts), encoding="utf-8")
    return path


def datatrove(task: str, path: Path) -> str:
    """What ``datatrove_filters.py`` prints in datatrove's environment."""
    script = Path(__file__).with_name("datatrove_filters.py")
    command = [str(python("datatrove", DATATROVE)), str(script), task, str(path)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout


def our_checks(texts: Sequence[JudgedText]) -> list[dict[str, Check]]:
    """What the mill says by text and rule; ``fineweb`` passes if every rule of the preset does."""
    found: list[dict[str, Check]] = [{} for _ in texts]
    languages, sources = ["en"] * len(texts), [""] * len(texts)
    for name, section in SECTIONS.items():
        measured = measure_texts([text.text for text in texts], languages, sources, section).signals
        for place, checks in enumerate(found):
            values = {signal: float(column[place]) for signal, column in measured.items()}
            said = explain(values, "en", "", section)
            if name == "fineweb":
                failed: list[RuleName] = [check.rule for check in said if not check.passed]
                checks["fineweb"] = Check("language", ", ".join(failed), None, not failed)
            else:
                checks |= {check.rule: check for check in said}
    return found


def _disagreements(
    theirs: Sequence[dict[str, bool | None]], ours: Sequence[dict[str, Check]]
) -> Iterator[Disagreement]:
    for rule in theirs[0]:
        for place, (said, checks) in enumerate(zip(theirs, ours, strict=True)):
            verdict = said[rule]
            if verdict is not None and verdict != checks[rule].passed:
                yield Disagreement(place, rule, verdict, checks[rule].value, checks[rule].threshold)


if __name__ == "__main__":
    main()
