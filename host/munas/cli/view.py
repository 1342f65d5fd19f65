"""What a person sees of a search: a live view on a terminal, plain lines elsewhere.

Everything here goes to standard error.
"""

from __future__ import annotations

import json as encoder
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from munas.errors import ExitCode, MunasError
from munas.units import format_bytes

if TYPE_CHECKING:
    from munas.pipeline.events import RunStart
    from munas.search import Candidate
    from munas.store import ResultRow

console = Console(stderr=True, highlight=False)


def run_shown(call: Callable[[Any], dict[str, Any]], ledger: Path, json: bool) -> None:
    """Run a search under a view; print its result; say how to go on when it stops early."""
    shown = LiveView() if console.is_terminal else PlainView()
    with resumable(f"munas resume {ledger}", ledger), shown:
        found = call(shown)
    if json:
        typer.echo(encoder.dumps(found))
        return
    show_front(found["front"], shown.bounds, shown.mac_model)
    for line in finalist_lines(found["finalists"]):
        console.print(line, soft_wrap=True)
    for line in _spent(found, [row for row, _ in shown.rows]):
        console.print(line, soft_wrap=True)
    console.print(f"Ledger: {found['ledger']}")
    console.print(f"Report: munas report {found['ledger']}")


@contextmanager
def resumable(command: str, ledger: Path | None = None) -> Iterator[None]:
    """Say how to go on where the work within is interrupted, or stopped by what is around it.

    Nothing can be gone on with before `ledger` is there (null: at any time).
    """

    def again() -> str:
        return f"Continue with: {command}" if ledger is None or ledger.exists() else ""

    try:
        yield
    except KeyboardInterrupt:
        told = f"Interrupted. {again()}".strip()
        console.print(told, markup=False, soft_wrap=True)
        raise typer.Exit(int(ExitCode.INTERRUPTED)) from None
    except MunasError as error:
        if error.exit_code == ExitCode.INFRASTRUCTURE:
            error.mend = f"{error.mend}\n{again()}".strip()
        raise


def _spent(found: Mapping[str, Any], done_now: Sequence[ResultRow]) -> list[str]:
    """How many candidates in which time: of this call, and of the whole run where it is more.

    `found` is a search's summary: its stages are the whole run's, its wall time this call's.
    """

    def told(count: int, stages: Mapping[str, float], within: str = "") -> str:
        shares = ", ".join(f"{name} {s:.0f} s" for name, s in stages.items() if s >= 0.5)
        over = f" (over all workers: {shares})" if shares else ""
        return f"{count} candidate{'s' * (count != 1)}{within}{over}."

    within = f" in {found['wall_s']:.0f} s"
    count = len({row.candidate_id for row in done_now})
    if found["candidates"] == count:
        return [told(count, found["time_by_stage_s"], within)]
    now: dict[str, float] = {}
    for row in done_now:
        for name, seconds in row.stage_s.items():
            now[name] = now.get(name, 0.0) + seconds
    whole = {k: v for k, v in found["time_by_stage_s"].items() if k != "overhead"}
    return [
        f"This call: {told(count, now, within)}",
        f"Whole run: {told(found['candidates'], whole)}",
    ]


def show_front(
    rows: list[dict[str, Any]], bounds: dict[str, float], mac_model: Mapping[str, Any] | None
) -> None:
    """The front's table, or a warning that there is none.

    Where latencies were measured and the board has a MAC model, its estimate stands beside them.
    """
    if rows:
        told = _with_estimates(rows, mac_model)
        table = front_table(told, bounds)
        unbounded = console.options.update(max_width=1000)
        if console.width >= console.measure(table, options=unbounded).maximum:
            console.print(table)
        else:  # a table that is cut off says nothing
            console.print(front_list(told), soft_wrap=True, markup=False)
    else:
        console.print("Warning: no candidate is within all bounds.", style="yellow")


def finalist_lines(found: list[dict[str, Any]]) -> list[str]:
    """What finalists reached over their seeds, the best mean first; empty without any."""
    if not found:
        return []
    lines = [f"Finalists, each trained anew with {found[0]['seeds']} seeds (int8, test images):"]
    for each in found:
        tuned = f", {each['tuned']} tuned for int8" if each["tuned"] else ""
        spread = each["test_accuracy_int8_sd"]
        within = f" ± {100 * spread:.2f}" if spread is not None else ""
        mean = 100 * each["test_accuracy_int8_mean"]
        lines.append(f"  candidate {each['candidate_id']}: {mean:.2f}{within} %{tuned}")
    return lines


