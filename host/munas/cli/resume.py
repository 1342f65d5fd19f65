"""`munas resume`: go on with the search of a ledger."""

from __future__ import annotations

from typing import Annotated

import typer

from munas.cli.inputs import JsonFlag, LedgerFile


def command(
    ledger: LedgerFile,
    max_candidates: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many candidates in all.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Continue an interrupted search exactly where it was."""
    from munas.cli.view import run_shown
    from munas.pipeline.session import Limits, resume

    run_shown(lambda observer: resume(ledger, observer, Limits(max_candidates)), ledger, json)
