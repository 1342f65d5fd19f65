"""`munas status`: how far the search of a ledger is."""

from __future__ import annotations

import typer

from munas.cli.inputs import JsonFlag, LedgerFile


def command(ledger: LedgerFile, json: JsonFlag = False) -> None:
    """Show how far a search is and what it has found."""
    import json as encoder

    from munas.cli.view import console, show_front
    from munas.pipeline.session import status

    found = status(ledger)
    if json:
        typer.echo(encoder.dumps(found))
        return
    counts = ", ".join(f"{count} {name}" for name, count in found["counts"].items() if count)
    console.print(f"{found['name']}: {found['state']}, {found['done']} of {found['rounds']} rounds")
    console.print(counts or "no candidates yet")
    if found["done"]:
        show_front(found["front"], found["bounds"], found["mac_model"])
