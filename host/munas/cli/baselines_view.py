"""What a person sees of a comparison of algorithms: each search, then what came out."""

from __future__ import annotations

import json as encoder
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.table import Table

from munas.cli.runs_view import carry_out_all
from munas.cli.view import console

if TYPE_CHECKING:
    from munas.study.baselines import Run


def baselines_shown(
    planned: Sequence[Run], out: Path, command: str, json: bool, epochs: int | None
) -> None:
    """Run the searches one after the other, and show what each reaches for what it spends."""
    from munas.study import baselines, baselines_page, budgets

    carry_out_all(
        planned,
        out,
        command,
        lambda run: f"{run.arm}, seed {run.seed}",
        lambda run, view: baselines.carry_out(run, view, command, epochs),
        lambda: baselines.require_same(planned),
    )
    courses = [budgets.course_of(run, epochs) for run in planned]
    found = budgets.summary(courses, planned[0].experiment.bounds.given())
    title = f"Search algorithms compared: {planned[0].experiment.name}"
    page = baselines_page.write(out, courses, found, title, command)
    if json:
        typer.echo(encoder.dumps({**found, "verdict": budgets.verdict(found)}))
        return
    shown = Table("algorithm", "hypervolume", "lowest", "highest")
    for arm, end in found["final"].items():
        volume = end["hypervolume"]
        shown.add_row(arm, *(f"{volume[name]:.4f}" for name in ("mean", "lowest", "highest")))
    console.print(shown)
    console.print(budgets.verdict(found), soft_wrap=True)
    console.print(f"Page: {page}", soft_wrap=True)
