"""Seeded regressions: changed copies of the firmware's tree, built, run on the emulated board and
compared with the firmware as it is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from munas.deploy.engines import aot
from munas.experiment import Suite, SuiteModel
from munas.regress.baseline import to_text
from munas.regress.check import Outcome, Request, check, record
from munas.regress.judge import Verdict
from munas.regress.plan import OWN, Firmware

REPOSITORY = Path(__file__).parents[2]
SMALL = REPOSITORY / "tests" / "data" / "small.tflite"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc"),
    pytest.mark.skipif(not aot.available(), reason="needs the extra aot"),
]

SUITE = Suite(
    name="seeded",
    boards=("emulated_stm32l4r5",),
    engines=("aot",),
    models=(SuiteModel(name="small", path=str(SMALL)),),
    alignment_paddings=2,
)


class Tree:
    """A copy of the firmware, in which one file at a time is changed."""

    def __init__(self, folder: Path) -> None:
        for name in ("firmware", "boards"):
            ignored = shutil.ignore_patterns(".pio", ".vscode", "examples")
            shutil.copytree(REPOSITORY / name, folder / name, ignore=ignored)
        self.folder = folder / "firmware"

    def check(self, baseline: Path, changes: dict[str, tuple[str, str]]) -> Outcome:
        """With text replaced in files; they are as they were afterwards."""
        before = {name: (self.folder / name).read_text() for name in changes}
        for name, (old, new) in changes.items():
            assert before[name].count(old) == 1, name
            (self.folder / name).write_text(before[name].replace(old, new))
        try:
            firmware = Firmware(tree=self.folder)
            return check(Request(SUITE, Path("s.toml"), firmware=firmware, baseline=baseline))
        finally:
            for name, text in before.items():
                (self.folder / name).write_text(text)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    yield Tree(tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("baseline") / "b.json"
    path.write_text(to_text(record(SUITE, Path("s.toml"), OWN)))
    return path


def changed(outcome: Outcome) -> dict[str, Verdict]:
    return {f.metric: f.verdict for f in outcome.findings if f.verdict is not Verdict.SAME}


def delay(loops: int) -> dict[str, tuple[str, str]]:
    return {
        "src/runner.cpp": (
            "  const Outcome outcome = call(nullptr);\n",
            "  const Outcome outcome = call(nullptr);\n"
            f"  for (volatile int i = 0; i < {loops}; ++i) {{}}\n",
        )
    }


def test_an_unchanged_copy_is_the_same_to_the_byte(tree: Tree, baseline: Path) -> None:
    outcome = tree.check(baseline, {})
    assert (outcome.verdict, changed(outcome)) == ("passed", {})


@pytest.mark.parametrize("percent", [1, 3, 10])
def test_a_slow_down_is_found(tree: Tree, baseline: Path, percent: int) -> None:
    outcome = tree.check(baseline, delay(percent * 200))
    cycles = next(f for f in outcome.findings if f.metric == "cycles")
    assert cycles.verdict is Verdict.WORSE and cycles.change is not None
    assert 0.005 * percent < cycles.change < 0.02 * percent
    assert "moving the code alone" in cycles.reason
    assert outcome.verdict == "regression"


def test_sixteen_bytes_of_arena_are_found(tree: Tree, baseline: Path) -> None:
    more = {
        "lib/engine/aot.cpp": (
            "ModelInfo{chosen.arena_bytes,",
            "ModelInfo{chosen.arena_bytes + 16,",
        )
    }
    outcome = tree.check(baseline, more)
    found = {f.metric: f for f in outcome.findings}
    assert found["arena_used_bytes"].verdict is Verdict.WORSE
    assert found["arena_used_bytes"].reason == "+16 bytes"


def test_a_flipped_bit_and_a_grown_section_are_found(tree: Tree, baseline: Path) -> None:
    worse = {
        "src/runner.cpp": (
            "  engine::collect();\n",
            "  engine::collect();\n  static volatile uint32_t grown[16] = {1};\n"
            "  output_tensor[0] ^= static_cast<int8_t>(grown[0]);\n",
        )
    }
    outcome = tree.check(baseline, worse)
    found = changed(outcome)
    assert found["outputs_crc32"] is Verdict.CHANGED
    assert found["ram .data"] is Verdict.WORSE and found["flash .data"] is Verdict.WORSE
    symbols = [each for entry in outcome.explanations for each in entry.symbols]
    assert any("grown" in each.name and each.after == 64 for each in symbols)
