"""Traces as trees for people; ``--json`` has everything."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from rich.text import Text
from rich.tree import Tree

from gristmill.pipelines.trace.stage_files import Row
from gristmill.pipelines.trace.trace import Trace

_SHOWN = 20
"""Maximum number of items that a line lists."""


def sequence_tree(trace: Trace) -> Iterator[Tree]:
    """A sequence, its place and its step, and under it every document with all decisions."""
    (sequence,) = trace.sequences
    tree = Tree(_sequence_line(sequence))
    by_id = {document["id"]: document for document in trace.documents}
    for piece in sequence["pieces"]:
        _add_decisions(tree.add(_piece_line(piece)), by_id.get(piece["id"]))
    yield tree


def step_tree(trace: Trace) -> Iterator[Tree]:
    """A step and its sequences, and under each a line per document."""
    (step,) = trace.steps
    tree = Tree(Text(f"step {step['step']:,} of {trace.run}: sequences {_range(step['first_sequence'], step['end'])}"))
    by_id = {document["id"]: document for document in trace.documents}
    for sequence in trace.sequences:
        branch = tree.add(_sequence_line(sequence))
        for piece in sequence["pieces"]:
            document = by_id.get(piece["id"])
            branch.add(Text(f"{piece['id']}, {_origin(document) if document else piece['source']}"))
    yield tree


def documents_tree(trace: Trace) -> Iterator[Tree]:
    """Each document with all decisions, and the sequences and steps that contain it."""
    pieces = _pieces_by_document(trace)
    for document in trace.documents:
        tree = Tree(Text(f"document {document['id']}: {_fate(document)}"))
        _add_decisions(tree, document)
        branch = tree.add(Text(f"mix: {_mixed(trace, document, len(pieces[document['id']]))}"))
        for sequence, piece in pieces[document["id"]]:
            end = piece["offset"] + piece["end"] - piece["start"]
            branch.add(
                Text(
                    f"tokens {_range(piece['offset'], end)} of the document, epoch {piece['copy'] + 1}: tokens "
                    f"{_range(piece['start'], piece['end'])} of {_sequence_line(sequence)}"
                )
            )
        yield tree


def takedown_tree(trace: Trace) -> Iterator[Tree]:
    """The sums, then each document with the numbers of its sequences and steps."""
    pieces = _pieces_by_document(trace)
    steps = f", {len(trace.steps):,} steps of {trace.run}" if trace.run else ""
    tree = Tree(Text(f"{len(trace.documents):,} documents: {len(trace.sequences):,} sequences of {trace.mix}{steps}"))
    for document in trace.documents:
        branch = tree.add(Text(f"{document['id']}, {_origin(document)}"))
        sequences = [sequence for sequence, _ in pieces[document["id"]]]
        branch.add(Text(f"sequences: {_numbers(one['sequence'] for one in sequences)}"))
        if trace.run:
            branch.add(Text(f"steps: {_numbers(one['step'] for one in sequences if one['training'] == 'trained')}"))
        if match := document["decisions"].get("dedup", {}).get("match"):
            branch.add(Text(f"its text may be in training all the same, as the document that it duplicates: {match}"))
    if trace.unknown:
        branch = tree.add(Text(f"{len(trace.unknown):,} not found: no document has this id or exactly this URL"))
        for name in trace.unknown:
            branch.add(Text(name))
    yield tree


def _add_decisions(tree: Tree, document: Row | None) -> None:
    if document is None:
        tree.add(Text("not among the documents of extract: run the recipe again"))
        return
    tree.add(Text(_origin(document)))
    for stage, decision in document["decisions"].items():
        tree.add(Text(f"{stage}: {_SENTENCES[stage](decision)}"))


def _sequence_line(sequence: Mapping[str, Any]) -> Text:
    place = f"{sequence['file']}, bytes {_range(sequence['offset'], sequence['offset'] + sequence['length'])}"
    return Text(f"sequence {sequence['sequence']:,} ({place}){_training(sequence)}")


def _training(sequence: Mapping[str, Any]) -> str:
    step = sequence["step"]
    return {
        "trained": f", trained on in step {step}",
        "skipped": f", skipped with the attempt at step {step}",
        "rolled_back": f", read before the run returned to the checkpoint of step {step}, and forgotten",
        "not_reached": ", not reached by the run",
    }.get(sequence["training"], "")


def _piece_line(piece: Mapping[str, Any]) -> Text:
    end = piece["offset"] + piece["end"] - piece["start"]
    return Text(
        f"tokens {_range(piece['start'], piece['end'])}: tokens {_range(piece['offset'], end)} of document "
        f"{piece['id']}, epoch {piece['copy'] + 1}"
    )


def _origin(document: Mapping[str, Any]) -> str:
    record = document["record"]
    parts = [document["source"], document["url"], f"{record['file']}, {_place(record)}"]
    parts.append(f"record {record['record_id']}" if record["record_id"] else None)
    return ", ".join(part for part in parts if part)


def _place(record: Mapping[str, Any]) -> str:
    if record["format"] == "parquet":
        return f"row {record['offset']:,}"
    range_ = f"bytes {_range(record['offset'], record['offset'] + record['length'])}"
    return f"{range_} of its text" if record["format"] == "jsonl" else range_


def _fate(document: Mapping[str, Any]) -> str:
    if document["fate"] == "kept":
        return "kept"
    return f"{document['fate']} by {document['stage']}: {document['reason']}"


def _mixed(trace: Trace, document: Mapping[str, Any], sequences: int) -> str:
    if trace.mix is None:
        return "has not run"
    if document["fate"] != "kept":
        return "not in the mix"
    return f"{sequences:,} pieces" if sequences else "in no sequence: the mixture takes only a part of its group"


def _pieces_by_document(trace: Trace) -> Mapping[str, list[tuple[Row, Row]]]:
    """Each sequence and piece by the document's id."""
    found: dict[str, list[tuple[Row, Row]]] = defaultdict(list)
    for sequence in trace.sequences:
        for piece in sequence["pieces"]:
            found[piece["id"]].append((sequence, piece))
    return found


