"""`munas cost`: peak memory, model size and MACs of architectures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from munas.cli.inputs import ArchitectureFile, JsonFlag

if TYPE_CHECKING:
    from munas.cost import Cost


def command(
    file: ArchitectureFile = "-",
    mode: Annotated[str, typer.Option(help="deployed or paper.")] = "deployed",
    json: JsonFlag = False,
) -> None:
    """Exact costs of architectures: one file, or one a line."""
    import json as encoder
    from typing import cast, get_args

    from munas.cli.inputs import read_architectures
    from munas.cost import Mode, cost
    from munas.errors import BadInputError

    if mode not in get_args(Mode):
        raise BadInputError(f"Unknown mode {mode!r}.", f"Choose one of {get_args(Mode)}.")
    for architecture in read_architectures(file):
        costs = cost(architecture, cast(Mode, mode))
        if json:
            typer.echo(encoder.dumps(costs.as_dict()))
        else:
            _show(costs, mode)


def _show(costs: Cost, mode: str) -> None:
    from rich.console import Console
    from rich.table import Table

    values = costs.as_dict()
    table = Table(title=f"Costs ({mode}), operators in schedule order", title_justify="left")
    table.add_column("operator")
    for name in ("MACs", "weights B", "output B"):
        table.add_column(name, justify="right")
    for row in values["operators"]:
        numbers = (row["macs"], row["weight_bytes"], row["output_bytes"])
        table.add_row(row["name"], *(f"{number:,}" for number in numbers))
    console = Console()
    console.print(table)
    console.print(
        f"MACs {values['macs']:,} · model size {values['model_size_bytes']:,} B · "
        f"peak memory {values['peak_memory_bytes']:,} B "
        f"({values['peak_memory_with_input_bytes']:,} B with the input buffer)"
    )
