"""`munas sample`: random architectures, one a line."""

from __future__ import annotations

from typing import Annotated

import typer

from munas.cli.inputs import JsonFlag


def command(
    input: Annotated[str, typer.Option(help="Input shape, such as 28x28x1.")],
    classes: Annotated[int, typer.Option(min=2, help="Number of classes.")],
    count: Annotated[int, typer.Option(min=1, help="How many.")] = 1,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    space: Annotated[str, typer.Option(help="cnn, cnn1d or mlp.")] = "cnn",
    sampling: Annotated[str, typer.Option(help="paper, inclusive or extended.")] = "inclusive",
    json: JsonFlag = False,
) -> None:
    """Draw random architectures."""
    from random import Random
    from typing import cast

    from munas.arch import Sampling, Space, canonical, parse_shape, sample

    del json  # the output is JSON either way
    shape = parse_shape(input)
    rng = Random(seed)
    for _ in range(count):
        drawn = sample(
            rng, shape, classes, space=cast(Space, space), sampling=cast(Sampling, sampling)
        )
        typer.echo(canonical(drawn).to_json())
