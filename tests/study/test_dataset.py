"""The open data set: read back as written, and every damage named with file and line."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from munas.errors import BadInputError, MunasError
from munas.study.dataset import SUMS, DatasetMeta, read_dataset, write_dataset
from munas.study.dataset_schema import json_schema, to_line, to_point
from munas.study.points import Point

META = DatasetMeta(
    title="Made up",
    description="From tests.",
    command="munas study correlation x",
    created_at="2026-11-24",
    munas_version="0.1.0",
)
MakePoints = Callable[..., list[Point]]


@pytest.fixture
def folder(tmp_path: Path, points_like: MakePoints) -> Path:
    write_dataset(tmp_path / "set", points_like(4), META)
    return tmp_path / "set"


def sign(folder: Path) -> None:
    """Make SHA256SUMS say what is there."""
    names = ("points.jsonl", "README.md", "schema.json")
    (folder / SUMS).write_text(
        "".join(
            f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n"
            for name in names
        )
    )


def edit(folder: Path, line: int, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the value of one line, and sign."""
    path = folder / "points.jsonl"
    lines = path.read_text().splitlines()
    value = json.loads(lines[line - 1])
    change(value)
    lines[line - 1] = json.dumps(value)
    path.write_text("\n".join(lines) + "\n")
    sign(folder)


def test_reads_what_it_wrote(tmp_path: Path, points_like: MakePoints) -> None:
    points = [*points_like(5), *points_like(5, board="other", engine="aot")]
    points[0] = replace(points[0], tflite_bytes=12_345)
    write_dataset(tmp_path / "set", points, META)
    read = read_dataset(tmp_path / "set")
    assert list(read.points) == points
    data = (tmp_path / "set" / "points.jsonl").read_bytes()
    assert read.points_sha256 == hashlib.sha256(data).hexdigest()


def test_each_line_says_what_it_is(folder: Path) -> None:
    for line in (folder / "points.jsonl").read_text().splitlines():
        value = json.loads(line)
        assert (value["schema"], value["schema_version"]) == ("munas-study-point", 1)
        assert value["tflite_sha256"] == value["measurement"]["model_sha256"]
    schema = json.loads((folder / "schema.json").read_text())
    assert schema == json_schema()
    assert set(schema["required"]) == set(value)
    readme = (folder / "README.md").read_text()
    for text in ("# Made up", "From tests.", "| emulated_x | tflm | emulated | ±10 % |", "Licence"):
        assert text in readme


def test_replaces_a_data_set_and_nothing_else(folder: Path, points_like: MakePoints) -> None:
    write_dataset(folder, points_like(3), META)
    assert len(read_dataset(folder).points) == 3
    assert [path.name for path in folder.parent.iterdir()] == ["set"]
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(BadInputError, match=r"thesis\.tex"):
        write_dataset(folder, points_like(4), META)
    assert (folder / "thesis.tex").read_text() == "years of work"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, points_like: MakePoints) -> None:
    with pytest.raises(BadInputError, match="cannot be written: No such file"):
        write_dataset(tmp_path / "a" / "b", points_like(3), META)
    assert list(tmp_path.iterdir()) == []


def test_what_could_not_be_read_is_not_written(tmp_path: Path, points_like: MakePoints) -> None:
    (point,) = points_like(1)
    with pytest.raises(BadInputError, match="`macs` is 7"):
        write_dataset(tmp_path / "set", [replace(point, macs=7)], META)
    with pytest.raises(BadInputError, match="point 1 and point 2"):
        write_dataset(tmp_path / "set", [point, point], META)
    with pytest.raises(BadInputError, match="without points"):
        write_dataset(tmp_path / "set", [], META)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["points.jsonl", "README.md", "schema.json", SUMS])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BadInputError, match=f"{name} cannot be read"):
        read_dataset(folder)


@pytest.mark.parametrize("name", ["points.jsonl", "README.md", "schema.json"])
def test_a_changed_file_is_named(folder: Path, name: str) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(BadInputError, match=f"{name} is not what SHA256SUMS says"):
        read_dataset(folder)


@pytest.mark.parametrize(
    "line", ["", "x", f"{'0' * 64}  ../../etc/passwd", f"{'0' * 63}  README.md", "\udcff"]
)
def test_bad_sums_are_named_by_line(folder: Path, line: str) -> None:
    path = folder / SUMS
    rest = path.read_text().splitlines()[1:]
    path.write_bytes("\n".join([rest[0], line, *rest[1:]]).encode("utf-8", "surrogateescape"))
    with pytest.raises(BadInputError, match="SHA256SUMS, line 2"):
        read_dataset(folder)


