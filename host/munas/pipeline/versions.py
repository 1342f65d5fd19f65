"""The versions that the numbers of a search depend on."""

from __future__ import annotations

import importlib.metadata

VERSIONED = ("munas", "tensorflow", "keras", "numpy", "ai-edge-litert")


def versions(*more: str) -> dict[str, str]:
    """Of the packages on this machine, and of `more` that a search uses."""
    return {name: importlib.metadata.version(name) for name in (*VERSIONED, *more)}
