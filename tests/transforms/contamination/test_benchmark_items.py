"""Reading published test sets: file formats, layouts, and errors for bad files."""

from __future__ import annotations

import csv
import gzip
import json
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from gristmill.errors import InputError
from gristmill.transforms.contamination.benchmark_items import BenchmarkItem as Item
from gristmill.transforms.contamination.benchmark_items import expand_path, read_items
from gristmill.transforms.contamination.benchmark_layouts import LAYOUTS
from gristmill.transforms.contamination.decontaminate_section import BenchmarkSection, DecontaminateSection

ITEM = {"id": 7, "question": {"stem": "Why?"}, "choices": ["One.", "Two."], "answer": "One."}


def write(path: Path, data: str | bytes) -> str:
    data = data.encode() if isinstance(data, str) else data
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return str(path)


def items(path: str, *fields: str) -> list[str]:
    return [item.text for item in read_items(BenchmarkSection(name="set", paths=[path], fields=list(fields) or None))]


def items_by_layout(path: str, layout: str) -> list[Item]:
    return list(read_items(BenchmarkSection(name="set", paths=[path], layout=layout)))


def test_json_lines_json_and_parquet_give_equal_items(tmp_path: Path) -> None:
    line = json.dumps(ITEM)
    pq.write_table(pa.Table.from_pylist([ITEM, ITEM]), tmp_path / "d.parquet")
    for path in (
        write(tmp_path / "a.jsonl", f"{line}\n\n{line}\n"),
        write(tmp_path / "b.jsonl.gz", f"{line}\n{line}"),
        write(tmp_path / "c.json", f"[{line},{line}]"),
        str(tmp_path / "d.parquet"),
    ):
        assert items(path) == ["Why?\nOne.\nTwo.\nOne."] * 2
        assert items(path, "question.stem", "choices") == ["Why?\nOne.\nTwo."] * 2


def test_csv_with_and_without_header(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'question,choice\n"One, or\ntwo?",no\n')
    assert items(path) == ["question\nchoice", "One, or\ntwo?\nno"]
    assert items(path, "question") == ["One, or\ntwo?"]


@pytest.mark.parametrize(
    ("layout", "item", "expected"),
    [
        ("gsm8k", {"question": "Why?", "answer": "So.\n#### 4"}, Item("Why?", ("So.\n#### 4",))),
        ("arc", {"query": "Question: Why?", "choices": ["a", "b"], "gold": 0}, Item("Why?", ("a", "b"))),
        (
            "arc",
            {"question": {"stem": "Why?", "choices": [{"text": "a", "label": "A"}]}},
            Item("Why?", ("a",)),
        ),
        (
            "arc",
            {"question": "Why?", "choices": {"text": ["a", "b"], "label": ["A", "B"]}},
            Item("Why?", ("a", "b")),
        ),
        ("mmlu", {"question": "Why?", "choices": ["a", "b"], "answer": 1}, Item("Why?", ("a", "b"))),
        (
            "mmlu",
            {"question": "Why?", "A": "a", "B": "b", "C": "c", "D": "d"},
            Item("Why?", ("a", "b", "c", "d")),
        ),
        ("mmlu", {"question": "Why?"}, Item("Why?")),
        ("humaneval", {"prompt": "def f():", "canonical_solution": "  pass"}, Item("def f():", ("  pass",))),
        (
            "hellaswag",
            {"ctx": "A man", "ctx_a": "A", "endings": ["runs."], "label": 0},
            Item("A man", ("runs.",)),
        ),
        ("math", {"problem": "Prove.", "solution": "Done.", "level": "5"}, Item("Prove.", ("Done.",))),
        ("mbpp", {"text": "Write f.", "code": "def f"}, Item("Write f.", ("def f",))),
        ("truthfulqa", {"Question": "Why?", "Best Answer": "No.", "Category": "c"}, Item("Why?", ("No.",))),
        (
            "truthfulqa",
            {"question": "Why?", "mc1_targets": {"choices": ["a"], "labels": [1]}},
            Item("Why?", ("a",)),
        ),
        ("winogrande", {"sentence": "It _ it.", "option1": "a", "option2": "b"}, Item("It _ it.", ("a", "b"))),
        ("piqa", {"goal": "Do.", "sol1": "a", "sol2": "b"}, Item("Do.", ("a", "b"))),
        ("siqa", {"context": "It is.", "question": "Why?", "answerA": "a"}, Item("It is.\nWhy?", ("a",))),
        ("squad", {"context": "A passage.", "question": "Why?", "answers": {"text": ["a"]}}, Item("Why?")),
    ],
)
def test_layouts_select_question_choices_and_answer(
    tmp_path: Path, layout: str, item: dict[str, Any], expected: Item
) -> None:
    assert items_by_layout(write(tmp_path / "a.jsonl", json.dumps(item)), layout) == [expected]


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_every_layout_reads_its_fields(tmp_path: Path, name: str) -> None:
    for number, layout in enumerate(LAYOUTS[name]):
        item: dict[str, Any] = {}
        for field in layout.fields:
            inner = item
            *above, last = field.split(".")
            for key in above:
                inner = inner.setdefault(key, {})
            inner[last] = f"the {field}"
        (read,) = items_by_layout(write(tmp_path / f"{number}.json", json.dumps([item])), name)
        assert read.question == "\n".join(f"the {field}" for field in layout.question)
        assert read.rest == tuple(f"the {field}" for field in (*layout.choices, *layout.answer))


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        ("", 'Why?,a,b,c,d,B\n"Or, how?",e,f,g,h,C\n'),
        ("question,A,B,C,D,answer\n", 'Why?,a,b,c,d,B\n\n"Or, how?",e,f,g,h,C\n'),
        ("question,choice0,choice1,choice2,choice3,answer\n", 'Why?,a,b,c,d,1\n"Or, how?",e,f,g,h,2\n'),
    ],
)
def test_a_csv_with_a_layout_may_omit_its_header(tmp_path: Path, header: str, rows: str) -> None:
    assert items_by_layout(write(tmp_path / "a.csv", header + rows), "mmlu") == [
        Item("Why?", ("a", "b", "c", "d")),
        Item("Or, how?", ("e", "f", "g", "h")),
    ]


