"""The models of a suite as bytes: own files, or architectures drawn with a seed.

Must not know of boards.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
from pathlib import Path
from random import Random

from munas.arch import Architecture, canonical, parse_shape, sample, sha256
from munas.errors import BadInputError
from munas.experiment import Suite, SuiteModel, model_path
from munas.firmware.cache import cache_root, locked

Model = tuple[str, bytes]


def suite_models(suite: Suite, origin: Path) -> list[Model]:
    """(name, .tflite bytes) of every model; `origin` is the suite's file.

    Raises BadInputError where a file is missing.
    """
    return [(model.name, _bytes(model, origin)) for model in suite.models]


def _bytes(model: SuiteModel, origin: Path) -> bytes:
    if model.path is None:
        return _drawn(model)
    path = model_path(model, origin)
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInputError(
            f"{origin}: the model {model.name} cannot be read from {path}: {error.strerror}.",
            "Paths of a suite are relative to its folder.",
        ) from None


def architecture_of(model: SuiteModel) -> Architecture:
    """What `munas sample` draws with the model's seed."""
    assert model.architecture_seed is not None
    assert model.input is not None
    drawn = sample(
        Random(model.architecture_seed),
        parse_shape(model.input),
        model.classes,
        space=model.space,
        sampling=model.sampling,
    )
    return canonical(drawn)


def _drawn(model: SuiteModel) -> bytes:
    """Converted once with one TensorFlow: loading that takes longer than measuring."""
    architecture = architecture_of(model)
    versions = " ".join(importlib.metadata.version(name) for name in ("munas", "tensorflow"))
    mark = f"{sha256(architecture)} {model.architecture_seed} {versions}"
    folder = cache_root() / "models"
    path = folder / f"{hashlib.sha256(mark.encode()).hexdigest()[:32]}.tflite"
    with locked(folder):
        if path.is_file():
            return path.read_bytes()
        from munas.deploy.convert import convert_random

        data = convert_random(architecture, model.architecture_seed or 0).data
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_bytes(data)
        part.replace(path)
        return data
