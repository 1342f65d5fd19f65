"""Visual Wake Words: is there a person in the picture? Made of COCO 2014.

Source of the rule: A. Chowdhery et al., "Visual Wake Words Dataset", arXiv 1906.05721: yes, where
the box of at least one person has more than 0.5 % of the picture's area.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from munas.arch import Shape
from munas.errors import DataError
from munas.train.datasets.dataset import DataUnavailableError, Labels, Normalisation
from munas.train.datasets.pictures import pictures
from munas.train.datasets.spec import DatasetSpec, Raw
from munas.train.datasets.splits import stratified

LEAST_AREA = 0.005
CLASSES = ("no person", "person")
# The paper's: of COCO's 82,783 training pictures.
VALIDATION_SHARE = 10_000 / 82_783
# Of MLPerf Tiny's folder, which has no test pictures of its own.
TEST_SHARE = 0.1


def read_wake_folder(shape: Shape, crop: float, folder: Path) -> Raw:
    """MLPerf Tiny's two folders of pictures, or COCO's annotations and pictures."""
    # Those are small already: enlarged they would be another data set than the one of that name.
    if crop == 1 and (folder / "person").is_dir() and (folder / "non_person").is_dir():
        return _read_sorted(shape, crop, folder)
    if (folder / "annotations" / "instances_train2014.json").is_file():
        return _read_coco(shape, crop, folder)
    raise DataUnavailableError(
        f"{folder}: neither person and non_person nor annotations/instances_train2014.json there"
    )


def _read_sorted(shape: Shape, crop: float, folder: Path) -> Raw:
    found = [
        (path, label)
        for label, name in enumerate(("non_person", "person"))
        for path in sorted((folder / name).glob("*.jpg"))
    ]
    labels = np.array([label for _, label in found], np.int32)
    train, test = stratified(labels, round(TEST_SHARE * len(labels)))
    paths = [path for path, _ in found]
    return Raw(
        pictures([paths[i] for i in train], shape, crop),
        labels[train],
        pictures([paths[i] for i in test], shape, crop),
        labels[test],
        str(folder),
    )


def _read_coco(shape: Shape, crop: float, folder: Path) -> Raw:
    """COCO's training pictures, and its validation pictures to test on, as the paper has it."""
    train, labels = _labelled(folder, "train2014")
    test, test_labels = _labelled(folder, "val2014")
    return Raw(
        pictures(train, shape, crop), labels, pictures(test, shape, crop), test_labels, str(folder)
    )


def _labelled(folder: Path, half: str) -> tuple[list[Path], Labels]:
    path = folder / "annotations" / f"instances_{half}.json"
    try:
        content = json.loads(path.read_bytes())
        files, labels = _by_rule(content)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}.", "Unpack COCO's annotations again."
        ) from None
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        raise DataError(
            f"{path} is not one of COCO's annotations: {error!r}.",
            "Unpack COCO's annotations again.",
        ) from None
    pictures_folder = next(
        (place for place in (folder / half, folder / "images" / half) if place.is_dir()), None
    )
    if pictures_folder is None:
        raise DataError(
            f"{folder} has COCO's annotations, but no folder {half} with the pictures.",
            f"Unpack {half}.zip there.",
        )
    return [pictures_folder / name for name in files], np.array(labels, np.int32)


def _by_rule(content: dict[str, Any]) -> tuple[list[str], list[int]]:
    """File names in the order of their ids, and 1 for those with a person that is large enough.

    Pictures with none but smaller persons are "no person": none is left out.
    """
    person = next(each["id"] for each in content["categories"] if each["name"] == "person")
    area = {each["id"]: each["width"] * each["height"] for each in content["images"]}
    large = {
        each["image_id"]
        for each in content["annotations"]
        if each["category_id"] == person
        and each["bbox"][2] * each["bbox"][3] > LEAST_AREA * area[each["image_id"]]
    }
    images = sorted(content["images"], key=lambda each: int(each["id"]))
    return [each["file_name"] for each in images], [int(each["id"] in large) for each in images]


def _spec(name: str, shape: Shape, crop: float) -> DatasetSpec:
    return DatasetSpec(
        name=name,
        title=f"Visual Wake Words of {shape[0]}x{shape[1]}",
        input_shape=shape,
        classes=2,
        class_names=CLASSES,
        normalisation=Normalisation(scale=255.0),
        validation_share=VALIDATION_SHARE,
        stem=name,
        folders=("vw_coco2014_96", "coco2014", "coco", "COCO"),
        read_folder=partial(read_wake_folder, shape, crop),
        mends=(
            "unpack MLPerf Tiny's vw_coco2014_96.tar.gz, or COCO's train2014.zip, val2014.zip and "
            "annotations_trainval2014.zip in a folder coco2014",
        ),
    )


VISUAL_WAKE_WORDS = _spec("visual_wake_words", (96, 96, 3), crop=1.0)
VISUAL_WAKE_WORDS_192X220 = _spec("visual_wake_words_192x220", (192, 220, 3), crop=0.875)
