"""Runs a check for the command line: shows, writes, keeps, and ends with the exit code."""

from __future__ import annotations

import json as encoder
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from munas.cli.regress_options import inputs_of
from munas.errors import BadInputError, ExitCode, MunasError

if TYPE_CHECKING:
    from munas.regress.check import Request

SKIP = 125
"""What tells `git bisect run` that a commit cannot be tested."""
_UNKNOWN = (ExitCode.INFRASTRUCTURE, ExitCode.NOTHING_MEASURED)


@contextmanager
def skipping_what_is_unknown(bisect: bool) -> Iterator[None]:
    """With `bisect`, 125 in place of the exit codes that say nothing of the firmware."""
    try:
        yield
    except MunasError as error:
        if not bisect or error.exit_code not in _UNKNOWN:
            raise
        typer.echo(f"munas: {error}", err=True)
        raise typer.Exit(SKIP) from None
    except typer.Exit as end:
        if bisect and end.exit_code in _UNKNOWN:
            raise typer.Exit(SKIP) from None
        raise


def check_shown(
    request: Request,
    *,
    junit: Path | None,
    markdown: Path | None,
    ledger: Path | None,
    commit: str | None,
    tree: Path | None,
    json: bool,
) -> None:
    """Raises MunasErrors, and typer.Exit with the outcome's code where it is not 0."""
    from munas.regress.check import check
    from munas.regress.commit import current_commit
    from munas.regress.history import open_history
    from munas.regress.screen import show
    from munas.store.output import write_output

    _require_outputs(request, junit, markdown, json)
    is_new = ledger is not None and not ledger.exists()
    history = None if ledger is None else open_history(ledger, request.suite)
    try:
        outcome = check(request)
        if history is not None:
            history.add(outcome, commit or current_commit(tree))
    except BaseException:
        if history is not None and ledger is not None:
            history.close()
            if is_new:
                ledger.unlink(missing_ok=True)
        raise
    if history is not None:
        history.close()
    if junit is not None:
        from munas.regress.junit import to_junit

        write_output(junit, to_junit(outcome))
    if markdown is not None:
        from munas.regress.markdown import to_markdown

        write_output(markdown, to_markdown(outcome).encode())
    show(outcome)
    if json:
        typer.echo(encoder.dumps(outcome.as_dict()))
    if outcome.exit_code:
        raise typer.Exit(int(outcome.exit_code))


def _require_outputs(
    request: Request, junit: Path | None, markdown: Path | None, json: bool
) -> None:
    """What cannot be written is found before the board is busy for minutes."""
    from munas.store.output import is_standard_output, require_writable

    old = request.against.elf if request.against else None
    read = (request.baseline, request.firmware.elf, old)
    inputs = inputs_of(request.suite, request.origin, *read)
    for path in (junit, markdown):
        if path is not None:
            require_writable(path, inputs=inputs)
    if junit is not None and markdown is not None and junit.resolve() == markdown.resolve():
        raise BadInputError(f"Both outputs would go to {junit}.", "Give each a file of its own.")
    if [json, *map(is_standard_output, filter(None, (junit, markdown)))].count(True) > 1:
        raise BadInputError(
            "Several outputs cannot share standard output.", "Give one of them a file."
        )
