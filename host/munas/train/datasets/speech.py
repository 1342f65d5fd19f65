"""Google's Speech Commands, version 0.02, in twelve classes: ten words, silence and unknown words.

Splits, silence and unknown words are made as TensorFlow's speech_commands example makes them
(source: its input_data.py, and P. Warden, arXiv 1804.03209), with seed 0 and once for all epochs.
"""

from __future__ import annotations

import hashlib
import math
import re
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from munas.errors import DataError
from munas.train.datasets.dataset import DataUnavailableError, Normalisation
from munas.train.datasets.lazy import Lazy, named_size
from munas.train.datasets.mfcc import (
    BATCH,
    CLIP,
    OFFSET,
    RATE,
    STEPS_PER_UNIT,
    FrontEnd,
    features,
)
from munas.train.datasets.spec import DatasetSpec, Raw
from munas.train.datasets.speech_tfds import read_speech_tfds
from munas.train.datasets.splits import SPLIT_SEED

WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
CLASSES = (*WORDS, "silence", "unknown")
SILENCE, UNKNOWN = len(WORDS), len(WORDS) + 1
NOISE = "_background_noise_"
# Of a part's clips of the ten words: so many of silence, and as many of other words.
EXTRA_SHARE = 0.1
# Where the archive's lists are missing: shares of the file names' hashes.
PERCENT = {"validation": 10.0, "testing": 10.0}
MAX_NUM_WAVS_PER_CLASS = 2**27 - 1
PARTS = ("training", "validation", "testing")


@dataclass(frozen=True)
class Clip:
    """A second of a file from sample `start` on, `volume` times as loud."""

    path: Path
    start: int = 0
    volume: float = 1.0


def part_of(name: str) -> str:
    """Training, validation or testing, by the official hash of the part of a name before _nohash_.

    All clips of one speaker and word are thus in one part.
    """
    speaker = re.sub(r"_nohash_.*$", "", name)
    number = int(hashlib.sha1(speaker.encode()).hexdigest(), 16)
    percent = (number % (MAX_NUM_WAVS_PER_CLASS + 1)) * (100.0 / MAX_NUM_WAVS_PER_CLASS)
    if percent < PERCENT["validation"]:
        return "validation"
    return "testing" if percent < PERCENT["validation"] + PERCENT["testing"] else "training"


def read_speech_folder(front_end: FrontEnd, folder: Path) -> Raw:
    """The unpacked archive; features are made of those clips alone that are used."""
    present = [word for word in WORDS if (folder / word).is_dir()]
    if not present:
        raise DataUnavailableError(f"{folder}: no folder {WORDS[0]} with .wav files there")
    if missing := [name for name in (*WORDS, NOISE) if not (folder / name).is_dir()]:
        raise DataError(
            f"{folder} holds some of the Speech Commands, but no folder {', '.join(missing)}.",
            "Unpack the whole of speech_commands_v0.02.tar.gz.",
        )
    noises = _noises(folder)
    known, others = _sorted_by_part(folder)
    parts = {}
    for index, part in enumerate(PARTS):
        rng = np.random.default_rng((SPLIT_SEED, index))
        extra = math.ceil(EXTRA_SHARE * len(known[part]))
        order = rng.permutation(len(others[part]))[:extra]
        clips = [(Clip(path), WORDS.index(path.parent.name)) for path in known[part]]
        clips += [(_noise(noises, rng), SILENCE) for _ in range(extra)]
        clips += [(Clip(others[part][i]), UNKNOWN) for i in order]
        parts[part] = clips
    images = {part: _lazy(front_end, [clip for clip, _ in parts[part]]) for part in PARTS}
    labels = {part: np.array([label for _, label in parts[part]], np.int32) for part in PARTS}
    return Raw(
        images["training"],
        labels["training"],
        images["testing"],
        labels["testing"],
        str(folder),
        images["validation"],
        labels["validation"],
    )


def _sorted_by_part(folder: Path) -> tuple[dict[str, list[Path]], dict[str, list[Path]]]:
    """Clips of the ten words and of all others, each by part, in the order of their names."""
    listed: dict[str, str] = {}
    for part in ("validation", "testing"):
        path = folder / f"{part}_list.txt"
        if path.is_file():
            listed |= dict.fromkeys(path.read_text().split(), part)
    known: dict[str, list[Path]] = {part: [] for part in PARTS}
    others: dict[str, list[Path]] = {part: [] for part in PARTS}
    for path in sorted(folder.glob("*/*.wav")):
        word = path.parent.name
        if word == NOISE:
            continue
        name = f"{word}/{path.name}"
        part = listed.get(name, "training") if listed else part_of(path.name)
        (known if word in WORDS else others)[part].append(path)
    return known, others


