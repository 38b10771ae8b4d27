"""From range images back to the points that they were made of."""

import numpy as np
import pytest
import waymo_files
from scipy.spatial.transform import Rotation

from geopt import _host
from geopt.data import Waymo, WaymoConfig
from geopt.data.waymo import Calibration


def pixels(frame, channel, lidars=(1, 2, 3, 4, 5), returns=(0, 1)):
    images = [frame.returns[lidar, which].image for lidar in lidars for which in returns]
    return np.concatenate([image[..., channel][image[..., 0] > 0] for image in images])


def test_points_come_back_within_a_millimetre(stored, truth):
    drive, waymo = stored
    for row, frame in enumerate(drive.frames):
        found, wanted = waymo.points(row).xyz, truth(frame)
        assert found.shape == wanted.shape
        assert np.linalg.norm(found - wanted, axis=1).max() < 1e-3  # poses are float32, some 15 km from the origin


def test_channels_are_those_of_the_pixels(stored):
    drive, waymo = stored
    for row, frame in enumerate(drive.frames):
        points = waymo.points(row)
        for channel, name in enumerate(("range_m", "intensity", "elongation")):
            assert np.array_equal(getattr(points, name), pixels(frame, channel))
        assert np.array_equal(points.in_no_label_zone, pixels(frame, 3) == 1)
        assert points.in_no_label_zone.any() and not points.in_no_label_zone.all()


def test_points_know_their_pixel(stored):
    drive, waymo = stored
    points = waymo.points(0)
    for number in drive.lidars:
        for which in (1, 2):
            image = drive.frames[0].returns[number, which - 1].image
            own = (points.lidar == number) & (points.which_return == which)
            row, column = np.nonzero(image[..., 0] > 0)
            assert np.array_equal(points.ring[own], len(image) - 1 - row)
            assert np.array_equal(points.column[own], column)


def test_labels_of_points_are_those_of_the_top_lidar(stored):
    drive, waymo = stored
    points = waymo.points(0, with_labels=True)
    for which in (0, 1):
        one = drive.frames[0].returns[1, which]
        own = (points.lidar == 1) & (points.which_return == which + 1)
        kept = one.image[..., 0] > 0
        assert np.array_equal(points.semantic[own], one.labels[kept][:, 1])
        assert np.array_equal(points.instance[own], one.labels[kept][:, 0])
    assert not points.semantic[points.lidar != 1].any()
    assert np.array_equal(waymo.point_labels(0), points.semantic)
    assert waymo.has_labels(0) and not waymo.has_labels(1)
    with pytest.raises(ValueError, match="no labels of points"):
        waymo.point_labels(1)


def reference(image, extrinsic, inclinations, poses, world_from_vehicle):
    """Pixel by pixel with 4 x 4 matrices: what the documentation of the data set says, in float64."""
    height, width, _ = image.shape
    found = []
    for row in range(height):
        for column in range(width):
            range_m = float(image[row, column, 0])
            if not range_m > 0:
                continue
            azimuth = (2 * (width - column - 0.5) / width - 1) * np.pi - np.arctan2(extrinsic[1, 0], extrinsic[0, 0])
            up = inclinations[row]
            ray = [np.cos(azimuth) * np.cos(up), np.sin(azimuth) * np.cos(up), np.sin(up)]
            point = extrinsic @ [*(range_m * np.array(ray)), 1.0]
            if poses is not None:
                roll, pitch, yaw, *place = poses[row, column].astype(float)
                then = np.eye(4)
                then[:3, :3] = (
                    Rotation.from_rotvec([0, 0, yaw])
                    * Rotation.from_rotvec([0, pitch, 0])
                    * Rotation.from_rotvec([roll, 0, 0])
                ).as_matrix()
                then[:3, 3] = place
                point = np.linalg.solve(world_from_vehicle, then @ point)
            found.append(point[:3])
    return np.array(found).reshape(-1, 3)


