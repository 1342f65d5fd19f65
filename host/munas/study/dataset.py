"""The open data set: measured points in a folder that others can read, check and add to.

JSON lines, a JSON schema, a README and SHA256SUMS. Text alone: nothing in it is ever run. Knows
files; what a line must be stands in `munas.study.dataset_schema`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from munas.errors import BadInputError
from munas.study.dataset_schema import (
    SCHEMA,
    SCHEMA_VERSION,
    json_schema,
    to_line,
    to_point,
)
from munas.study.points import Point, series_of

POINTS, JSON_SCHEMA, README, SUMS = "points.jsonl", "schema.json", "README.md", "SHA256SUMS"
_LISTED = (POINTS, README, JSON_SCHEMA)
_SUM_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")


@dataclass(frozen=True, kw_only=True)
class DatasetMeta:
    """What the README says of a data set; all of it plain text."""

    title: str
    description: str = ""
    command: str = ""
    created_at: str = ""
    licence: str = "Apache-2.0"
    munas_version: str = ""


@dataclass(frozen=True)
class Dataset:
    """The points of a data set, and the SHA-256 of the file that they stand in."""

    points: tuple[Point, ...]
    points_sha256: str


def write_dataset(folder: Path, points: Sequence[Point], meta: DatasetMeta) -> None:
    """Write the data set to `folder`, whole or not at all; one that is there is replaced.

    Raises BadInputError for points that could not be read back, a folder that holds anything else,
    or one that cannot be written.
    """
    if not points:
        raise BadInputError("A data set without points is not written.", "Measure something first.")
    _check_twice(points, [f"point {number}" for number in range(1, len(points) + 1)])
    lines = [json.dumps(to_line(point), allow_nan=False) for point in points]
    files = {
        POINTS: "\n".join(lines) + "\n",
        JSON_SCHEMA: json.dumps(json_schema(), indent=1) + "\n",
        README: _readme(points, meta),
    }
    data = {name: text.encode() for name, text in files.items()}
    sums = "".join(f"{hashlib.sha256(data[name]).hexdigest()}  {name}\n" for name in _LISTED)
    data[SUMS] = sums.encode()
    try:
        _replace(folder, data)
    except OSError as error:
        raise BadInputError(
            f"The data set {folder} cannot be written: {error.strerror}.",
            "Give a folder whose parent exists and can be written, on a disk with free space.",
        ) from error


def read_dataset(folder: Path) -> Dataset:
    """A data set, each point checked.

    Raises BadInputError naming file and line: a file that is absent or not what SHA256SUMS says, a
    line that is no JSON or not of the schema, a newer schema, hashes or costs that are not the
    architecture's, a measurement that is there twice.
    """
    data = _verified(folder)
    path = folder / POINTS
    points: list[Point] = []
    places: list[str] = []
    try:
        text = data[POINTS].decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[POINTS][: error.start].count(b"\n") + 1
        raise BadInputError(f"{path}, line {line}: it is not UTF-8.", "Copy it again.") from None
    for number, line_text in enumerate(text.split("\n"), start=1):
        if line_text.strip():
            where = f"{path}, line {number}"
            points.append(to_point(_parsed(line_text, where), where))
            places.append(f"line {number}")
    if not points:
        raise BadInputError(f"{path} holds no points.", "Ask whoever made the data set.")
    _check_twice(points, places, f"{path}: ")
    return Dataset(tuple(points), hashlib.sha256(data[POINTS]).hexdigest())


def _parsed(text: str, where: str) -> Any:
    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is no JSON")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(name for name, n in Counter(k for k, _ in pairs).items() if n > 1)
            raise ValueError(f"the key {twice!r} is there twice")
        return found

    try:
        return json.loads(text, parse_constant=refuse, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise BadInputError(f"{where}: it is not JSON: {reason}.", "Copy the file again.") from None


def _check_twice(points: Sequence[Point], places: Sequence[str], before: str = "") -> None:
    seen: dict[tuple[str, ...], str] = {}
    for point, place in zip(points, places, strict=True):
        identity = (point.architecture_sha256, point.board, str(point.unit), point.engine)
        if identity in seen:
            raise BadInputError(
                f"{before}{seen[identity]} and {place} are measurements of the same architecture "
                f"({point.architecture_sha256[:12]}) on {point.key}.",
                "Keep one of them.",
            )
        seen[identity] = place


def _verified(folder: Path) -> dict[str, bytes]:
    """The files that SHA256SUMS lists, each as it says."""
    sums = folder / SUMS
    listed: dict[str, str] = {}
    for number, line in enumerate(_read(sums).decode("utf-8", "replace").splitlines(), start=1):
        found = _SUM_LINE.fullmatch(line)
        if found is None or found[2] not in _LISTED or found[2] in listed:
            raise BadInputError(
                f"{sums}, line {number}: it should be the SHA-256 of one of "
                f"{', '.join(_LISTED)}, each once.",
                "Copy the file again.",
            )
        listed[found[2]] = found[1]
    data = {}
    for name in _LISTED:
        if name not in listed:
            raise BadInputError(f"{sums} does not list {name}.", "Copy the whole folder again.")
        data[name] = _read(folder / name)
        actual = hashlib.sha256(data[name]).hexdigest()
        if actual != listed[name]:
            raise BadInputError(
                f"{folder / name} is not what {SUMS} says: its SHA-256 is {actual}.",
                "Copy it again; if it was changed on purpose, it is another data set.",
            )
    return data


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInputError(
            f"{path} cannot be read: {error.strerror}.",
            f"A data set is a folder with {', '.join((*_LISTED, SUMS))}.",
        ) from error


def _replace(folder: Path, data: Mapping[str, bytes]) -> None:
    """Put a folder with these files in the place of `folder`."""
    folder = folder.resolve()  # a link to a folder stays a link
    if folder.exists():
        strangers = sorted({entry.name for entry in folder.iterdir()} - {*_LISTED, SUMS})
        if strangers:
            raise BadInputError(
                f"{folder} holds other things ({', '.join(strangers[:3])}).",
                "Give a new folder, or one with a data set in it.",
            )
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    try:
        beside.mkdir()
        for name, content in data.items():
            with (beside / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        if folder.exists():
            folder.rename(old)
        try:
            beside.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def _readme(points: Iterable[Point], meta: DatasetMeta) -> str:
    rows = [
        f"| {key.board} | {key.engine} | {own[0].source} | {_error(own[0])} | "
        f"{own[0].clock_hz:,} | {len(own):,} |"
        for key, own in series_of(points).items()
    ]
    optional = [meta.description, f"Made by `{meta.command}`." if meta.command else ""]
    made = " ".join(
        part
        for part in (
            f"Written {meta.created_at}" if meta.created_at else "",
            f"by munas {meta.munas_version}" if meta.munas_version else "",
        )
        if part
    )
    told = "".join(f"\n{part}\n" for part in (*optional, f"{made}." if made else "") if part)
    return _README.format(
        title=meta.title,
        told=told,
        rows="\n".join(rows),
        licence=meta.licence,
        schema=SCHEMA,
        version=SCHEMA_VERSION,
    )


def _error(point: Point) -> str:
    if point.source == "silicon":
        return "–"
    error = point.model_error_percent
    return "not known" if error is None else f"±{error:g} %"


_README = """# {title}
{told}
Latency and memory of int8 neural networks, measured one by one.

| board | engine | source | source's own error | clock (Hz) | points |
|---|---|---|---|---|---|
{rows}

`silicon` is a chip; `emulated` is a cycle model of one, never hardware: see its error above.

## Files

- `points.jsonl`: one JSON object a line, of the schema `{schema}`, version {version}. One line is
  one architecture measured on one board with one engine. Units are in the names of fields: `_us`
  microseconds, `_bytes` bytes, `_hz` hertz; `cycles` are of the core clock `clock_hz`.
  - `architecture`: the network as munas writes it; `architecture_sha256` hashes what it computes.
  - `macs`, `model_size_bytes` (weights and biases as stored), `peak_memory_bytes` (activations,
    without the input buffer) and `peak_memory_with_input_bytes` follow from the architecture.
  - `tflite_sha256`, `tflite_bytes`: the measured .tflite file.
  - `measurement`: the whole measurement object, with board, engine, revision, compiler, flags,
    cycles of every repeat and, where they were measured, of every operator.
- `schema.json`: the JSON schema of a line.
- `SHA256SUMS`: check with `sha256sum -c SHA256SUMS`.

Models that failed (did not fit the board, say) are not in it: it is about those that ran.

## Licence

{licence}. Weights are random; no training data are contained.
"""
