"""Longer proofs run when they are asked for; the others skip them, and say so."""

from __future__ import annotations

import os

import pytest

REASON = "a longer proof: set MUNAS_TEST_LONG=1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("MUNAS_TEST_LONG"):
        return
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason=REASON))
