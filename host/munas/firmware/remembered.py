"""Images that were built already, found again without asking PlatformIO (which takes seconds).

The key covers everything that an image is made of: the firmware tree, the board files, the engine's
library, the models, and the compiler on PATH. Must not know how images are built.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from munas.deploy.engines.aot import AotModel
from munas.firmware.image import FirmwareImage

KEPT_IMAGES = 16
_SKIPPED = {".pio", "__pycache__", ".vscode"}


def image_key(trees: Iterable[Path], texts: Iterable[str]) -> str:
    """A digest of all files under `trees` (missing ones count as empty) and of `texts`."""
    total = hashlib.sha256()
    for tree in trees:
        for path in sorted(tree.rglob("*")):
            if path.is_file() and not _SKIPPED.intersection(path.relative_to(tree).parts):
                state = path.stat()
                name = path.relative_to(tree).as_posix()
                total.update(f"{name} {state.st_size} {state.st_mtime_ns}\n".encode())
        total.update(b"--\n")
    compiler = shutil.which("arm-none-eabi-gcc")
    stamp = Path(compiler).resolve().stat().st_mtime_ns if compiler else 0
    for text in (*texts, str(compiler), str(stamp)):
        total.update(f"{len(text)} {text}\n".encode())
    return total.hexdigest()


def recall(images: Path, key: str) -> FirmwareImage | None:
    """The image that was remembered under `key`, if its ELF is still there."""
    try:
        document = json.loads((images / f"{key[:24]}.json").read_text())
        elf = images / document["elf"]
        if not elf.is_file():
            return None
        models = tuple(
            AotModel(
                **{
                    **entry,
                    "operators": tuple(entry["operators"]),
                    "kernels": tuple(entry["kernels"]),
                }
            )
            for entry in document["models"]
        )
        image = FirmwareImage(**{**document, "elf": elf, "models": models})
    except (OSError, ValueError, KeyError, TypeError):
        return None
    os.utime(elf)
    return image


def remember(images: Path, key: str, image: FirmwareImage) -> None:
    """Keep what is known of `image` (which lies in `images`), and only the newest images."""
    record = images / f"{key[:24]}.json"
    part = record.with_suffix(".part")
    part.write_text(json.dumps({**asdict(image), "elf": image.elf.name}))
    part.replace(record)
    for kind in ("*.elf", "*.json"):
        found = sorted(images.glob(kind), key=lambda path: -path.stat().st_mtime)
        for old in found[KEPT_IMAGES:]:
            old.unlink()
