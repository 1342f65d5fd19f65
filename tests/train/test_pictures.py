"""Chars74K and Visual Wake Words, from small archives in their formats."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from munas.errors import DataError
from munas.experiment.schema import Data
from munas.train import Dataset, DataUnavailableError, load
from munas.train.datasets import pictures


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("MUNAS_CACHE", str(tmp_path / "cache"))
    yield tmp_path / "cache"


def write(path: Path, value: int, height: int = 20, width: int = 30) -> None:
    """A picture of one grey."""
    import tensorflow as tf

    image = np.full((height, width, 3), value, np.uint8)
    encode = tf.io.encode_png if path.suffix == ".png" else tf.io.encode_jpeg
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(image).numpy())


def get(name: str, folder: Path, **more: Any) -> Dataset:
    return load(Data(name=name, folder=str(folder), **more), environ={})


@pytest.fixture(scope="session")
def chars_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures of each of the 62 characters, as grey as its class."""
    folder = tmp_path_factory.mktemp("chars")
    for number in range(1, 63):
        sample = folder / "English" / "Img" / "GoodImg" / "Bmp" / f"Sample{number:03}"
        first = sample / f"img{number:03}-00001.png"
        write(first, 4 * (number - 1))
        for picture in range(2, 13):
            first.with_name(f"img{number:03}-{picture:05}.png").symlink_to(first)
    return folder


def test_characters(chars_folder: Path) -> None:
    dataset = get("chars74k", chars_folder, train_samples=62)
    assert (dataset.input_shape, dataset.classes) == ((48, 48, 3), 62)
    # The paper's shares: 5,000, 705 and 2,000 of 7,705.
    binary = get("chars74k_binary", chars_folder, train_samples=62)
    for part, two in ((dataset.train, binary.train), (dataset.test, binary.test)):
        assert (part.images[:, 0, 0, 0] == 4 * part.labels).all()
        np.testing.assert_array_equal(two.labels, part.labels < 31)
    assert (binary.input_shape, binary.classes) == ((32, 32, 3), 2)
    # The paper's shares: 5,000, 705 and 2,000 of 7,705.
    assert [len(part) for part in (dataset.train, dataset.val, dataset.test)] == [62, 68, 193]


def test_a_character_that_is_missing(chars_folder: Path, tmp_path: Path) -> None:
    source = chars_folder / "English" / "Img" / "GoodImg" / "Bmp"
    for sample in source.iterdir():
        if sample.name != "Sample017":
            (tmp_path / sample.name).symlink_to(sample)
    with pytest.raises(DataError, match=r"has no folder Sample017\."):
        get("chars74k", tmp_path)
    (tmp_path / "Sample017").mkdir()
    with pytest.raises(DataError, match=r"Sample017 has no \.png file"):
        get("chars74k", tmp_path)


def coco(half: str, boxes: list[tuple[str, float] | None]) -> dict[str, Any]:
    """Annotations as COCO has them; a picture of 100x200 each, and what is in it, how large."""
    categories = [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}]
    numbers = {each["name"]: each["id"] for each in categories}
    images = [
        {"id": i, "file_name": f"COCO_{half}_{i:012}.jpg", "height": 100, "width": 200}
        for i in range(len(boxes))
    ]
    annotations = [
        {"id": i, "image_id": i, "category_id": numbers[box[0]], "bbox": [5, 5, 10, box[1]]}
        for i, box in enumerate(boxes)
        if box is not None
    ]
    return {"images": images[::-1], "annotations": annotations, "categories": categories}


@pytest.fixture
def coco_folder(tmp_path: Path) -> Path:
    """Half a per cent of a picture's area is a box of 10x10."""
    folder = tmp_path / "coco2014"
    (folder / "annotations").mkdir(parents=True)
    kinds: list[tuple[str, float] | None] = [("person", 11), ("person", 10), ("dog", 50), None]
    for half, count in (("train2014", 40), ("val2014", 8)):
        boxes = [kinds[i % 4] for i in range(count)]
        path = folder / "annotations" / f"instances_{half}.json"
        path.write_text(json.dumps(coco(half, boxes)))
        for i in range(count):
            write(folder / half / f"COCO_{half}_{i:012}.jpg", 200 if i % 4 == 0 else 20)
    return folder


def test_a_person_needs_more_than_half_a_per_cent(coco_folder: Path) -> None:
    dataset = get("visual_wake_words", coco_folder)
    assert (dataset.input_shape, dataset.classes) == ((96, 96, 3), 2)
    assert (len(dataset.train), len(dataset.val), len(dataset.test)) == (35, 5, 8)
    assert dataset.test.labels.tolist() == [1, 0, 0, 0] * 2
    for part in (dataset.train, dataset.val, dataset.test):
        bright = part.images.mean(axis=(1, 2, 3)) > 100
        np.testing.assert_array_equal(bright, part.labels == 1)


def test_only_what_is_used_is_decoded(coco_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[Path] = []
    original = pictures._decode_one

    def counting(path: Path, *rest: Any) -> Any:
        decoded.append(path)
        return original(path, *rest)

    monkeypatch.setattr(pictures, "_decode_one", counting)
    dataset = get("visual_wake_words_192x220", coco_folder, train_samples=8)
    assert dataset.input_shape == (192, 220, 3)
    assert len(dataset.train) == 8
    assert len(decoded) == 8 + len(dataset.val) + len(dataset.test)
    again = get("visual_wake_words_192x220", coco_folder, train_samples=8)
    assert again.sha256 == dataset.sha256
    assert len(decoded) == 8 + len(dataset.val) + len(dataset.test)


def test_two_folders_of_pictures(tmp_path: Path) -> None:
    for i in range(40):
        folder = tmp_path / "vw_coco2014_96" / ("person" if i % 2 else "non_person")
        write(folder / f"COCO_train2014_{i:012}.jpg", 200 if i % 2 else 20, 96, 96)
    dataset = get("visual_wake_words", tmp_path)
    assert (len(dataset.train), len(dataset.val), len(dataset.test)) == (32, 4, 4)
    bright = dataset.train.images.mean(axis=(1, 2, 3)) > 100
    np.testing.assert_array_equal(bright, dataset.train.labels == 1)
    # They are not enlarged to the paper's size.
    with pytest.raises(DataUnavailableError, match="neither person and non_person nor"):
        get("visual_wake_words_192x220", tmp_path)


def test_a_picture_that_is_damaged(coco_folder: Path) -> None:
    path = coco_folder / "val2014" / "COCO_val2014_000000000003.jpg"
    path.write_bytes(path.read_bytes()[:30])
    with pytest.raises(DataError, match=r"COCO_val2014_000000000003\.jpg is not a picture"):
        get("visual_wake_words", coco_folder)
    path.unlink()
    with pytest.raises(DataError, match=r"COCO_val2014_000000000003\.jpg"):
        get("visual_wake_words", coco_folder)
    annotations = coco_folder / "annotations" / "instances_val2014.json"
    annotations.write_text("{}")
    with pytest.raises(DataError, match=r"instances_val2014\.json is not one of COCO's"):
        get("visual_wake_words", coco_folder)


def test_more_than_memory_is_refused_before_decoding(
    coco_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sysconf", lambda name: 1000)  # a million bytes
    monkeypatch.setattr(pictures, "_decode_one", None)
    with pytest.raises(DataError, match=r"48 images of 96x96x3 take 1,327,104 bytes") as fault:
        get("visual_wake_words", coco_folder)
    assert "data.train_samples" in fault.value.mend