def _extracted(decision: Mapping[str, Any]) -> str:
    if "fate" in decision:
        also = f"; also {', '.join(decision['also'])}" if decision["also"] else ""
        return (
            f"{decision['fate']}, {decision['reason']}{f' ({detail})' if (detail := decision['detail']) else ''}{also}"
        )
    score = f" ({decision['lang_score']:.2f})" if decision["lang_score"] is not None else ""
    language = f"language {decision['lang']}{score}" if decision["lang"] else "no language"
    return f"{decision['text_bytes']:,} bytes of text, {language}"


def _measured(decision: Mapping[str, Any]) -> str:
    cuts = f", {len(decision['cuts'])} ranges for line rules to cut" if decision["cuts"] else ""
    return f"{sum(isinstance(value, float) for value in decision.values())} signals{cuts}"


def _scored(decision: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.removeprefix('score:')} {value}" for name, value in decision.items())


def _judged(decision: Mapping[str, Any]) -> str:
    if decision["kept"]:
        return "kept"
    also = f"; also {', '.join(map(_rule, decision['also']))}" if decision["also"] else ""
    return f"dropped, {_rule({**decision, 'rule': decision['reason']})}{also}"


def _rule(failure: Mapping[str, Any]) -> str:
    if failure["value"] is None or failure["threshold"] is None:
        return str(failure["rule"])
    return f"{failure['rule']} ({failure['value']:g}, threshold {failure['threshold']:g})"


def _deduplicated(decision: Mapping[str, Any]) -> str:
    if decision["removed"]:
        similarity = f", Jaccard {decision['jaccard']:g}" if decision["jaccard"] is not None else ""
        return f"dropped, {decision['duplicate']} of {decision['match']}{similarity}"
    others = decision["cluster"] - 1
    return f"kept for {others:,} duplicates" if others > 0 else "kept"


def _refined(decision: Mapping[str, Any]) -> str:
    edits = [f"{edit['entity']} {edit['start']}–{edit['end']}" for edit in decision["edits"]]
    changed = f"{len(edits):,} edits: {_listed(edits)}" if edits else "unchanged"
    hits = [f"{hit['benchmark']}:{hit['item']} ({hit['share']:.0%})" for hit in decision.get("hits") or []]
    found = f"; test items: {_listed(hits)}" if hits else ""
    if not decision["kept"]:
        return f"dropped, {decision['reason']}{f' ({detail})' if (detail := decision['detail']) else ''}{found}"
    return f"kept, {changed}{found}"


_SENTENCES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "extract": _extracted,
    "signals": _measured,
    "scores": _scored,
    "judge": _judged,
    "dedup": _deduplicated,
    "refine": _refined,
    "tokenizer": lambda decision: f"{decision['file']}, {decision['vocab_size']:,} tokens",
    "tokenize": lambda decision: (
        f"{decision['end'] - decision['start']:,} tokens with the separator, tokens "
        f"{_range(decision['start'], decision['end'])} of {decision['file']}"
    ),
    "groups": lambda decision: str(decision["group"]),
}
"""What a stage decided, in words."""


def _range(start: int, end: int) -> str:
    """A half-open range."""
    return f"{start:,}–{end:,}"


def _numbers(values: Iterable[int]) -> str:
    return _listed([f"{value:,}" for value in dict.fromkeys(values)]) or "none"


def _listed(items: list[str]) -> str:
    more = f" and {len(items) - _SHOWN:,} more" if len(items) > _SHOWN else ""
    return f"{', '.join(items[:_SHOWN])}{more}"
