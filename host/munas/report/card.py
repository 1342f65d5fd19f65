"""The model card: what a candidate is, what it can do, where each number comes from, and how to get
it again.

Must not know what else is deployed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from munas.arch import Architecture, assemble, channel_groups
from munas.pipeline.finalists import finalists_of
from munas.pipeline.revise import current_source
from munas.report.listing import experiment_toml
from munas.store import CandidateRow, Ledger, ResultRow
from munas.units import format_bytes


@dataclass(frozen=True)
class Card:
    """One candidate. Accuracies are shares; the test accuracy is null where it was not tested.

    Latency and arena carry their source; `arena_used_bytes` is of the engine that measured it.
    """

    title: str
    candidate_id: int
    architecture: Mapping[str, Any]
    architecture_sha256: str
    model_sha256: str
    dataset: str
    dataset_sha256: str | None
    val_accuracy_int8: float | None
    val_accuracy_float: float | None
    test_accuracy_int8: float | None
    epochs: int | None
    latency_us: int | None
    latency_source: str | None
    arena_used_bytes: int | None
    arena_source: str | None
    board: str | None
    engine: str | None
    macs: int
    peak_memory_bytes: int
    model_size_bytes: int
    flash_bytes: int | None
    command: str
    seed: int | None
    versions: Mapping[str, str]
    experiment_toml: str
    pruned: float | None = None
    given_up: bool = False
    finalist: Mapping[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def card_of(ledger: Ledger, candidate: CandidateRow, result: ResultRow) -> Card:
    """The card of a trained candidate. Raises LedgerError."""
    identity = ledger.run.identity
    current = next(
        row
        for row in ledger.current_results()
        if (row.candidate_id, row.rung) == (result.candidate_id, result.rung)
    )
    tested = [
        row.test_accuracy_int8
        for row in ledger.finals()
        if row.candidate_id == candidate.candidate_id and row.seed is None
    ]
    board = current.board or current_source(ledger).board
    return Card(
        title=f"Candidate {candidate.candidate_id} of {ledger.run.name}",
        candidate_id=candidate.candidate_id,
        architecture=result.architecture or candidate.architecture,
        architecture_sha256=candidate.architecture_sha256,
        model_sha256=str(result.model_sha256),
        dataset=str(identity.get("dataset", "not recorded")),
        dataset_sha256=identity.get("dataset_sha256"),
        val_accuracy_int8=result.val_accuracy_int8,
        val_accuracy_float=result.val_accuracy_float,
        test_accuracy_int8=tested[0] if tested else None,
        epochs=result.epochs,
        latency_us=current.latency_us,
        latency_source=current.latency_source,
        arena_used_bytes=current.arena_used_bytes,
        arena_source=current.arena_source,
        board=board,
        engine=current.engine,
        macs=result.macs or candidate.macs,
        peak_memory_bytes=result.peak_memory_bytes or candidate.peak_memory_bytes,
        model_size_bytes=result.model_size_bytes or candidate.model_size_bytes,
        flash_bytes=result.flash_bytes,
        command=ledger.run.command,
        seed=identity.get("seed"),
        versions=identity.get("versions") or {},
        pruned=_pruned(candidate, result),
        given_up=bool(result.evaluation.get("hopeless")),
        finalist=_finalist(ledger, candidate.candidate_id),
        experiment_toml=experiment_toml(ledger.run),
    )


def to_markdown(card: Card, notes: Sequence[str] = ()) -> str:
    """The card for people."""
    where = ", ".join(filter(None, (card.board, card.engine)))
    rows = [
        ("int8 accuracy, validation", _percent(card.val_accuracy_int8)),
        ("int8 accuracy, test", _percent(card.test_accuracy_int8)),
        ("float accuracy, validation", _percent(card.val_accuracy_float)),
        ("lost by int8", _gap(card)),
        *([("trained anew (int8, test)", _anew(card.finalist))] if card.finalist else []),
        ("latency", _latency(card, where)),
        ("arena (RAM of the engine)", _bytes(card.arena_used_bytes, card.arena_source)),
        ("peak memory by the graph", _bytes(card.peak_memory_bytes, "model")),
        ("weights", format_bytes(card.model_size_bytes)),
        ("file (.tflite)", _bytes(card.flash_bytes, None)),
        ("MACs", f"{card.macs:,}"),
    ]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    versions = ", ".join(f"{name} {version}" for name, version in card.versions.items())
    said = "".join(f"\n{note}\n" for note in notes)
    pruned = f", {card.pruned:.0%} of its channels pruned" if card.pruned is not None else ""
    given_up = ", then given up: it could not reach the bound on the error" * card.given_up
    return f"""# {card.title}

Trained for {card.epochs or "?"} epochs on {card.dataset}{pruned}{given_up}.

| | |
|---|---|
{table}

Latency and arena are of their source: `silicon` and `emulated` were measured there, `predicted` and
`mac` are estimates, `model` is the operator graph's. Accuracies were measured on the host, with the
int8 file that is here.
{said}
## Files

- `model.tflite`: the int8 model, SHA-256 `{card.model_sha256}`.
- `model_data.c`, `model_data.h`: the same as a C array, for an interpreter.
- `model.keras`: the float network with its weights.
- `project`: a PlatformIO project that runs it and checks its answers, where one could be written.
- `card.json`: this card for programs.

## Architecture

```json
{json.dumps(card.architecture)}
```

## To reproduce

Data: {card.dataset}, SHA-256 `{card.dataset_sha256 or "not recorded"}`.
Versions: {versions or "?"}. The run was `{card.command}`; its whole experiment:

```toml
{card.experiment_toml.rstrip()}
```
"""


def _percent(share: float | None) -> str:
    return "not measured" if share is None else f"{100 * share:.2f} %"


def _anew(finalist: Mapping[str, Any]) -> str:
    mean, spread = (finalist[f"test_accuracy_int8_{name}"] for name in ("mean", "sd"))
    within = f" ± {100 * spread:.2f}" if spread is not None else ""
    return f"{100 * mean:.2f}{within} % over {finalist['seeds']} seeds"


def _pruned(candidate: CandidateRow, result: ResultRow) -> float | None:
    """The share of channels that pruning took; null where nothing is pruned."""
    if result.architecture is None:
        return None
    left, whole = (
        sum(group.width for group in channel_groups(assemble(Architecture.from_dict(dict(each)))))
        for each in (result.architecture, candidate.architecture)
    )
    return 1 - left / whole if whole else 0.0


def _finalist(ledger: Ledger, candidate_id: int) -> dict[str, Any] | None:
    found = [each for each in finalists_of(ledger.finals()) if each.candidate_id == candidate_id]
    return found[0].as_dict() if found else None


def _gap(card: Card) -> str:
    if card.val_accuracy_float is None or card.val_accuracy_int8 is None:
        return "not measured"
    return f"{100 * (card.val_accuracy_float - card.val_accuracy_int8):+.2f} points"


def _latency(card: Card, where: str) -> str:
    if card.latency_us is None:
        return "not known"
    return f"{card.latency_us / 1000:.2f} ms ({card.latency_source}; {where})"


def _bytes(count: int | None, source: str | None) -> str:
    if count is None:
        return "not known"
    return format_bytes(count) + (f" ({source})" if source else "")
