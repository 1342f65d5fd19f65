"""The search loop, pure: it is handed evaluations and knows neither TensorFlow nor a board."""

from munas.search.candidate import Candidate, Evaluation, Result
from munas.search.objective import Objective
from munas.search.proposers import proposer_for, require_algorithm
from munas.search.reach import OutOfReachError
from munas.search.screen import Screen, cost_screen, screened_values
from munas.search.search import Proposer, Search, SearchSettings, expected

__all__ = [
    "Candidate",
    "Evaluation",
    "Objective",
    "OutOfReachError",
    "Proposer",
    "Result",
    "Screen",
    "Search",
    "SearchSettings",
    "cost_screen",
    "expected",
    "proposer_for",
    "require_algorithm",
    "screened_values",
]
