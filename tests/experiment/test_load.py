"""Experiment files: what comes with the package is valid; faults name file and field."""

from __future__ import annotations

from pathlib import Path

import pytest

from munas.errors import BadInputError
from munas.experiment import (
    find_experiment,
    load_experiment,
    load_study,
    load_suite,
    parse_experiment,
    parse_study,
)
from munas.experiment.schema import Optimizer, Step
from munas.resources import named_files

MINIMAL = 'name = "x"\n[data]\nname = "digits"\n[bounds]\nerror = 0.2\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", sorted(named_files("experiments", ".toml")))
def test_every_experiment_that_comes_with_munas_is_valid(name: str):
    path = find_experiment(name)
    if "[study]" in path.read_text():
        study = load_study(path)
        assert (study.name, parse_study(study.as_dict(), "again")) == (name, study)
        return
    experiment = load_experiment(path)
    assert experiment.name == name
    assert experiment.bounds.given()
    assert parse_experiment(experiment.as_dict(), "again") == experiment


def test_a_study_without_data_must_say_its_shape(tmp_path: Path):
    text = 'name = "x"\n[study]\ninput = [8, 8, 1]\n'
    with pytest.raises(BadInputError, match=r"study\.input and study\.classes are needed"):
        load_study(write(tmp_path, text))
    found = load_study(write(tmp_path, text + "classes = 2\n"))
    assert (found.study.input, found.data) == ((8, 8, 1), None)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("macs = [9, 3]", "macs must rise: 9 is not below 3"),
        ('boards = ["a", "b", "a"]', "boards names one twice"),
        ('engines = ["gpu"]', "study.engines.0"),
    ],
)
def test_impossible_studies_are_named(tmp_path: Path, text: str, fault: str):
    with pytest.raises(BadInputError, match=fault):
        load_study(write(tmp_path, MINIMAL + f"[study]\n{text}\n"))


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[search]\npopulaton = 3\n", "search.populaton: unknown key"),
        ("[serch]\nrounds = 3\n", "serch: unknown key"),
        ("[train]\nepochs = 0\n", "train.epochs"),
        ("[train]\nepochs = 2.5\n", "train.epochs"),
        ('[train]\nepochs = "many"\n', "train.epochs"),
        ("[search]\npopulation = 3\nsample = 4\n", "search: sample (4) cannot exceed"),
        ('[latency]\nsource = "guess"\n', "latency.source"),
        ("[pruning]\nsparsity = [0.5, 1.0]\n", "pruning: sparsity up to 1 leaves nothing"),
        ("[pruning]\nsparsity = [0.5, 0.2]\n", "pruning: sparsity must be two shares"),
        ("[pruning]\nstart = 0.9\n", "pruning: start (0.9) must come before finish"),
        ("[fidelity]\nrungs = [3, 2]\n", "fidelity: rungs must rise"),
        ('[fidelity]\nrungs = [3]\n[latency]\nmeasure = "undecided"\n', "fidelity.rungs needs"),
        ("[pruning]\nsparsity = [nan, 0.5]\n", "pruning.sparsity"),
        ("[pruning]\nenabled = 1\n", "pruning.enabled"),
        ("[train.optimizer]\nlearning_rate = -1.0\n", "train.optimizer.learning_rate"),
    ],
)
def test_faults_name_the_file_and_the_field(tmp_path: Path, text: str, field: str):
    path = write(tmp_path, MINIMAL + text)
    with pytest.raises(BadInputError) as fault:
        load_experiment(path)
    assert str(path) in fault.value.what and field in fault.value.what


@pytest.mark.parametrize(
    "bound",
    ["error = 0.0", "error = 1.5", "macs = 0", "macs = -5", "latency_us = 1.5", "ram = 5"],
)
def test_impossible_bounds_are_refused(tmp_path: Path, bound: str):
    path = write(tmp_path, f'name = "x"\n[data]\nname = "digits"\n[bounds]\n{bound}\n')
    with pytest.raises(BadInputError, match=f"bounds.{bound.split(' ', maxsplit=1)[0]}"):
        load_experiment(path)


def test_not_toml_and_not_text(tmp_path: Path):
    with pytest.raises(BadInputError, match="not valid TOML"):
        load_experiment(write(tmp_path, "name = "))
    binary = tmp_path / "b.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInputError, match="not a text file"):
        load_experiment(binary)


def test_unknown_names_list_what_there_is():
    with pytest.raises(BadInputError) as fault:
        find_experiment("quickstrat")
    assert "quickstart" in fault.value.mend


def test_overrides(tmp_path: Path):
    path = write(tmp_path, MINIMAL)
    loaded = load_experiment(
        path, ("train.epochs=7", "latency.board=nucleo_h743zi", "train.optimizer.momentum=0.5")
    )
    assert loaded.train.epochs == 7
    assert loaded.latency.board == "nucleo_h743zi"
    assert loaded.train.optimizer.momentum == 0.5
    for wrong in ("train.epochs", "=3", "name.first=3"):
        with pytest.raises(BadInputError, match="--set"):
            load_experiment(path, (wrong,))


def test_the_schedule_steps():
    steps = (Step(epoch=35, learning_rate=0.001), Step(epoch=25, learning_rate=0.005))
    optimizer = Optimizer(learning_rate=0.01, schedule=steps)
    assert [optimizer.rate_at(e, 45) for e in (0, 24, 25, 34, 35, 99)] == [
        0.01,
        0.01,
        0.005,
        0.005,
        0.001,
        0.001,
    ]


def test_a_wrong_entry_is_told_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text('name = "s"\nboards = ["b"]\n[[models]]\nname = "m"\npath = "x"\nbudgets = 1\n')
    with pytest.raises(BadInputError) as fault:
        load_suite(path)
    assert "models.0.budgets: unknown key" in fault.value.what
    assert "entries" not in fault.value.what and "docs/regression.md" in fault.value.mend


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("", None),
        ("architecture_seed = 3", "give either path or architecture_seed"),
        ('path = ""', None),
    ],
)
def test_a_model_comes_from_one_place(tmp_path: Path, change: str, said: str | None) -> None:
    path = tmp_path / "s.toml"
    origin = 'path = "x"\n' if "path" not in change else ""
    path.write_text(f'name = "s"\nboards = ["b"]\n[[models]]\nname = "m"\n{origin}{change}\n')
    if said is None:
        assert load_suite(path).models[0].name == "m"
        return
    with pytest.raises(BadInputError, match=said):
        load_suite(path)


def test_an_experiment_is_no_suite() -> None:
    with pytest.raises(BadInputError, match="is an experiment, not a suite"):
        load_suite(find_experiment("quickstart"))


def test_capped_trainings_keep_the_rungs_below(tmp_path: Path) -> None:
    text = MINIMAL + "[fidelity]\nrungs = [2, 6]\n"
    experiment = load_experiment(write(tmp_path, text), ("train.epochs=10",))
    assert experiment.rungs == (2, 6, 10)
    assert experiment.capped(99).rungs == (2, 6, 10)
    assert experiment.capped(6).rungs == (2, 6)
    assert experiment.capped(2).rungs == (2,)
