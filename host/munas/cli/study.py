"""`munas study`: whether MACs predict latency, on any board; and studies of others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from munas.cli.inputs import JsonFlag, SetOption

app = typer.Typer(
    no_args_is_help=True, help="Measure many architectures, and see what predicts their latency."
)


@app.command("correlation")
def correlation(
    experiment: Annotated[
        str, typer.Argument(help="An experiment file, or the name of one that comes with munas.")
    ],
    ledger: Annotated[
        Path | None, typer.Option(help="Where to keep the measurements; one that exists goes on.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of page, tables and data set; beside the ledger.")
    ] = None,
    board: Annotated[
        list[str] | None, typer.Option(help="A board to measure on; may be repeated.")
    ] = None,
    engine: Annotated[list[str] | None, typer.Option(help="tflm or aot; may be repeated.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="How many architectures.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Converting processes.")] = None,
    set_: SetOption = None,
    json: JsonFlag = False,
) -> None:
    """Do MACs predict latency on this board, with this engine, in this search space?"""
    import shlex
    import sys

    from munas.cli.study_view import run_shown
    from munas.experiment import find_experiment, load_study
    from munas.pipeline.session import new_ledger_path
    from munas.study.run import Request

    options = {"study.boards": board, "study.engines": engine, "study.count": count}
    overrides = [f"{key}={value}" for key, value in options.items() if value]
    loaded = load_study(find_experiment(experiment), (*(set_ or ()), *overrides))
    target = ledger or new_ledger_path(loaded.name)
    request = Request(
        experiment=loaded,
        ledger=target,
        out=out or target.with_name(f"{target.stem}-study"),
        command=shlex.join(["munas", *sys.argv[1:]]),
        workers=workers or loaded.search.workers,
    )
    run_shown(request, json)


@app.command("analyse")
def analyse(
    ledger: Annotated[Path, typer.Argument(help="The ledger of a study or a search.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder of page, tables and data set; beside the ledger.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """The same of what a ledger holds by now: an unfinished study, or a measured search."""
    from munas.cli.study_view import show_ledger

    show_ledger(ledger, out or ledger.with_name(f"{ledger.stem}-study"), json)


@app.command("import")
def import_(
    dataset: Annotated[Path, typer.Argument(help="The folder of a study's data set.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder of page and tables; beside the data set.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Check another's data set, and analyse it as if it had been measured here."""
    from munas.cli.study_view import show_imported

    show_imported(dataset, out or dataset.with_name(f"{dataset.resolve().name}-study"), json)


@app.command("guidance")
def guidance(
    experiment: Annotated[str, typer.Argument(help="A search's experiment file, or its name.")],
    out: Annotated[Path, typer.Option(help="Folder of ledgers, page and table; goes on in it.")],
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds, from 0 on.")] = 3,
    macs: Annotated[
        int | None,
        typer.Option(min=1, help="MACs that stand for the latency bound; the board's constants."),
    ] = None,
    set_: SetOption = None,
    json: JsonFlag = False,
) -> None:
    """Does it matter what guides a search: MACs, or measured latency?"""
    import shlex
    import sys

    from munas.cli.study_view import compare_shown
    from munas.experiment import find_experiment, load_experiment
    from munas.study.guidance import macs_for, runs

    loaded = load_experiment(find_experiment(experiment), tuple(set_ or ()))
    planned = runs(loaded, range(seeds), macs or macs_for(loaded), out)
    compare_shown(planned, out, shlex.join(["munas", *sys.argv[1:]]), json)


@app.command("baselines")
def baselines(
    experiment: Annotated[str, typer.Argument(help="A search's experiment file, or its name.")],
    out: Annotated[Path, typer.Option(help="Folder of ledgers, page and table; goes on in it.")],
    arms: Annotated[
        str, typer.Option(help="Which of random,paper,ours,nsga2,tpe, with commas between.")
    ] = "random,paper,ours,nsga2,tpe",
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds, from 0 on.")] = 3,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="End a run once its trainings had so many epochs in all."),
    ] = None,
    set_: SetOption = None,
    json: JsonFlag = False,
) -> None:
    """How good is the search: against random search, the paper's, NSGA-II and TPE?"""
    import shlex
    import sys

    from munas.cli.baselines_view import baselines_shown
    from munas.experiment import find_experiment, load_experiment
    from munas.study.baselines import arms_of, runs

    loaded = load_experiment(find_experiment(experiment), tuple(set_ or ()))
    planned = runs(loaded, arms_of(arms), range(seeds), out)
    baselines_shown(planned, out, shlex.join(["munas", *sys.argv[1:]]), json, epochs)
