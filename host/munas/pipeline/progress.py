"""How far the run of a ledger is: of a search, a study or a calibration.

Reads a ledger that another process may be running. Knows what a run writes, not how it is run.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, Literal

from munas.errors import BadInputError
from munas.experiment import parse_experiment, parse_study
from munas.pipeline.finalists import finalists_of
from munas.pipeline.revise import current_source
from munas.store import Ledger
from munas.store.running import runner_of

Kind = Literal["search", "study", "calibration", "history"]

_COURSE = ("started", "resumed", "interrupted", "finished")
_WITH_AN_ARTICLE = {
    "search": "a search",
    "study": "a study",
    "calibration": "a calibration",
    "history": "a history of checks",
}


def kind_of(ledger: Ledger) -> Kind:
    """What the ledger is of."""
    kind = ledger.run.identity.get("kind")
    if kind != "study":
        return "history" if kind == "history" else "search"
    return "calibration" if ledger.run.command.startswith("munas calibrate") else "study"


def command_to_go_on(ledger: Ledger) -> str:
    """The command that continues the run."""
    if kind_of(ledger) == "search":
        return f"munas resume {shlex.quote(str(ledger.path))}"
    command, path = ledger.run.command, shlex.quote(str(ledger.path))
    return command if path in command.split() else f"{command} --ledger {path}"


def require_search(ledger: Ledger) -> None:
    """Raise BadInputError where the ledger is not a search's."""
    kind = kind_of(ledger)
    if kind != "search":
        raise BadInputError(
            f"{ledger.path} is the ledger of {_WITH_AN_ARTICLE[kind]}, not of a search.",
            f"Continue it with: {command_to_go_on(ledger)}",
        )


def status(path: Path) -> dict[str, Any]:
    """How far the run of a ledger is, as `munas status` prints it.

    `state` is `running` (`pid` says by which process), `finished`, or `interrupted`. Of a
    calibration that nobody runs it is `not running`: only a further call finds out whether it
    reached its target.
    """
    with Ledger.open(path) as ledger:
        kind, runner = kind_of(ledger), runner_of(path)
        common = {
            "ledger": str(path),
            "name": ledger.run.name,
            "kind": kind,
            "state": "running" if runner else _state(ledger, kind),
            "pid": runner and runner.pid,
            "continue_with": command_to_go_on(ledger),
            "measured": sum(not row.measurement.get("error") for row in ledger.measurements()),
        }
        if kind == "history":
            return common | _of_history(ledger)
        return common | (_of_search(ledger) if kind == "search" else _of_study(ledger, kind))


def _state(ledger: Ledger, kind: Kind) -> str:
    if kind in ("calibration", "history"):
        return "not running"
    course = [event.kind for event in ledger.events() if event.kind in _COURSE]
    return "finished" if course and course[-1] == "finished" else "interrupted"


def _of_search(ledger: Ledger) -> dict[str, Any]:
    experiment = parse_experiment(dict(ledger.run.experiment), str(ledger.path))
    results, rungs = ledger.results(), range(len(experiment.rungs))
    return {
        "rounds": experiment.search.rounds,
        "done": len({row.candidate_id for row in results}),
        "by_rung": [sum(row.rung == rung for row in results) for rung in rungs],
        "finalists": [each.as_dict() for each in finalists_of(ledger.finals())],
        "counts": ledger.status_counts(),
        "latency_source": current_source(ledger).source.value,
        "bounds": experiment.bounds.given(),
        "front": ledger.front(),
        "mac_model": ledger.run.identity.get("mac_model"),
    }


def _of_history(ledger: Ledger) -> dict[str, Any]:
    checks = [event.detail for event in ledger.events() if event.kind == "checked"]
    last = checks[-1] if checks else {}
    return {"checks": len(checks), "verdict": last.get("verdict"), "commit": last.get("commit")}


def _of_study(ledger: Ledger, kind: Kind) -> dict[str, Any]:
    """`count` is how many models are to be measured on each series; null of a calibration."""
    experiment = parse_study(dict(ledger.run.experiment), str(ledger.path))
    series: dict[tuple[str, str], dict[str, Any]] = {}
    for row in ledger.measurements():
        one = series.setdefault(
            (row.board, row.engine),
            {"board": row.board, "engine": row.engine, "measured": 0, "failed": 0},
        )
        one["failed" if row.measurement.get("error") else "measured"] += 1
    return {
        "count": experiment.study.count if kind == "study" else None,
        "series": list(series.values()),
    }
