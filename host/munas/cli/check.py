"""`munas check`: has the firmware become worse?"""

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


def command(
    suite: SuiteName,
    baseline: Annotated[
        Path | None, typer.Option(help="What to compare with: munas baseline record.")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(help="The old firmware (tree or ELF), measured by turns with the new one."),
    ] = None,
    firmware: TreeOption = None,
    elf: ElfOption = None,
    port: PortOption = None,
    unit: UnitOption = None,
    junit: Annotated[Path | None, typer.Option(help="JUnit XML to write.")] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Markdown to write, for a pull request.")
    ] = None,
    ledger: Annotated[
        Path | None, typer.Option(help="Keep the history of checks in this ledger.")
    ] = None,
    commit: Annotated[
        str | None, typer.Option(help="Version of the firmware; what git says here.")
    ] = None,
    bisect: Annotated[
        bool, typer.Option("--bisect", help="Exit with 125 where nothing is known (git bisect).")
    ] = False,
    set_: SetOption = None,
    json: JsonFlag = False,
) -> None:
    """Compare a firmware with a baseline, or with another firmware; exit 1 on a regression."""
    from munas.cli.messages import show_progress
    from munas.cli.regress_options import firmware_of, suite_of
    from munas.cli.regress_view import check_shown, skipping_what_is_unknown
    from munas.regress.check import Request
    from munas.regress.plan import parse_firmware

    show_progress()
    with skipping_what_is_unknown(bisect):
        loaded, origin = suite_of(suite, set_)
        request = Request(
            suite=loaded,
            origin=origin,
            firmware=firmware_of(firmware, elf, port),
            baseline=baseline,
            against=None if against is None else parse_firmware(against),
            unit=unit,
        )
        check_shown(
            request,
            junit=junit,
            markdown=markdown,
            ledger=ledger,
            commit=commit,
            tree=firmware,
            json=json,
        )
