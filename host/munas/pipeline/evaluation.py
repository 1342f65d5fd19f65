"""From costs, readings and answers to the row that is kept and the evaluation that is told.

The search is told what the ledger keeps, and nothing else: a resumed run tells the same again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from munas.cost import Cost
from munas.errors import MunasError
from munas.latency import Reading
from munas.search import Candidate, Evaluation, screened_values
from munas.store import CandidateRow, ResultRow, RevisionReason, RevisionRow
from munas.units import Latency, LatencySource, Memory, MemorySource


def evaluation_of(row: ResultRow | RevisionRow) -> Evaluation:
    """What the search is told of a row of the ledger."""
    kept = row.evaluation
    return Evaluation(
        status=row.status,
        values=dict(kept.get("values", {})),
        sources=dict(kept.get("sources", {})),
        rung=row.rung,
        span_us=None if kept.get("span_us") is None else tuple(kept["span_us"]),
        hopeless=bool(kept.get("hopeless")),
    )


def candidate_row(candidate: Candidate, costs: Cost) -> CandidateRow:
    """The row of a candidate as it was asked for; `costs` are its own architecture's."""
    return CandidateRow(
        candidate_id=candidate.candidate_id,
        architecture=candidate.architecture.as_dict(),
        architecture_sha256=candidate.architecture_sha256,
        macs=costs.macs,
        peak_memory_bytes=costs.peak_memory_bytes,
        model_size_bytes=costs.model_size_bytes,
        parent_id=candidate.parent_id,
        morphism=candidate.morphism,
        sparsity=candidate.sparsity,
    )


def failed_row(candidate: Candidate, error: Mapping[str, str], stage_s: Any) -> ResultRow:
    """The row of a candidate that could not be evaluated; it says why."""
    return ResultRow(
        candidate_id=candidate.candidate_id,
        rung=candidate.rung,
        status="failed",
        error=dict(error),
        stage_s=stage_s,
    )


def screened_row(
    candidate: Candidate, costs: Cost, reading: Reading, stage_s: Mapping[str, float]
) -> ResultRow:
    """The row of a candidate that is outside the bounds before any training."""
    return _row(candidate, costs, reading, {}, stage_s, "infeasible")


def trained_row(
    candidate: Candidate,
    costs: Cost,
    reading: Reading,
    answer: Mapping[str, Any],
    stage_s: Mapping[str, float],
    weights_sha256: str,
) -> ResultRow:
    """The row of a trained candidate; `answer` is the worker's, `costs` are the trained network's.

    The arena is the measured one where there is one, else this host's, labelled so.
    """
    reading = with_host_arena(reading, answer["host_arena_bytes"])
    return _row(candidate, costs, reading, answer, stage_s, "ok", weights_sha256=weights_sha256)


def with_host_arena(reading: Reading, host_arena_bytes: int | None) -> Reading:
    """The reading, with this host's arena where it has none."""
    if reading.arena is not None or host_arena_bytes is None:
        return reading
    return replace(reading, arena=Memory(host_arena_bytes, MemorySource.HOST))


def reading_of(row: ResultRow, macs: int) -> Reading:
    """The reading that the row of a trained candidate keeps; `macs` are its network's."""
    arena = None
    if row.arena_used_bytes is not None and row.arena_source is not None:
        arena = Memory(row.arena_used_bytes, MemorySource(row.arena_source))
    latency = Latency(
        latency_us=row.latency_us,
        source=LatencySource(str(row.latency_source)),
        macs=macs,
        board=row.board,
        engine=row.engine,
    )
    return Reading(latency, arena)


def revised_row(
    row: ResultRow, reading: Reading | Mapping[str, str], *, asked: int, reason: RevisionReason
) -> RevisionRow:
    """A result under a new reading, or under the fault that came of reading it again."""
    number, rung = row.candidate_id, row.rung
    if not isinstance(reading, Reading):
        return RevisionRow(
            candidate_id=number,
            rung=rung,
            asked=asked,
            reason=reason,
            status="failed",
            error=dict(reading),
        )
    values = {
        name: value
        for name, value in dict(row.evaluation.get("values", {})).items()
        if name not in ("latency_us", "arena_used_bytes")
    }
    read, sources = _read_values(reading)
    return RevisionRow(
        candidate_id=number,
        rung=rung,
        asked=asked,
        reason=reason,
        status=row.status,
        evaluation=_kept(values | read, sources, reading, row.evaluation),
        **_columns(reading),
    )


def _read_values(reading: Reading) -> tuple[dict[str, float], dict[str, str]]:
    """What a reading adds to an evaluation, and where it comes from."""
    values: dict[str, float] = {}
    sources: dict[str, str] = {}
    if reading.latency.latency_us is not None:
        values["latency_us"] = reading.latency.latency_us
        sources["latency_us"] = reading.latency.source.value
    if reading.arena is not None:
        values["arena_used_bytes"] = reading.arena.memory_bytes
        sources["arena_used_bytes"] = reading.arena.source.value
    return values, sources


def _kept(
    values: Mapping[str, float],
    sources: Mapping[str, str],
    reading: Reading,
    training: Mapping[str, Any],
) -> dict[str, Any]:
    """The evaluation as rows keep it, for `evaluation_of`; `training` says if it was hopeless."""
    kept: dict[str, Any] = {"values": dict(values), "sources": dict(sources)}
    if reading.span_us is not None:
        kept["span_us"] = list(reading.span_us)
    if training.get("hopeless"):
        kept["hopeless"] = True
    return kept


def _columns(reading: Reading) -> dict[str, Any]:
    """The columns that a reading fills, in results as in revisions."""
    latency, arena = reading.latency, reading.arena
    return {
        "latency_us": latency.latency_us,
        "latency_source": latency.source.value,
        "arena_used_bytes": arena.memory_bytes if arena else None,
        "arena_source": arena.source.value if arena else None,
        "board": latency.board,
        "engine": latency.engine,
    }


def _row(
    candidate: Candidate,
    costs: Cost,
    reading: Reading,
    answer: Mapping[str, Any],
    stage_s: Mapping[str, float],
    status: Any,
    weights_sha256: str | None = None,
) -> ResultRow:
    read, sources = _read_values(reading)
    values = screened_values(costs) | read
    if "flash_bytes" in answer:
        values["flash_bytes"] = answer["flash_bytes"]
    if "val_accuracy_int8" in answer:
        values["error"] = 1.0 - answer["val_accuracy_int8"]
    pruned = {}
    if answer.get("architecture") is not None:
        pruned = {
            "architecture": answer["architecture"],
            "macs": costs.macs,
            "peak_memory_bytes": costs.peak_memory_bytes,
            "model_size_bytes": costs.model_size_bytes,
        }
    return ResultRow(
        candidate_id=candidate.candidate_id,
        rung=candidate.rung,
        status=status,
        **pruned,
        evaluation=_kept(values, sources, reading, answer),
        epochs=answer.get("epochs"),
        val_accuracy_int8=answer.get("val_accuracy_int8"),
        val_accuracy_float=answer.get("val_accuracy_float"),
        flash_bytes=answer.get("flash_bytes"),
        **_columns(reading),
        model_sha256=answer.get("model_sha256"),
        weights_sha256=weights_sha256,
        stage_s={name: round(seconds, 3) for name, seconds in stage_s.items()},
    )


def error_dict(error: BaseException) -> dict[str, str]:
    """The form in which a row keeps a fault."""
    if isinstance(error, MunasError):
        return error.as_dict()
    return {"name": "internal", "message": f"{type(error).__name__}: {error}", "mend": ""}
