"""`munas teacher`: train a teacher for distillation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from munas.cli.inputs import JsonFlag, SetOption


def command(
    experiment: Annotated[
        str, typer.Argument(help="An experiment file, or the name of one that comes with munas.")
    ],
    out: Annotated[Path, typer.Option(help="Where to write the Keras file.")],
    set_: SetOption = None,
    json: JsonFlag = False,
) -> None:
    """Train a large network on an experiment's data, for distillation.teacher."""
    import json as encoder
    from dataclasses import asdict, replace

    from munas.cli.view import console
    from munas.experiment import find_experiment, load_experiment
    from munas.pipeline.teach import teach
    from munas.store.output import require_writable, write_output

    path = find_experiment(experiment)
    loaded = load_experiment(path, tuple(set_ or ()))
    require_writable(out, inputs=[path])

    def told(epoch: int, epochs: int, accuracy: float) -> None:
        console.print(f"epoch {epoch}/{epochs}: validation accuracy {accuracy:.2%} (float)")

    taught = teach(loaded, told)
    write_output(out, taught.data, inputs=[path])
    if json:
        summary = {"path": str(out), **asdict(replace(taught, data=b""))}
        del summary["data"]
        typer.echo(encoder.dumps(summary))
        return
    console.print(
        f"{out}: {taught.parameters:,} parameters, test accuracy {taught.test_accuracy:.2%} (float)"
    )
    console.print(f"Use it with: --set distillation.teacher={out}", soft_wrap=True)
