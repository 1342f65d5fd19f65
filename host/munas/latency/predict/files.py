"""Predictors as JSON files, in a folder of the person: one in force per board, engine and source.

A file is written whole or not at all and read strictly: what is damaged, newer, or of another board
is refused. Every predictor that was ever in force stays beside it under its hash, so a run that
began with one can go on with it. Must not know how a predictor is fitted.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path as File
from typing import Any

import numpy as np

from munas.errors import BadInputError
from munas.latency.predict.examples import Conditions
from munas.latency.predict.knowledge import CONFIDENCE, Knowledge, Path
from munas.latency.predict.layout import LAYOUT
from munas.latency.predict.predictor import Accuracy, Predictor
from munas.stats.interval import Matrix, Vector
from munas.units import LatencySource

FORMAT = "munas-predictor"
VERSION = 1
# A cost of a cycle's ten-thousandth part changes no latency.
_DIGITS = 7


class PredictorError(BadInputError):
    """A predictor's file cannot be used."""

    name = "predictor"


def user_data_root() -> File:
    """The person's data folder: `$MUNAS_DATA`, else `~/.local/share/munas`."""
    named = os.environ.get("MUNAS_DATA")
    if named:
        return File(named).expanduser().absolute()
    base = os.environ.get("XDG_DATA_HOME")
    return (File(base) if base else File.home() / ".local" / "share") / "munas"


def predictor_file(board: str, engine: str, source: LatencySource) -> File:
    """Where the predictor in force lies; may not exist."""
    return user_data_root() / "predictors" / board / f"{engine}-{source.value}.json"


def keep(predictor: Predictor) -> File:
    """Put `predictor` in force for its board, engine and source; its file."""
    of = predictor.conditions
    path = predictor_file(of.board, of.engine, LatencySource(of.source))
    text = to_text(predictor)
    for target in (_kept(path, hash_of(text)), path):
        _write(target, text)
    return path


def find(
    board: str, engine: str | None, source: LatencySource, sha256: str | None = None
) -> tuple[Predictor, str] | None:
    """The predictor in force (or the one with this hash) and its hash; null where there is none.

    Without `engine` that of `tflm` goes before that of `aot`. Raises PredictorError.
    """
    for name in (engine,) if engine else ("tflm", "aot"):
        path = predictor_file(board, name, source)
        if sha256 is not None:
            path = _kept(path, sha256)
        if path.is_file():
            found = load(path, board)
            if sha256 not in (None, found[1]):
                raise PredictorError(
                    f"{path} was changed: it is {found[1][:12]} now, not {str(sha256)[:12]}.",
                    "Restore it from a copy; what another predictor gives cannot be ranked with "
                    "what this one gave.",
                )
            return found
    return None


def load(path: File, board: str | None = None) -> tuple[Predictor, str]:
    """The predictor of a file and its hash.

    Raises PredictorError where it cannot be read, is damaged, newer, or not of `board`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PredictorError(f"{path} cannot be read: {error}.", _AGAIN) from None
    try:
        predictor = from_text(text)
    except PredictorError as error:
        raise PredictorError(f"{path}: {error.what}", error.mend) from None
    if board is not None and predictor.conditions.board != board:
        raise PredictorError(
            f"{path} predicts latencies of {predictor.conditions.board}, not of {board}.", _AGAIN
        )
    return predictor, hash_of(text)


_AGAIN = "Fit it again: munas calibrate --board B"


def hash_of(text: str) -> str:
    """What identifies a predictor: the SHA-256 of its file."""
    return hashlib.sha256(text.encode()).hexdigest()


def to_text(predictor: Predictor) -> str:
    """The file's text; the same predictor gives the same text."""
    found = predictor
    document = {
        "format": FORMAT,
        "version": VERSION,
        **asdict(found.conditions),
        "units": list(found.units),
        "n": found.n,
        "created_at": found.created_at,
        "examples_sha256": found.examples_sha256,
        "confidence": CONFIDENCE,
        "accuracy": asdict(found.accuracy),
        "columns": list(LAYOUT.columns),
        "cycles_a_turn": _rounded(found.costs),
        "paths": {name: asdict(path) for name, path in found.knowledge.paths.items()},
        "unseen_path_error": found.knowledge.unseen_error,
        "held_out": {
            "fold": found.fold_of.astype(int).tolist(),
            "cycles": found.actual.astype(int).tolist(),
            "predicted_cycles": _rounded(found.held_out),
            "difficulty": _rounded(found.difficulty),
        },
        "fold_cycles_a_turn": [_sparse(row) for row in found.fold_costs],
    }
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def from_text(text: str) -> Predictor:
    """The inverse of `to_text`. Raises PredictorError."""
    try:
        document = json.loads(text)
        if document["format"] != FORMAT:
            raise PredictorError(f"It is a {document['format']}, not a {FORMAT}.")
        version = document["version"]
    except (ValueError, KeyError, TypeError):
        raise PredictorError("It is no predictor, or damaged.", _AGAIN) from None
    if version != VERSION:
        raise PredictorError(
            f"It has version {version} of the format; this munas reads version {VERSION}.",
            "Install the munas that wrote it, or fit it again: munas calibrate --board B",
        )
    try:
        return _from_document(document)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise PredictorError(f"It is damaged ({type(error).__name__}: {error}).", _AGAIN) from None


