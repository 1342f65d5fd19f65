"""`munas report`: a ledger as one self-contained page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from munas.cli.inputs import LedgerFile, told_path


def command(
    ledger: LedgerFile,
    out: Annotated[
        Path | None, typer.Option(help="The .html file to write; - is standard output.")
    ] = None,
) -> None:
    """Draw the front, the progress and the table of a search."""
    from munas.errors import BadInputError
    from munas.report import write_report
    from munas.store import Ledger

    target = out or ledger.with_suffix(".html")
    with Ledger.open(ledger) as opened:
        if "latency_source" not in opened.run.identity:
            raise BadInputError(
                f"{ledger} is not the ledger of a search.",
                f"Of a study or a calibration: munas study analyse {ledger}",
            )
        write_report(opened, target)
    typer.echo(f"wrote {told_path(target)}", err=True)
