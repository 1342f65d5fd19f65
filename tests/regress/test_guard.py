"""This repository's firmware is as its committed baselines say: its own gate, over the emulated
boards. After a change that is meant, scripts/record-guard records them anew."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from munas.deploy.engines import aot
from munas.experiment import load_suite
from munas.firmware.engines import tflm_library
from munas.regress.baseline import read_baseline
from munas.regress.check import Request, check
from munas.regress.judge import Verdict
from munas.regress.words import headline, notable

GUARD = Path(__file__).parent / "guard"


def compiler() -> str | None:
    path = shutil.which("arm-none-eabi-gcc")
    if path is None:
        return None
    done = subprocess.run([path, "-dumpfullversion"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["aot", "tflm"])
def test_the_firmware_is_as_its_baseline_says(engine: str) -> None:
    path = GUARD / f"{engine}.json"
    baseline = read_baseline(path)
    wanted = {
        re.sub("^gcc ", "", image.compiler).split()[0] for image in baseline.taken.images.values()
    }
    if compiler() is None:
        pytest.skip("needs arm-none-eabi-gcc")
    if {compiler()} != wanted:
        pytest.skip(f"the baseline is of gcc {wanted}, here is {compiler()}: other cycles")
    if engine == "aot" and not aot.available():
        pytest.skip("needs the extra aot")
    if engine == "tflm" and tflm_library() is None:
        pytest.skip("tflm is not installed: munas engine install tflm")
    suite = load_suite(GUARD / "suite.toml", (f'engines=["{engine}"]',))
    outcome = check(Request(suite, GUARD / "suite.toml", baseline=path))
    told = [
        f"{f.name}, {f.metric}: {f.before} → {f.after} {f.reason}"
        for f in notable(outcome.findings)
    ]
    assert outcome.verdict == "passed", "\n".join([headline(outcome), *told])
    assert not told, "better is to be recorded too: scripts/record-guard\n" + "\n".join(told)
    cycles = [f for f in outcome.findings if f.metric == "cycles"]
    assert len(cycles) == 6 and {f.verdict for f in cycles} == {Verdict.SAME}