def _from_document(document: Mapping[str, Any]) -> Predictor:
    if document["columns"] != list(LAYOUT.columns) or document["confidence"] != CONFIDENCE:
        raise PredictorError("It was fitted by another version of munas.", _AGAIN)
    held_out = document["held_out"]
    predictor = Predictor(
        conditions=Conditions(**{name: document[name] for name in Conditions.__dataclass_fields__}),
        units=tuple(document["units"]),
        costs=_finite(document["cycles_a_turn"]),
        fold_costs=np.vstack([_dense(row) for row in document["fold_cycles_a_turn"]]),
        fold_of=np.array(held_out["fold"], dtype=np.int64),
        actual=_finite(held_out["cycles"]),
        held_out=_finite(held_out["predicted_cycles"]),
        difficulty=_finite(held_out["difficulty"]),
        knowledge=Knowledge(
            paths={name: _path(entry) for name, entry in document["paths"].items()},
            unseen_error=float(document["unseen_path_error"]),
        ),
        accuracy=Accuracy(**document["accuracy"]),
        examples_sha256=str(document["examples_sha256"]),
        created_at=str(document["created_at"]),
    )
    sizes = {len(held_out[name]) for name in held_out} | {document["n"]}
    if len(sizes) != 1 or predictor.costs.size != len(LAYOUT.columns):
        raise ValueError("lists of unequal length")
    if predictor.fold_of.max() + 1 != len(predictor.fold_costs):
        raise ValueError("folds that do not fit together")
    if predictor.conditions.clock_hz <= 0:
        raise ValueError("no clock")
    return predictor


def _path(entry: Mapping[str, Any]) -> Path:
    ranges = {name: (float(low), float(high)) for name, (low, high) in entry["ranges"].items()}
    return Path(int(entry["operators"]), float(entry["error"]), ranges, tuple(entry["loops"]))


def _finite(values: Any) -> Vector:
    found = np.array(values, dtype=np.float64)
    if found.ndim != 1 or not np.isfinite(found).all():
        raise ValueError("numbers that are not finite")
    return found


def _rounded(values: Vector) -> list[float]:
    return [float(f"{value:.{_DIGITS}g}") for value in values]


def _sparse(row: Vector) -> dict[str, float]:
    """The costs that are not zero, by column."""
    return {str(index): value for index, value in enumerate(_rounded(row)) if value}


def _dense(row: Mapping[str, float]) -> Matrix:
    found = np.zeros(len(LAYOUT.columns))
    for index, value in row.items():
        found[int(index)] = float(value)
    return found


def _kept(path: File, sha256: str) -> File:
    return path.with_name(f"{path.stem}.{sha256[:16]}.json")


def _write(path: File, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".predictor.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    File(name).replace(path)
