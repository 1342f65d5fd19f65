"""`munas convert`: an architecture or a candidate as an int8 .tflite file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from munas.cli.inputs import JsonFlag, told_path


def command(
    out: Annotated[Path, typer.Option(help="The .tflite file to write; - is standard output.")],
    file: Annotated[
        str | None,
        typer.Argument(metavar="[FILE|-]", help="An architecture as JSON; - is standard input."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of the random weights; 0 unless given.")
    ] = None,
    ledger: Annotated[Path | None, typer.Option(help="Take a trained candidate instead.")] = None,
    candidate: Annotated[int | None, typer.Option(help="Its number in the ledger.")] = None,
    json: JsonFlag = False,
) -> None:
    """Write an int8 model: random weights, or a trained candidate of a ledger."""
    import hashlib
    import json as encoder

    from munas.deploy.model_file import load_model, read_graph
    from munas.errors import BadInputError
    from munas.store.output import is_standard_output, require_writable, write_output

    if (ledger is None) != (candidate is None):
        raise BadInputError("--ledger and --candidate go together.")
    if ledger is not None and (file is not None or seed is not None):
        raise BadInputError(
            f"A candidate of a ledger and {'--seed' if file is None else file} exclude each other.",
            "A candidate comes with its own trained weights: leave out the architecture and --seed,"
            " or --ledger and --candidate.",
        )
    if json and is_standard_output(out):
        raise BadInputError(
            "--json and the model cannot both go to standard output.",
            "Give a file to --out, or leave --json out.",
        )
    inputs = [Path(each) for each in (file, ledger) if each not in (None, "-")]
    require_writable(out, inputs=inputs)
    data = _model(file or "-", seed or 0, ledger, candidate)
    graph = read_graph(load_model(data, told_path(out)))
    write_output(out, data, inputs=inputs)
    summary = {
        "path": str(out),
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "operators": [operator.kind for operator in graph.operators],
    }
    if json:
        typer.echo(encoder.dumps(summary))
    else:
        operators = f"{len(data):,} bytes, {len(graph.operators)} operators"
        typer.echo(f"{told_path(out)}: {operators}", err=True)


def _model(file: str, seed: int, ledger: Path | None, candidate: int | None) -> bytes:
    """The bytes of a candidate's model, else of an architecture with random weights."""
    if ledger is not None and candidate is not None:
        from munas.pipeline.artifacts import candidate_model

        return candidate_model(ledger, candidate)
    from munas.cli.inputs import one_architecture
    from munas.deploy.convert import convert_random

    return convert_random(one_architecture(file), seed).data
