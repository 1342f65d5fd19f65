"""`munas noise`: how much a board differs from itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from munas.cli.inputs import JsonFlag


def command(
    board: Annotated[str, typer.Option(help="A board of `munas boards list`.")],
    engine: Annotated[str, typer.Option(help="auto, tflm or aot.")] = "auto",
    model: Annotated[
        Path | None, typer.Option(help="An int8 .tflite; one drawn with a seed.")
    ] = None,
    runs: Annotated[
        int | None,
        typer.Option(min=2, max=10_000, help="Restarts; 120, or 3 where cycles never spread."),
    ] = None,
    unit: Annotated[str | None, typer.Option(help="Probe serial, where several fit.")] = None,
    json: JsonFlag = False,
) -> None:
    """Measure the same thing again and again (A/A), and keep the board's noise floor."""
    import json as encoder
    from dataclasses import asdict

    from munas.cli.messages import show_progress
    from munas.regress.noise_run import measure_noise

    show_progress()
    noise, path = measure_noise(board, engine, model, runs, unit)
    if noise.noise_floor_percent is None:
        said = (
            f"at least {noise.observed_percent:.3g} %, but {noise.n} runs are too few to bound it: "
            f"--runs {noise.runs_needed}"
        )
    elif noise.deterministic:
        said = f"0 % in {noise.n} runs: it repeats to the cycle, so a single cycle shows"
    else:
        said = (
            f"{noise.noise_floor_percent:.3g} % in {noise.n} runs; changes from "
            f"{noise.minimum_detectable_percent:.3g} % are found"
        )
    typer.echo(f"{noise.board} ({noise.unit}), {noise.engine}: noise floor {said}", err=True)
    typer.echo(f"kept in {path}", err=True)
    if json:
        typer.echo(encoder.dumps({**asdict(noise), "path": str(path)}))
