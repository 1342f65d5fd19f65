"""`munas measure`: latency and memory of int8 models on a board."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from munas.cli.inputs import JsonFlag


def command(
    context: typer.Context,
    models: Annotated[list[Path], typer.Argument(help="Int8 .tflite files.")],
    board: Annotated[str, typer.Option(help="A board of `munas boards list`.")] = (
        "emulated_stm32l4r5"
    ),
    engine: Annotated[str, typer.Option(help="auto, tflm or aot.")] = "auto",
    repeats: Annotated[str, typer.Option(help="A number, or auto: until it is known well.")] = (
        "auto"
    ),
    per_op: Annotated[bool, typer.Option("--per-op", help="Cycles of every operator.")] = False,
    minimal_arena: Annotated[
        bool, typer.Option("--minimal-arena", help="Search the smallest arena that works.")
    ] = False,
    elf: Annotated[Path | None, typer.Option(help="Use this firmware; build none.")] = None,
    port: Annotated[
        str | None, typer.Option(help="URL of a firmware that runs already; flash none.")
    ] = None,
    unit: Annotated[str | None, typer.Option(help="Probe serial, where several fit.")] = None,
    json: JsonFlag = False,
) -> None:
    """Measure int8 models on a board; one JSON line a model with --json."""
    import json as encoder

    from munas.cli.messages import show_progress
    from munas.latency.command import Request, measure_models, parse_repeats
    from munas.latency.table import show

    show_progress()
    request = Request(
        models=tuple(models),
        board=board,
        engine=engine,
        repeats=parse_repeats(repeats),
        per_operator=per_op,
        minimal_arena=minimal_arena,
        elf=elf,
        port=port,
        unit=unit,
        log_frames=bool(context.find_root().params.get("debug")),
    )
    outcome = measure_models(request)
    for measurement in outcome:
        if json:
            typer.echo(encoder.dumps(measurement.as_dict()))
        show(measurement)
    outcome.note()
    if outcome.exit_code:
        raise typer.Exit(int(outcome.exit_code))
