"""Recipes: errors are one sentence with file, key and remedy; paths, variables and overrides are resolved."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gristmill.errors import InputError
from gristmill.mixing.mix_section import MixSection
from gristmill.pipelines.recipe import Recipe, dump_recipe, load_recipe, parse_recipe, parse_section
from gristmill.pipelines.sample.build import HERE

MINIMAL = """
name: small
sources:
  - name: web
    format: warc
    root: crawl
"""


def write(folder: Path, text: str) -> str:
    path = folder / "recipe.yaml"
    path.write_text(text)
    return str(path)


def fault(url: str, *overrides: str, env: tuple[str, ...] = ()) -> str:
    """The message of the error, which must be one line."""
    with pytest.raises(InputError) as caught:
        load_recipe(url, overrides, env=env)
    assert "\n" not in str(caught.value)
    return str(caught.value)


FAULTS = {
    "jugde: {}": "jugde: unknown key; did you mean 'judge'?",
    "judge: {threshold: {}}": "judge.threshold: unknown key; did you mean 'thresholds'?",
    "judge: {thresholds: {word_min: 3}}": "judge.thresholds.word_min: unknown key; did you mean 'words_min'?",
    "judge: {rules: [words_mim]}": "judge.rules.0: unknown value 'words_mim'; did you mean 'words_min'?",
    "judge: {rules: [hashes, hashes]}": "judge.rules: a rule is listed twice; list it once, where it should be applied",
    "judge: {overlays: [{source: web, ruls: []}]}": "judge.overlays.0.ruls: unknown key; did you mean 'rules'?",
    "judge: {overlays: [{lang: de, thresholds: {word_min: 3}}]}": (
        "judge.overlays.0.thresholds.word_min: unknown key; did you mean 'words_min'?"
    ),
    "judge: {languages: [no]}": (
        "judge.languages.0: must be a valid string, not False; "
        "YAML reads no, yes, on and off as booleans: put the value in quotes"
    ),
    "extract: {extractor: {name: trafilatur}}": (
        "extract.extractor.name: unknown value 'trafilatur'; did you mean 'trafilatura'?"
    ),
    "extract: {extractor: {fast: true}}": "extract.extractor.name is missing",
    "extract: {extractor: {name: resiliparse, tables: true}}": (
        "extract.extractor.tables: unknown key; choose from name, main_content, comments"
    ),
    "extract: {max_bytes: lots}": ("extract.max_bytes: not a size in bytes: 'lots' (write 256MiB, 1GB or a number)"),
    "extract:": "extract: must be a mapping, not empty; omit the key to use its default",
    "extract: 3": "extract: must be a mapping, not 3",
    "train: {steps: many}": "train.steps: must be a valid integer, not 'many'",
    "unit_size: 10": "unit_size: must be greater than or equal to 65536, not 10",
    "mix: {shard_tokens: 1000, sequence_length: 3}": (
        "mix: shard_tokens (1000) must be a multiple of sequence_length (3)"
    ),
    "refine: {redact: {entities: [EMAIL]}}": (
        "refine.redact.entities.0: unknown value 'EMAIL'; choose from EMAIL_ADDRESS, IP_ADDRESS, PHONE_NUMBER"
    ),
    "mix: {weights: {wbe: 2}}": "mix.weights names an unknown source 'wbe'; the sources are web",
    "dedup: {priority: [web, wbe]}": "dedup.priority names an unknown source 'wbe'; the sources are web",
    "judge: {overlays: [{source: wbe, rules: []}]}": (
        "judge.overlays names an unknown source 'wbe'; the sources are web"
    ),
    "judge: {kind_overlays: [{source: wbe, kind: book, rules: []}]}": (
        "judge.overlays names an unknown source 'wbe'; the sources are web"
    ),
    "judge: {overlays: [{kind: bok, rules: []}]}": "judge.overlays.0.kind: unknown value 'bok'; did you mean 'book'?",
    "judge: {overlays: [{kind: book, rules: []}]}": (
        "judge.overlays: no source is of the kind 'book' that an overlay selects; "
        "set `kind` of a source, or remove the overlay"
    ),
    "judge: {overlays: [{rules: []}]}": (
        "judge.overlays.0: an overlay needs `lang`, `kind` or `source`; for all documents, set the values in the "
        "section"
    ),
    "judge: {overlays: [{lang: de, scores: {qualty: {min: 1}}}]}": (
        "judge.overlays names an unknown score 'qualty'; the recipe has no `scores`"
    ),
    "scores: [{name: quality, kind: fasttext}]\njudge: {overlays: [{lang: de, scores: {qualty: {min: 1}}}]}": (
        "judge.overlays names an unknown score 'qualty'; the scores are quality"
    ),
    "scores: [{name: quality, kind: fasttext, sources: [wbe]}]": (
        "sources of the score 'quality' names an unknown source 'wbe'; the sources are web"
    ),
    "judge: {meta: {stars: {min: 3}}}": (
        "a rule of judge.meta compares 'stars' of source 'web', which does not keep it: add it to `keep_columns` of "
        "the source, or set `meta` in an overlay for other sources"
    ),
    "judge: {overlays: [{lang: de, meta: {stars: {min: 3}}}]}": (
        "a rule of judge.meta compares 'stars' of source 'web', which does not keep it: add it to `keep_columns` of "
        "the source, or set `meta` in an overlay for other sources"
    ),
    "judge: {meta: {stars: {min: 3}}, overlays: [{source: web, rules: []}]}": (
        "judge.meta applies to no source, because overlays replace it; set `meta` in an overlay for the source"
    ),
    "judge: {meta: {stars: {min: 3, deny: [x]}}}": (
        "judge.meta.stars: a column is a number or a string: set `min` and `max`, or `allow` and `deny`"
    ),
    "dedup: {quality: meta.stars}": (
        "dedup.quality names 'meta.stars', but no source keeps 'stars'; add it to `keep_columns`"
    ),
    "refine: {redact: {exclude_sources: [wbe]}}": (
        "refine.redact.exclude_sources names an unknown source 'wbe'; the sources are web"
    ),
    "dedup: {bands: 3, row: 5}\nmix: {alpha: 2}": (
        "dedup.row: unknown key; did you mean 'rows'?; mix.alpha: must be less than or equal to 1, not 2"
    ),
}


@pytest.mark.parametrize("faulty", FAULTS)
def test_a_fault_in_a_section(tmp_path: Path, faulty: str) -> None:
    url = write(tmp_path, MINIMAL + faulty)
    assert fault(url) == f"{url}: {FAULTS[faulty]}"


SOURCE_FAULTS = {
    "name: small": "sources is missing",
    "name: small\nsources: []": "sources: must have at least 1 item, not []",
    "name: small\nsources: {web: crawl}": "sources: must be a list, not {'web': 'crawl'}",
    "name: small\nsources: [{name: web, format: warc}]": "sources.0: root is missing",
    "name: small\nsources: [{name: web, format: wrac, root: x}]": (
        "sources.0.format: unknown value 'wrac'; did you mean 'warc'?"
    ),
    "name: small\nsources: [{name: web, format: warc, root: x, path: y}]": (
        "sources.0.path: unknown key; did you mean 'paths'?"
    ),
    "name: small\nsources: [{name: web, format: warc, root: x, paths: '*.gz'}]": (
        "sources.0.paths: must be a list, not '*.gz'"
    ),
    "name: small\nsources: [{name: web, format: warc, root: x}, {name: web, format: wet, root: y}]": (
        "two sources are named 'web'; source names must be unique"
    ),
    "sources: [{name: web, format: warc, root: x}]": "name is missing",
    "name: my corpus\nsources: [{name: web, format: warc, root: x}]": (
        "name: must match pattern '^[A-Za-z0-9][A-Za-z0-9._-]*$', not 'my corpus'"
    ),
}


@pytest.mark.parametrize("faulty", SOURCE_FAULTS)
def test_a_fault_in_name_or_sources(tmp_path: Path, faulty: str) -> None:
    url = write(tmp_path, faulty)
    assert fault(url) == f"{url}: {SOURCE_FAULTS[faulty]}"


@pytest.mark.parametrize("text", ["", "- a\n- b", "just text", "3"])
def test_yaml_that_is_not_a_mapping(tmp_path: Path, text: str) -> None:
    url = write(tmp_path, text)
    assert fault(url) == f"{url} is not a recipe: it must be a mapping with at least `name` and `sources`"


def test_a_file_that_is_not_yaml(tmp_path: Path) -> None:
    url = write(tmp_path, "name: [")
    assert fault(url).startswith(f"{url} is not valid YAML: ")
    (tmp_path / "recipe.yaml").write_bytes(b"\xff\xfe\x00")
    assert fault(url) == f"{url} is not a YAML file; give the path of a recipe"
    assert fault(str(tmp_path)) == f"{tmp_path} is not a YAML file; give the path of a recipe"
    assert fault(f"{url}.old") == f"no recipe at {url}.old; give the path of a YAML file"
    assert fault(f"{url}/recipe.yaml").startswith(f"cannot read the recipe {url}/recipe.yaml: Not a directory")


def test_a_duplicate_key_is_an_error(tmp_path: Path) -> None:
    url = write(tmp_path, f"{MINIMAL}\nmix: {{alpha: 0.5}}\nmix: {{max_epochs: 2}}\n")
    assert "key 'mix' appears twice" in fault(url)
    assert "line 9" in fault(url)
    nested = write(tmp_path, f"{MINIMAL}\nmix:\n  alpha: 0.5\n  alpha: 0.7\n")
    assert "key 'alpha' appears twice" in fault(nested)


def test_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def root(text: str) -> str:
        url = write(tmp_path, MINIMAL.replace("root: crawl", f"root: {text}"))
        return load_recipe(url, env=["CRAWL", "EMPTY"]).sources[0].root.removeprefix(f"{tmp_path}/")

    monkeypatch.setenv("CRAWL", "s3://bucket/crawl")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("ABSENT", raising=False)
    assert root("${CRAWL}/2026") == "s3://bucket/crawl/2026"
    assert root("a/${ABSENT:-crawl}/b") == "a/crawl/b"
    assert root("a/${ABSENT:-}b") == "a/b"
    assert root("${EMPTY:-crawl}") == "crawl"  # as in the shell
    assert root("a${EMPTY}b") == "ab"
    assert root("$CRAWL") == "$CRAWL"
    url = write(tmp_path, MINIMAL.replace("root: crawl", "root: ${ABSENT}"))
    assert fault(url) == f"{url} uses ${{ABSENT}}: allow it with --env ABSENT"
    assert (
        fault(url, env=("ABSENT",))
        == f"{url} uses ${{ABSENT}}, which is not set: export it, or write ${{ABSENT:-default}}"
    )
    assert load_recipe(url, ["sources.0.root=${CRAWL}"], env=["CRAWL"]).sources[0].root == "s3://bucket/crawl"


def test_paths_are_relative_to_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        tmp_path,
        f"""{MINIMAL}
  - {{name: bucket, format: wet, root: "s3://bucket/wet"}}
  - {{name: absolute, format: text, root: /data/books}}
