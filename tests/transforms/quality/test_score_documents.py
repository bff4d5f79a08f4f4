"""Scoring with Beam: cheap and expensive scorers, languages, scores of earlier runs, order of blocks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that, equal_to

from gristmill.corpus.record import UnitSummary
from gristmill.errors import RunError
from gristmill.store.stage_directory import StageDirectory
from gristmill.transforms.core.row_blocks import AlignedFiles, FileColumns, join_columns
from gristmill.transforms.core.tasks import Task
from gristmill.transforms.quality.judge_section import JudgeSection
from gristmill.transforms.quality.quality_beam import ReadScoreWork, ScoreDocuments, WriteScores
from gristmill.transforms.quality.score_blocks import PASSES_SO_FAR, CheapScorers, score_block
from gristmill.transforms.quality.scorers import FastText, Kenlm, Transformer, WordLists, scorer_key, scorers_key_config
from gristmill.transforms.quality.scores_sidecar import SCORER_KEYS, ScoreWork, read_score_blocks
from gristmill.transforms.quality.signals_sidecar import measure_table
from gristmill.transforms.quality.verdicts_sidecar import RULE_COLUMNS, judge_table
from tests.classifiers.tiny_models import text, transformer

SECTION = JudgeSection(rules=("words_min",), thresholds={"words_min": 20})
COLUMNS = ("text", "source", "lang", "lang_score")


class LengthScorer:
    """Scores a text by its length, and records the texts."""

    def __init__(self) -> None:
        self.scored: list[str] = []

    def scores(self, texts: Sequence[str], langs: Sequence[str | None]) -> Any:
        self.scored += texts
        return np.array([len(text) for text in texts], np.float32)


@pytest.fixture
def words(tmp_path: Path) -> WordLists:
    (tmp_path / "words.txt").write_text("sale1\nsale2\n")
    return WordLists(name="bad", lists={"en": str(tmp_path / "words.txt")}, max=100)


def block(texts: Sequence[str], langs: Sequence[str | None] | None = None) -> pa.Table:
    """Return documents with the columns that rules compare."""
    langs = langs or ["en"] * len(texts)
    documents = {
        "text": pa.array(texts, pa.large_string()),
        "source": pa.array(["web"] * len(texts)),
        "lang": pa.array(langs, pa.string()),
        "lang_score": pa.array([1.0] * len(texts), pa.float32()),
    }
    signals = pa.Table.from_batches([measure_table(texts, langs, ["web"] * len(texts), SECTION)])
    return join_columns([pa.table(documents), signals.select(RULE_COLUMNS)])


def write_blocks(path: Path, blocks: Sequence[pa.Table]) -> str:
    with pq.ParquetWriter(path, blocks[0].schema) as writer:
        for table in blocks:
            writer.write_table(table, row_group_size=len(table))
    return str(path)


def work(tmp_path: Path, blocks: Sequence[pa.Table], earlier: Sequence[tuple[str, str, str]] = ()) -> ScoreWork:
    documents = write_blocks(tmp_path / "documents-0.parquet", blocks)
    aligned = AlignedFiles((FileColumns(documents, (*COLUMNS, *RULE_COLUMNS)),), sum(map(len, blocks)))
    return ScoreWork(aligned, tuple((FileColumns(url, (column,)), key) for url, column, key in earlier))


def test_expensive_scorers_score_documents_that_pass_everything_else(tmp_path: Path, words: WordLists) -> None:
    pytest.importorskip("transformers")
    expensive = Transformer(name="edu", model=transformer(tmp_path / "tiny"), label="high")
    scorers = [expensive, words, FastText(name="quality", languages=("de",))]
    texts = [[text(True, n), "short", text(False, n, 30) + " sale1" * 30] for n in range(5)]
    stage = StageDirectory(str(tmp_path), "scores", "0" * 16)
    blocks = [block(three, ["en", "en", "en"]) for three in texts]
    units = {"a": blocks, "b": blocks[:1]}
    tasks = []
    for unit, some in units.items():
        (tmp_path / unit).mkdir()
        tasks.append(Task(unit, {"source": "web"}, 1, work(tmp_path / unit, some)))
    with TestPipeline(FnApiRunner()) as pipeline:
        scored = pipeline | beam.Create(tasks) | ReadScoreWork() | ScoreDocuments(scorers, SECTION)
        assert_that(scored | WriteScores(stage, scorers), equal_to(["a", "b"]))
    manifest = stage.write_manifest(units, lambda receipts: {})
    assert manifest.counts.kept == 18
    receipt = manifest.receipts[0]
    assert receipt.summary == {SCORER_KEYS: {scorer.column: scorer_key(scorer) for scorer in scorers}}
    table = pq.read_table(stage.file_url(receipt.file("scores")))
    assert table.schema.names == ["score:edu", "score:bad", "score:quality"]
    edu, bad, quality = (table[name].to_pylist() for name in table.schema.names)
    assert [score is not None for score in edu] == [True, False, False] * 5  # too short; too many bad words
    from gristmill.classifiers.transformer import TransformerScorer

    alone = TransformerScorer.load(expensive.model, "high").scores([three[0] for three in texts])
    assert edu[::3] == alone.tolist()  # block by block, in their order
    assert bad[:2] == [0.0, 0.0]
    assert bad[2] == 500.0
    assert quality == [None] * 15


def test_expensive_scorers_score_documents_that_pass_earlier_ones(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from gristmill.classifiers.transformer import TransformerScorer

    folder = transformer(tmp_path / "tiny")
    texts = [text(n % 2 == 0, n) for n in range(8)]
    alone = TransformerScorer.load(folder, "high").scores(texts)
    middle = float(np.sort(alone)[4])
    first = Transformer(name="first", model=folder, label="high", min=middle)
    second = Transformer(name="second", model=folder, label="low")
    stage = StageDirectory(str(tmp_path), "scores", "0" * 16)
    task = Task("a", {"source": "web"}, 1, work(tmp_path, [block(texts)]))
    with TestPipeline(FnApiRunner()) as pipeline:
        scored = pipeline | beam.Create([task]) | ReadScoreWork() | ScoreDocuments([first, second], SECTION)
        _ = scored | WriteScores(stage, [first, second])
    receipt = stage.write_manifest({"a"}, lambda receipts: {}).receipts[0]
    table = pq.read_table(stage.file_url(receipt.file("scores")))
    assert table["score:first"].to_pylist() == alone.tolist()
    assert [score is not None for score in table["score:second"].to_pylist()] == (alone >= middle).tolist()


@pytest.mark.parametrize(
    ("languages", "langs", "expected"),
    [(None, ["en", None, "de"], "abc"), (("en",), ["en", None, "de"], "a"), (("de", "en"), ["en", None, "de"], "ac")],
)
def test_scorer_scores_only_documents_in_its_languages(
    words: WordLists, languages: tuple[str, ...] | None, langs: list[str | None], expected: str
) -> None:
    model = LengthScorer()
    scores = score_block(block(["a", "b", "c"], langs), words.model_copy(update={"languages": languages}), model)
    assert "".join(model.scored) == expected
    assert [text for text, score in zip("abc", scores, strict=True) if not np.isnan(score)] == list(expected)


@pytest.mark.parametrize(
    ("sources", "languages", "expected"),
    [(None, None, "abc"), (("books",), None, "b"), (("web", "code"), ("en",), "ac"), (("books",), ("de",), "")],
)
def test_scorer_scores_only_documents_of_its_sources(
    words: WordLists, sources: tuple[str, ...] | None, languages: tuple[str, ...] | None, expected: str
) -> None:
    model = LengthScorer()
    three = block(["a", "b", "c"]).set_column(1, "source", pa.array(["web", "books", "code"]).dictionary_encode())
    scores = score_block(three, words.model_copy(update={"sources": sources, "languages": languages}), model)
    assert "".join(model.scored) == expected
    assert [text for text, score in zip("abc", scores, strict=True) if not np.isnan(score)] == list(expected)


@pytest.mark.parametrize(
    ("overlay", "expected"),
    [
        (None, [True, False, False]),
        ({"source": "web", "scores": {"bad": {"max": 1000}}}, [True, False, True]),
        ({"source": "web", "thresholds": {"words_min": 1}}, [True, True, False]),
        ({"source": "web", "rules": []}, [True, True, True]),
        ({"source": "other", "rules": []}, [True, False, False]),
        ({"source": "web", "rules": [], "scores": {"bad": {"max": 100}}}, [True, True, False]),
        ({"source": "web", "meta": {"stars": {"min": 5}}}, [False, False, False]),
        ({"source": "web", "rules": [], "meta": {"stars": {"min": 3}}}, [False, False, True]),
    ],
)
def test_expensive_scorers_score_what_passes_the_rules_of_its_overlay(
    words: WordLists, overlay: dict[str, Any] | None, expected: list[bool]
) -> None:
    expensive = Transformer(name="edu", model="unused")
    section = JudgeSection.model_validate({**SECTION.model_dump(), "overlays": [overlay] if overlay else []})
    rows = block([text(True, 1), "short", text(False, 1, 30) + " sale1" * 30])
    rows = rows.append_column("meta", pa.array([f'{{"stars": {stars}}}' for stars in (1, 2, 3)]))
    passes = CheapScorers([expensive, words], section)(rows)[PASSES_SO_FAR]
    assert passes.to_pylist() == expected


def test_an_expensive_scorer_decides_by_the_limit_of_the_overlay(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "config.json").write_text("{}")
    scorer = Transformer(name="edu", model=str(tmp_path), min=3)
    section = JudgeSection.model_validate({"overlays": [{"lang": "de", "scores": {"edu": {"min": 2}}}]})
    rows = block(["aa", "aa", "a"], ["en", "de", "de"]).append_column(PASSES_SO_FAR, pa.array([True] * 3))
    from gristmill.transforms.quality.run_scorer_beam import BlockHandler  # imports torch

    handler = BlockHandler(scorer, section)
    (scored,) = handler.run_inference([rows], LengthScorer())
    assert scored["score:edu"].to_pylist() == [2, 2, 1]
    assert scored[PASSES_SO_FAR].to_pylist() == [False, True, False]


def test_only_missing_scores_are_computed(words: WordLists) -> None:
    known = np.array([7, np.nan, 9, np.nan], np.float32)
    earlier = block(["a", "bb", "ccc", "dddd"]).append_column(f"earlier:{scorer_key(words)}", pa.array(known))
    model = LengthScorer()
    assert score_block(earlier, words, model).tolist() == [7, 2, 9, 4]
    assert model.scored == ["bb", "dddd"]


def test_earlier_scores_are_ignored_for_documents_that_are_not_scored(words: WordLists) -> None:
    earlier = block(["a", "bb"]).append_column(f"earlier:{scorer_key(words)}", pa.array([7, 8], pa.float32()))
    scores = score_block(earlier, words, LengthScorer(), np.array([False, True]))
    assert np.isnan(scores[0])
    assert scores[1] == 8


def test_scores_of_several_earlier_runs_are_merged(tmp_path: Path) -> None:
    def scores(name: str, *groups: list[float | None]) -> str:
        return write_blocks(
            tmp_path / name, [pa.table({"score:x": pa.array(values, pa.float32())}) for values in groups]
        )

    first = scores("first-0.parquet", [1, None], [None])
    second = scores("second-0.parquet", [5, 2], [None])
    blocks = [block(["a", "b"]), block(["c"])]
    score_work = work(
        tmp_path, blocks, [(first, "score:x", "k"), (second, "score:x", "k"), (second, "score:x", "other")]
    )
    *read, end = read_score_blocks(score_work)
    assert isinstance(end, UnitSummary)
    assert read[0]["earlier:k"].to_pylist() == [1, 2]
    assert np.isnan(read[1]["earlier:k"].to_numpy()).all()
    assert read[0]["earlier:other"].to_pylist() == [5, 2]


def test_unaligned_files_are_rejected(tmp_path: Path) -> None:
    short = write_blocks(tmp_path / "short-0.parquet", [pa.table({"score:x": pa.array([1.0], pa.float32())})])
    with pytest.raises(RunError, match="not row-aligned"):
        list(read_score_blocks(work(tmp_path, [block(["a", "b"])], [(short, "score:x", "k")])))


def test_scorer_key_depends_only_on_what_affects_scores(tmp_path: Path) -> None:
    (tmp_path / "a.arpa").write_text("one")
    (tmp_path / "b.arpa").write_text("one")
    (tmp_path / "c.arpa").write_text("two")
    same = Kenlm(name="lm", model=str(tmp_path / "a.arpa"))
    equal = [
        Kenlm(name="other", model=str(tmp_path / "a.arpa")),
        Kenlm(name="lm", model=str(tmp_path / "b.arpa")),
        Kenlm(name="lm", model=str(tmp_path / "a.arpa"), languages=("en",), max=100),
        Kenlm(name="lm", model=str(tmp_path / "a.arpa"), sources=("web",)),
        Kenlm(name="lm", model=str(tmp_path / "a.arpa"), keep=0.3),
    ]
    assert {scorer_key(scorer) for scorer in equal} == {scorer_key(same)}
    assert scorer_key(Kenlm(name="lm", model=str(tmp_path / "c.arpa"))) != scorer_key(same)
    assert scorer_key(FastText(name="q")) != scorer_key(FastText(name="q", label="negative"))


def test_the_scope_of_a_scorer_is_in_the_key_of_its_stage() -> None:
    scopes: list[dict[str, Any]] = [{}, {"languages": ("en",)}, {"sources": ("web",)}, {"sources": ("books",)}]
    configs = [scorers_key_config([FastText(name="q", **scope)]) for scope in scopes]
    assert configs[0] == [["score:q", scorer_key(FastText(name="q")), None]]
    assert all(configs[a] != configs[b] for a in range(4) for b in range(a))


def test_rules_of_this_module_keep_long_texts() -> None:
    rows = block([text(True, 1), "short"])
    verdicts = judge_table(rows.select(RULE_COLUMNS), rows.select(["source", "lang", "lang_score"]), SECTION)
    assert verdicts["kept"].to_pylist() == [True, False]
