"""`munas deploy`: a candidate as files that ship."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from munas.cli.inputs import JsonFlag


def command(
    ledger: Annotated[Path, typer.Option(help="The ledger of a search.")],
    candidate: Annotated[int, typer.Option(help="Its number in the ledger.")],
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    json: JsonFlag = False,
) -> None:
    """Write a trained candidate: .tflite, C array, Keras file, model card, PlatformIO project."""
    import json as encoder

    from munas.report.deployment import deploy
    from munas.store import Ledger

    with Ledger.open(ledger) as opened:
        made = deploy(opened, candidate, out)
    for note in made.notes:
        typer.echo(note, err=True)
    typer.echo(f"wrote {out}: {len(made.files)} files; begin with {out}/README.md", err=True)
    if json:
        document = {"path": str(out), "files": list(made.files), "notes": list(made.notes)}
        typer.echo(encoder.dumps(document | {"card": made.card.as_dict()}))
