"""`munas calibrate`: measure a board until its latencies can be predicted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from munas.cli.inputs import JsonFlag

if TYPE_CHECKING:
    from munas.latency.predict import Predictor
    from munas.study.calibrate import Calibration, Request
    from munas.study.setup import Series


def command(
    board: Annotated[str, typer.Option(help="A board of `munas boards list`.")] = (
        "emulated_stm32l4r5"
    ),
    engine: Annotated[str, typer.Option(help="auto, tflm or aot.")] = "auto",
    target_mape: Annotated[
        float, typer.Option(help="Stop at this mean error, in percent, on networks not seen.")
    ] = 5.0,
    max_models: Annotated[
        int, typer.Option(min=20, max=500, help="Measure at most this many networks.")
    ] = 100,
    ledger: Annotated[
        Path | None, typer.Option(help="Where to keep the measurements; beside the predictor.")
    ] = None,
    fit: Annotated[
        Path | None,
        typer.Option("--fit", help="Measure nothing: fit on this ledger of a study or search."),
    ] = None,
    input_: Annotated[str, typer.Option("--input", help="HxWxC of the networks.")] = "28x28x1",
    classes: Annotated[int, typer.Option(min=2, help="Classes of the networks.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Which networks there are to choose from.")] = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Converting processes.")] = None,
    json: JsonFlag = False,
) -> None:
    """Fit a predictor of a board's latency, on as few measurements as it takes."""
    import json as encoder
    import shlex
    import sys

    from munas.arch import parse_shape
    from munas.cli.messages import show_progress
    from munas.latency.engine import parse_engine
    from munas.study.calibrate import Request, fit_and_keep

    show_progress()
    requested = parse_engine(engine)
    if fit is not None:
        calibration = fit_and_keep(fit, board, None if requested == "auto" else requested)
    else:
        request = Request(
            board=board,
            command=shlex.join(["munas", *sys.argv[1:]]),
            engine=requested,
            target_mape_percent=target_mape,
            max_models=max_models,
            ledger=ledger,
            input=parse_shape(input_),
            classes=classes,
            seed=seed,
            workers=workers,
        )
        calibration = _measure(request)
    _show(calibration, target_mape)
    accuracy = calibration.predictor.accuracy
    if json:
        found = {
            "mape": accuracy.mape_percent,
            "spearman": accuracy.spearman,
            "models": calibration.predictor.n,
            "path": str(calibration.path),
        }
        typer.echo(encoder.dumps(found))


class _Lines:
    """A line after every batch, on standard error."""

    def began(self, series: Series, ledger: Path, measured: int) -> None:
        from munas.cli.view import console

        console.print(str(series))
        console.print(f"Ledger: {ledger}", soft_wrap=True)
        if measured:
            console.print(f"{measured} networks are measured already.")

    def fitted(self, predictor: Predictor, extrapolating: float) -> None:
        from munas.cli.view import console

        true = predictor.accuracy
        console.print(
            f"{predictor.n} networks: error {true.mape_percent:.2f} % on networks not seen "
            f"(at most {true.mape_high_percent:.2f} %), worst {true.worst_percent:.1f} %; "
            f"{extrapolating:.0%} of the others lie outside what was measured",
            soft_wrap=True,
        )


def _measure(request: Request) -> Calibration:
    from munas.cli.view import resumable
    from munas.study.calibrate import calibrate

    with resumable(request.command):
        return calibrate(request, _Lines())


def _missed(calibration: Calibration, target_percent: float) -> str:
    """Why a calibration ended without its target, and what to do."""
    from munas.study.calibrate import POOL

    high = calibration.predictor.accuracy.mape_high_percent
    reasons = []
    if high > target_percent:
        reasons.append(
            f"the error on networks not seen may be {high:.2f} %, and the target is "
            f"{target_percent:g} %"
        )
    if calibration.extrapolating:
        reasons.append(
            f"{calibration.extrapolating:.0%} of the networks that were not measured lie outside "
            "what was measured, and are predicted with wider intervals"
        )
    why = "; ".join(reasons) or "too few networks could be measured"
    more = calibration.predictor.n + calibration.failed < POOL
    mend = "Raise --max-models." if more else "All networks that there are were measured."
    return f"Not done: {why}. {mend}"


def _show(calibration: Calibration, target_percent: float) -> None:
    """The predictor beside a line on MACs, both on networks that they had not seen."""
    from rich import box
    from rich.table import Table

    from munas.cli.view import console
    from munas.latency.predict import CONFIDENCE, provenance

    true, of = calibration.predictor.accuracy, calibration.predictor.conditions
    table = Table(
        title=f"{of.board} ({of.source}), {of.engine}; judged on networks not seen",
        box=box.SIMPLE_HEAD,
    )
    table.add_column(f"fitted on {calibration.predictor.n} networks")
    for title in ("mean error %", "worst %", "rank correlation"):
        table.add_column(title, justify="right")
    table.add_row(
        "predictor", f"{true.mape_percent:.2f} (≤ {true.mape_high_percent:.2f})",
        f"{true.worst_percent:.1f}", f"{true.spearman:.5f}",
    )  # fmt: skip
    table.add_row(
        "line on MACs", f"{true.mac_mape_percent:.1f}", f"{true.mac_worst_percent:.0f}",
        f"{true.mac_spearman:.5f}",
    )  # fmt: skip
    console.print(table)
    if true.coverage is not None:
        console.print(
            f"Intervals of {CONFIDENCE:.0%} held {true.coverage:.1%} of {true.coverage_n} networks."
        )
    if calibration.failed:
        console.print(f"{calibration.failed} networks could not be measured.", style="yellow")
    if calibration.reached is False:
        console.print(_missed(calibration, target_percent), style="yellow", soft_wrap=True)
    console.print(f"Predictor: {calibration.path}", soft_wrap=True)
    console.print(provenance(calibration.predictor, calibration.sha256), soft_wrap=True)