def _noises(folder: Path) -> list[tuple[Path, int]]:
    """Each recording of noise and its number of samples; a second and more of each."""
    lengths = []
    for path in sorted((folder / NOISE).glob("*.wav")):
        samples = _opened(path)[1]
        if samples > CLIP:
            lengths.append((path, samples))
    if not lengths:
        raise DataError(
            f"{folder / NOISE} has no recording that is longer than a second.",
            "Unpack the whole of speech_commands_v0.02.tar.gz.",
        )
    return lengths


def _noise(noises: list[tuple[Path, int]], rng: np.random.Generator) -> Clip:
    """Silence is a second of some noise, at any volume from 0 to 1."""
    path, samples = noises[rng.integers(len(noises))]
    return Clip(path, int(rng.integers(samples - CLIP)), round(float(rng.uniform()), 6))


def _lazy(front_end: FrontEnd, clips: Sequence[Clip]) -> Lazy:
    return Lazy(
        tuple(clips),
        (front_end.frames, front_end.coefficients, 1),
        f"speech {front_end}",
        lambda clip: f"{named_size(clip.path)}:{clip.start}:{clip.volume}",
        partial(_read_clips, front_end),
    )


def _read_clips(front_end: FrontEnd, clips: Sequence[Clip]) -> npt.NDArray[np.uint8]:
    images = np.empty((len(clips), front_end.frames, front_end.coefficients, 1), np.uint8)
    for start in range(0, len(clips), BATCH):
        batch = np.stack([_samples(clip) for clip in clips[start : start + BATCH]])
        images[start : start + BATCH] = features(batch, front_end)
    return images


def _samples(clip: Clip) -> npt.NDArray[np.int16]:
    """int16 [CLIP]; what is shorter ends in zeros."""
    content, _ = _opened(clip.path, clip.start)
    samples = np.zeros(CLIP, np.int16)
    samples[: len(content)] = np.rint(content * clip.volume)
    return samples


def _opened(path: Path, start: int = 0) -> tuple[npt.NDArray[np.int16], int]:
    """A second from sample `start` on, and how many samples the file has in all."""
    try:
        with wave.open(str(path), "rb") as sound:
            kind = (sound.getnchannels(), sound.getsampwidth(), sound.getframerate())
            samples = sound.getnframes()
            sound.setpos(min(start, samples))
            content = np.frombuffer(sound.readframes(CLIP), "<i2") if kind[1] == 2 else None
    except (OSError, EOFError, ValueError, wave.Error) as error:
        raise DataError(
            f"{path} is not a .wav file that can be read: {error}.", "Unpack the archive again."
        ) from None
    if kind != (1, 2, RATE) or content is None:
        raise DataError(
            f"{path} has {kind[0]} channels of {8 * kind[1]} bits at {kind[2]:,} Hz.",
            f"Expected are one channel, 16 bits and {RATE:,} Hz: unpack the archive again.",
        )
    return content, samples


def _spec(name: str, title: str, front_end: FrontEnd) -> DatasetSpec:
    return DatasetSpec(
        name=name,
        title=title,
        input_shape=(front_end.frames, front_end.coefficients, 1),
        classes=len(CLASSES),
        class_names=CLASSES,
        # A coefficient's 16th part.
        normalisation=Normalisation(scale=STEPS_PER_UNIT, mean=(OFFSET,), std=(16.0,)),
        validation_share=EXTRA_SHARE,
        stem=name,
        folders=(
            "speech_commands_v0.02",
            "speech_commands",
            "SpeechCommands/speech_commands_v0.02",
        ),
        read_folder=partial(read_speech_folder, front_end),
        tfds=partial(read_speech_tfds, front_end, CLASSES, EXTRA_SHARE),
        mends=(
            "unpack speech_commands_v0.02.tar.gz (download.tensorflow.org/data, 2.4 GB) in a "
            "folder speech_commands_v0.02",
            "prepare it once with tensorflow-datasets: tfds build speech_commands",
        ),
    )


SPEECH_COMMANDS = _spec(
    "speech_commands", "Speech Commands", FrontEnd(window=480, stride=160, coefficients=40)
)
SPEECH_COMMANDS_49X10 = _spec(
    "speech_commands_49x10",
    "Speech Commands of 49x10",
    FrontEnd(window=480, stride=320, coefficients=10),
)
