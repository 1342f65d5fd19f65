"""What a person sees of a study: progress while it measures, then the results."""

from __future__ import annotations

import json as encoder
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from munas.cli.messages import show_progress
from munas.cli.runs_view import carry_out_all
from munas.cli.view import console, resumable

if TYPE_CHECKING:
    from munas.study.collect import Progress as Going
    from munas.study.guidance import Run
    from munas.study.run import Finished, Request
    from munas.study.setup import Series


class StudyView:
    """A bar on a terminal, a line a group elsewhere; all on standard error."""

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        self._bar = Progress(
            TextColumn("measured"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("measure", total=None, note="")

    def __enter__(self) -> StudyView:
        self._bar.__enter__()
        return self

    def __exit__(self, *fault: Any) -> None:
        self._bar.__exit__(*fault)

    def began(self, series: Sequence[Series], progress: Going) -> None:
        console.print(f"Ledger: {self._ledger}", soft_wrap=True)
        for one in series:
            console.print(str(one), soft_wrap=True)
        if progress.done:
            console.print(f"{progress.done} of {progress.total} are measured already.")
        self._bar.reset(self._task, total=progress.total, completed=progress.done, note="")

    def moved(self, progress: Going) -> None:
        failed = f", {progress.failed} failed" if progress.failed else ""
        self._bar.update(self._task, completed=progress.done, note=failed.removeprefix(", "))
        if not console.is_terminal:
            console.print(f"{progress.done} of {progress.total} measured{failed}", soft_wrap=True)


def run_shown(request: Request, json: bool) -> None:
    """Run a study under a view; show its results; say how to go on when it stops early."""
    from munas.study.run import run_study

    show_progress()
    again = request.command
    if str(request.ledger) not in again:
        again += f" --ledger {request.ledger}"
    with resumable(again, request.ledger), StudyView(request.ledger) as view:
        finished = run_study(request, view)
    _show(finished, json)


def show_ledger(ledger: Path, out: Path, json: bool) -> None:
    """Analyse and show what a ledger holds."""
    from munas.study.run import analyse_ledger

    _show(analyse_ledger(ledger, out), json)


def show_imported(dataset: Path, out: Path, json: bool) -> None:
    """Check, analyse and show a data set."""
    from munas.study.run import import_study

    _show(import_study(dataset, out), json)


def _show(finished: Finished, json: bool) -> None:
    if json:
        typer.echo(encoder.dumps(finished.result.as_json()))
        return
    from munas.study.screen_table import show

    show(finished.result, console)
    if finished.stage_s:
        spent = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in finished.stage_s.items())
        console.print(
            f"{finished.wall_s:.0f} s in all; by stage, conversions over all workers: {spent}",
            soft_wrap=True,
        )
    console.print(f"Page: {finished.page}", soft_wrap=True)
    console.print(f"Files: {finished.out}", soft_wrap=True)


def compare_shown(planned: Sequence[Run], out: Path, command: str, json: bool) -> None:
    """Run searches under two guides, one after the other, and show how their picks compare."""
    from munas.study import guidance, guidance_page, picks

    carry_out_all(
        planned,
        out,
        command,
        lambda run: f"Guided by {run.guide}, seed {run.seed}",
        lambda run, view: guidance.carry_out(run, view, command),
    )
    rows = [row for run in planned for row in picks.rows_of(run)]
    by_macs, measured = planned[0].experiment.bounds, planned[1].experiment.bounds
    found = picks.summary(
        rows,
        int(measured.latency_us or 0),
        int(measured.arena_used_bytes or 0),
        int(by_macs.macs or 0),
    )
    title = f"Guided by MACs or by measuring: {planned[0].experiment.name}"
    page = guidance_page.write(out, rows, found, title, command)
    if json:
        typer.echo(encoder.dumps({**found, "verdict": picks.verdict(found)}))
        return
    console.print(picks.verdict(found))
    console.print(f"Page: {page}", soft_wrap=True)
