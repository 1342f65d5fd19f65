"""`munas convert`: an architecture or a candidate as an int8 .tflite file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from munas.cli.inputs import ArchitectureFile, JsonFlag


def command(
    out: Annotated[Path, typer.Option(help="The .tflite file to write.")],
    file: ArchitectureFile = "-",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random weights.")] = 0,
    ledger: Annotated[Path | None, typer.Option(help="Take a trained candidate instead.")] = None,
    candidate: Annotated[int | None, typer.Option(help="Its number in the ledger.")] = None,
    json: JsonFlag = False,
) -> None:
    """Write an int8 model: random weights, or a trained candidate of a ledger."""
    import hashlib
    import json as encoder

    from munas.cli.inputs import one_architecture
    from munas.deploy.model_file import load_model, read_graph
    from munas.errors import BadInputError
    from munas.store.export import write_atomically

    if (ledger is None) != (candidate is None):
        raise BadInputError("--ledger and --candidate go together.")
    if ledger is not None and candidate is not None:
        from munas.pipeline.artifacts import candidate_model

        data = candidate_model(ledger, candidate)
    else:
        from munas.deploy.convert import convert_random

        data = convert_random(one_architecture(file), seed).data
    graph = read_graph(load_model(data, str(out)))
    write_atomically(out, data)
    summary = {
        "path": str(out),
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "operators": [operator.kind for operator in graph.operators],
    }
    if json:
        typer.echo(encoder.dumps(summary))
    else:
        typer.echo(f"{out}: {len(data):,} bytes, {len(graph.operators)} operators", err=True)