def _with_estimates(
    rows: list[dict[str, Any]], mac_model: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    from munas.latency import estimate_beside

    model = estimate_beside(mac_model, (row["latency_source"] for row in rows))
    if model is None:
        return rows
    return [{**row, "mac_latency_us": model.latency_us(row["macs"])} for row in rows]


# Title with unit, column of the candidates table, bound on it, what one unit of the title is.
_COLUMNS: tuple[tuple[str, str, str | None, float], ...] = (
    ("id", "candidate_id", None, 1),
    ("val\n%", "val_accuracy_int8", "error", 0.01),
    ("test\n%", "test_accuracy_int8", None, 0.01),
    ("latency\nms", "latency_us", "latency_us", 1000),
    ("by MACs\nms", "mac_latency_us", None, 1000),
    ("MACs\nk", "macs", "macs", 1000),
    ("peak\nKiB", "peak_memory_bytes", "peak_memory_bytes", 1024),
    ("arena\nKiB", "arena_used_bytes", "arena_used_bytes", 1024),
    ("weights\nKiB", "model_size_bytes", "model_size_bytes", 1024),
    ("flash\nKiB", "flash_bytes", "flash_bytes", 1024),
)


def front_table(rows: list[dict[str, Any]], bounds: dict[str, float]) -> Table:
    """The front, best accuracy first; units, bounds and sources stand in the heads.

    It fits 80 columns, because a number that is cut off is worse than none.
    """
    table = Table(
        title=f"Front: {len(rows)} of the candidates within all bounds (int8 accuracies)",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    shown = [column for column in _COLUMNS if any(row.get(column[1]) is not None for row in rows)]
    for title, name, bound, unit in shown:
        head = title
        if name in ("latency_us", "arena_used_bytes"):
            head += "\n" + "/".join(sorted({row[_SOURCE[name]] for row in rows}))
        if bound and bound in bounds:
            limit = 1 - bounds[bound] if bound == "error" else bounds[bound]
            head += f"\n{'≥' if bound == 'error' else '≤'} {limit / unit:,.4g}"
        table.add_column(head, justify="right", no_wrap=True)
    for row in sorted(rows, key=lambda row: -(row["val_accuracy_int8"] or 0)):
        table.add_row(*(_number(name, row.get(name), unit) for _, name, _, unit in shown))
    return table


def front_list(rows: list[dict[str, Any]]) -> str:
    """The front for a narrow terminal: a value a line, best accuracy first."""
    blocks = []
    for row in sorted(rows, key=lambda row: -(row["val_accuracy_int8"] or 0)):
        lines = [f"candidate {row['candidate_id']}"]
        for title, name, _, unit in _COLUMNS[1:]:
            if row.get(name) is None:
                continue
            what, measure = title.split("\n")
            source = f" ({row[_SOURCE[name]]})" if name in _SOURCE else ""
            lines.append(f"  {what}: {_number(name, row[name], unit)} {measure}{source}")
        blocks.append("\n".join(lines))
    return "\n".join(blocks)


_SOURCE = {"latency_us": "latency_source", "arena_used_bytes": "arena_source"}


def _number(name: str, value: float | None, unit: float) -> str:
    if value is None:
        return "–"
    if name == "candidate_id":
        return str(value)
    return f"{value / unit:,.{2 if name.endswith('latency_us') else 1}f}"


def _cell(name: str, row: dict[str, Any]) -> str:
    value = row.get(name)
    if value is None:
        return "–"
    if "accuracy" in name:
        return f"{value:.1%}"
    if name == "latency_us":
        return f"{value / 1000:.2f} ms {row['latency_source']}"
    if name == "arena_used_bytes":
        return f"{format_bytes(int(value))} {row['arena_source']}"
    if name.endswith("_bytes"):
        return format_bytes(int(value))
    return f"{int(value):,}"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


class _View:
    """Keeps what both views show."""

    def __init__(self) -> None:
        self.bounds: dict[str, float] = {}
        self.mac_model: Mapping[str, Any] | None = None
        self.start: RunStart | None = None
        self.rows: list[tuple[ResultRow, bool]] = []
        self.flying: dict[int, str] = {}
        self.began = time.monotonic()
        self.note = ""

    def started(self, start: RunStart) -> None:
        self.start, self.bounds, self.began = start, start.bounds, time.monotonic()
        self.mac_model = start.mac_model
        console.print(f"{start.name}: {start.rounds} candidates, {start.workers} workers")
        console.print(f"Data: {start.dataset}")
        for notice in start.notices:
            console.print(notice, style="yellow")
        console.print(f"Latency: {start.latency_source} ({start.latency_reason})")
        console.print(f"Ledger: {start.ledger}")
        if start.done:
            console.print(f"{start.done} candidates are done already.")

    def asked(self, candidate: Candidate) -> None:
        self.flying[candidate.candidate_id] = "waiting"

    def progress(self, candidate_id: int, stage: str, done: int, total: int) -> None:
        self.flying[candidate_id] = f"{stage} {done}/{total}"

    def finished(self, candidate: Candidate, row: ResultRow, *, feasible: bool) -> None:
        self.flying.pop(candidate.candidate_id, None)
        self.rows.append((row, feasible))

    def revising(self, candidates: int, why: str) -> None:
        self.note = f"Reading the latencies of {candidates} candidates anew: {why}"

    def testing(self, candidates: int) -> None:
        self.note = f"Testing {_many(candidates, 'candidate')} of the front"

    def finalists(self, trainings: int, candidates: int) -> None:
        self.note = f"Training {_many(candidates, 'finalist')} anew: {_many(trainings, 'training')}"

    def done(self) -> int:
        """How many candidates have a result, at whatever rung."""
        done_now = sum(row.rung == 0 for row, _ in self.rows)
        return done_now + (self.start.done if self.start else 0)

    def eta_s(self) -> float | None:
        """Seconds left at the rate so far; null before the first candidate."""
        if not self.rows or self.start is None:
            return None
        rate = len(self.rows) / (time.monotonic() - self.began)
        return max(0, self.start.rounds - self.done()) / rate


def _describe(row: ResultRow, feasible: bool) -> str:
    if row.status == "failed":
        return f"failed: {(row.error or {}).get('message')}"
    if row.status == "infeasible":
        return "outside the bounds, not trained"
    accuracy = f"int8 {row.val_accuracy_int8:.1%}" if row.val_accuracy_int8 is not None else ""
    latency = f", {row.latency_us / 1000:.2f} ms {row.latency_source}" if row.latency_us else ""
    given_up = f", given up after {row.epochs} epochs" if row.evaluation.get("hopeless") else ""
    return f"{accuracy}{latency}, {'within' if feasible else 'outside'} the bounds{given_up}"


class PlainView(_View):
    """One line a candidate, for logs and pipes."""

    def __enter__(self) -> PlainView:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def finished(self, candidate: Candidate, row: ResultRow, *, feasible: bool) -> None:
        super().finished(candidate, row, feasible=feasible)
        total = self.start.rounds if self.start else 0
        at = f" at rung {row.rung}" if row.rung else ""
        which = f"candidate {row.candidate_id}{at}"
        text = f"[{self.done()}/{total}] {which}: {_describe(row, feasible)}"
        console.print(text, soft_wrap=True)

    def revising(self, candidates: int, why: str) -> None:
        super().revising(candidates, why)
        console.print(self.note)

    def testing(self, candidates: int) -> None:
        super().testing(candidates)
        console.print(self.note)

    def finalists(self, trainings: int, candidates: int) -> None:
        super().finalists(trainings, candidates)
        console.print(self.note)


class LiveView(_View):
    """A view that is drawn anew twice a second."""

    def __init__(self) -> None:
        super().__init__()
        self._live = Live(console=console, refresh_per_second=2, get_renderable=self._draw)
        self._lock = threading.Lock()

    def __enter__(self) -> LiveView:
        self._live.__enter__()
        return self

    def __exit__(self, *fault: Any) -> None:
        self._live.__exit__(*fault)

    def asked(self, candidate: Candidate) -> None:
        with self._lock:
            super().asked(candidate)

    def progress(self, candidate_id: int, stage: str, done: int, total: int) -> None:
        with self._lock:
            super().progress(candidate_id, stage, done, total)

    def finished(self, candidate: Candidate, row: ResultRow, *, feasible: bool) -> None:
        with self._lock:
            super().finished(candidate, row, feasible=feasible)

    def _draw(self) -> Group:
        if self.start is None:
            return Group(Text("Starting: reading data …"))
        with self._lock:
            return Group(self._best(), self._latest(), Text(self._line(), style="bold"))

    def _line(self) -> str:
        assert self.start is not None
        seconds = time.monotonic() - self.began
        eta = self.eta_s()
        left = f", about {eta / 60:.0f} min left" if eta is not None else ""
        rate = f", {60 * len(self.rows) / seconds:.1f} a minute" if self.rows else ""
        stages: dict[str, float] = {}
        for row, _ in self.rows:
            for stage, spent in row.stage_s.items():
                stages[stage] = stages.get(stage, 0) + spent
        total = sum(stages.values())
        share = " ".join(f"{k} {v / total:.0%}" for k, v in stages.items() if v / total >= 0.005)
        flying = ", ".join(f"#{k} {v}" for k, v in sorted(self.flying.items()) if v != "waiting")
        head = f"{self.done()} of {self.start.rounds} done{rate}{left}"
        return "\n".join(part for part in (head, share, flying, self.note) if part)

    def _best(self) -> Table:
        """Those within all bounds that no other one beats in accuracy, with their figures."""
        good = [row for row, feasible in self.rows if feasible]
        good.sort(key=lambda row: -(row.val_accuracy_int8 or 0))
        table = Table(title=f"{len(good)} within all bounds; the most accurate", expand=False)
        for title in ("id", "int8 val", "latency", "arena", "flash"):
            table.add_column(title, justify="right")
        for row in good[:5]:
            cells = vars(row)
            table.add_row(
                str(row.candidate_id),
                *(
                    _cell(name, cells)
                    for name in (
                        "val_accuracy_int8",
                        "latency_us",
                        "arena_used_bytes",
                        "flash_bytes",
                    )
                ),
            )
        return table

    def _latest(self) -> Text:
        lines = [f"#{row.candidate_id} {_describe(row, ok)}" for row, ok in self.rows[-4:]]
        return Text("\n".join(lines), style="dim", overflow="ellipsis", no_wrap=True)
