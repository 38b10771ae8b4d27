"""points_in_boxes against its reference and the definition in NumPy."""

import math

import numpy as np
import pytest
import torch
from clouds import ALL

from geopt import ops, reference


def random_boxes(seed, count):
    generator = torch.Generator().manual_seed(seed)
    centers = torch.randn(count, 3, generator=generator, dtype=torch.float64) * 6
    sizes = torch.rand(count, 3, generator=generator, dtype=torch.float64) * 8 + 0.1
    yaws = (torch.rand(count, 1, generator=generator, dtype=torch.float64) - 0.5) * 20
    return torch.cat([centers, sizes, yaws], dim=1)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("cloud", ALL, ids=str)
def test_equals_reference(cloud, dtype, device):
    xyz, offsets = cloud.to(device)
    num_clouds = len(offsets) - 1
    boxes = random_boxes(0, 5 * num_clouds).to(dtype)
    box_offsets = torch.arange(num_clouds + 1) * 5
    got = ops.points_in_boxes(xyz, boxes.to(device), offsets, box_offsets.to(device))
    assert torch.equal(got.cpu(), reference.points_in_boxes(cloud.xyz, boxes, cloud.offsets, box_offsets))


def test_equals_the_definition_by_rotation_matrices(scan):
    boxes = random_boxes(1, 40)
    boxes[:, 2] = -1.0
    expected = np.full(len(scan), -1)
    points = scan.numpy().astype(np.float64)
    for row in reversed(range(len(boxes))):
        x, y, z, length, width, height, yaw = boxes[row].tolist()
        turn = np.array([[math.cos(yaw), -math.sin(yaw), 0], [math.sin(yaw), math.cos(yaw), 0], [0, 0, 1]])
        local = (points - [x, y, z]) @ turn  # rows times R = R^-1 times columns
        expected[(np.abs(local) <= np.array([length, width, height]) / 2).all(axis=1)] = row
    got = ops.points_in_boxes(scan, boxes).numpy()
    assert np.array_equal(got, expected)
    assert (got >= 0).sum() > 1000


def test_length_lies_along_the_yaw_and_turns_to_the_left(device):
    box = torch.tensor([[0.0, 0, 0, 4, 1, 1, math.radians(30)]], dtype=torch.float64, device=device)
    ahead = torch.tensor([[1.5, 0.86, 0.0], [1.5, -0.86, 0.0]], device=device)
    assert ops.points_in_boxes(ahead, box).tolist() == [0, -1]


def test_faces_edges_and_corners_are_inside(device):
    center = torch.tensor([11.0, 12, 13])
    box = torch.cat([center, torch.tensor([2.0, 4, 6, 0])])[None].to(device)
    signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1])] * 3)
    corners = center + signs * torch.tensor([1.0, 2, 3])
    assert ops.points_in_boxes(corners.to(device), box).tolist() == [0] * 8
    outside = torch.nextafter(corners, corners + signs)
    for axis in range(3):
        moved = corners.clone()
        moved[:, axis] = outside[:, axis]
        assert ops.points_in_boxes(moved.to(device), box).tolist() == [-1] * 8


def test_the_lowest_row_wins_where_boxes_overlap(device):
    small, large = [0.0, 0, 0, 1, 1, 1, 0], [0.0, 0, 0, 9, 9, 9, 1.0]
    points = torch.tensor([[0.0, 0, 0], [2, 2, 2], [9, 9, 9]], device=device)
    assert ops.points_in_boxes(points, torch.tensor([small, large], device=device)).tolist() == [0, 1, -1]
    assert ops.points_in_boxes(points, torch.tensor([large, small], device=device)).tolist() == [0, 0, -1]


def test_clouds_meet_only_their_own_boxes(device):
    points = torch.zeros(4, 3, device=device)
    box = torch.tensor([[0.0, 0, 0, 1, 1, 1, 0]], device=device)
    ends = torch.tensor([0, 1, 1, 4], device=device)
    rows = ops.points_in_boxes(points, box.expand(3, 7), ends, torch.tensor([0, 0, 2, 3], device=device))
    assert rows.tolist() == [-1, 2, 2, 2]


def test_degenerate_boxes_and_points(device):
    nan, inf = math.nan, math.inf
    boxes = torch.tensor(
        [
            [0.0, 0, 0, nan, 1, 1, 0],
            [0, 0, 0, -1, 1, 1, 0],
            [nan, 0, 0, 1, 1, 1, 0],
            [0, 0, 0, 1, 1, 1, inf],
            [5, 5, 5, 0, 0, 0, 3],
        ],
        device=device,
    )
    points = torch.tensor([[0.0, 0, 0], [nan, 0, 0], [inf, 0, 0], [5, 5, 5]], device=device)
    assert ops.points_in_boxes(points, boxes).tolist() == [-1, -1, -1, 4]  # a box of size 0 holds its centre
    everything = torch.tensor([[0.0, 0, 0, inf, inf, inf, 0]], device=device)
    assert ops.points_in_boxes(points, everything).tolist() == [0, -1, -1, 0]


def test_no_boxes_hold_nothing(device):
    assert ops.points_in_boxes(torch.zeros(2, 3, device=device), torch.zeros(0, 7, device=device)).tolist() == [-1, -1]
    assert ops.points_in_boxes(torch.zeros(0, 3, device=device), torch.zeros(2, 7, device=device)).shape == (0,)
