"""`munas report`: a ledger as one self-contained page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from munas.cli.inputs import LedgerFile, told_path

if TYPE_CHECKING:
    from munas.store import Ledger


def command(
    ledger: LedgerFile,
    out: Annotated[
        Path | None, typer.Option(help="The .html file to write; - is standard output.")
    ] = None,
) -> None:
    """Draw the front, the progress and the table of a search; or a firmware's history."""
    from munas.errors import BadInputError
    from munas.regress.history import is_history
    from munas.report import write_report
    from munas.store import Ledger

    target = out or ledger.with_suffix(".html")
    with Ledger.open(ledger) as opened:
        if is_history(opened):
            _write_history(opened, target)
        elif "latency_source" not in opened.run.identity:
            raise BadInputError(
                f"{ledger} is not the ledger of a search.",
                f"Of a study or a calibration: munas study analyse {ledger}",
            )
        else:
            write_report(opened, target)
    typer.echo(f"wrote {told_path(target)}", err=True)


def _write_history(ledger: Ledger, target: Path) -> None:
    from munas.experiment import Suite
    from munas.regress.history import History
    from munas.regress.history_page import write_history

    suite = Suite.model_validate(dict(ledger.run.experiment))
    write_history(History(ledger), suite, target, ledger.path)
