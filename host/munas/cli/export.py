"""`munas export`: a table of a ledger as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from munas.cli.inputs import LedgerFile, told_path


def command(
    ledger: LedgerFile,
    out: Annotated[Path, typer.Option(help="The file to write; - is standard output.")],
    format: Annotated[str, typer.Option(help="csv, parquet or json.")] = "csv",
    table: Annotated[
        str | None,
        typer.Option(help="candidates or measurements; by default what the ledger is about."),
    ] = None,
) -> None:
    """Write the candidates table of a search, or the measurements of a study or calibration."""
    from typing import cast, get_args

    from munas.errors import BadInputError
    from munas.store import Ledger
    from munas.store.export import ExportFormat
    from munas.store.ledger import TableName

    if format not in get_args(ExportFormat):
        raise BadInputError(f"Unknown format {format!r}.", "Choose csv, parquet or json.")
    if table not in (None, *get_args(TableName)):
        raise BadInputError(f"There is no table {table!r}.", "Choose candidates or measurements.")
    with Ledger.open(ledger) as opened:
        of_study = opened.run.identity.get("kind") in ("study", "history")
        chosen = cast(TableName, table or ("measurements" if of_study else "candidates"))
        if of_study and chosen == "candidates":
            raise BadInputError(
                f"{ledger} is no ledger of a search and evaluates no candidates.",
                "Leave --table out, or give --table measurements.",
            )
        opened.export(out, cast(ExportFormat, format), chosen)
    typer.echo(f"wrote the {chosen} to {told_path(out)}", err=True)
