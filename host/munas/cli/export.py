"""`munas export`: the candidates table of a ledger as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from munas.cli.inputs import LedgerFile


def command(
    ledger: LedgerFile,
    out: Annotated[Path, typer.Option(help="The file to write.")],
    format: Annotated[str, typer.Option(help="csv, parquet or json.")] = "csv",
) -> None:
    """Write the candidates table."""
    from typing import cast

    from munas.errors import BadInputError
    from munas.store import Ledger

    if format not in ("csv", "parquet", "json"):
        raise BadInputError(f"Unknown format {format!r}.", "Choose csv, parquet or json.")
    with Ledger.open(ledger) as opened:
        opened.export(out, cast(Literal["csv", "parquet", "json"], format))
    typer.echo(f"wrote {out}", err=True)
