"""What the maps shall show for labelled boxes."""

import math
import random

import pytest
import torch
from labelled_clouds import labelled

from geopt.heads.bev import MapGrid
from geopt.heads.center_targets import box_values, center_targets, gaussian_radius, values_to_boxes
from geopt.heads.config import TargetConfig

MAP = MapGrid((-8.0, -6.0), (0.5, 0.5), (32, 24))
GROUPS = (0, 1, 1)
CONFIG = TargetConfig()


def published_radius(height, width, min_overlap):
    """The least of CornerNet's three radii, with the divisors of the published code."""
    b1, c1 = height + width, width * height * (1 - min_overlap) / (1 + min_overlap)
    b2, c2 = 2 * (height + width), (1 - min_overlap) * width * height
    b3, c3 = -2 * min_overlap * (height + width), (min_overlap - 1) * width * height
    r1 = (b1 + math.sqrt(b1**2 - 4 * c1)) / 2
    r2 = (b2 + math.sqrt(b2**2 - 16 * c2)) / 2
    r3 = (b3 + math.sqrt(b3**2 - 16 * min_overlap * c3)) / 2
    return min(r1, r2, r3)


@pytest.mark.parametrize("min_overlap", [0.01, 0.1, 0.3, 0.5, 0.7, 0.99])
def test_radius_is_the_least_of_the_three_published_ones(min_overlap):
    rng = random.Random(0)
    for _ in range(200):
        sizes = torch.tensor([10 ** rng.uniform(-2, 3) for _ in range(2)], dtype=torch.float64)
        got = float(gaussian_radius(*sizes, min_overlap))
        assert got == pytest.approx(published_radius(*sizes.tolist(), min_overlap), rel=1e-9)


def test_heatmaps_are_the_highest_gaussian_of_each_class():
    frames = [
        [
            (0, [0.1, 0.2, 1, 6, 3, 2, 0.3, 0, 0]),
            (0, [2.1, 0.2, 1, 4, 2, 2, 0, 0, 0]),
            (1, [0.1, 0.2, 1, 1, 1, 1, 0, 0, 0]),
        ],
        [(2, [-7.9, -5.9, 1, 30, 20, 2, 0, 0, 0])],  # its Gaussian leaves the map
    ]
    targets = center_targets(labelled(frames), MAP, GROUPS, CONFIG)
    wanted = torch.zeros(2, 3, 32, 24)
    for b, objects in enumerate(frames):
        for number, box in objects:
            radius = max(2, int(published_radius(box[3] / 0.5, box[4] / 0.5, 0.1)))
            ci, cj = math.floor((box[0] + 8) / 0.5), math.floor((box[1] + 6) / 0.5)
            sigma = (2 * radius + 1) / 6
            for i in range(max(0, ci - radius), min(32, ci + radius + 1)):
                for j in range(max(0, cj - radius), min(24, cj + radius + 1)):
                    value = math.exp(-((i - ci) ** 2 + (j - cj) ** 2) / (2 * sigma**2))
                    wanted[b, number, i, j] = max(wanted[b, number, i, j], value)
    assert torch.allclose(targets.heatmaps, wanted, atol=1e-6)
    assert int((targets.heatmaps == 1).sum()) == 4


def test_values_of_a_box():
    nan = math.nan
    frame = [(0, [0.6, -0.1, 1.5, 4.0, 2.0, 1.6, 0.7, nan, nan]), (2, [-7.75, -6.0, 0, 1, 1, 1, -3.0, 2, -1])]
    targets = center_targets(labelled([[], frame]), MAP, GROUPS, CONFIG)
    assert targets.cells.tolist() == [32 * 24 + 17 * 24 + 11, 32 * 24]
    assert targets.groups.tolist() == [0, 1] and targets.boxes.tolist() == [0, 1]
    wanted = [0.2, 0.8, 1.5, math.log(4), math.log(2), math.log(1.6), math.sin(0.7), math.cos(0.7)]
    assert torch.allclose(targets.values[0, :8], torch.tensor(wanted))
    assert targets.values[0, 8:].isnan().all() and targets.values[1, 8:].tolist() == [2, -1]
    assert targets.values[1, :2].tolist() == [0.5, 0.0]


