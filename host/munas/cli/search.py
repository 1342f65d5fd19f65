"""`munas search`: run a search from an experiment file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from munas.cli.inputs import AddressOption, ExecutorOption, JsonFlag, OnBoardLossOption, SetOption


def command(
    experiment: Annotated[
        str, typer.Argument(help="An experiment file, or the name of one that comes with munas.")
    ],
    ledger: Annotated[Path | None, typer.Option(help="Where to keep the results.")] = None,
    board: Annotated[str | None, typer.Option(help="The target board.")] = None,
    latency: Annotated[str | None, typer.Option(help="auto, measured, predicted or mac.")] = None,
    engine: Annotated[str | None, typer.Option(help="tflm or aot.")] = None,
    max_candidates: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many candidates.")
    ] = None,
    max_epochs: Annotated[
        int | None, typer.Option(min=1, help="Train for at most this many epochs.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Candidates at a time.")] = None,
    executor: ExecutorOption = "local",
    address: AddressOption = None,
    seed: Annotated[int | None, typer.Option(min=0)] = None,
    set_: SetOption = None,
    on_board_loss: OnBoardLossOption = None,
    json: JsonFlag = False,
) -> None:
    """Search for architectures within the experiment's bounds."""
    import shlex
    import sys

    from munas.cli.view import run_shown
    from munas.experiment import find_experiment, load_experiment
    from munas.pipeline.place import Place
    from munas.pipeline.session import Limits, new_ledger_path, start

    path = find_experiment(experiment)
    options = {
        "latency.board": board,
        "latency.source": latency,
        "latency.engine": engine,
        "latency.on_board_loss": on_board_loss,
        "search.workers": workers,
        "search.seed": seed,
    }
    overrides = [f"{key}={value}" for key, value in options.items() if value is not None]
    loaded = load_experiment(path, (*(set_ or ()), *overrides))
    if max_epochs is not None:
        loaded = loaded.capped(max_epochs)
    target = ledger or new_ledger_path(loaded.name)
    place = Place(executor, address)
    typed = shlex.join(["munas", *sys.argv[1:]])
    run_shown(
        lambda observer: start(loaded, target, observer, typed, Limits(max_candidates), place),
        target,
        json,
    )
