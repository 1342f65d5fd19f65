"""Faults of files are told in words, not in those of the library that finds them."""

from __future__ import annotations

from typing import Any

import pytest

from munas.boards.types import BoardType
from munas.errors import BadInputError
from munas.experiment import parse_experiment

BASE: dict[str, Any] = {"name": "x", "data": {"name": "digits"}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bounds": {"error": 7}}, "bounds.error: must be below 1, not 7"),
        ({"bounds": {"macs": "many"}}, 'bounds.macs: must be a whole number, not "many"'),
        ({"bounds": {"macs": 1.5}}, "bounds.macs: must be a whole number, not 1.5"),
        ({"bounds": {"speed": 1}}, "bounds.speed: unknown key"),
        ({"bounds": []}, "bounds: must be a table of keys and values"),
        ({"search": {"algorithm": "x"}}, "'random', 'nsga2' or 'tpe', not \"x\""),
        ({"search": {"rounds": 0}}, "search.rounds: must be above 0, not 0"),
        ({"search": {"sample": 9, "population": 3}}, "sample (9) cannot exceed population (3)"),
        ({"train": {"dropout": "none"}}, 'train.dropout: must be a number, not "none"'),
        ({"pruning": {"sparsity": [0.1, 1.0]}}, "pruning: sparsity up to 1 leaves nothing"),
        ({"latency": {"board": 3}}, "latency.board: must be text, not 3"),
        ({"study": {"boards": "x"}}, 'study.boards: must be a list, not "x"'),
        ({"name": "ü"}, "name: must have the form"),
        ({"data": {}}, "data.name: it is missing"),
    ],
)
def test_faults_of_experiments(change: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInputError) as fault:
        parse_experiment(BASE | change, "x.toml")
    assert said in fault.value.what
    assert "nput" not in fault.value.what.replace("input", ""), fault.value.what


def test_every_limit_has_words() -> None:
    """No fault of a board's numbers falls back on the library's words."""
    from pydantic import ValidationError

    from munas.wording import told

    with pytest.raises(ValidationError) as found:
        BoardType.model_validate({"name": "x", "path": 3, "clock_hz": -1, "mcu": "x", "cycles": 3})
    words = [told(each) for each in found.value.errors()]
    assert not [each for each in words if "Input" in each or "Value" in each], words
