"""Searches that are evaluated to their end."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from munas.search import Candidate, Evaluation, Search

Evaluate = Callable[[Candidate], Evaluation]


@pytest.fixture(scope="session")
def run_search() -> Callable[..., list[Candidate]]:
    """Evaluates to the end, telling results in a random order where one is given; all asks."""

    def run(search: Search, order: Random | None = None, *, evaluate: Evaluate) -> list[Candidate]:
        waiting: list[Candidate] = []
        while search.can_ask or waiting:
            while search.can_ask:
                waiting.append(search.ask())
            candidate = waiting.pop(order.randrange(len(waiting)) if order else 0)
            search.tell(candidate, evaluate(candidate))
        return list(search.asked)

    return run
