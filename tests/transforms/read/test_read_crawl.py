"""``crawl`` and ``sample``: which files of a crawl are read, from any root."""

from __future__ import annotations

import gzip
import io
import json
import random
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from warcio.warcwriter import WARCWriter

from gristmill.corpus.record import Raw
from gristmill.errors import InputError
from gristmill.pipelines.cli.main import main
from gristmill.pipelines.recipe import load_recipe, parse_recipe
from gristmill.store import storage
from gristmill.transforms.read.crawl_listing import COMMON_CRAWL, list_crawl_files, sample_paths
from gristmill.transforms.read.source_section import SourceSection
from gristmill.transforms.read.unit_planning import plan_units
from gristmill.transforms.read.unit_reader import ReadLimits, read_unit
from tests.web_server import serving

CRAWL = "CC-MAIN-2024-10"
FILES = 12


def listed(kind: str) -> list[str]:
    suffix = "warc.gz" if kind == "warc" else "warc.wet.gz"
    return [
        f"crawl-data/{CRAWL}/segments/17{n % 3}.1/{kind}/CC-MAIN-20240220-20240221-{n:05}.{suffix}"
        for n in range(FILES)
    ]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A folder with the layout of Common Crawl, one page per file."""
    root = tmp_path / "archive"
    for n, path in enumerate(listed("warc")):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        out = io.BytesIO()
        writer = WARCWriter(out, gzip=True)
        body = io.BytesIO(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>page %d" % n)
        headers = {"WARC-Record-ID": f"<urn:uuid:{n}>"}
        writer.write_record(
            writer.create_warc_record(f"http://x.example/{n}", "response", body, warc_headers_dict=headers)
        )
        (root / path).write_bytes(out.getvalue())
    for kind in ("warc", "wet"):
        text = "".join(f"{path}\n" for path in listed(kind))
        (root / "crawl-data" / CRAWL / f"{kind}.paths.gz").write_bytes(gzip.compress(text.encode()))
    return root


def source(root: object, sample: int | None = None, **options: object) -> SourceSection:
    keys = {"name": "web", "format": "warc", "root": str(root), "crawl": CRAWL, "sample": sample, **options}
    return SourceSection.model_validate(keys)


def read(section: SourceSection) -> dict[bytes, tuple[str, bytes | str]]:
    """Id → file and payload."""
    items = [item for unit in plan_units(section, 2**20) for item in read_unit(unit, section, ReadLimits())]
    return {item.origin.id: (item.origin.file, item.payload) for item in items if isinstance(item, Raw)}


# -- samples --------------------------------------------------------------------------------------------------------


@given(st.integers(1, FILES), st.integers(1, FILES), st.integers(0, 2**63 - 1), st.randoms())
def test_a_smaller_sample_is_a_subset_of_a_larger_one_in_any_order(
    a: int, b: int, seed: int, shuffler: random.Random
) -> None:
    shuffled = listed("warc")
    shuffler.shuffle(shuffled)
    assert sample_paths(shuffled, a, seed) == sample_paths(listed("warc"), a, seed)
    assert len(sample_paths(shuffled, a, seed)) == a
    assert set(sample_paths(shuffled, min(a, b), seed)) <= set(sample_paths(shuffled, max(a, b), seed))


def test_the_sample_of_seed_0() -> None:
    """Samples must not change between versions: recipes depend on them."""
    numbers = [path[-13:-8] for path in sample_paths(listed("warc"), 3, 0)]
    assert numbers == ["00009", "00001", "00005"]


def test_other_seeds_select_other_files() -> None:
    assert len({tuple(sample_paths(listed("warc"), 3, seed)) for seed in range(20)}) > 10


def test_samples_of_texts_and_archives_match() -> None:
    numbers = [[path.split(".")[1][-5:] for path in sample_paths(listed(kind), 4, 7)] for kind in ("warc", "wet")]
    assert numbers[0] == numbers[1]


@pytest.mark.parametrize(
    ("sample", "files"), [(1, 1), (FILES - 1, FILES - 1), (FILES, FILES), (FILES + 1, FILES), (None, FILES)]
)
def test_a_sample_has_at_most_all_files(archive: Path, sample: int | None, files: int) -> None:
    assert len(plan_units(source(archive, sample), 2**20)) == files


# -- roots ------------------------------------------------------------------------------------------------------------


def test_ids_and_paths_do_not_depend_on_the_root(archive: Path) -> None:
    pytest.importorskip("aiohttp")
    local = read(source(archive, 5))
    assert len(local) == 5
    with serving(archive) as server:
        assert read(source(server.url, 5)) == local
        assert read(source(f"{server.url}/", 5)) == local


def test_a_crawl_on_s3(archive: Path, s3_server: object) -> None:
    bucket = s3_server.new_bucket()  # type: ignore[attr-defined]
    for path in archive.rglob("*.gz"):
        storage.put_file(path, storage.join(bucket, path.relative_to(archive).as_posix()))
    assert read(source(bucket, 4)) == read(source(archive, 4))


def test_a_larger_sample_keeps_the_units_of_a_smaller_one(archive: Path) -> None:
    few = {unit.identity() for unit in plan_units(source(archive, 3), 2**20)}
    assert few < {unit.identity() for unit in plan_units(source(archive, 6), 2**20)}


# -- errors -----------------------------------------------------------------------------------------------------------


def test_an_unknown_crawl_is_an_error(archive: Path) -> None:
    with pytest.raises(
        InputError, match=r"no crawl 'CC-MAIN-2024-99' with warc files: .*/warc\.paths\.gz does not exist; "
    ):
        plan_units(source(archive, crawl="CC-MAIN-2024-99"), 2**20)


@pytest.mark.parametrize("status", [403, 404])
def test_an_unknown_crawl_on_the_web_is_the_same_error(archive: Path, status: int) -> None:
    pytest.importorskip("aiohttp")
    with serving(archive) as server:
        server.faults.append(status)
        with pytest.raises(InputError, match="no crawl 'CC-MAIN-2024-10' with warc files"):
            list_crawl_files(server.url, CRAWL, "warc")


@pytest.mark.parametrize(
    ("listing", "message"),
    [
        (b"<html>", "is not a list of paths"),
        (gzip.compress(b"a\nb\n", mtime=0)[:-4], "is not a list of paths"),
        (gzip.compress("ä".encode(), mtime=0), "is not a list of paths"),
        (gzip.compress(b"\n", mtime=0), "lists no files"),
    ],
)
def test_a_damaged_list_is_an_error(archive: Path, listing: bytes, message: str) -> None:
    (archive / "crawl-data" / CRAWL / "warc.paths.gz").write_bytes(listing)
    with pytest.raises(InputError, match=message):
        plan_units(source(archive), 2**20)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"format": "warc"}, "sources.0: root is missing"),
        ({"format": "warc", "root": "x", "sample": 3}, "`sample` selects files of a `crawl`"),
        ({"format": "jsonl", "crawl": CRAWL}, "a crawl has no jsonl files"),
        ({"format": "warc", "crawl": CRAWL, "paths": ["*.gz"]}, "remove `paths`"),
        ({"format": "warc", "crawl": "../x"}, "sources.0.crawl"),
        ({"format": "warc", "crawl": CRAWL, "sample": 0}, "sources.0.sample"),
    ],
)
def test_invalid_source_sections(keys: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as info:
        parse_recipe({"name": "x", "sources": [{"name": "s", **keys}]})
    assert message in str(info.value)


# -- the command line -------------------------------------------------------------------------------------------------


def test_a_crawl_needs_no_recipe() -> None:
    recipe = load_recipe(None, (), [CRAWL, "CC-NEWS/2024/02"], 3)
    assert recipe.name == CRAWL
    assert [(source.name, source.root, source.crawl, source.sample) for source in recipe.sources] == [
        (CRAWL, COMMON_CRAWL, CRAWL, 3),
        ("CC-NEWS-2024-02", COMMON_CRAWL, "CC-NEWS/2024/02", 3),
    ]


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ("name: x\n", [CRAWL]),
        ("name: x\nsources: []\n", [CRAWL]),
        ("name: x\nsources: [{name: a, format: text, root: r}]\n", ["a", CRAWL]),
        (f"name: x\nsources: [{{name: {CRAWL}, format: wet, crawl: {CRAWL}}}]\n", [CRAWL]),
    ],
)
def test_a_crawl_is_added_to_the_sources_of_a_recipe(tmp_path: Path, written: str, names: list[str]) -> None:
    (tmp_path / "recipe.yaml").write_text(written)
    recipe = load_recipe(str(tmp_path / "recipe.yaml"), ("sources.0.name=a",) if len(names) > 1 else (), [CRAWL], 3)
    assert [source.name for source in recipe.sources] == names
    assert recipe.sources[-1] == SourceSection(name=CRAWL, format="warc", crawl=CRAWL, sample=3)


def test_plan_of_a_sample(archive: Path) -> None:
    command = ["plan", "--crawl", CRAWL, "--sample", "4", "--set", f"sources.0.root={archive}", "--json"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["stages"][0]["units"] == 4


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["plan", "--sample", "3"], "--sample needs a crawl"),
        (["plan"], "nothing to run: give a recipe, or a crawl"),
    ],
)
def test_missing_command_line_arguments(command: list[str], message: str) -> None:
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2
    assert message in result.stderr
