from __future__ import annotations

import json
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from munas.deploy.engines import pins, tflm
from munas.deploy.engines.checkouts import find_roots, patch_flatbuffers
from munas.errors import InfrastructureError

BASE = "include/flatbuffers/base.h"
PATCH = f"""diff --git a/{BASE} b/{BASE}
index 1..2 100644
--- a/{BASE}
+++ b/{BASE}
@@ -2,3 +2,4 @@
 two
-three
+THREE
+more
 four
--
2.52.0
"""


def checkouts(folder: Path) -> Path:
    """Five trees with just the files by which they are known."""
    for name in (
        "tflite-micro/tensorflow/lite/micro/micro_interpreter.h",
        f"flatbuffers/{BASE}",
        "gemmlowp/fixedpoint/fixedpoint.h",
        "ruy/ruy/profiler/instrumentation.h",
        "CMSIS-NN/Include/arm_nnfunctions.h",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("one\ntwo\nthree\nfour\n")
    return folder


def test_the_pins_are_those_of_the_package() -> None:
    project = Path(__file__).parents[2] / "pyproject.toml"
    text = json.dumps(tomllib.loads(project.read_text())["project"])
    assert f"tflite-micro=={pins.TFLITE_MICRO_WHEEL}" in text
    assert f"bakenn[tflite]=={pins.BAKENN}" in text
    for source in (pins.TFLM, *pins.THIRD_PARTIES):
        assert len(bytes.fromhex(source.revision)) == 20


def test_the_installed_bakenn_is_the_pinned_one() -> None:
    pytest.importorskip("bakenn")
    from bakenn.backend.cmsis_nn.bundle import CMSIS_NN_VERSION

    assert version("bakenn") == pins.BAKENN
    assert CMSIS_NN_VERSION == pins.CMSIS_NN_OF_BAKENN


def test_upstream_out_of_reach_says_so_and_names_the_way_out(tmp_path: Path) -> None:
    nowhere = f"file://{tmp_path}/nowhere"
    with pytest.raises(InfrastructureError, match="cannot be had from") as caught:
        tflm.install(tmp_path / "library", nowhere)
    assert "aot" in caught.value.mend
    assert "--from" in caught.value.mend
    assert not tflm.is_library(tmp_path / "library")


def test_a_folder_without_sources_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match=r"micro_interpreter\.h"):
        tflm.install(tmp_path / "library", tmp_path)
    trees = checkouts(tmp_path / "trees")
    (trees / "ruy/ruy/profiler/instrumentation.h").unlink()
    with pytest.raises(InfrastructureError, match="ruy"):
        find_roots(trees)
    with pytest.raises(InfrastructureError, match="lack"):
        tflm.install(tmp_path / "library", checkouts(tmp_path / "trees"))


def test_other_contents_than_the_pinned_are_refused(tmp_path: Path) -> None:
    library = tmp_path / "made"
    library.mkdir()
    (library / "library.json").write_text("{}")
    (library / "munas.json").write_text(json.dumps({"revision": pins.TFLM.revision}))
    (library / "source.cc").write_text("int x;")
    with pytest.raises(InfrastructureError, match="their digest is"):
        tflm.install(tmp_path / "installed", library)
    (library / "munas.json").write_text(json.dumps({"revision": "0" * 40}))
    installed = tflm.install(tmp_path / "installed", library)
    record = json.loads((installed / "munas.json").read_text())
    assert record["revision"] == "0" * 40
    assert record["wheel"] is None  # outputs may differ from the wheel's


def test_tflms_patch_is_applied_once_and_only_where_it_fits(tmp_path: Path) -> None:
    roots = find_roots(checkouts(tmp_path))
    patch = roots.tflm / "tensorflow/lite/micro/tools/make/flatbuffers.patch"
    patch.parent.mkdir(parents=True)
    patch.write_text(PATCH)
    patch_flatbuffers(roots.flatbuffers, roots.tflm)
    assert (roots.flatbuffers / BASE).read_text() == "one\ntwo\nTHREE\nmore\nfour\n"
    with pytest.raises(InfrastructureError, match="does not fit"):
        patch_flatbuffers(roots.flatbuffers, roots.tflm)
