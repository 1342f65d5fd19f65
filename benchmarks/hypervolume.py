"""How much training the search needs to find what the paper's search finds. Prints a ratio.

Both search Fashion-MNIST under 64 KB of peak memory and 64 KB of model size, with the same data,
training and seeds, on one evaluator (`munas study baselines`). Reference: the arm `paper` (its
sampling, soft bounds, every candidate trained). The defaults are small, for a look; the paper's own
setting is `--epochs-each 45 --samples 0 --candidates 2000 --population 100 --error 0.1`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from munas.experiment import find_experiment, load_experiment
from munas.pipeline.events import Silent
from munas.study.baselines import arms_of, carry_out, require_same, runs
from munas.study.baselines_page import write
from munas.study.budgets import course_of, summary, verdict


def overrides(options: argparse.Namespace) -> tuple[str, ...]:
    """The changes of the experiment `fashion_mnist` that the options ask for."""
    changed = [
        f"train.epochs={options.epochs_each}",
        f"bounds.error={options.error}",
        f"search.rounds={options.candidates}",
        f"search.population={options.population}",
        f"search.sample={max(1, options.population // 4)}",
        "latency.source=mac",
    ]
    if options.samples:
        changed.append(f"data.train_samples={options.samples}")
    return (*changed, *options.set)


def compare(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run what is missing in `folder`, and sum up."""
    experiment = load_experiment(find_experiment(options.experiment), overrides(options))
    planned = runs(experiment, arms_of(options.arms), range(options.seeds), folder)
    require_same(planned)
    for run in planned:
        print(f"{run.arm}, seed {run.seed}", file=sys.stderr)
        carry_out(run, Silent(), "benchmark", options.epochs)
    courses = [course_of(run, options.epochs) for run in planned]
    found = summary(courses, experiment.bounds.given())
    write(
        folder, courses, found, "Training to reach the paper's front", "benchmarks/hypervolume.py"
    )
    return found


def show(found: dict[str, Any]) -> None:
    for arm, end in found["final"].items():
        volume = end["hypervolume"]
        spent = sum(each["epochs"] for each in end["by_seed"].values()) / len(end["by_seed"])
        print(
            f"{arm}: hypervolume {volume['mean']:.4f} ({volume['lowest']:.4f} to "
            f"{volume['highest']:.4f}) after {spent:,.0f} epochs a seed"
        )
    for arm, each in (found["to_reach_paper"] or {}).items():
        if each["cheaper_epochs"] is not None and arm != "paper":
            print(
                f"{arm} reached the paper's end in {each['reached']} of {each['of']} seeds; to get "
                f"there the paper took {each['cheaper_epochs']:.2f} times the epochs and "
                f"{each['cheaper_train_s'] or 0:.2f} times the seconds of training"
            )
    print(verdict(found))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiment", default="fashion_mnist")
    parser.add_argument("--arms", default="paper,ours")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--candidates", type=int, default=24)
    parser.add_argument("--population", type=int, default=8)
    parser.add_argument("--epochs", type=int, help="end a run after so many epochs in all")
    parser.add_argument("--epochs-each", type=int, default=2, help="of one training")
    parser.add_argument("--samples", type=int, default=2000, help="training images; 0: all")
    parser.add_argument("--error", type=float, default=0.3, help="the error's bound")
    parser.add_argument("--set", action="append", default=[], help="section.key=value")
    parser.add_argument("--out", type=Path, help="folder to keep, and to go on in")
    options = parser.parse_args()
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        show(compare(options, options.out))
        return 0
    with tempfile.TemporaryDirectory() as name:
        show(compare(options, Path(name)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
