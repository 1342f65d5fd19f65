"""The search loop, pure: it is handed evaluations and knows neither TensorFlow nor a board."""

from munas.search.candidate import Candidate, Evaluation, Result
from munas.search.objective import Objective
from munas.search.screen import Screen, cost_screen, screened_values
from munas.search.search import Search, SearchSettings

__all__ = [
    "Candidate",
    "Evaluation",
    "Objective",
    "Result",
    "Screen",
    "Search",
    "SearchSettings",
    "cost_screen",
    "screened_values",
]
