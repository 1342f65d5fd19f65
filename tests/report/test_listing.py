"""Experiments as TOML read back to the same values."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from munas.report.listing import experiment_toml
from munas.store import RunInfo

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXTS,
)
INLINE = st.recursive(
    SCALARS, lambda inner: st.lists(st.one_of(inner, st.dictionaries(TEXTS, inner))), max_leaves=5
)
TABLES = st.recursive(
    st.dictionaries(TEXTS, INLINE, max_size=3),
    lambda inner: st.dictionaries(TEXTS, st.one_of(INLINE, inner), max_size=3),
    max_leaves=6,
)


def without_empty_tables(value: Any) -> Any:
    """A table that sets nothing says nothing, and is left out."""
    if not isinstance(value, dict):
        return value
    plain = {name: without_empty_tables(item) for name, item in value.items()}
    return {name: item for name, item in plain.items() if item != {}}


def listed(experiment: dict[str, Any], identity: dict[str, Any]) -> dict[str, Any]:
    run = RunInfo(name="n", experiment=experiment, identity=identity, command="c")
    return tomllib.loads(experiment_toml(run))


@given(TABLES)
def test_reads_back(experiment: dict[str, Any]) -> None:
    assert listed(experiment, {}) == without_empty_tables(experiment)


def test_takes_seed_workers_and_lag_of_the_run() -> None:
    experiment = {"name": "n", "search": {"rounds": 3, "seed": 0, "workers": None, "lag": None}}
    identity = {"seed": 5, "workers": 2, "lag": 4, "board": "b"}
    assert listed(experiment, identity) == {
        "name": "n",
        "search": {"rounds": 3, "seed": 5, "workers": 2, "lag": 4},
    }
