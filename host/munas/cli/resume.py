"""`munas resume`: go on with the search of a ledger."""

from __future__ import annotations

from typing import Annotated

import typer

from munas.cli.inputs import (
    AddressOption,
    ExecutorOption,
    JsonFlag,
    LedgerFile,
    OnBoardLossOption,
)


def command(
    ledger: LedgerFile,
    max_candidates: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many candidates in all.")
    ] = None,
    on_board_loss: OnBoardLossOption = None,
    executor: ExecutorOption = "local",
    address: AddressOption = None,
    json: JsonFlag = False,
) -> None:
    """Continue an interrupted search exactly where it was."""
    from munas.cli.view import run_shown
    from munas.pipeline.place import Place
    from munas.pipeline.session import Limits, resume

    limits = Limits(max_candidates)
    place = Place(executor, address)
    run_shown(lambda observer: resume(ledger, observer, limits, on_board_loss, place), ledger, json)