def test_boxes_outside_and_boxes_without_points_are_left_out_and_counted():
    box = [0, 0, 1, 4, 2, 2, 0, 0, 0]
    places = [(-8.0, -6.0), (8.0, 0.0), (7.999, 5.999), (0.0, -6.001), (1e9, 0.0), (3.0, 3.0)]
    batch = labelled([[(0, [x, y, *box[2:]]) for x, y in places]], num_points=[[1, 1, 1, 0, 1, 0]])
    targets = center_targets(batch, MAP, GROUPS, CONFIG)
    assert targets.outside.tolist() == [False, True, False, True, True, False]
    assert targets.too_few_points.tolist() == [False, False, False, False, False, True]
    assert targets.kept.tolist() == [True, False, True, False, False, False]
    assert sorted(targets.boxes.tolist()) == [0, 2] and int((targets.heatmaps == 1).sum()) == 2
    everything = center_targets(batch, MAP, GROUPS, TargetConfig(min_points=0))
    assert everything.kept.tolist() == [True, False, True, False, False, True]


def test_of_several_boxes_in_a_cell_the_one_of_most_points_is_learned_in_each_group():
    def box(x):
        return [x, 0.1, 1, 1, 1, 1, 0, 0, 0]

    frame = [(1, box(0.1)), (2, box(0.2)), (0, box(0.3)), (1, box(0.4)), (2, box(2.0))]
    batch = labelled([frame, frame], num_points=[[3, 9, 1, 9, 2], [3, 3, 1, 3, 2]])
    targets = center_targets(batch, MAP, GROUPS, CONFIG)
    # Group 0 has its own map. In group 1 rows 1 and 3 have 9 points: the lower one. In the second frame all are equal.
    assert dict(zip(targets.boxes.tolist(), targets.groups.tolist())) == {2: 0, 7: 0, 1: 1, 4: 1, 5: 1, 9: 1}
    assert targets.kept.all() and (targets.groups.diff() >= 0).all()
    assert int((targets.heatmaps[0] == 1).sum()) == 4  # both classes of the shared cell have their Gaussian


def test_values_and_boxes_are_each_others_reverse():
    generator = torch.Generator().manual_seed(0)
    boxes = torch.randn(50, 9, generator=generator, dtype=torch.float64) * 2
    boxes[:, 3:6] = boxes[:, 3:6].abs() + 0.1
    boxes[:, 6] = torch.linspace(-3.14, 3.14, 50)
    cells = ((boxes[:, 0] + 8) / 0.5).floor() * 24 + ((boxes[:, 1] + 6) / 0.5).floor()
    back = values_to_boxes(box_values(boxes, MAP), cells.long() + 3 * 32 * 24, MAP)
    assert torch.allclose(back, boxes, atol=1e-12)


def test_a_batch_without_boxes_has_empty_maps():
    targets = center_targets(labelled([[], []]), MAP, GROUPS, CONFIG)
    assert targets.heatmaps.shape == (2, 3, 32, 24) and not targets.heatmaps.any() and len(targets.cells) == 0


@pytest.mark.parametrize(
    ("number", "column", "value"),
    [(0, 3, 0.0), (0, 4, -1.0), (0, 0, math.nan), (0, 6, math.inf), (3, 0, 0.0), (-1, 0, 0.0)],
)
def test_impossible_boxes_are_refused_with_their_frame(number, column, value):
    box = [0, 0, 1, 4, 2, 2, 0, 0, 0]
    box[column] = value
    batch = labelled([[(0, [0, 0, 1, 4, 2, 2, 0, 0, 0])], [(0, [1, 0, 1, 4, 2, 2, 0, 0, 0])]])
    batch.boxes[1], batch.box_classes[1] = torch.tensor(box), number
    with pytest.raises(ValueError, match=r"center_targets: boxes must have .* in frame frame-1"):
        center_targets(batch, MAP, GROUPS, CONFIG)
