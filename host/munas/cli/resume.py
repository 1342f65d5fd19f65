"""`munas resume`: go on with the search of a ledger."""

from __future__ import annotations

from typing import Annotated

import typer

from munas.cli.inputs import JsonFlag, LedgerFile, OnBoardLossOption


def command(
    ledger: LedgerFile,
    max_candidates: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many candidates in all.")
    ] = None,
    on_board_loss: OnBoardLossOption = None,
    json: JsonFlag = False,
) -> None:
    """Continue an interrupted search exactly where it was."""
    from munas.cli.view import run_shown
    from munas.pipeline.session import Limits, resume

    limits = Limits(max_candidates)
    run_shown(lambda observer: resume(ledger, observer, limits, on_board_loss), ledger, json)
