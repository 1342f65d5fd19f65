"""Gets the source trees of TensorFlow Lite Micro and its third parties at exact commits.

Git checks the contents against the commit. Must not know what is taken from the trees.
"""

from __future__ import annotations

import logging
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from munas.deploy.engines.pins import TFLM, THIRD_PARTIES, Source
from munas.errors import InfrastructureError

log = logging.getLogger(__name__)

REACH_S = 10
FETCH_S = 600
_PATCH = "tensorflow/lite/micro/tools/make/flatbuffers.patch"
_PATCHED = "TFLM doesn't use dynamic memory allocation"


@dataclass(frozen=True)
class Roots:
    """Where each source tree starts."""

    tflm: Path
    flatbuffers: Path
    gemmlowp: Path
    ruy: Path
    cmsis_nn: Path

    def by_folder(self) -> dict[str, Path]:
        """The trees by their folder in the library."""
        return {
            "": self.tflm,
            "third_party/flatbuffers": self.flatbuffers,
            "third_party/gemmlowp": self.gemmlowp,
            "third_party/ruy": self.ruy,
            "third_party/cmsis_nn": self.cmsis_nn,
        }


def find_roots(path: Path) -> Roots:
    """The trees in `path`: checkouts side by side, or a tree of create_tflm_tree.py.

    Raises InfrastructureError that says what is missing.
    """
    beside = path / TFLM.name
    names = {source.name: source for source in THIRD_PARTIES}
    if beside.is_dir():
        roots = Roots(beside, *(path / name for name in names))
    else:
        third = path / "third_party"
        roots = Roots(path, *(third / name.lower().replace("-", "_") for name in names))
    marks = {
        roots.tflm: "tensorflow/lite/micro/micro_interpreter.h",
        roots.flatbuffers: "include/flatbuffers/base.h",
        roots.gemmlowp: "fixedpoint/fixedpoint.h",
        roots.ruy: "ruy/profiler/instrumentation.h",
        roots.cmsis_nn: "Include/arm_nnfunctions.h",
    }
    for root, mark in marks.items():
        if not (root / mark).is_file():
            raise InfrastructureError(
                f"{path} holds no sources of TensorFlow Lite Micro: there is no {root / mark}.",
                "Give a tree made by create_tflm_tree.py, or a folder with checkouts called "
                f"{', '.join([TFLM.name, *names])}.",
            )
    return roots


def fetch_all(folder: Path, url: str | None, revision: str) -> Roots:
    """Shallow downloads of all five repositories.

    `url` replaces TensorFlow Lite Micro's. Raises InfrastructureError where one cannot be reached.
    """
    main = Source(TFLM.name, url or TFLM.url, revision)
    _reach(main.url)
    for source in (main, *THIRD_PARTIES):
        log.info("Downloading %s at %s …", source.name, source.revision[:12])
        _fetch(source, folder / source.name)
    return find_roots(folder)


def _reach(url: str) -> None:
    """A short look, so that a machine without that network says so at once."""
    _git(["ls-remote", "--exit-code", url, "HEAD"], REACH_S, url)


def _fetch(source: Source, folder: Path) -> None:
    folder.mkdir()
    where = ["-C", str(folder)]
    _git([*where, "init", "-q"], REACH_S, source.url)
    fetch = ["fetch", "-q", "--depth", "1", source.url, source.revision]
    _git([*where, *fetch], FETCH_S, source.url)
    _git([*where, "checkout", "-q", "FETCH_HEAD"], FETCH_S, source.url)


def _git(arguments: list[str], timeout_s: float, url: str) -> None:
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            ["git", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except FileNotFoundError:
        raise InfrastructureError(
            "There is no git, with which TensorFlow Lite Micro is downloaded.",
            "Install it, or give a tree with: munas engine install tflm --from PATH",
        ) from None
    except subprocess.TimeoutExpired:
        reason = f"no answer in {timeout_s:.0f} s"
    else:
        if done.returncode == 0:
            return
        said = done.stderr.strip().splitlines()
        reason = said[-1] if said else f"git ended with {done.returncode}"
    raise InfrastructureError(
        f"TensorFlow Lite Micro's sources cannot be had from {url}: {reason}.",
        "The engine aot needs no download. A tree that is there already is taken with: "
        "munas engine install tflm --from PATH",
    )


def patch_flatbuffers(flatbuffers: Path, tflm: Path) -> None:
    """Apply TFLM's own changes to the flatbuffers headers, unless they are in already."""
    builder = flatbuffers / "include/flatbuffers/flatbuffer_builder.h"
    if builder.is_file() and _PATCHED in builder.read_text():
        return
    patch = tflm / _PATCH
    if not patch.is_file():
        raise InfrastructureError(f"The sources of TensorFlow Lite Micro lack {_PATCH}.")
    hunks = patch.read_text().split("diff --git ")[1:]
    for hunk in hunks:
        name = hunk.split("\n", 1)[0].split(" b/")[1]
        if (flatbuffers / name).is_file():
            _apply(flatbuffers / name, hunk, name)


def _apply(path: Path, diff: str, name: str) -> None:
    """One file's unified diff; every line that it removes or keeps must be there."""
    lines = path.read_text().split("\n")
    at = 0
    result: list[str] = []
    for line in diff.split("\n")[4:]:
        if line == "--" or line.startswith("-- "):
            break
        if line.startswith("@@"):
            start = int(line.split("-")[1].split(",")[0]) - 1
            result += lines[at:start]
            at = start
        elif line.startswith("+"):
            result.append(line[1:])
        elif line.startswith(("-", " ")):
            if at >= len(lines) or lines[at] != line[1:]:
                raise InfrastructureError(f"TFLM's patch does not fit flatbuffers' {name}.")
            if line[0] == " ":
                result.append(lines[at])
            at += 1
    path.write_text("\n".join(result + lines[at:]))
