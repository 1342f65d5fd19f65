from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

# Everything that draws at random is switched on; `before` is what the process did earlier.
SCRIPT = """
import hashlib, sys
from munas.train import configure_determinism, load, train
configure_determinism(seed={seed})
from munas.arch import Block, CnnArchitecture, Layer, MlpArchitecture
from munas.experiment.schema import Augment, Data, Train

digits = load(Data(name="digits"), environ={{}})
settings = Train(epochs=1, batch=64, dropout=0.2)
augment = Augment(flip=True, shift_pixels=1, rotate_radians=0.2)
layers = (
    Layer("conv", bn=True, relu=True, prepool=False, filters=12, kernel=3, stride=1),
    Layer("dwconv", bn=True, relu=True, prepool=False, kernel=3, stride=1),
)
branch = Layer("conv1x1", bn=False, relu=True, prepool=True, filters=12)
blocks = (Block(False, layers), Block(True, (branch,)))
if {before}:
    train(MlpArchitecture((8, 8, 1), 10, (20,)), digits, settings, seed=5)
    train(CnnArchitecture((8, 8, 1), 10, (16,), blocks, None), digits, settings, seed=6)
    configure_determinism(seed=77)
trained = train(
    CnnArchitecture((8, 8, 1), 10, (16,), blocks, None), digits, settings, seed=3, augment=augment
)
digest = hashlib.sha256()
for weight in trained.weights:
    digest.update(weight.tobytes())
print(digest.hexdigest(), trained.val_accuracy)
"""


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_same_bits_in_two_processes_whatever_came_before() -> None:
    first = run(SCRIPT.format(seed=0, before=False))
    second = run(SCRIPT.format(seed=1, before=True))
    assert first.returncode == 0, first.stderr
    assert second.returncode == 0, second.stderr
    assert first.stdout == second.stdout
    assert len(first.stdout.split()[0]) == 64


def test_too_late_is_said() -> None:
    result = run(
        """
        from munas.deploy.quiet import silence_tensorflow
        silence_tensorflow()
        import tensorflow as tf
        tf.constant(1.0)
        from munas.errors import InfrastructureError
        from munas.train import configure_determinism
        try:
            configure_determinism()
        except InfrastructureError as error:
            print(error.what)
        """
    )
    assert "already running" in result.stdout, result.stderr


def test_importing_the_package_costs_no_tensorflow() -> None:
    result = run(
        """
        import sys
        import munas.train
        print([name for name in ("tensorflow", "keras", "sklearn", "scipy") if name in sys.modules])
        """
    )
    assert result.stdout == "[]\n", result.stderr
