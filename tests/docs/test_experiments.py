"""docs/experiments.md lists exactly the keys of the schema, with their defaults."""

from __future__ import annotations

import re
import tomllib
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from munas.experiment import Experiment, load_experiment, load_study

PAGE = Path(__file__).parents[2] / "docs" / "experiments.md"


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The section that a field holds, itself or in a tuple."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (tuple, Union, types.UnionType):
        return next(filter(None, map(section_of, get_args(annotation))), None)
    return None


def keys_of(section: type[BaseModel], path: str) -> Iterator[tuple[str, str, Any]]:
    for name, field in section.model_fields.items():
        inner = section_of(field.annotation)
        deeper = f"{path}.{name}".lstrip(".")
        kinds = (field.annotation, *get_args(field.annotation))
        listed = any(get_origin(kind) is tuple for kind in kinds)
        if inner is not None:
            yield from keys_of(inner, deeper)
        if inner is None or listed:
            default = field.default
            yield path, name, "required" if default is PydanticUndefined else default


def documented() -> Iterator[tuple[str, str, Any]]:
    path = ""
    for line in PAGE.read_text().splitlines():
        if heading := re.fullmatch(r"## (.*)", line):
            path = "" if heading[1] == "Top level" else heading[1].strip("[]")
        elif row := re.fullmatch(r"\| `(\w+)` \| (.+?) \| (.+?) \|.*\|", line):
            yield path, row[1], default_of(row[3])


def default_of(text: str) -> Any:
    if text in ("required", "–"):
        return {"–": None}.get(text, text)
    value = tomllib.loads(f"value = {text.strip('`')}")["value"]
    return tuple(value) if isinstance(value, list) else value


def test_every_key_is_documented_with_its_default() -> None:
    assert sorted(documented(), key=str) == sorted(keys_of(Experiment, ""), key=str)


def test_the_example_is_valid(tmp_path: Path) -> None:
    example = re.search(r'```toml\n(name = "mine".*?)```', PAGE.read_text(), re.DOTALL)
    assert example is not None
    path = tmp_path / "mine.toml"
    path.write_text(example[1])
    assert load_experiment(path).name == "mine"


def test_every_experiment_that_comes_with_munas_is_named() -> None:
    folder = Path(__file__).parents[2] / "experiments"
    for path in folder.glob("*.toml"):
        load = load_study if "[study]" in path.read_text() else load_experiment
        load(path)
        assert f"`{path.stem}`" in PAGE.read_text(), path
