"""Tables and lines for people: the ledger, a plan, a document, a completed stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich import box
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from gristmill.store.receipts import Manifest

if TYPE_CHECKING:
    from gristmill.pipelines.run import CompletedStage


def stage_line(completed: CompletedStage) -> str:
    """The line printed when a stage completes."""
    step, counts = completed.step, completed.manifest.counts
    units = len(step.tasks)
    processed = f"{len(step.pending)} of {units} units" if step.pending else f"all {units} units reused"
    counted = step.stage.counted
    kept = f"kept {counts.kept:,} of {counts.records:,} {counted}"
    line = f"[bold]{step.stage.name:<11}[/]{kept:<38}{processed:<21}{completed.seconds:7.1f} s"
    attempts, documents = completed.wasted
    if not attempts:
        return line
    return f"{line}  ({attempts} {'attempt' if attempts == 1 else 'attempts'} wasted, {documents:,} {counted})"


def ledger_table(ledger: Mapping[str, Any]) -> Table:
    """The ledger: one row per stage, with every reason for which it dropped or failed records."""
    state = "[green]balanced[/]" if ledger["balanced"] else "[bold red]NOT BALANCED[/]"
    table = Table(title=f"ledger: {state}", box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("stage", style="bold")
    for name in ("in", "kept", "dropped", "failed"):
        table.add_column(name, justify="right")
    table.add_column("reasons")
    for row in ledger["stages"]:
        dropped, failed = row["dropped"], row["failed"]
        numbers = (row["in"], row["kept"], sum(dropped.values()), sum(failed.values()))
        table.add_row(row["stage"], *(f"{n:,}" for n in numbers), escape(_reasons({**dropped, **failed})))
    for sentence in ledger["imbalances"]:
        table.add_row("", "", "", "", "", f"[red]{escape(sentence)}[/]")
    table.caption = warnings_text(ledger)
    table.caption_justify = "left"
    return table


def warnings_text(ledger: Mapping[str, Any]) -> str:
    """The warnings of a ledger, one per line."""
    return "\n".join(f"[yellow]{escape(sentence)}[/]" for sentence in ledger.get("warnings", ()))


def mixture_table(mix: Manifest) -> Table:
    """One row per group: its tokens, its target share (p ∝ n^α), its actual share, and epochs."""
    table = Table(title="mixture", box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("group", style="bold")
    for name in ("tokens", "target", "actual", "epochs", "tokens in the mix"):
        table.add_column(name, justify="right")
    for row in mix.summary["mixture"]:
        table.add_row(
            escape(row["group"]),
            f"{row['tokens']:,}",
            f"{row['asked']:.2%}",
            f"{row['got']:.2%}",
            f"{row['epochs']:.2f}{' (cap)' if row['capped'] else ''}",
            f"{row['mixed_tokens']:,}",
        )
    return table


def segments_table(mix: Manifest) -> Table:
    """One row per group and segment: its target share and its actual share."""
    table = Table(title="mixture by stage", box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("stage", style="bold")
    table.add_column("sequences", justify="right")
    table.add_column("group")
    for name in ("target", "actual"):
        table.add_column(name, justify="right")
    for part in mix.summary["segments"]:
        lead = (escape(part["stage"]), f"{part['sequences']:,}")
        for group, share in part["got"].items():
            cap = " (cap)" if group in part["capped"] else ""
            table.add_row(*lead, escape(group), f"{part['asked'][group]:.2%}", f"{share:.2%}{cap}")
            lead = ("", "")
    return table


def training_table(train: Manifest) -> Table:
    """Size of the model, length of the training run, and loss."""
    summary = train.summary
    table = Table(title="training", box=box.SIMPLE_HEAD, title_justify="left", show_header=False)
    table.add_row("parameters", f"{summary['parameters']:,}")
    table.add_row("steps", f"{summary['steps']:,} ({summary['tokens']:,} tokens)")
    table.add_row("loss", f"{summary['first_loss']:.4f} → {summary['last_loss']:.4f}")
    return table


def plan_table(planned: Mapping[str, Any]) -> Table:
    """What a run would do: one row per stage, and an estimate of its duration."""
    table = Table(title=f"plan of {escape(planned['recipe'])}", box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("stage")
    table.add_column("directory", overflow="fold")
    for name in ("units", "complete", "input", "core hours"):
        table.add_column(name, justify="right")
    for row in planned["stages"]:
        table.add_row(
            row["stage"],
            row["directory"] or "",
            _number(row["units"]),
            _number(row["standing"]),
            f"{row['input_bytes'] / 1e6:,.1f} MB" if row["input_bytes"] is not None else "",
            f"{row['core_hours']:.3f}" if row["core_hours"] is not None else "",
        )
    table.caption = escape(planned["note"])
    table.caption_justify = "left"
    return table


def document_panel(document: Mapping[str, Any]) -> Panel:
    """A document's provenance, the decisions about it, and the start of its text."""
    lines = [f"[dim]{name:<12}[/]{escape(str(value))}" for name, value in document.items() if name != "text"]
    text = document.get("text")
    head = f"\n\n{escape(text[:600])}{' …' if len(text) > 600 else ''}" if text else ""
    return Panel("\n".join(lines) + head, title=str(document["id"]), title_align="left", box=box.ROUNDED)


def _reasons(counts: Mapping[str, int]) -> str:
    """Every reason with its count, the most frequent first; subtypes (``record_type:request``) are grouped by type."""
    kinds: dict[str, dict[str, int]] = {}
    for reason, count in counts.items():
        kind, _, part = reason.partition(":")
        kinds.setdefault(kind, {})[part] = count
    totals = ranked({kind: sum(parts.values()) for kind, parts in kinds.items()})
    return "\n".join(f"{kind} {count:,}{_parts(kinds[kind])}" for kind, count in totals)


def _parts(counts: Mapping[str, int]) -> str:
    named = [f"{part} {count:,}" for part, count in ranked(counts) if part]
    return f" ({', '.join(named)})" if named else ""


def ranked(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The counts, the largest first, then by name."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
