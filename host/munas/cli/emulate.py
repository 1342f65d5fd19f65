"""`munas emulate`: an emulated board for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from munas.cli.inputs import JsonFlag


def command(
    board: Annotated[str, typer.Argument(help="An emulated board.")],
    elf: Annotated[
        Path | None, typer.Option(help="The firmware to run; by default munas' own.")
    ] = None,
    engine: Annotated[str, typer.Option(help="The engine of munas' own firmware.")] = "auto",
    reprice: Annotated[
        Path | None, typer.Option(help="Cycle parameters (JSON) to price the run with at its end.")
    ] = None,
    tcp: Annotated[bool, typer.Option("--tcp", help="A loopback port, not a terminal.")] = False,
    json: JsonFlag = False,
) -> None:
    """Serve an emulated board on a serial line until interrupted (Ctrl-C)."""
    import json as encoder

    from munas.cli.messages import show_progress
    from munas.latency.emulate import serve

    show_progress()
    with serve(board, elf=elf, engine=engine, tcp=tcp, reprice=reprice) as served:
        if json:
            typer.echo(encoder.dumps(served.description))
        else:
            typer.echo(f"{board} listens at {served.url}; Ctrl-C ends it.", err=True)
        served.wait()
        if json:
            typer.echo(encoder.dumps(served.totals()))
        else:
            typer.echo(f"{served.totals()}", err=True)
