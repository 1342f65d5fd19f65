"""Baselines: what a firmware did, kept as a file that goes into version control.

A line a record, so that a diff shows what moved; a digest over all of it, so that a damaged or
edited file is refused. Must not know how records are taken or judged.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from munas import __version__
from munas.errors import BadInputError
from munas.link.messages import PROTOCOL_VERSION
from munas.regress.record import Case, Image, Record, Taken
from munas.store.rows import utc_now

FORMAT = "munas-baseline"
VERSION = 1


class BaselineError(BadInputError):
    """A baseline cannot be used: damaged, or of something else."""

    name = "baseline"


@dataclass(frozen=True)
class Baseline:
    """A baseline file. `suite` is the suite as it was, `commit` the version of what was measured.

    `protocol` is the link's version: other versions measure in other ways.
    """

    suite: Mapping[str, Any]
    taken: Taken
    protocol: int = PROTOCOL_VERSION
    munas: str = __version__
    commit: str | None = None
    created_at: str = ""


def to_text(baseline: Baseline) -> str:
    """The file's text; the same baseline is the same text."""
    taken = baseline.taken
    head = {
        "format": FORMAT,
        "version": VERSION,
        "protocol": baseline.protocol,
        "munas": baseline.munas,
        "commit": baseline.commit,
        "created_at": baseline.created_at or utc_now(),
        "suite": baseline.suite,
    }
    records = [taken.records[case].as_json() for case in sorted(taken.records)]
    images = [asdict(taken.images[key]) for key in sorted(taken.images)]
    body = {**head, "records": records, "images": images}
    lines = [f" {_json(key)}: {_json(value)}," for key, value in head.items()]
    for key, entries in (("records", records), ("images", images)):
        listed = ",\n  ".join(_json(entry) for entry in entries)
        lines.append(f" {_json(key)}: [\n  {listed}\n ],")
    return "\n".join(["{", *lines, f' "sha256": "{_digest(body)}"', "}", ""])


def read_baseline(path: Path) -> Baseline:
    """Raises BaselineError: damaged, edited, of a newer munas, or no baseline at all."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except OSError as error:
        raise BaselineError(
            f"The baseline {path} cannot be read: {error.strerror}.",
            f"Record one: munas baseline record SUITE --out {path}",
        ) from None
    except (ValueError, RecursionError):
        raise _damaged(path, "it is not JSON") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BaselineError(f"{path} is not a baseline.", "Make one with: munas baseline record")
    if document.get("version") != VERSION:
        raise BaselineError(
            f"{path} is a baseline of version {document.get('version')}; this munas reads "
            f"{VERSION}.",
            "Record it anew: munas baseline record",
        )
    digest = document.pop("sha256", None)
    if digest != _digest(document):
        raise _damaged(path, "its contents are not what its digest says")
    try:
        return _from_document(document)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _damaged(path, "something in it is missing") from None


def _refuse_constant(text: str) -> float:
    """NaN and infinities are no JSON, and no baseline holds them."""
    raise ValueError(text)


def _from_document(document: Mapping[str, Any]) -> Baseline:
    images = [Image.from_json(entry) for entry in document["images"]]
    records = [Record.from_json(entry) for entry in document["records"]]
    by_hash = {image.sha256: image for image in images}
    if any(record.image not in by_hash or not record.cycles_runs for record in records):
        raise ValueError
    return Baseline(
        suite=document["suite"],
        taken=Taken({record.case: record for record in records}, by_hash),
        protocol=document["protocol"],
        munas=document["munas"],
        commit=document["commit"],
        created_at=document["created_at"],
    )


def _damaged(path: Path, why: str) -> BaselineError:
    return BaselineError(
        f"The baseline {path} is damaged: {why}.",
        "Restore it from version control, or record it anew: munas baseline record",
    )


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _digest(body: Mapping[str, Any]) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def require_usable(baseline: Baseline, asked: Mapping[Case, str], path: Path) -> None:
    """Refuse a baseline that is of something else; `asked` are cases with their model's SHA-256.

    Raises BaselineError that names protocol, board, engine, environment or model.
    """
    if baseline.protocol != PROTOCOL_VERSION:
        raise BaselineError(
            f"The baseline {path} was taken with version {baseline.protocol} of the link's "
            f"protocol; this munas speaks {PROTOCOL_VERSION}.",
            "Record it anew: munas baseline record",
        )
    records = baseline.taken.records
    for case, digest in asked.items():
        _require_kind(records, case, path)
        known = records.get(case)
        if known is not None and known.model_sha256 != digest:
            raise BaselineError(
                f"The model {case.model} is another one now ({digest[:12]}) than in the baseline "
                f"{path} ({known.model_sha256[:12]}).",
                "A change of the model is no change of the firmware. Record the baseline anew, or "
                "restore the model.",
            )


def _require_kind(records: Mapping[Case, Record], case: Case, path: Path) -> None:
    """A model may be new; a board, an engine or an environment may not."""
    kinds = [replace(known, model="") for known in records]
    if replace(case, model="") in kinds:
        return
    for noun in ("board", "engine", "environment"):
        wanted = getattr(case, noun)
        known = sorted({getattr(kind, noun) for kind in kinds})
        if wanted not in known:
            raise BaselineError(
                f"The baseline {path} is of the {noun} {', '.join(known) or 'none'}, not of "
                f"{wanted}.",
                f"Results of another {noun} are not comparable. Record a baseline of it, or choose "
                f"the same {noun}.",
            )
    raise BaselineError(
        f"The baseline {path} has nothing of {replace(case, model='all models')}.",
        "Record it anew: munas baseline record",
    )


def require_same_units(before: Taken, after: Taken, path: Path) -> None:
    """Two devices of one type differ by themselves. Raises BaselineError."""
    for case, record in after.records.items():
        known = before.records.get(case)
        if known is None:
            continue
        if known.unit != record.unit:
            raise BaselineError(
                f"The baseline {path} was taken on the unit {known.unit} of {case.board}; this is "
                f"{record.unit}.",
                f"Choose the same device with --unit {known.unit}, or record a baseline of this "
                "one.",
            )
        if known.source != record.source:
            raise BaselineError(
                f"The baseline {path} is {known.source}, this is {record.source}.",
                "Values of different sources are not comparable.",
            )
