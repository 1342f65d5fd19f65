"""`munas baseline`: what a firmware does now, kept to compare others with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from munas.cli.inputs import JsonFlag
from munas.cli.regress_options import (
    ElfOption,
    PortOption,
    SetOption,
    SuiteName,
    TreeOption,
    UnitOption,
)

app = typer.Typer(
    no_args_is_help=True, help="Keep what a firmware does now, to compare others with."
)


@app.callback()
def options() -> None:
    """A group, though it has one command yet."""


@app.command("record")
def record(
    suite: SuiteName,
    out: Annotated[Path, typer.Option(help="The baseline file to write.")],
    firmware: TreeOption = None,
    elf: ElfOption = None,
    port: PortOption = None,
    unit: UnitOption = None,
    commit: Annotated[
        str | None, typer.Option(help="Version of the firmware; what git says here.")
    ] = None,
    set_: SetOption = None,
    json: JsonFlag = False,
) -> None:
    """Measure a suite and write what was seen as a baseline."""
    import json as encoder

    from munas.cli.messages import show_progress
    from munas.cli.regress_options import firmware_of, inputs_of, suite_of
    from munas.errors import BadInputError
    from munas.regress.baseline import to_text
    from munas.regress.check import record as record_suite
    from munas.regress.commit import current_commit
    from munas.store.output import is_standard_output, require_writable, write_output

    show_progress()
    if json and is_standard_output(out):
        raise BadInputError("Two documents cannot share standard output.", "Leave --json out.")
    loaded, origin = suite_of(suite, set_)
    inputs = inputs_of(loaded, origin, elf)
    require_writable(out, inputs=inputs)
    version = commit or current_commit(firmware)
    baseline = record_suite(
        loaded, origin, firmware_of(firmware, elf, port), unit=unit, commit=version
    )
    write_output(out, to_text(baseline).encode(), inputs=inputs)
    records = baseline.taken.records
    for case, found in sorted(records.items()):
        typer.echo(f"{case}: {found.cycles:,} cycles ({found.source})", err=True)
    typer.echo(f"wrote {out}: {len(records)} cases", err=True)
    if json:
        cases = [str(case) for case in sorted(records)]
        typer.echo(encoder.dumps({"path": str(out), "cases": cases, "commit": version}))
