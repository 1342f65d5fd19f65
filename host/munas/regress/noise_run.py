"""Takes a board's noise floor: the A/A runs of `munas noise`."""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path

from munas.boards.registry import find_board
from munas.errors import BadInputError
from munas.experiment import Suite, SuiteModel
from munas.latency.engine import choose_engine, parse_engine
from munas.regress.models import Model, suite_models
from munas.regress.noise import Noise, keep_noise, noise_of, only_record
from munas.regress.plan import OWN, Group
from munas.regress.take import OpenBoard, open_for, take

log = logging.getLogger(__name__)

RUNS = 120
RUNS_WHERE_EXACT = 3
# A network of half a million MACs, with every kind of layer in it.
_REFERENCE = SuiteModel(name="reference", architecture_seed=24, input="28x28x1")


def measure_noise(
    board: str,
    engine: str,
    model: Path | None,
    runs: int | None,
    unit: str | None,
    open_device: OpenBoard = open_for,
) -> tuple[Noise, Path]:
    """The noise floor of a unit with an engine, and the file that it is now kept in.

    Raises MunasErrors: exit code 2 concerns names and files, 3 the board.
    """
    kind = find_board(board)
    group = Group(kind, kind, choose_engine(kind, parse_engine(engine)), (_model(model),))
    if runs is None:
        with closing(open_device(group, OWN, unit)) as opened:
            runs = RUNS_WHERE_EXACT if opened.capabilities.deterministic else RUNS
    taken = take([group], OWN, runs=runs, unit=unit, every_run=True, open_device=open_device)
    noise = noise_of(only_record(taken))
    return noise, keep_noise(noise)


def _model(path: Path | None) -> Model:
    if path is None:
        name = _REFERENCE.name
        suite = Suite(name="noise", boards=("any",), models=(_REFERENCE,))
        return name, dict(suite_models(suite, Path()))[name]
    try:
        return path.name, path.read_bytes()
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror}.") from None
