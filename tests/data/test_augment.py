import dataclasses
import math

import numpy as np
import pytest
import torch

from geopt.data import AugmentConfig, Sample
from geopt.data.augment import crop, draw, move
from geopt.structures import Boxes, VoxelGrid

STILL = AugmentConfig(rotation_rad=0, scale=(1, 1), flip_x=0, flip_y=0)


def box_coordinates(xyz, box):
    """Points in the axes of a box, by the edges of its half-extent: the inside is [-1, 1]."""
    x, y, z, length, width, height, yaw = box[:7]
    dx, dy, dz = xyz[:, 0] - x, xyz[:, 1] - y, xyz[:, 2] - z
    along, across = dx * np.cos(yaw) + dy * np.sin(yaw), dy * np.cos(yaw) - dx * np.sin(yaw)
    return np.stack([along / length, across / width, dz / height], axis=1) * 2


def random_sample(seed=0, num_points=3000, num_boxes=6):
    rng = np.random.default_rng(seed)
    geometry = np.column_stack(
        [
            rng.uniform(-15, 15, (num_boxes, 2)),
            rng.uniform(-1, 1, num_boxes),
            rng.uniform(3, 9, (num_boxes, 3)),
            rng.uniform(-4, 4, num_boxes),
            rng.normal(size=(num_boxes, 2)),
        ]
    )
    names = tuple(f"box{i}" for i in range(num_boxes))
    return Sample(
        frame="a/0",
        token="t",
        timestamp_us=0,
        xyz=rng.uniform(-18, 18, (num_points, 3)).astype(np.float32) * np.float32([1, 1, 0.2]),
        features=rng.random((num_points, 2), dtype=np.float32),
        sweep=rng.integers(0, 3, num_points).astype(np.int16),
        sensor_origins=rng.normal(size=(3, 3)).astype(np.float32),
        seed=1,
        boxes=Boxes(torch.from_numpy(geometry), names, names, names, torch.arange(num_boxes)),
        labels=rng.integers(0, 17, num_points).astype(np.uint8),
    )


MOTIONS = {
    "turn": STILL.model_copy(update={"rotation_rad": 3.0}),
    "scale": STILL.model_copy(update={"scale": (1.3, 1.3)}),
    "flip x": STILL.model_copy(update={"flip_x": 1.0}),
    "flip y": STILL.model_copy(update={"flip_y": 1.0}),
    "all": AugmentConfig(rotation_rad=2.0, scale=(0.8, 1.2), flip_x=1, flip_y=1),
}


@pytest.mark.parametrize("config", MOTIONS.values(), ids=MOTIONS)
def test_boxes_still_hold_the_same_points(config):
    sample = random_sample()
    moved = move(sample, draw(np.random.default_rng(3), config))
    held = 0
    for before, after in zip(sample.boxes.geometry.numpy(), moved.boxes.geometry.numpy()):
        old = abs(box_coordinates(sample.xyz.astype(np.float64), before))
        new = abs(box_coordinates(moved.xyz.astype(np.float64), after))
        np.testing.assert_allclose(new, old, atol=2e-5)  # float32 points, boxes of 3 m and more
        held += int((old <= 1).all(axis=1).sum())
    assert held > 50 and not np.allclose(moved.xyz, sample.xyz)


@pytest.mark.parametrize("config", MOTIONS.values(), ids=MOTIONS)
def test_velocity_points_where_the_box_goes(config):
    sample = random_sample()
    motion = draw(np.random.default_rng(3), config)
    moved = move(sample, motion)
    later = sample.boxes.geometry.numpy().copy()
    later[:, :2] += 0.5 * later[:, 7:]
    moved_later = move(
        dataclasses.replace(sample, boxes=dataclasses.replace(sample.boxes, geometry=torch.from_numpy(later))), motion
    )
    path = (moved_later.boxes.geometry - moved.boxes.geometry).numpy()[:, :2]
    np.testing.assert_allclose(path, 0.5 * moved.boxes.geometry.numpy()[:, 7:], atol=1e-12)


def test_forward_axis_of_a_box_turns_with_it():
    sample = random_sample()
    motion = draw(np.random.default_rng(5), MOTIONS["all"])
    box = sample.boxes.geometry.numpy()
    nose = box[:, :3] + 0.5 * box[:, 3:4] * np.column_stack([np.cos(box[:, 6]), np.sin(box[:, 6]), np.zeros(len(box))])
    after = move(sample, motion).boxes.geometry.numpy()
    expected = nose @ motion.T
    found = after[:, :3] + 0.5 * after[:, 3:4] * np.column_stack(
        [np.cos(after[:, 6]), np.sin(after[:, 6]), np.zeros(len(box))]
    )
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_sensors_keep_their_distance_to_points_up_to_scale():
    sample = random_sample()
    motion = draw(np.random.default_rng(7), MOTIONS["all"])
    moved = move(sample, motion)
    ranges = [np.linalg.norm(s.xyz - s.sensor_origins[s.sweep], axis=1) for s in (sample, moved)]
    np.testing.assert_allclose(ranges[1], ranges[0] * motion[2, 2], rtol=1e-5)


