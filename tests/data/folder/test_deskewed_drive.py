"""A drive through the simulated city, scanned column by column and brought back to one time."""

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from geopt.data.folder import Folder, FolderConfig

pytest.importorskip("embreex")

from geopt.simulate.meshes.solids import STATIC
from geopt.simulate.sensor.beams import times
from geopt.simulate.sensor.models import SENSORS
from geopt.simulate.world import World

SENSOR = SENSORS["hdl32e"]
END_S = 3.0
"""In this scene the car drives at 7 m/s then, 0.36 m in a turn."""
CLOCK_S = 1_700_000_000
COLUMNS = ("x", "y", "z", "intensity", "ring", "time")


@pytest.fixture(scope="module")
def drive(tmp_path_factory):
    """A folder of one turn as the sensor writes it, and what stands still as seen from one place."""
    folder = tmp_path_factory.mktemp("drive")
    world = World(0, "scene-0103", SENSOR, motion_distortion=True)
    scan = world.observe(END_S)
    still = scan.owner == STATIC
    offsets = times(SENSOR, END_S)[scan.column[still]] - END_S
    np.save(folder / f"{CLOCK_S + END_S:.6f}.npy", np.column_stack([scan.points[still], offsets]).astype(np.float32))
    lines = []
    for time_s in END_S + np.arange(-0.1, 0.06, 0.01):
        pose = world.lidar_motion(np.array([time_s]))
        quat = Rotation.from_matrix(pose.rotation[0]).as_quat()
        lines.append(" ".join(f"{value:.9f}" for value in (CLOCK_S + time_s, *pose.origin[0], *quat)))
    (folder / "poses.tum").write_text("\n".join(lines) + "\n")
    world.motion_distortion = False
    wanted = world.observe(END_S)
    return folder, wanted.points[wanted.owner == STATIC, :3].astype(np.float64)


def distance_to_walls(xyz, reference):
    """(K,) metres to the planes through the nearest points of ``reference``, where these are upright and flat."""
    near = reference[cKDTree(reference).query(xyz, k=8)[1]]
    middle = near.mean(axis=1)
    values, axes = np.linalg.eigh(np.einsum("nki,nkj->nij", near - middle[:, None], near - middle[:, None]))
    normal, thickness_m = axes[:, :, 0], np.sqrt(np.maximum(values[:, 0], 0) / 8)
    walls = (np.abs(normal[:, 2]) < 0.1) & (thickness_m < 0.02) & (values[:, 1] > 0.02)
    return np.abs(np.einsum("ni,ni->n", xyz - middle, normal))[walls]


def test_walls_that_a_moving_scanner_saw_are_where_a_still_one_sees_them(drive):
    folder, wanted = drive
    found = {}
    for is_deskewed in (False, True):
        config = FolderConfig(
            columns=COLUMNS, yaw_deg=-90, deskew=is_deskewed
        )  # x of the simulated sensor points right
        source = Folder(folder, config)
        turn = source.ego_from_lidar(0)[:, :3]
        found[is_deskewed] = distance_to_walls(source.read(0).xyz.astype(np.float64), wanted @ turn.T)
        assert len(found[is_deskewed]) > 1000
    smeared, straight = (np.percentile(found[is_deskewed], 95) for is_deskewed in (False, True))
    assert smeared > 0.25  # 0.35 m was measured, 0.03 m with deskew
    assert straight < 0.05  # what is left is the noise of the sensor
