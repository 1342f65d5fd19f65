from __future__ import annotations

import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from munas.errors import DataError
from munas.experiment.schema import Data
from munas.train import Dataset, DataUnavailableError, load
from munas.train.datasets.mfcc import CLIP, FrontEnd, features
from munas.train.datasets.speech import CLASSES, NOISE, WORDS, part_of

UNKNOWN = CLASSES.index("unknown")


def write_wav(path: Path, samples: np.ndarray, rate: int = 16_000) -> None:
    path.parent.mkdir(exist_ok=True)
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(samples.astype("<i2").tobytes())


def tone(hertz: float, samples: int = CLIP) -> np.ndarray:
    return 8000 * np.sin(2 * np.pi * hertz * np.arange(samples) / 16_000)


@pytest.fixture
def speech_folder(tmp_path: Path) -> Path:
    """The archive's files: four clips of each word (two to train on), two other words, noise."""
    folder = tmp_path / "speech_commands_v0.02"
    folder.mkdir()
    lists: dict[str, list[str]] = {"validation": [], "testing": []}
    for number, word in enumerate((*WORDS, "bed", "cat")):
        for clip in range(4):
            name = f"{number:04x}{clip:04x}_nohash_0.wav"
            write_wav(folder / word / name, tone(200 + 100 * number, 15_000))
            if clip < 2:
                lists[("validation", "testing")[clip]].append(f"{word}/{name}")
    for part, names in lists.items():
        (folder / f"{part}_list.txt").write_text("\n".join(names) + "\n")
    noise = np.random.default_rng(3).normal(0, 500, 2 * CLIP)
    write_wav(folder / NOISE / "white_noise.wav", noise)
    (folder / NOISE / "README.md").write_text("Noise.")
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("MUNAS_CACHE", str(tmp_path / "cache"))
    yield tmp_path / "cache"


def speech(folder: Path, name: str = "speech_commands_49x10", **more: int) -> Dataset:
    return load(Data(name=name, folder=str(folder), **more), environ={})


def test_the_archives_lists_make_the_parts(speech_folder: Path) -> None:
    dataset = speech(speech_folder.parent)
    assert (dataset.input_shape, dataset.classes) == ((49, 10, 1), 12)
    # Ten words and a tenth of them each of silence and of other words.
    assert np.bincount(dataset.train.labels).tolist() == [2] * 12
    assert np.bincount(dataset.val.labels).tolist() == [1] * 12
    assert np.bincount(dataset.test.labels).tolist() == [1] * 12
    # The tones of one word are the same in all parts, and no two words' are.
    words = dataset.val.images[np.argsort(dataset.val.labels)][: len(WORDS)]
    tested = dataset.test.images[np.argsort(dataset.test.labels)]
    np.testing.assert_array_equal(words, tested[: len(WORDS)])
    assert len(np.unique(words.reshape(10, -1), axis=0)) == 10
    assert not (tested[UNKNOWN] == words).all(axis=(1, 2, 3)).any()


def test_the_papers_input(speech_folder: Path) -> None:
    dataset = speech(speech_folder, "speech_commands", train_samples=12)
    assert dataset.input_shape == (98, 40, 1)
    assert len(dataset.train) == 12
    assert speech(speech_folder, "speech_commands", train_samples=12).sha256 == dataset.sha256


def test_without_lists_the_names_decide(speech_folder: Path) -> None:
    for part in ("validation", "testing"):
        (speech_folder / f"{part}_list.txt").unlink()
    for word in (*WORDS, "bed"):
        clip = next((speech_folder / word).glob("*_nohash_0.wav")).read_bytes()
        for number in range(30):
            (speech_folder / word / f"{word}{number}_nohash_1.wav").write_bytes(clip)
    dataset = speech(speech_folder, train_samples=40)
    files = [path.name for word in WORDS for path in (speech_folder / word).iterdir()]
    expected = sum(part_of(name) == "testing" for name in files)
    assert (dataset.test.labels < len(WORDS)).sum() == expected
    assert 15 < expected < 60  # a tenth of 340


def test_the_hash_of_names() -> None:
    assert part_of("a5d485dc_nohash_0.wav") == part_of("a5d485dc_nohash_4.wav")
    parts = [part_of(f"{number:08x}_nohash_0.wav") for number in range(2000)]
    shares = [parts.count(part) / 2000 for part in ("training", "validation", "testing")]
    np.testing.assert_allclose(shares, [0.8, 0.1, 0.1], atol=0.03)


