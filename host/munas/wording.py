"""What is wrong with a value of a file, in words: of the checks of pydantic's models.

This module knows the kinds of faults, neither the models nor the files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

# By pydantic's name of the fault; what is in braces stands in the fault's context.
_WORDS = {
    "missing": "it is missing",
    "extra_forbidden": "unknown key",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "finite_number": "must be a finite number",
    "literal_error": "must be {expected}",
    "none_required": "must be null",
    "string_pattern_mismatch": "must have the form {pattern}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
}
# What a value must be, by the first word of the faults' names (`int_parsing`, `int_type`, …).
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "path": "a path",
    "list": "a list",
    "tuple": "a list",
    "dict": "a table of keys and values",
    "model": "a table of keys and values",
    "mapping": "a table of keys and values",
}
_SELF_EVIDENT = ("missing", "extra_forbidden", "value_error")
_LONGEST = 60


def told(fault: Mapping[str, Any]) -> str:
    """One of pydantic's `errors()` in words, with the value that was given where it is short."""
    name = fault["type"]
    if name == "value_error":
        return str(fault["msg"]).removeprefix("Value error, ")
    kind = _KINDS.get(name.split("_")[0])
    if name in _WORDS:
        context = {key: _value_in_words(value) for key, value in (fault.get("ctx") or {}).items()}
        words = _WORDS[name].format_map(context)
    elif kind is not None:
        words = f"must be {kind}"
    else:
        words = str(fault["msg"]).replace("Input should be", "must be")
    given = _given(fault.get("input"))
    return f"{words}, not {given}" if given and name not in _SELF_EVIDENT else words


def _value_in_words(value: Any) -> str:
    """A limit, or pydantic's list of choices (`'a', 'b' or False`)."""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    for python, written in (("True", "true"), ("False", "false"), ("None", "null")):
        text = re.sub(rf"\b{python}\b", written, text)
    return text


def _given(value: Any) -> str:
    if not isinstance(value, str | int | float | None):
        return ""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else ""
