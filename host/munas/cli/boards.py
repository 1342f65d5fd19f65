"""`munas boards`: board types, attached devices, enrolment, new board files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from munas.cli.inputs import JsonFlag

app = typer.Typer(no_args_is_help=True, help="Boards: types, attached devices, enrolment.")


@app.command("list")
def list_types(json: JsonFlag = False) -> None:
    """List the board types."""
    import json as encoder

    from munas.boards.registry import faulty_boards, list_boards
    from munas.units import format_bytes

    for board in list_boards():
        if json:
            typer.echo(encoder.dumps(board.model_dump(mode="json")))
        else:
            memory = f"{format_bytes(board.flash_bytes)} flash, {format_bytes(board.ram_bytes)} RAM"
            clock = f"{board.clock_hz // 1_000_000} MHz"
            typer.echo(f"{board.name:20} {board.kind:9} {board.mcu:12} {clock:8} {memory}")
    for fault in faulty_boards().values():
        typer.echo(f"munas: left out: {fault.what}", err=True)


@app.command("scan")
def scan_ports(json: JsonFlag = False) -> None:
    """Show attached devices and which boards they can be."""
    import json as encoder

    from munas.boards.discovery import scan

    found = scan()
    for entry in found:
        if json:
            typer.echo(encoder.dumps(entry.as_dict()))
        else:
            enrolled = "enrolled as" if entry.uid else "can be"
            typer.echo(
                f"{entry.port}  {entry.probe}  {entry.serial}  {enrolled} {', '.join(entry.boards)}"
            )
    if not found and not json:
        typer.echo("No board is attached; emulated boards need none.", err=True)


@app.command("identify")
def identify(
    board: Annotated[str, typer.Argument(help="The board type that is attached.")],
    unit: Annotated[str | None, typer.Option(help="Probe serial or port.")] = None,
    engine: Annotated[str, typer.Option(help="auto, tflm or aot.")] = "auto",
    json: JsonFlag = False,
) -> None:
    """Flash an attached board, read its chip's UID, and enrol the unit."""
    import json as encoder
    from dataclasses import asdict

    from munas.cli.messages import show_progress
    from munas.latency.identify import identify_unit

    show_progress()
    found = identify_unit(board, unit, engine)
    if json:
        typer.echo(encoder.dumps(asdict(found)))
    else:
        typer.echo(f"{found.board}: probe {found.serial}, chip {found.uid}: enrolled.", err=True)


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="Name of the new board type.")],
    like: Annotated[str, typer.Option(help="A board type to start from.")] = "nucleo_l4r5zi",
    json: JsonFlag = False,
) -> None:
    """Write a board file of your own, to be edited."""
    import json as encoder

    from munas.boards.create import create_board

    path: Path = create_board(name, like)
    if json:
        typer.echo(encoder.dumps({"board": name, "path": str(path)}))
    else:
        typer.echo(f"{path} is a copy of {like}: edit it, then see munas boards list.", err=True)