@pytest.mark.parametrize("spread", [0.05, 0.4, 3.0], ids=["small turns", "larger turns", "any turns"])
def test_equals_a_plain_loop(spread):
    """Angles near one another, where sines come from a series, and far apart, where they do not."""
    rng = np.random.default_rng(7)
    image = rng.uniform(-1, 75, (9, 31, 4)).astype(np.float32)
    image[0, :4, 0] = [0.0, -0.0, np.nan, 1e-6]
    extrinsic, pose = np.eye(4), np.eye(4)
    extrinsic[:3] = np.c_[Rotation.random(random_state=1).as_matrix(), [1.4, 0.1, 2.2]]
    pose[:3] = np.c_[Rotation.random(random_state=2).as_matrix(), [2759.8, 3673.5, 21.9]]
    poses = np.concatenate([rng.uniform(-spread, spread, (9, 31, 3)), np.full((9, 31, 3), pose[:3, 3])], axis=-1)
    poses = (poses + [0, 0, 3.0, 0, 0, 0]).astype(np.float32)
    beams = np.sort(rng.uniform(-1.5, 0.5, 9))[::-1].copy()
    for of_pixels, of_frame in ((None, None), (poses, pose)):
        found = _host.range_image_points(image, extrinsic, beams, of_pixels, of_frame)
        wanted = reference(image, extrinsic, beams, of_pixels, of_frame)
        assert np.abs(found["xyz"] - wanted).max() < 5e-6  # half a step of float32 at 100 m
        assert np.array_equal(found["pixel"], np.flatnonzero(image[..., 0] > 0))


def test_even_beams_lie_in_the_middle_of_equal_steps_and_the_highest_comes_first():
    rows = Calibration(np.eye(4), np.zeros(0), lowest=-1.0, highest=0.5).rows(3)
    assert np.allclose(rows, [0.25, -0.25, -0.75])
    listed = Calibration(np.eye(4), np.array([-0.3, -0.1, 0.02]), lowest=-9.0, highest=9.0).rows(3)
    assert listed.tolist() == [0.02, -0.1, -0.3]
    with pytest.raises(ValueError, match="4 rows has 3 inclinations"):
        Calibration(np.eye(4), np.array([-0.3, -0.1, 0.02]), -9.0, 9.0).rows(4)


@pytest.mark.parametrize(
    "config, lidars, returns",
    [
        (WaymoConfig(lidars="top"), (1,), (0, 1)),
        (WaymoConfig(returns="first"), (1, 2, 3, 4, 5), (0,)),
        (WaymoConfig(lidars="top", returns="first"), (1,), (0,)),
    ],
)
def test_lidars_and_returns_can_be_left_out(config, lidars, returns, waymo, made_up, truth):
    found = Waymo(waymo.root, config).points(0)
    assert np.abs(found.xyz - truth(made_up.frames[0], lidars, returns)).max() < 1e-3


def test_zones_without_labels_can_be_left_out(waymo):
    whole, kept = waymo.points(0), Waymo(waymo.root, WaymoConfig(no_label_zones="drop")).points(0)
    assert 0 < len(kept.xyz) < len(whole.xyz) and not kept.in_no_label_zone.any()
    assert np.array_equal(kept.xyz, whole.xyz[~whole.in_no_label_zone])


def test_a_full_turn_of_the_real_size_comes_back(version, tmp_path, truth):
    drive = waymo_files.make_drive(num_frames=1, sizes={**waymo_files.SIZES, 1: (64, 2650)})
    if version == "v1":
        waymo_files.write_v1(drive, tmp_path / "a.tfrecord", crc=_host.masked_crc32c)
    else:
        pytest.importorskip("pyarrow")
        waymo_files.write_v2(drive, tmp_path)
    found = Waymo(tmp_path).points(0).xyz
    assert len(found) > 170_000 and np.abs(found - truth(drive.frames[0])).max() < 1e-3