def test_sums_must_list_every_file_once(folder: Path) -> None:
    path = folder / SUMS
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:2]) + "\n")
    with pytest.raises(BadInputError, match=r"does not list schema\.json"):
        read_dataset(folder)
    path.write_text("\n".join([*lines, lines[0]]) + "\n")
    with pytest.raises(BadInputError, match="SHA256SUMS, line 4"):
        read_dataset(folder)


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    r"is not a line of the schema": lambda v: v.update(schema="other"),
    r"version 2 .* is newer": lambda v: v.update(schema_version=2),
    r"`schema_version`": lambda v: v.update(schema_version=0),
    r"`macs`: it is missing": lambda v: v.pop("macs"),
    r"`macs`: must be above 0, not -5": lambda v: v.update(macs=-5),
    r"`macs` is \d+; that of the architecture": lambda v: v.update(macs=v["macs"] + 1),
    r"`macs`: must be a whole number, not \"": lambda v: v.update(macs=str(v["macs"])),
    r"`model_size_bytes` is": lambda v: v.update(model_size_bytes=3),
    r"`peak_memory_bytes` is": lambda v: v.update(peak_memory_bytes=3),
    r"`peak_memory_with_input_bytes` is": lambda v: v.update(peak_memory_with_input_bytes=3),
    r"`extra`": lambda v: v.update(extra=1),
    r"`architecture_sha256` is not": lambda v: v.update(architecture_sha256="0" * 64),
    r"`architecture_sha256`: ": lambda v: v.update(architecture_sha256="0"),
    r"`architecture`: .*classes": lambda v: v["architecture"].update(classes="x"),
    r"`architecture_sha256` is not that": lambda v: v["architecture"].update(classes=5),
    r"`tflite_sha256` is not": lambda v: v.update(tflite_sha256="0" * 64),
    r"`measurement.source`": lambda v: v["measurement"].update(source="mac"),
    r"`measurement.error`": lambda v: v["measurement"].update(error={"name": "x"}),
    r"`measurement.cycles`": lambda v: v["measurement"].update(cycles=None),
    r"cycles at \d+ Hz are not": lambda v: v["measurement"].update(latency_us=10**9),
    r"`measurement.clock_hz`": lambda v: v["measurement"].update(clock_hz=0),
    r"`measurement.latency_us`": lambda v: v["measurement"].update(latency_us=2**60),
    r"`measurement.operators.0.cycles`": lambda v: v["measurement"]["operators"][0].update(
        cycles=-1
    ),
    r"the operators take": lambda v: v["measurement"]["operators"][0].update(
        cycles=1000 * v["measurement"]["operators"][0]["cycles"]
    ),
    r"\d+ cycles are not the median": lambda v: v["measurement"].update(
        cycles=2 * v["measurement"]["cycles"],
        latency_us=round(2e6 * v["measurement"]["cycles"] / v["measurement"]["clock_hz"]),
    ),
    r"there are 0 samples of 1 repeats": lambda v: v["measurement"].update(cycles_samples=[]),
    r"the operators have": lambda v: v["measurement"]["operators"].pop(0),
    r"`measurement`: must be a table": lambda v: v.update(measurement=[]),
}


@pytest.mark.parametrize("message", CHANGES)
def test_every_fault_is_named_with_its_line(folder: Path, message: str) -> None:
    edit(folder, 3, CHANGES[message])
    with pytest.raises(BadInputError, match=rf"points\.jsonl, line 3: .*{message}"):
        read_dataset(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "it is not JSON"),
        (b"[1]", "not a line of the schema"),
        (b"null", "not a line of the schema"),
        (b'{"schema": NaN}', "NaN is no JSON"),
        (b'{"schema": 1, "schema": 2}', "'schema' is there twice"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"schema": ' + b"9" * 5000 + b"}", "it is not JSON"),
        (b"\xff\xfe", "it is not UTF-8"),
    ],
)
def test_lines_that_are_no_points(folder: Path, text: bytes, message: str) -> None:
    path = folder / "points.jsonl"
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([lines[0], text, *lines[2:]]))
    sign(folder)
    with pytest.raises(BadInputError, match=rf"points\.jsonl, line 2: .*{message}"):
        read_dataset(folder)


def test_an_empty_file_is_named(folder: Path) -> None:
    (folder / "points.jsonl").write_text("\n\n")
    sign(folder)
    with pytest.raises(BadInputError, match="holds no points"):
        read_dataset(folder)


def test_what_is_there_twice_is_named_by_both_lines(folder: Path) -> None:
    path = folder / "points.jsonl"
    path.write_text(path.read_text() + path.read_text().splitlines()[1] + "\n")
    sign(folder)
    with pytest.raises(BadInputError, match="line 2 and line 5"):
        read_dataset(folder)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_damage_is_a_named_fault(
    data: st.DataObject, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Bytes changed anywhere, with sums that fit: read as points, or refused by name."""
    damaged = tmp_path_factory.mktemp("damaged") / "set"
    shutil.copytree(folder, damaged)
    path = damaged / "points.jsonl"
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    sign(damaged)
    try:
        read_dataset(damaged)
    except MunasError as error:
        assert str(path) in error.what or "SHA256SUMS" in error.what


def test_keys_beyond_the_known_are_kept(points_like: MakePoints) -> None:
    (point,) = points_like(1, probe="own")
    assert to_point(to_line(point), "here").measurement["probe"] == "own"
