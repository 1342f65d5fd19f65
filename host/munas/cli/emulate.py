"""`munas emulate`: an emulated board for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

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
        if served.note:
            typer.echo(f"{board}: {served.note}.", err=True)
        served.wait()
        if json:
            typer.echo(encoder.dumps(served.totals()))
        else:
            for line in _told(served.totals()):
                typer.echo(line, err=True)


def _told(totals: dict[str, Any]) -> list[str]:
    """The totals of a run in words."""
    clock_hz, cycles = totals["core_clock_hz"], totals["cycles"]
    lines = [
        f"{cycles:,} cycles and {totals['instructions']:,} instructions since power-on, "
        f"{cycles / clock_hz:.3f} s at {clock_hz / 1e6:g} MHz; {totals['resets']} resets, "
        f"{totals['flash_erases']} flash erases, {totals['flash_wait_states']} flash wait states "
        "set (not modelled)"
    ]
    if totals["repriced_cycles"] is not None:
        lines.append(f"{totals['repriced_cycles']:,} cycles under the parameters that were given")
    if totals["unmodelled"]:
        places = ", ".join(totals["unmodelled"])
        lines.append(f"Peripherals that are not modelled were used, at: {places}")
    return lines
