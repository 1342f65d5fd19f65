"""`munas status`: how far the run of a ledger is."""

from __future__ import annotations

from typing import Any

import typer

from munas.cli.inputs import JsonFlag, LedgerFile


def command(ledger: LedgerFile, json: JsonFlag = False) -> None:
    """Show how far a search, a study, a calibration or a history is and what it has found."""
    import json as encoder

    from munas.pipeline.progress import status

    found = status(ledger)
    if json:
        typer.echo(encoder.dumps(found))
    elif found["kind"] == "search":
        _show_search(found)
    elif found["kind"] == "history":
        _show_history(found)
    else:
        _show_study(found)


def _show_history(found: dict[str, Any]) -> None:
    from munas.cli.view import console

    last = f", the last: {found['verdict']}" if found["checks"] else ""
    console.print(f"history {found['name']}: {found['checks']} checks{last}", soft_wrap=True)
    console.print(f"See it with: munas report {found['ledger']}", soft_wrap=True)


def _show_search(found: dict[str, Any]) -> None:
    from munas.cli.view import console, finalist_lines, show_front

    counts = [f"{count} {name}" for name, count in found["counts"].items() if count]
    if found["measured"]:
        counts.append(f"{found['measured']} models measured")
    console.print(f"{_head(found)}, {found['done']} of {found['rounds']} rounds", soft_wrap=True)
    console.print(", ".join(counts) or "no candidates yet", soft_wrap=True)
    if len(found["by_rung"]) > 1:
        reached = ", ".join(f"{count} at rung {i}" for i, count in enumerate(found["by_rung"]))
        console.print(f"Results: {reached}", soft_wrap=True)
    if found["done"]:
        show_front(found["front"], found["bounds"], found["mac_model"])
    for line in finalist_lines(found["finalists"]):
        console.print(line, soft_wrap=True)
    _show_how_to_go_on(found)


def _show_study(found: dict[str, Any]) -> None:
    from munas.cli.view import console

    console.print(f"{_head(found)}, {found['measured']} models measured", soft_wrap=True)
    of = f" of {found['count']}" if found["count"] else ""
    for one in found["series"]:
        failed = f", {one['failed']} failed" if one["failed"] else ""
        console.print(
            f"{one['board']}, {one['engine']}: {one['measured']}{of}{failed}", soft_wrap=True
        )
    if found["measured"] and found["kind"] == "study":
        console.print(f"Results: munas study analyse {found['ledger']}", soft_wrap=True)
    _show_how_to_go_on(found)


def _head(found: dict[str, Any]) -> str:
    who = f" (process {found['pid']})" if found["pid"] else ""
    return f"{found['kind']} {found['name']}: {found['state']}{who}"


def _show_how_to_go_on(found: dict[str, Any]) -> None:
    from munas.cli.view import console

    if found["state"] in ("interrupted", "not running"):
        console.print(f"Continue with: {found['continue_with']}", soft_wrap=True)