def test_unknown_velocity_stays_unknown():
    sample = random_sample()
    sample.boxes.geometry[0, 7:] = math.nan
    moved = move(sample, draw(np.random.default_rng(0), MOTIONS["all"]))
    assert moved.boxes.geometry[:, 7:].isnan().any(dim=1).tolist() == [True, *[False] * 5]
    assert not moved.boxes.geometry[:, :7].isnan().any()


def test_a_still_config_changes_no_bit():
    sample = random_sample()
    moved = move(sample, draw(np.random.default_rng(0), STILL))
    assert np.array_equal(moved.xyz, sample.xyz) and np.array_equal(moved.sensor_origins, sample.sensor_origins)
    assert torch.allclose(moved.boxes.geometry[:, :6], sample.boxes.geometry[:, :6], rtol=0, atol=0)


def test_draws_fill_the_configured_ranges():
    config = AugmentConfig()
    motions = np.array([draw(np.random.default_rng(seed), config) for seed in range(2000)])
    scales = motions[:, 2, 2]
    signs = np.linalg.det(motions[:, :2, :2]) / scales**2
    angles = np.arctan2(motions[:, 1, 0], motions[:, 0, 0])
    angles = np.where(
        abs(angles) > math.pi / 2, (angles + math.pi) % (2 * math.pi), angles
    )  # x flipped: half a turn off
    angles = np.where(angles > math.pi, angles - 2 * math.pi, angles)
    assert 0.95 <= scales.min() < 0.952 and 1.048 < scales.max() <= 1.05
    assert -0.3925 <= angles.min() < -0.39 and 0.39 < angles.max() <= 0.3925
    assert abs(np.mean(signs < 0) - 0.5) < 0.05 and abs(np.mean(motions[:, 0, 0] < 0) - 0.5) < 0.05
    np.testing.assert_allclose(abs(signs), 1, atol=1e-12)


def test_crop_keeps_the_points_that_have_a_voxel():
    grid = VoxelGrid((-2, -2, -1), (2, 2, 1), (0.1, 0.1, 0.5))
    below_upper = np.nextafter(np.float32(2), np.float32(0))
    xyz = np.array(
        [
            [-2, -2, -1],
            [2, 0, 0],
            [below_upper, 0, 0],
            [0, -2.0001, 0],
            [0, 0, 1],
            [math.nan, 0, 0],
            [0, math.inf, 0],
            [0, 0, 0],
        ],
        dtype=np.float32,
    )
    size = np.float32(0.1)
    index = np.floor((below_upper - np.float32(-2)) / size)  # rounding may lift it into voxel 40 of 40
    kept = [0, 7] if index == 40 else [0, 2, 7]
    sample = random_sample(num_points=len(xyz))
    sample = dataclasses.replace(sample, xyz=xyz)
    cropped = crop(sample, grid)
    assert cropped.xyz.tolist() == xyz[kept].tolist()
    for name in ("features", "sweep", "labels"):
        assert np.array_equal(getattr(cropped, name), getattr(sample, name)[kept])
    assert np.array_equal(cropped.sensor_origins, sample.sensor_origins)


def test_crop_keeps_boxes_whose_centre_is_inside():
    sample = random_sample(num_boxes=40)
    cropped = crop(sample, VoxelGrid((-5, -5, -5), (5, 5, 5), (1, 1, 1)))
    centres = sample.boxes.geometry[:, :3]
    inside = ((centres >= -5) & (centres < 5)).all(dim=1)
    assert 0 < inside.sum() < 40
    assert torch.equal(cropped.boxes.geometry, sample.boxes.geometry[inside])
    assert cropped.boxes.names == tuple(f"box{i}" for i in torch.nonzero(inside)[:, 0].tolist())
    assert torch.equal(cropped.boxes.num_points, torch.nonzero(inside)[:, 0])


def test_crop_of_everything_leaves_an_empty_frame():
    cropped = crop(random_sample(), VoxelGrid((100, 100, 100), (101, 101, 101), (1, 1, 1)))
    assert cropped.xyz.shape == (0, 3) and cropped.features.shape == (0, 2) and not cropped.boxes.names