extract:
  url: {{domains: [lists/a.txt, /lists/b.txt, "gs://lists/c.txt"], words: [~/words.txt]}}
  language: {{model: lid.bin}}
refine:
  decontaminate: {{benchmarks: [{{name: quiz, paths: ["tests/*.jsonl"]}}]}}
tokenizer: {{path: tokenizer.json}}
""",
    )
    monkeypatch.chdir(tmp_path.parent)
    monkeypatch.setenv("HOME", "/home/user")
    recipe = load_recipe(f"{tmp_path.name}/recipe.yaml")
    assert [source.root for source in recipe.sources] == [f"{tmp_path}/crawl", "s3://bucket/wet", "/data/books"]
    assert recipe.extract.url.domains == (f"{tmp_path}/lists/a.txt", "/lists/b.txt", "gs://lists/c.txt")
    assert recipe.extract.url.words == ("/home/user/words.txt",)
    assert recipe.extract.language.model == f"{tmp_path}/lid.bin"
    assert recipe.refine.decontaminate is not None
    assert recipe.refine.decontaminate.benchmarks[0].paths == [f"{tmp_path}/tests/*.jsonl"]
    assert recipe.tokenizer.path == f"{tmp_path}/tokenizer.json"


def test_overrides(tmp_path: Path) -> None:
    url = write(tmp_path, f"{MINIMAL}\ndedup: {{priority: [web]}}")
    recipe = load_recipe(
        url,
        [
            "judge.thresholds.words_min=10",
            "sources.0.root=other",
            "sources.0.paths=[a.gz, b.gz]",
            "dedup.priority.0=web",
            "unit_size=1MiB",
            "refine.redact=null",
            "judge.languages=[en, 'no']",
            "tokenizer.end_of_text=a=b",
        ],
    )
    assert recipe.judge.thresholds.words_min == 10
    assert recipe.sources[0].root == f"{tmp_path}/other"
    assert recipe.sources[0].paths == ("a.gz", "b.gz")
    assert recipe.unit_size == 2**20
    assert recipe.refine.redact is None
    assert recipe.judge.languages == ("en", "no")
    assert recipe.tokenizer.end_of_text == "a=b"


OVERRIDE_FAULTS = {
    "words_min": "write it as key=value, with dots between the parts of the key",
    "=3": "write it as key=value, with dots between the parts of the key",
    "sources.1.root=x": "no such key",
    "sources.web.root=x": "no such key",
    "name.short=x": "no such key",
    "mix=[": "the value is not valid YAML",
}


@pytest.mark.parametrize("assignment", OVERRIDE_FAULTS)
def test_a_fault_in_an_override(tmp_path: Path, assignment: str) -> None:
    assert fault(write(tmp_path, MINIMAL), assignment) == f"--set {assignment}: {OVERRIDE_FAULTS[assignment]}"


def test_an_override_that_violates_the_schema(tmp_path: Path) -> None:
    url = write(tmp_path, MINIMAL)
    assert fault(url, "judge.thresholds.words_mim=3") == (
        f"{url}: judge.thresholds.words_mim: unknown key; did you mean 'words_min'?"
    )


def test_a_single_section() -> None:
    assert parse_section(MixSection, ["alpha=0.3"]) == MixSection(alpha=0.3)
    with pytest.raises(InputError, match=r"^--set: alhpa: unknown key; did you mean 'alpha'\?$"):
        parse_section(MixSection, ["alhpa=0.3"])


def test_a_dumped_recipe_loads_as_the_same(tmp_path: Path) -> None:
    url = write(
        tmp_path,
        f"""{MINIMAL}
    max_failed: 0.1
