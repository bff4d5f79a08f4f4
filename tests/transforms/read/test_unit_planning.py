"""Planning: which units a source has, and what their identities depend on."""

from __future__ import annotations

from pathlib import Path

import pytest

from gristmill.errors import InputError
from gristmill.transforms.read import unit_division
from gristmill.transforms.read.source_section import SourceSection
from gristmill.transforms.read.unit_planning import plan_units
from gristmill.transforms.read.unit_reader import ReadLimits, read_unit


def source(root: Path, format: str = "text", *paths: str) -> SourceSection:
    return SourceSection(name="s", format=format, root=str(root), paths=paths or ("**/*",))


def test_identities_do_not_depend_on_the_root(tmp_path: Path) -> None:
    identities = []
    for mount in ("here", "there/deeper"):
        root = tmp_path / mount
        (root / "sub").mkdir(parents=True)
        (root / "sub" / "a.txt").write_text("a")
        identities.append([unit.identity() for unit in plan_units(source(root), 2**20)])
    assert identities[0] == identities[1]


@pytest.mark.parametrize("change", ["content", "name", "source"])
def test_identities_depend_on_content_name_and_source(tmp_path: Path, change: str) -> None:
    (tmp_path / "a.txt").write_text("a")
    section = source(tmp_path)
    (before,) = plan_units(section, 2**20)
    if change == "content":
        (tmp_path / "a.txt").write_text("b")
    elif change == "name":
        (tmp_path / "a.txt").rename(tmp_path / "b.txt")
    else:
        section = section.model_copy(update={"name": "other"})
    (after,) = plan_units(section, 2**20)
    assert before.identity() != after.identity()


def test_an_additional_file_changes_one_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unit_division, "MAX_FILES_PER_UNIT", 8)
    for n in range(50):
        (tmp_path / f"{n}.txt").write_text(str(n))
    before = {unit.identity() for unit in plan_units(source(tmp_path), 2**20)}
    (tmp_path / "more.txt").write_text("more")
    after = {unit.identity() for unit in plan_units(source(tmp_path), 2**20)}
    assert len(after) == 8
    assert len(after - before) == 1


@pytest.mark.parametrize(("size", "groups"), [(100, 1), (50, 2), (34, 4), (25, 4), (24, 8)])
def test_the_total_size_determines_the_number_of_groups(tmp_path: Path, size: int, groups: int) -> None:
    for n in range(100):
        (tmp_path / f"{n}.txt").write_text("x")
    units = plan_units(source(tmp_path), size)
    assert len(units) == groups
    assert [unit.size for unit in units] == sorted((unit.size for unit in units), reverse=True)
    assert sorted(file.path for unit in units for file in unit.files) == sorted(f"{n}.txt" for n in range(100))


def test_a_file_that_two_patterns_match_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("")
    assert len(plan_units(source(tmp_path, "jsonl", "*.jsonl", "a.*"), 2**20)) == 1


def test_a_pattern_without_matches_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(InputError, match=r"source 's': no file below .* matches '\*\.md'; correct"):
        plan_units(source(tmp_path, "text", "*.txt", "*.md"), 2**20)


def test_links_to_files_are_read_as_files(tmp_path: Path) -> None:
    """As in a Hugging Face cache, where files are links to content under another name."""
    identities = []
    for name in ("plain", "linked"):
        root = tmp_path / name / "brackets [2024]"
        root.mkdir(parents=True)
        target = root / "a.txt" if name == "plain" else tmp_path / "content"
        target.write_text("a")
        if name == "linked":
            (root / "a.txt").symlink_to(target)
        identities.append([unit.identity() for unit in plan_units(source(root), 2**20)])
    assert identities[0] == identities[1]


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        ("a", "a.txt"),
        ("abc", "a.txt, b.txt, c.txt"),
        ("abcde", r"a.txt, b.txt, c.txt and 2 more"),
    ],
)
def test_links_that_lead_nowhere_are_an_error(tmp_path: Path, names: str, shown: str) -> None:
    (tmp_path / "ok.txt").write_text("a")
    (tmp_path / "empty.txt").write_text("")
    for name in names:
        (tmp_path / f"{name}.txt").symlink_to("absent")
    with pytest.raises(InputError, match=f"source 's': below .* links to files that do not exist: {shown}; restore"):
        plan_units(source(tmp_path), 2**20)


def test_links_that_are_not_selected_may_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1")
    (tmp_path / "b.png").symlink_to("absent")
    assert len(plan_units(source(tmp_path, "code"), 2**20)) == 1


def test_code_is_selected_by_extension(tmp_path: Path) -> None:
    for name in ("a.py", "B.PY", "c.png", "README"):
        (tmp_path / name).write_text("x = 1")
    (unit,) = plan_units(source(tmp_path, "code"), 2**20)
    assert [file.path for file in unit.files] == ["B.PY", "a.py"]


def test_a_file_that_changed_since_planning_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    section = source(tmp_path)
    (unit,) = plan_units(section, 2**20)
    (tmp_path / "a.txt").write_text("longer")
    with pytest.raises(InputError, match=r"a\.txt has 6 bytes, but had 1 when the run was planned"):
        list(read_unit(unit, section, ReadLimits()))
