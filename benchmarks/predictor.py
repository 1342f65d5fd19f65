"""How true the calibrated predictor is on networks that it was not fitted on, against MACs.

    python benchmarks/predictor.py LEDGER [--networks 100]

LEDGER is that of a study: `munas study correlation EXPERIMENT --ledger LEDGER`. For each board and
engine in it the first networks are fitted; printed are the errors on them, each predicted without
itself, and on all the others. Reference: a line on MACs, fitted on the same networks to the same
relative errors.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from munas.arch import Architecture
from munas.latency.predict import Example, Predictor, build_predictor, examples_of
from munas.store import Ledger
from munas.study.points import points_of, series_of


def row(name: str, mape: float, worst: float, rank: float, held: float | None = None) -> None:
    shown = "" if held is None else f"{held:9.1%}"
    print(f"  {name:34}{mape:9.2f} {worst:9.1f} {rank:10.5f}{shown}")


def judge(predictor: Predictor, others: Sequence[Example]) -> None:
    found = predictor.predict_all([example.features for example in others])
    actual = np.array([example.cycles for example in others])
    predicted = np.array([one.cycles for one in found])
    errors = 100 * np.abs(predicted / actual - 1)
    held = np.mean(
        [one.low <= cycles <= one.high for one, cycles in zip(found, actual, strict=True)]
    )
    rank = float(spearmanr(predicted, actual).statistic)
    row(f"predictor, {len(others)} others", float(errors.mean()), float(errors.max()), rank, held)
    widths = [one.error_percent for one in found]
    beyond = sum(bool(one.extrapolates) for one in found)
    print(f"  intervals: median half-width {np.median(widths):.2f} %; {beyond} extrapolate")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ledger", type=Path)
    parser.add_argument("--networks", type=int, default=100)
    given = parser.parse_args()
    with Ledger.open(given.ledger) as ledger:
        series = series_of(points_of(ledger)[0])
    for key, points in series.items():
        examples = examples_of(
            (Architecture.from_dict(dict(point.architecture)), point.measurement)
            for point in points
        )
        first, others = examples.items[: given.networks], examples.items[given.networks :]
        predictor = build_predictor(replace(examples, items=first))
        true = predictor.accuracy
        print(f"{key}: {len(first)} networks fitted ({examples.conditions.source})")
        print(f"  {'':34}{'mean %':>9} {'worst %':>9} {'rank corr.':>10} {'held':>8}")
        row("line on MACs, without itself", true.mac_mape_percent, true.mac_worst_percent,
            true.mac_spearman)  # fmt: skip
        row("predictor, without itself", true.mape_percent, true.worst_percent, true.spearman,
            true.coverage)  # fmt: skip
        print(f"  upper end of the mean error's 95 % interval: {true.mape_high_percent:.2f} %")
        if others:
            judge(predictor, others)


if __name__ == "__main__":
    main()