extract: {{extractor: {{name: resiliparse, comments: true}}, languages: [en, "no"], url: {{domains: [a.txt]}}}}
judge: {{overlays: [{{source: web, rules: []}}, {{lang: zh, thresholds: {{words_min: 7}}}}]}}
refine: {{redact: {{entities: [IP_ADDRESS]}}, decontaminate: {{benchmarks: [{{name: q, paths: [b.jsonl]}}]}}}}
mix: {{weights: {{web: 2}}}}
""",
    )
    for overrides in ([], ["refine.redact=null", "dedup.bands=null", "dedup.rows=null"]):
        recipe = load_recipe(url, overrides)
        again = tmp_path / "again" / "recipe.yaml"
        again.parent.mkdir(exist_ok=True)
        again.write_text(dump_recipe(recipe))
        assert load_recipe(str(again)) == recipe
        assert dump_recipe(load_recipe(str(again))) == dump_recipe(recipe)


def test_the_dumped_sample_recipe_loads_as_the_same(tmp_path: Path) -> None:
    recipe = load_recipe(str(HERE / "recipe.yaml"))
    assert load_recipe(write(tmp_path, dump_recipe(recipe))) == recipe


def test_a_recipe_without_a_folder_keeps_its_paths() -> None:
    recipe = parse_recipe({"name": "a", "sources": [{"name": "web", "format": "warc", "root": "crawl"}]})
    assert recipe.sources[0].root == "crawl"


def test_the_schema_describes_every_key() -> None:
    schema = json.loads(json.dumps(Recipe.model_json_schema()))
    assert schema["required"] == ["name", "sources"]
    for stage in ("extract", "judge", "dedup", "refine", "tokenizer", "tokenize", "mix", "train"):
        assert schema["properties"][stage]["$ref"] == f"#/$defs/{stage.capitalize()}Section"
    for name, section in schema["$defs"].items():
        for key, described in section.get("properties", {}).items():
            assert section["additionalProperties"] is False
            assert described.get("description") or described.get("const"), f"{name}.{key} has no description"
