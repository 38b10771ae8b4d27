"""PLY files hold what was written, as a reader of the format sees it."""

from pathlib import Path

import numpy as np
import pytest

from geopt.visualize.ply import write_ply

TYPES = {"float": "<f4", "uchar": "u1", "ushort": "<u2"}


def read_ply(path: Path) -> np.ndarray:
    """The vertices of a little-endian binary PLY file."""
    head, _, body = path.read_bytes().partition(b"end_header\n")
    magic, form, *rest = head.decode("ascii").splitlines()
    assert (magic, form) == ("ply", "format binary_little_endian 1.0")
    columns, count = [], 0
    for words in (line.split() for line in rest):
        if words[0] == "element":
            assert words[1] == "vertex" and not columns
            count = int(words[2])
        else:
            assert words[0] == "property"
            columns.append((words[2], TYPES[words[1]]))
    assert len(body) == count * np.dtype(columns).itemsize
    return np.frombuffer(body, dtype=columns)


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_points_and_colours_come_back(tmp_path, count):
    rng = np.random.default_rng(count)
    xyz, rgb = rng.normal(size=(count, 3)) * 50, rng.random((count, 3))
    write_ply(tmp_path / "a.ply", xyz, rgb)
    table = read_ply(tmp_path / "a.ply")
    assert table.dtype.names == ("x", "y", "z", "red", "green", "blue") and len(table) == count
    assert np.array_equal(np.stack([table[a] for a in "xyz"], axis=1), xyz.astype(np.float32))
    levels = np.stack([table[c] for c in ("red", "green", "blue")], axis=1)
    assert not count or np.abs(levels / 255 - rgb).max() <= 0.5 / 255 + 1e-9


def test_labels_come_back(tmp_path):
    labels = np.array([0, 16, 65_535])
    write_ply(tmp_path / "a.ply", np.zeros((3, 3)), np.ones((3, 3)), labels)
    table = read_ply(tmp_path / "a.ply")
    assert table["label"].tolist() == labels.tolist()
    assert table["red"].tolist() == [255, 255, 255]


def test_arrays_that_do_not_belong_together_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"xyz and rgb must have shape \(N, 3\), got \(2, 3\) and \(3, 3\)"):
        write_ply(tmp_path / "a.ply", np.zeros((2, 3)), np.zeros((3, 3)))
    with pytest.raises(ValueError, match=r"labels must have shape \(2,\), got \(3,\)"):
        write_ply(tmp_path / "a.ply", np.zeros((2, 3)), np.zeros((2, 3)), np.zeros(3))
    assert not (tmp_path / "a.ply").exists()


@pytest.mark.parametrize("label", [-1, 65_536])
def test_labels_that_do_not_fit_are_refused(tmp_path, label):
    with pytest.raises(ValueError, match=r"labels must be whole numbers from 0 to 65535"):
        write_ply(tmp_path / "a.ply", np.zeros((1, 3)), np.zeros((1, 3)), np.array([label]))
