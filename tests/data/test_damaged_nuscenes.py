"""Damaged tables and scans of a nuScenes folder."""

from pathlib import Path

import fuzzing
import pytest
from nuscenes_folder import write_nuscenes

from geopt.data import NuScenes

REFUSALS = (ValueError, FileNotFoundError)  # a table may name another file than before


def read_all(folder: Path) -> None:
    nuscenes = NuScenes(folder, "v1.0-mini")
    for row in range(len(nuscenes.order.scene)):
        nuscenes.cloud(row, nuscenes.past(row, 2))
        if nuscenes.is_key_frame(row):
            nuscenes.boxes(row)


def test_damage_is_refused_by_an_error_that_names_the_folder(tmp_path):
    found = fuzzing.run(read_all, write_nuscenes(tmp_path, num_points=50), cases=300, errors=REFUSALS)
    assert found.refused > 90 and found.slowest_s < 5 and found.memory_mb < 300


@pytest.mark.long
def test_much_damage_is_refused(tmp_path):
    found = fuzzing.run(read_all, write_nuscenes(tmp_path, num_points=50), cases=4000, seed=1, errors=REFUSALS)
    assert found.refused > 1200 and found.slowest_s < 5 and found.memory_mb < 300
