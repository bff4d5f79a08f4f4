"""Keys change with everything that output depends on, and with nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from gristmill.corpus.document import Origin, document_id
from gristmill.corpus.recipe_section import Asset, RuntimeMark, Section, key_config
from gristmill.errors import InputError
from gristmill.store.keys import asset_hash, key_of, library_versions


class Inner(Section):
    lists: tuple[Asset, ...] = ()


class Outer(Section):
    threshold: float = 0.5
    model: Asset | None = None
    inner: Inner = Inner()
    named: dict[str, float] = Field({})
    queue: Annotated[str, RuntimeMark()] = Field("local")


def test_a_key_depends_on_the_content_of_an_asset_and_not_on_its_path(tmp_path: Path) -> None:
    paths = [tmp_path / "a.txt", tmp_path / "b.txt", tmp_path / "c.txt"]
    for path, text in zip(paths, ("same", "same", "other"), strict=True):
        path.write_text(text)
    a, b, c = (key_config(Outer(model=str(path), inner=Inner(lists=(str(path),)))) for path in paths)
    assert a == b != c
    assert str(tmp_path) not in repr(a)
    assert a["model"] == {"sha256": asset_hash(str(paths[0]))} == a["inner"]["lists"][0]


def test_the_hash_of_a_folder_is_that_of_its_files(tmp_path: Path) -> None:
    for name, text in (("a", "same"), ("b", "same"), ("c", "other")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.bin").write_text(text)
    a, b, c = (asset_hash(str(tmp_path / name)) for name in "abc")
    assert a == b != c
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no file .*/empty: correct its path"):
        asset_hash(str(tmp_path / "empty"))


def test_runtime_values_are_not_in_the_key() -> None:
    assert key_config(Outer(queue="slurm")) == key_config(Outer(queue="local"))
    assert key_config(Outer(threshold=0.6)) != key_config(Outer())


def test_keys_depend_on_values_and_not_on_the_order_of_names() -> None:
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    assert len({key_of("ab", "c"), key_of("a", "bc"), key_of("abc")}) == 3


def test_a_library_that_is_not_installed_is_absent() -> None:
    assert library_versions(["no-such-distribution"]) == {"no-such-distribution": "absent"}


def test_document_ids_never_change() -> None:
    """Every existing corpus contains them."""
    assert document_id("web", "urn:uuid:1").hex() == "ec2da13976d7c2f47cf43c2d77508dea"
    origin = Origin("web", "a/b.jsonl", 17, 3)
    assert origin.id == document_id("web", "a/b.jsonl#17")
    assert origin._replace(record_id="r").id == document_id("web", "r")
