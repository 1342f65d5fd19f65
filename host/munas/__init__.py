"""munas: neural architecture search for microcontrollers, proved on the microcontroller.

The library's front: `Architecture`, `sample`, `morphisms`, `cost`, `convert`, `open_board`,
`measure`, `Search`, `Ledger`. Names are looked up when first used: importing munas costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from munas.arch import Architecture as Architecture
    from munas.arch import morphisms as morphisms
    from munas.arch import sample as sample
    from munas.boards.open import open_board as open_board
    from munas.cost import cost as cost
    from munas.deploy.convert import convert as convert
    from munas.latency.one import measure as measure
    from munas.search import Search as Search
    from munas.store import Ledger as Ledger

__version__ = "0.1.0"

_FRONT = {
    "Architecture": "munas.arch",
    "sample": "munas.arch",
    "morphisms": "munas.arch",
    "cost": "munas.cost.model",
    "convert": "munas.deploy.convert",
    "open_board": "munas.boards.open",
    "measure": "munas.latency.one",
    "Search": "munas.search",
    "Ledger": "munas.store",
}
__all__ = [*_FRONT]  # noqa: PLE0604 (a list of strings)


def __getattr__(name: str) -> Any:
    if name in _FRONT:
        return getattr(importlib.import_module(_FRONT[name]), name)
    raise AttributeError(f"module 'munas' has no attribute {name!r}")
