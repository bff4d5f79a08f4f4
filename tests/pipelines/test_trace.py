"""``gristmill trace``: from training steps to the bytes of the sources and back, over every sequence of the sample."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import zlib
from collections import defaultdict
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from warcio.archiveiterator import ArchiveIterator

from gristmill.corpus.document import document_id
from gristmill.errors import InputError
from gristmill.mixing.mixed_shards import MixedShards
from gristmill.pipelines.cli.main import main
from gristmill.pipelines.stages import STAGES
from gristmill.pipelines.trace.document_decisions import SIDECARS
from gristmill.pipelines.trace.mixed_sequences import sequences_between
from gristmill.pipelines.trace.trace import Trace, Tracer, trace_takedown
from gristmill.pipelines.trace.training_steps import TrainingSteps
from gristmill.pipelines.work_directory import current
from gristmill.training.batch_plan import Batch, Progress, next_batch
from gristmill.training.metrics_log import MetricsLog
from gristmill.training.run_events import RunEvents
from gristmill.training.run_folder import RunFolder
from gristmill.training.spike_guard import StepFigures
from gristmill.training.train_section import RampStep, TrainSection
from tests.pipelines.conftest import CompletedRun

Row = dict[str, Any]

SECTION = TrainSection(
    batch_sequences=8, micro_batch=1, batch_ramp=(RampStep(until_tokens=3 * 4 * 256, batch_sequences=4),)
)


def gristmill(*arguments: object, width: int = 200) -> Result:
    result = CliRunner().invoke(main, list(map(str, arguments)), env={"COLUMNS": str(width)})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def sentence(result: Result) -> str:
    assert result.exit_code == 2, result.output
    (line,) = result.output.splitlines()
    return line.removeprefix("error: ")


@pytest.fixture(scope="module")
def mix(completed_run: CompletedRun) -> MixedShards:
    return MixedShards.open(current(completed_run.work)["mix"].url)


@pytest.fixture(scope="module")
def everything(completed_run: CompletedRun, documents: list[Row]) -> Trace:
    """The trace of all records of the sample."""
    return Tracer(completed_run.work).documents({row["id"] for row in documents})


def traced(completed_run: CompletedRun, *query: object) -> Row:
    result = gristmill("trace", completed_run.work, *query, "--json")
    assert result.exit_code == 0, result.output
    found: Row = json.loads(result.output)
    return found


def test_the_sidecars_are_those_of_the_stages() -> None:
    assert list(SIDECARS.items()) == [(stage.name, stage.sidecar) for stage in STAGES if stage.sidecar]


# --- both directions ---


def test_every_sequence_is_found_again_from_each_of_its_documents(mix: MixedShards, everything: Trace) -> None:
    bounds = [*range(0, len(mix), 97), len(mix)]
    forward = [row for first, end in pairwise(bounds) for row in sequences_between(mix, first, end)]
    assert [row["sequence"] for row in forward] == list(range(len(mix)))
    assert [{**row, "training": None, "step": None} for row in forward] == everything.sequences
    for sequence in forward:
        ends = [piece["end"] for piece in sequence["pieces"]]
        assert [piece["start"] for piece in sequence["pieces"]] == [0, *ends[:-1]]  # no token without a document
        assert ends[-1] == mix.sequence_length
    in_mix = {piece["id"] for sequence in forward for piece in sequence["pieces"]}
    assert in_mix <= {row["id"] for row in everything.documents if row["fate"] == "kept"}


@pytest.mark.parametrize("place", [0, 0.3, 0.7, 1])
def test_a_sequence_and_its_documents_by_command(completed_run: CompletedRun, mix: MixedShards, place: float) -> None:
    number = round(place * (len(mix) - 1))
    found = traced(completed_run, "--sequence", number)
    (sequence,) = found["sequences"]
    assert [row["id"] for row in found["documents"]] == list(dict.fromkeys(p["id"] for p in sequence["pieces"]))
    assert found["unknown"] == []
    for document in found["documents"]:
        back = traced(completed_run, "--id", document["id"])
        assert back["documents"] == [document]
        (same,) = [row for row in back["sequences"] if row["sequence"] == number]
        assert same["pieces"] == [piece for piece in sequence["pieces"] if piece["id"] == document["id"]]


def test_each_url_leads_to_all_of_its_records(completed_run: CompletedRun, documents: list[Row]) -> None:
    by_url: dict[str, list[str]] = defaultdict(list)
    for row in documents:
        if row["url"]:
            by_url[row["url"]].append(row["id"])
    most = max(by_url, key=lambda url: len(by_url[url]))
    assert len(by_url[most]) > 1
    for url in [most, *sorted(by_url)[::100]]:
        found = traced(completed_run, "--url", url)
        assert sorted(row["id"] for row in found["documents"]) == sorted(by_url[url])


# --- every link leads to the bytes ---


def test_every_record_is_where_the_trace_says(everything: Trace) -> None:
    checked: defaultdict[str, int] = defaultdict(int)
    (prose_file,) = {
        Path(row["record"]["root"], row["record"]["file"])
        for row in everything.documents
        if row["source"] == "docstrings"
    }
    prose = gzip.decompress(prose_file.read_bytes())
    for document in everything.documents:
        record, source = document["record"], document["source"]
        checked[source] += 1
        name = record["record_id"] or f"{record['file']}#{record['offset']}"
        assert document_id(source, name).hex() == document["id"]
        path = Path(record["root"], record["file"])
        begin, end = record["offset"], record["offset"] + record["length"]
        if source == "web":
            assert record["format"] == "warc"
            if document["reason"] == "corrupt":
                with pytest.raises(zlib.error):
                    zlib.decompress(path.read_bytes()[begin:end], 31)
                continue
            first = next(iter(ArchiveIterator(io.BytesIO(path.read_bytes()[begin:end]))))
            assert first.rec_headers["WARC-Record-ID"].strip("<>") == record["record_id"]
            if document["url"]:
                assert first.rec_headers["WARC-Target-URI"].strip("<>") == document["url"]
        elif source == "docstrings":
            assert json.loads(prose[begin:end]).keys() == {"id", "text"}
        else:
            assert (begin, end) == (0, path.stat().st_size)
    assert set(checked) == {"web", "code", "docstrings"}


def test_the_tokens_of_each_piece_are_those_of_its_document(
    completed_run: CompletedRun, mix: MixedShards, everything: Trace
) -> None:
    work = Path(completed_run.work)
    places = {row["id"]: row["decisions"]["tokenize"] for row in everything.documents if row["fate"] == "kept"}
    payloads = {place["file"]: np.fromfile(work / place["file"], mix.dtype) for place in places.values()}
    for sequence in everything.sequences[::7]:
        data = (work / sequence["file"]).read_bytes()[sequence["offset"] :][: sequence["length"]]
        tokens = np.frombuffer(data, mix.dtype)
        assert (tokens == mix.tokens(sequence["sequence"], 1)[0]).all()
        for piece in sequence["pieces"]:
            place = places[piece["id"]]
            begin = place["start"] + piece["offset"]
            end = begin + piece["end"] - piece["start"]
            assert end <= place["end"]
            assert (tokens[piece["start"] : piece["end"]] == payloads[place["file"]][begin:end]).all()


# --- decisions ---


def test_the_decisions_are_those_that_inspect_shows(everything: Trace, documents: list[Row]) -> None:
    shown = {row["id"]: row for row in documents}
    assert len(everything.documents) == len(documents)
    for document in everything.documents:
        row, decisions = shown[document["id"]], document["decisions"]
        assert {name: document[name] for name in ("source", "url", "date", "fate", "reason")} == {
            name: row[name] for name in ("source", "url", "date", "fate", "reason")
        }
        assert {name: document["record"][name] for name in row["record"]} == row["record"]
        if "judge" in decisions:
            assert decisions["judge"]["also"] == row["also"]
            assert decisions["judge"]["value"] == row["value"]
            assert {n: v for n, v in decisions["signals"].items() if n != "cuts"} == row["signals"]
        if "dedup" in decisions and document["stage"] == "dedup":
            assert decisions["dedup"]["match"] == row["match"]
        if "refine" in decisions:
            edits = [f"{edit['entity']} {edit['start']}–{edit['end']}" for edit in decisions["refine"]["edits"]]
            assert edits == row.get("edits", [])


@pytest.mark.parametrize(
    ("reason", "stages"),
    [
        ("http_status", ["extract"]),
        ("url_domain", ["extract"]),
        ("empty", ["extract"]),
        ("corrupt", ["extract"]),
        ("words_min", ["extract", "signals", "judge"]),
        ("near_duplicate", ["extract", "signals", "judge", "dedup"]),
        ("exact_duplicate", ["extract", "signals", "judge", "dedup"]),
        ("contaminated", ["extract", "signals", "judge", "dedup", "refine"]),
        (None, ["extract", "signals", "judge", "dedup", "refine", "tokenizer", "tokenize"]),
    ],
)
def test_decisions_end_with_the_stage_that_dropped_the_record(
    completed_run: CompletedRun, documents: list[Row], reason: str | None, stages: list[str]
) -> None:
    row = next(row for row in documents if (row["reason"] or "").partition(":")[0] == (reason or ""))
    found = traced(completed_run, "--id", row["id"])
    (document,) = found["documents"]
    assert list(document["decisions"]) == stages
    assert document["stage"] == (stages[-1] if reason else None)
    assert bool(found["sequences"]) == (reason is None)
    tree = gristmill("trace", completed_run.work, "--id", row["id"]).output
    assert f"document {row['id']}: {row['fate']}" in tree
    assert all(f" {stage}: " in tree for stage in stages)
    assert reason is None or str(row["reason"]) in tree
    if reason in ("near_duplicate", "exact_duplicate"):
        assert f"{reason} of {row['match']}" in tree
        (match,) = traced(completed_run, "--id", row["match"])["documents"]
        assert match["fate"] == "kept"
        assert match["decisions"]["dedup"]["cluster"] > 1


def test_nothing_reads_texts(
    completed_run: CompletedRun, documents: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: set[str] = set()
    original = pq.ParquetFile.read_row_groups

    def recorded(self: pq.ParquetFile, *arguments: Any, **options: Any) -> Any:
        table = original(self, *arguments, **options)
        read.update(table.column_names)
        return table

    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", recorded)
    for other in ("read", "read_row_group", "iter_batches"):
        monkeypatch.delattr(pq.ParquetFile, other)
    tracer = Tracer(completed_run.work)
    tracer.sequence(1)
    tracer.documents([documents[0]["id"]])
    assert {"id", "warc", "also", "jaccard", "copy"} <= read
    assert "text" not in read


def test_a_work_directory_on_another_filesystem(completed_run: CompletedRun, documents: list[Row]) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(completed_run.work, "/traced", recursive=True)
    local, remote = Tracer(completed_run.work), Tracer("memory://traced")
    assert remote.sequence(3) == local.sequence(3)
    ids = [documents[0]["id"], documents[-1]["id"]]
    assert remote.documents(ids) == local.documents(ids)
    memory.rm("/traced", recursive=True)


# --- training steps ---


class _Group(SimpleNamespace):
    is_main = True

    def from_main(self, compute: Any) -> Any:
        return compute()


@pytest.fixture
def trained(mix: MixedShards, tmp_path: Path) -> tuple[Path, dict[int, tuple[str, int | None]]]:
    """The logs of a run that skipped a step, returned to a checkpoint once, and stopped in the middle of a row.

    With it, what became of each of the first 80 sequences.
    """
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").write_text(json.dumps({"mix": mix.digest, "train": {}}))
    folder = RunFolder(str(run), run)
    events = RunEvents(folder, _Group())  # type: ignore[arg-type]
    log = MetricsLog(folder, mix.sequence_length, 8, 100, lambda row: None)
    outcomes: dict[int, tuple[str, int | None]] = {}
    progress, returned = Progress(), False

    def take(batch: Batch) -> None:
        nonlocal progress
        for sequence in range(*batch):
            outcomes[sequence] = ("trained", progress.step)
        progress = progress.after(batch, mix.sequence_length)
        log.add(batch, progress, StepFigures(3.0, 1.0), 0.1, SimpleNamespace(lap=dict))  # type: ignore[arg-type]

    checkpoint = progress
    while progress.step < 7:
        batch = next_batch(SECTION, progress, events.skipped)
        if progress.step == 2 and not events.skipped:
            events.skip("skip", progress.step, batch, reason="spike")
            outcomes |= dict.fromkeys(range(*batch), ("skipped", progress.step))
            progress = progress._replace(position=batch.end)
        elif progress.step == 5 and not returned:
            log.truncate(checkpoint.step)
            events.skip("rollback", checkpoint.step, Batch(checkpoint.position, progress.position))
            lost = range(checkpoint.position, progress.position)
            outcomes |= dict.fromkeys(lost, ("rolled_back", checkpoint.step))
            progress, returned = checkpoint, True
        else:
            take(batch)
            checkpoint = progress if progress.step == 3 else checkpoint
    with open(run / "metrics.jsonl", "ab") as file:
        file.write(b'{"step": 7, "first_seq')
    return run, {sequence: outcomes.get(sequence, ("not_reached", None)) for sequence in range(80)}


def test_what_a_run_did_with_each_sequence(
    completed_run: CompletedRun, mix: MixedShards, trained: tuple[Path, dict[int, tuple[str, int | None]]]
) -> None:
    run, outcomes = trained
    assert {outcome for outcome, _ in outcomes.values()} == {"trained", "skipped", "rolled_back", "not_reached"}
    steps = TrainingSteps.read(str(run), mix.digest, completed_run.work)
    assert {sequence: tuple(steps.training(sequence)) for sequence in range(80)} == outcomes
    assert len(steps.first) == 7
    for step in range(7):
        assert list(range(*steps.batch(step))) == [s for s, outcome in outcomes.items() if outcome == ("trained", step)]


def test_a_step_by_command(
    completed_run: CompletedRun, trained: tuple[Path, dict[int, tuple[str, int | None]]]
) -> None:
    run, outcomes = trained
    found = traced(completed_run, "--step", 4, "--run", run)
    numbers = [sequence for sequence, outcome in outcomes.items() if outcome == ("trained", 4)]
    assert len(numbers) == 8
    assert found["steps"] == [{"step": 4, "first_sequence": numbers[0], "end": numbers[-1] + 1}]
    assert [row["sequence"] for row in found["sequences"]] == numbers
    pieces = [piece["id"] for row in found["sequences"] for piece in row["pieces"]]
    assert [row["id"] for row in found["documents"]] == list(dict.fromkeys(pieces))
    tree = gristmill("trace", completed_run.work, "--step", 4, "--run", run).output
    assert f"step 4 of {run}: sequences {numbers[0]}–{numbers[-1] + 1}" in tree
    assert all(id in tree for id in pieces)
    back = traced(completed_run, "--id", pieces[0], "--run", run)
    assert found["steps"][0] in back["steps"]
    assert {(row["training"], row["step"]) for row in back["sequences"]} == {
        outcomes.get(row["sequence"], ("not_reached", None)) for row in back["sequences"]
    }


@pytest.mark.parametrize("outcome", ["trained", "skipped", "rolled_back", "not_reached"])
def test_the_tree_says_what_a_run_did_with_a_sequence(
    completed_run: CompletedRun, trained: tuple[Path, dict[int, tuple[str, int | None]]], outcome: str
) -> None:
    run, outcomes = trained
    number = next(sequence for sequence, found in outcomes.items() if found[0] == outcome)
    shown = gristmill("trace", completed_run.work, "--sequence", number, "--run", run).output
    assert {
        "trained": ", trained on in step 0",
        "skipped": ", skipped with the attempt at step 2",
        "rolled_back": ", read before the run returned to the checkpoint of step 3, and forgotten",
        "not_reached": ", not reached by the run",
    }[outcome] in shown


# --- takedowns ---


def test_a_takedown_lists_all_sequences_and_steps(
    completed_run: CompletedRun,
    everything: Trace,
    trained: tuple[Path, dict[int, tuple[str, int | None]]],
    tmp_path: Path,
) -> None:
    run, outcomes = trained
    page = next(row for row in everything.documents if row["url"] and row["fate"] == "kept")
    removed = next(row for row in everything.documents if row["stage"] == "dedup")
    module = next(piece["id"] for piece in everything.sequences[0]["pieces"])
    absent = "https://nowhere.example/\x1b[31m"
    listed = tmp_path / "takedown.txt"
    listed.write_text("\ufeff" + "\n".join([page["url"], "", f" {removed['id'].upper()} ", module, module, absent]))
    found = traced(completed_run, "--takedown", listed, "--run", run)
    ids = {row["id"] for row in everything.documents if row["url"] == page["url"]} | {removed["id"], module}
    assert {row["id"] for row in found["documents"]} == ids
    assert [row["sequence"] for row in found["sequences"]] == [
        row["sequence"] for row in everything.sequences if ids & {piece["id"] for piece in row["pieces"]}
    ]
    steps = {outcomes[s][1] for s in range(80) if s in {row["sequence"] for row in found["sequences"]}}
    trained_on = {outcomes[row["sequence"]] for row in found["sequences"] if row["sequence"] < 80}
    assert {row["step"] for row in found["steps"]} == {step for outcome, step in trained_on if outcome == "trained"}
    assert {row["step"] for row in found["steps"]} <= steps
    assert found["unknown"] == [absent]
    tree = gristmill("trace", completed_run.work, "--takedown", listed, "--run", run, width=400).output
    assert f"{len(ids)} documents: {len(found['sequences'])} sequences" in tree
    assert f"the document that it duplicates: {removed['decisions']['dedup']['match']}" in tree
    assert "1 not found" in tree
    assert "\x1b" not in tree


# --- errors ---


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ([], "name one of --sequence, --step, --id, --url and --takedown"),
        (["--sequence", "1", "--url", "x"], "name one of --sequence, --step, --id, --url and --takedown"),
        (["--sequence", "4,5"], None),
        (["--sequence", "99999999"], "there is no sequence 99,999,999: the mix has {sequences}, 0 to {last}"),
        (["--sequence=-1"], "there is no sequence -1: the mix has {sequences}, 0 to {last}"),
        (["--id", "0" * 32], f"no document {'0' * 32} in {{work}}"),
        (["--id", "../x"], "'../x' is not a document id, which has 32 hexadecimal digits"),
        (
            ["--url", "http://absent.example/"],
            "no document in {work} has the URL http://absent.example/; gristmill inspect {work} --url finds parts of "
            "URLs",
        ),
        (["--step", "1"], "{work} has no training run: pass the folder of one with --run"),
        (
            ["--step", "1", "--run", "{work}"],
            "{work} has no training run: pass the folder that contains run.json and metrics.jsonl",
        ),
        (["--takedown", "absent.txt"], "no file absent.txt: pass a list of document ids and URLs, one per line"),
        (["--takedown", "/dev/null"], "the list is empty: write one document id or URL per line"),
    ],
)
def test_errors_are_one_sentence(
    completed_run: CompletedRun, mix: MixedShards, query: list[str], message: str | None
) -> None:
    names = {"work": completed_run.work, "sequences": f"{len(mix):,}", "last": f"{len(mix) - 1:,}"}
    result = gristmill("trace", completed_run.work, *(one.format(**names) for one in query))
    if message is None:
        assert result.exit_code == 2
        assert "is not a valid integer" in result.output
    else:
        assert sentence(result) == message.format(**names)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("run.json", json.dumps({"mix": "0" * 64}), "was trained on another mix than the current one"),
        ("run.json", "{", "run.json is damaged"),
        ("metrics.jsonl", "{\n", "metrics.jsonl is damaged"),
        ("events.jsonl", "{\n", "events.jsonl is damaged"),
    ],
)
def test_a_run_that_does_not_fit(
    completed_run: CompletedRun,
    trained: tuple[Path, dict[int, tuple[str, int | None]]],
    name: str,
    content: str,
    message: str,
) -> None:
    run, _ = trained
    (run / name).write_text(content)
    assert message in sentence(gristmill("trace", completed_run.work, "--step", 0, "--run", run))


def test_a_step_that_was_not_taken(
    completed_run: CompletedRun, trained: tuple[Path, dict[int, tuple[str, int | None]]]
) -> None:
    run, _ = trained
    message = sentence(gristmill("trace", completed_run.work, "--step", 7, "--run", run))
    assert message == f"there is no step 7: the run in {run} has taken 7, 0 to 6"


def test_before_the_mix(completed_run: CompletedRun, documents: list[Row], tmp_path: Path) -> None:
    """The work directory as a run until ``judge`` leaves it."""
    work = tmp_path / "work"
    work.mkdir()
    latest = {}
    for stage in ("extract", "signals", "judge"):
        directory = current(completed_run.work)[stage]
        (work / directory.name).symlink_to(directory.url)
        latest[stage] = directory.name
    (work / "latest.json").write_text(json.dumps(latest))
    kept = next(row for row in documents if row["reason"] == "near_duplicate")
    found = Tracer(str(work)).documents([kept["id"]])
    assert (found.mix, found.sequences, found.documents[0]["fate"]) == (None, [], "kept")
    assert found.documents[0]["record"]["root"] is None  # no recipe.yaml
    assert "mix: has not run" in gristmill("trace", work, "--id", kept["id"]).output
    for query in (["--sequence", "0"], ["--takedown", "/dev/null"]):
        assert sentence(gristmill("trace", work, *query)) == f"{work} has no mix yet: run its recipe until mix"
    with pytest.raises(InputError, match="has no mix yet"):
        trace_takedown(Tracer(str(work)), [kept["id"]])


def test_a_folder_without_documents(tmp_path: Path) -> None:
    assert "it is not a work directory" in sentence(gristmill("trace", tmp_path, "--sequence", 0))
    (tmp_path / "latest.json").write_text("{}")
    assert sentence(gristmill("trace", tmp_path, "--sequence", 0)) == f"{tmp_path} has no documents yet: run its recipe"


# --- the command ---


def test_a_trace_imports_neither_the_stages_nor_slow_libraries(completed_run: CompletedRun) -> None:
    code = """if True:
        import sys
        from gristmill.pipelines.cli.main import main
        try:
            main(sys.argv[1:])
        finally:
            slow = {"apache_beam", "torch", "tokenizers", "pandas", "gristmill.pipelines.stages"} & set(sys.modules)
            assert not slow, slow
    """
    command = [sys.executable, "-c", code, "trace", completed_run.work, "--sequence", "0"]
    completed = subprocess.run(command, capture_output=True, text=True)
    assert completed.returncode == 0, completed.stderr


def test_inspect_by_id(completed_run: CompletedRun, documents: list[Row]) -> None:
    for row in (documents[0], documents[-1]):
        shown = gristmill("inspect", completed_run.work, "--id", row["id"].upper(), "--json")
        assert [json.loads(line) for line in shown.output.splitlines()] == [row]
    absent = gristmill("inspect", completed_run.work, "--id", "0" * 32)
    assert sentence(absent).startswith(f"no document in {completed_run.work} matches")
    assert "is not a document id" in sentence(gristmill("inspect", completed_run.work, "--id", "ab"))


def test_the_digest_of_a_mix_is_that_of_its_manifest(completed_run: CompletedRun, mix: MixedShards) -> None:
    assert mix.digest == sha256(Path(current(completed_run.work)["mix"].manifest_url).read_bytes()).hexdigest()