def test_features_are_kept_and_made_anew_when_a_file_changes(
    speech_folder: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = speech(speech_folder)
    said = capsys.readouterr().err
    assert said.count("munas: Preparing ") == 3
    assert "Preparing 24 images of speech" in said
    assert len(list(cache.rglob("*.npz"))) == 3 == len([p for p in cache.rglob("*") if p.is_file()])
    assert speech(speech_folder).sha256 == first.sha256
    assert "Preparing" not in capsys.readouterr().err
    for damaged in cache.rglob("*.npz"):
        damaged.write_bytes(damaged.read_bytes()[:100])
    assert speech(speech_folder).sha256 == first.sha256
    clip = sorted((speech_folder / "yes").glob("*.wav"))[0]
    write_wav(clip, tone(3000, 14_000))
    assert speech(speech_folder).sha256 != first.sha256


def test_what_is_broken_is_named(speech_folder: Path) -> None:
    clip = sorted((speech_folder / "stop").glob("*.wav"))[2]
    write_wav(clip, tone(440), rate=8000)
    with pytest.raises(DataError, match=rf"{clip.name} has 1 channels of 16 bits at 8,000 Hz"):
        speech(speech_folder)
    clip.write_bytes(b"RIFF")
    with pytest.raises(DataError, match=rf"{clip.name} is not a \.wav file"):
        speech(speech_folder)
    for path in (speech_folder / "go").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"training part .* no example of class 9 \(go\)"):
        speech(speech_folder)
    (speech_folder / "go").rmdir()
    with pytest.raises(DataError, match="but no folder go"):
        speech(speech_folder)


def test_nothing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataUnavailableError, match="no folder yes") as fault:
        speech(tmp_path)
    assert "speech_commands_v0.02.tar.gz" in fault.value.mend
    assert "keras" not in str(fault.value)
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(DataUnavailableError, match="the package is not installed") as fault:
        load(Data(name="speech_commands"), environ={})
    assert "neither data.folder nor $MUNAS_DATA names one" in fault.value.what


def test_what_tensorflow_datasets_has_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for the package, with examples and labels as its version 0.0.3 has them."""
    names = [*sorted(WORDS), "_silence_", "_unknown_"]
    asked: list[tuple[str, bool]] = []

    def examples(unknown: int) -> list[dict[str, Any]]:
        labels = [*range(12), *[11] * unknown]
        return [{"audio": tone(150 + 90 * i, 9_000).astype(np.int16), "label": i} for i in labels]

    def give(name: str, split: list[str], download: bool, with_info: bool) -> Any:
        asked.append((name, download))
        label = SimpleNamespace(names=names)
        info = SimpleNamespace(version="0.0.3", features={"label": label})
        return [examples(20), examples(5), examples(0)], info

    package = SimpleNamespace(load=give, as_numpy=lambda part: part)
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", package)
    dataset = speech(tmp_path)
    assert asked == [("speech_commands", False)]
    assert dataset.origin == "tensorflow-datasets' speech_commands 0.0.3"
    for part in (dataset.train, dataset.val, dataset.test):
        # One of the unknown words: a tenth of ten.
        assert sorted(part.labels.tolist()) == list(range(12))
    first = dataset.test.labels[0]
    assert CLASSES[first] == "down"
    assert speech(tmp_path).sha256 == dataset.sha256

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("Dataset speech_commands: could not find data in /x.\nMore.")

    package.load = refuse
    with pytest.raises(DataUnavailableError, match=r"not prepared \(tfds build speech_commands\)"):
        speech(tmp_path)


def test_the_front_end_by_its_definition() -> None:
    """One frame computed with NumPy alone: window, spectrum, mel bank, logarithm, cosines."""
    clip = np.rint(tone(500) + tone(1800)).astype(np.int16)
    front_end = FrontEnd(window=480, stride=320, coefficients=10)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(480) / 480)
    spectrum = np.abs(np.fft.rfft(clip[3 * 320 :][:480] / 32768 * window, 512))

    def mel(hertz: np.ndarray) -> np.ndarray:
        return 1127 * np.log1p(hertz / 700)

    edges = np.linspace(mel(np.array(20.0)), mel(np.array(4000.0)), 42)
    bins = mel(np.linspace(0, 8000, 257))[:, np.newaxis]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    bank = np.maximum(0, np.minimum(rising, falling))
    bank[0] = 0
    logs = np.log(spectrum @ bank + 1e-6)
    angles = np.pi / 40 * np.outer(np.arange(10), np.arange(40) + 0.5)
    coefficients = np.sqrt(2 / 40) * (np.cos(angles) @ logs)
    expected = np.clip(np.rint((coefficients + 128) * 1.6), 0, 255)
    found = features(clip[np.newaxis], front_end)[0, 3, :, 0].astype(float)
    assert np.abs(found - expected).max() <= 1
