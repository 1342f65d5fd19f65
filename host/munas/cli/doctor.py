"""`munas doctor`: what is here, what is missing, the command that mends it."""

from __future__ import annotations

from typing import Annotated

import typer

from munas.cli.inputs import JsonFlag


def command(
    board: Annotated[str | None, typer.Option(help="Also look at what this board needs.")] = None,
    json: JsonFlag = False,
) -> None:
    """Look at this machine."""
    import json as encoder

    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from munas.errors import ExitCode
    from munas.pipeline.doctor import examine

    checks = examine(board)
    bad = any(check.state == "missing" for check in checks)
    if json:
        typer.echo(encoder.dumps({"checks": [check.as_dict() for check in checks]}))
    else:
        table = Table(show_header=False, box=None, padding=(0, 1))
        marks = {"ok": "[green]ok[/]", "optional": "[yellow]–[/]", "missing": "[red]missing[/]"}
        for check in checks:
            mend = f"\n→ {check.mend}" if check.mend else ""
            found = escape(f"{check.found}{mend}")
            table.add_row(marks[check.state], check.name, found)
        Console().print(table)
    if bad:
        raise typer.Exit(int(ExitCode.INFRASTRUCTURE))
