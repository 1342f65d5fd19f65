from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from munas.errors import DataError
from munas.train.datasets.idx import read_idx

LABELS = np.arange(10)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    array=arrays(np.uint8, array_shapes(min_dims=3, max_dims=3, max_side=6)),
    name=st.sampled_from(["images", "images.gz"]),
)
def test_reads_what_was_written(tmp_path: Path, write_idx, array, name) -> None:
    write_idx(tmp_path / name, array)
    read = read_idx(tmp_path / name, 3)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, array)


def test_goes_by_content_not_by_name(tmp_path: Path, write_idx) -> None:
    write_idx(tmp_path / "plain", LABELS)
    unpacked = (tmp_path / "plain").rename(tmp_path / "labels.gz")
    np.testing.assert_array_equal(read_idx(unpacked, 1), LABELS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c[:-3], "truncated: its header promises 10 bytes of data, 7 are there"),
        (lambda c: c[:6], "truncated: it ends within its header"),
        (lambda c: c[:3], "not an IDX file"),
        (lambda c: b"", "not an IDX file"),
        (lambda c: c + b"x", "too long"),
        (lambda c: b"PK" + c[2:], "not an IDX file"),
        (lambda c: c[:2] + b"\x0d" + c[3:], "type 13, not unsigned bytes"),
        (lambda c: gzip.compress(c)[:-9], "truncated or damaged"),
        (lambda c: b"\x1f\x8b" + c, "truncated or damaged"),
        (lambda c: gzip.compress(c)[:-8] + b"\0" * 8, "truncated or damaged"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, write_idx, change, message) -> None:
    path = tmp_path / "train-labels-idx1-ubyte"
    write_idx(path, LABELS)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError) as fault:
        read_idx(path, 1)
    assert str(path) in fault.value.what
    assert message in fault.value.what
    assert fault.value.mend


def test_labels_are_not_images(tmp_path: Path, write_idx) -> None:
    write_idx(tmp_path / "a", LABELS)
    with pytest.raises(DataError, match="a holds labels, not images"):
        read_idx(tmp_path / "a", 3)
    write_idx(tmp_path / "b", np.zeros((2, 3, 3)))
    with pytest.raises(DataError, match="b holds images, not labels"):
        read_idx(tmp_path / "b", 1)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_idx(tmp_path / "none", 1)
