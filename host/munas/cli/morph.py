"""`munas morph`: a neighbour of an architecture, or all of them."""

from __future__ import annotations

from typing import Annotated

import typer

from munas.cli.inputs import ArchitectureFile, JsonFlag


def command(
    file: ArchitectureFile = "-",
    seed: Annotated[int, typer.Option(min=0)] = 0,
    all: Annotated[bool, typer.Option("--all", help="All morphisms.")] = False,
    sampling: Annotated[str, typer.Option(help="paper, inclusive or extended.")] = "inclusive",
    json: JsonFlag = False,
) -> None:
    """Change an architecture by one morphism."""
    from random import Random
    from typing import cast

    from munas.arch import Sampler, Sampling, morphisms, random_morphism
    from munas.cli.inputs import one_architecture

    del json  # the output is JSON either way
    parent = one_architecture(file)
    rng = Random(seed)
    kind = Sampler(rng, cast(Sampling, sampling)).sampling
    found = morphisms(parent, rng, kind) if all else [random_morphism(parent, rng, kind)]
    for morphism in found:
        typer.echo(morphism.name, err=True)
        typer.echo(morphism.child.to_json())
