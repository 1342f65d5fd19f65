"""docs/data.md has a row for every data set, and its example of own data works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from munas.experiment.schema import Data
from munas.train import REGISTRY, load

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "data.md").read_text()


def test_every_data_set_has_its_row() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+?) \|.*\|.*\|.*\|$", PAGE, re.MULTILINE))
    assert rows.keys() == REGISTRY.keys()
    for name, spec in REGISTRY.items():
        if spec.input_shape is not None:
            assert rows[name] == "x".join(map(str, spec.input_shape)), name


def test_the_experiments_page_names_every_data_set() -> None:
    text = (ROOT / "docs" / "experiments.md").read_text()
    line = next(line for line in text.splitlines() if "the data set: `" in line)
    assert set(re.findall(r"`(\w+)`", line)) - {"name"} == REGISTRY.keys()


def test_the_example_of_own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert example is not None
    monkeypatch.chdir(tmp_path)
    exec(example[1], {})
    dataset = load(Data(name="own", folder=str(tmp_path)), environ={})
    assert (dataset.input_shape, dataset.classes) == ((64, 1, 3), 2)
    assert (len(dataset.train), len(dataset.val), len(dataset.test)) == (240, 60, 100)
