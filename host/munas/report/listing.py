"""An experiment as the TOML that repeats a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from munas.store import RunInfo

# What a run decides for itself where the file leaves it open, and what its history follows from.
_DECIDED = ("seed", "workers", "lag")


def experiment_toml(run: RunInfo) -> str:
    """The run's experiment with the seed, workers and lag that it had, as TOML text.

    Keys that are not set are left out. The text parses back to the same values.
    """
    experiment = dict(run.experiment)
    decided = {name: run.identity[name] for name in _DECIDED if name in run.identity}
    if decided:
        experiment["search"] = {**(experiment.get("search") or {}), **decided}
    return "\n".join(_table(experiment, ())).strip() + "\n"


def _table(values: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    plain = {k: v for k, v in values.items() if v is not None and not isinstance(v, Mapping)}
    tables = {k: v for k, v in values.items() if isinstance(v, Mapping)}
    lines = ["", f"[{'.'.join(_key(part) for part in path)}]"] if path and plain else []
    lines += [f"{_key(name)} = {_value(value)}" for name, value in plain.items()]
    for name, table in tables.items():
        lines += _table(table, (*path, name))
    return lines


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if bare else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = (f"{_key(k)} = {_value(v)}" for k, v in value.items() if v is not None)
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, float):
        return repr(value)
    # JSON's strings, numbers and booleans are TOML's, but for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