def test_glob_patterns_are_read_in_sorted_order(tmp_path: Path) -> None:
    for name in "ba":
        write(tmp_path / f"{name}.jsonl", json.dumps(name))
    assert items(str(tmp_path / "*.jsonl")) == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.jsonl", "{", "cannot be read as the format of its name"),
        ("a.jsonl.gz", None, "cannot be read as the format of its name"),
        ("a.parquet", "no", "cannot be read as the format of its name"),
        ("a.txt", "no", "use .jsonl, .json, .csv or .parquet"),
        ("a.json", '[{"other": 1}]', "item 0 has no field 'question'"),
    ],
)
def test_errors_name_the_file(tmp_path: Path, name: str, data: str | None, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"not gzip" if data is None else data.encode())
    with pytest.raises(InputError, match=message) as error:
        items(str(path), "question")
    assert name in str(error.value)


def test_errors_name_an_item_without_the_question_of_the_layout(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", '[{"question": "Why?"}, {"answer": "So."}]')
    with pytest.raises(InputError, match="item 1 has no field prompt or text: use the layout of another test set"):
        items_by_layout(write(tmp_path / "b.json", '[{"text": "f"}, {"code": "g"}]'), "mbpp")
    with pytest.raises(InputError, match=r"a.json, item 1 has no field question"):
        items_by_layout(path, "gsm8k")


def test_errors_name_missing_files(tmp_path: Path) -> None:
    for path in ("a.jsonl", "*.jsonl"):
        with pytest.raises(InputError, match="no file matches"):
            expand_path(str(tmp_path / path))


@pytest.mark.parametrize(
    ("benchmark", "message"),
    [
        ({"layout": "gsm9k"}, "unknown layout gsm9k; use one of .*gsm8k.*, or set `fields`"),
        ({"layout": "gsm8k", "fields": ["question"]}, "set has both layout and fields"),
    ],
)
def test_a_layout_must_be_known_and_excludes_fields(benchmark: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        BenchmarkSection(name="set", paths=["x"], **benchmark)


def test_benchmark_names_are_unique() -> None:
    with pytest.raises(ValidationError, match="must be unique"):
        DecontaminateSection(benchmarks=[BenchmarkSection(name="a", paths=["x"])] * 2)


def test_real_test_sets_fit_their_layouts(shared_data: Path) -> None:
    bench = shared_data / "bench"
    for layout, pattern, rest, count in (
        ("gsm8k", "gsm8k_test.jsonl", 1, 1319),
        ("arc", "arc_*.jsonl", 3, 3548),
        ("humaneval", "humaneval.jsonl.gz", 1, 164),
        ("mmlu", "mmlu/*.csv", 4, 14042),
    ):
        read = items_by_layout(str(bench / pattern), layout)
        assert len(read) == count
        assert all(item.question and len(item.rest) >= rest for item in read)


def test_a_real_csv_gives_equal_items_without_its_header(shared_data: Path, tmp_path: Path) -> None:
    path = next(iter(sorted((shared_data / "bench" / "mmlu").glob("*.csv"))))
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = list(islice(csv.reader(file), 1, None))
    with open(tmp_path / "bare.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    assert items_by_layout(str(tmp_path / "bare.csv"), "mmlu") == items_by_layout(str(path), "mmlu")
