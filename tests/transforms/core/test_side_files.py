"""Side files: values by URL and hash, and what is not opened."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from gristmill.errors import RunError
from gristmill.store import storage
from gristmill.store.stage_directory import StageDirectory
from gristmill.transforms.core.side_files import SideFile, stage_side_file, stage_side_files


@pytest.fixture
def directory(tmp_path: Path) -> StageDirectory:
    return StageDirectory(str(tmp_path), "judge", "0" * 16)


def test_a_value_is_read_back(directory: StageDirectory) -> None:
    file = stage_side_file(directory, {"units": [1, 2]})
    assert file.open() == {"units": [1, 2]}
    assert stage_side_file(directory, {"units": [1, 2]}) == file


@pytest.mark.parametrize(("items", "sizes"), [(0, []), (1000, [1000]), (1001, [1000, 1])])
def test_items_are_divided_in_order(directory: StageDirectory, items: int, sizes: list[int]) -> None:
    values = [file.open() for file in stage_side_files(directory, range(items))]
    assert list(map(len, values)) == sizes
    assert [item for value in values for item in value] == list(range(items))


class Malicious:
    """Creates a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("change", ["another pickle", "one byte", "shorter"])
def test_a_changed_file_is_not_opened(directory: StageDirectory, tmp_path: Path, change: str) -> None:
    file = stage_side_file(directory, ["value", change])
    data = storage.read_bytes(file.url)
    victim = tmp_path / "created"
    changed = {"another pickle": pickle.dumps(Malicious(str(victim))), "one byte": data[:-2] + b"X.", "shorter": b""}
    storage.replace(file.url, changed[change])
    with pytest.raises(RunError, match=f"{file.url} was changed after the launcher wrote it"):
        SideFile(*file).open()
    assert not victim.exists()
