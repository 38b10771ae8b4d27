"""box_iou against shapely, its reference, and what overlap must be."""

import math

import numpy as np
import pytest
import torch

from geopt import ops, reference

FLOAT64 = {"dtype": torch.float64}


def random_boxes(seed, count, extent_m=3.0, least_m=0.2, most_m=8.0):
    """Boxes of very different sizes about the origin, any yaw."""
    generator = torch.Generator().manual_seed(seed)
    centers = (torch.rand(count, 3, generator=generator, **FLOAT64) * 2 - 1) * extent_m
    steps = torch.rand(count, 3, generator=generator, **FLOAT64)
    sizes = least_m * (most_m / least_m) ** steps
    yaws = (torch.rand(count, 1, generator=generator, **FLOAT64) - 0.5) * 20
    return torch.cat([centers, sizes, yaws], dim=1)


def nearly_parallel(seed, count, yaw_rad, **options):
    """Boxes some quarter turns from ``yaw_rad``, exactly or off by 1e-17 to 1e-6, many with edges on one line."""
    generator = torch.Generator().manual_seed(seed)
    boxes = random_boxes(seed, count, **options)
    boxes[:, :6] = (boxes[:, :6] * 2).round() / 2
    boxes[:, 3:6] = boxes[:, 3:6].clamp(min=0.5)
    off = (torch.rand(count, generator=generator, **FLOAT64) - 0.5) * 10.0 ** torch.randint(
        -17, -5, (count,), generator=generator
    )
    off[::3] = 0
    boxes[:, 6] = yaw_rad + off + math.pi / 2 * torch.randint(-4, 5, (count,), generator=generator)
    turn = torch.tensor([[math.cos(yaw_rad), -math.sin(yaw_rad)], [math.sin(yaw_rad), math.cos(yaw_rad)]], **FLOAT64)
    boxes[:, :2] = boxes[:, :2] @ turn.T
    return boxes


def polygons(boxes):
    shapely = pytest.importorskip("shapely")
    x, y, _, length, width, _, yaw = boxes.numpy().T[:, :, None]
    along, across = np.array([-1, 1, 1, -1]) * length / 2, np.array([-1, -1, 1, 1]) * width / 2
    cosine, sine = np.cos(yaw), np.sin(yaw)
    return shapely.polygons(np.stack([x + cosine * along - sine * across, y + sine * along + cosine * across], axis=-1))


def iou_by_shapely(a, b, kind="bev"):
    shapely = pytest.importorskip("shapely")
    one, other = polygons(a)[:, None], polygons(b)[None]
    shared, sizes = shapely.area(shapely.intersection(one, other)), [shapely.area(one), shapely.area(other)]
    if kind == "3d":
        (z_a, h_a), (z_b, h_b) = a.numpy()[:, None].T[[2, 5]], b.numpy()[:, None].T[[2, 5]]
        tops, bottoms = np.minimum((z_a + h_a / 2).T, z_b + h_b / 2), np.maximum((z_a - h_a / 2).T, z_b - h_b / 2)
        shared = shared * np.maximum(tops - bottoms, 0)
        sizes = [sizes[0] * h_a.T, sizes[1] * h_b]
    return shared / (sizes[0] + sizes[1] - shared)


PAIRS = {
    "anywhere": lambda: (random_boxes(0, 150), random_boxes(1, 150)),
    "large, all overlapping": lambda: (random_boxes(2, 60, 0.5, 4, 9), random_boxes(3, 60, 0.5, 4, 9)),
    "within 100 m": lambda: (random_boxes(4, 200, 90, 2, 90), random_boxes(5, 200, 90, 2, 90)),
    "thin": lambda: (random_boxes(6, 120, 2, 0.001, 20), random_boxes(7, 120, 2, 0.001, 20)),
    "along the axes": lambda: (nearly_parallel(8, 120, 0.0), nearly_parallel(9, 120, 0.0)),
    "nearly parallel": lambda: (nearly_parallel(10, 120, 0.7), nearly_parallel(11, 120, 0.7)),
    "nearly the same": lambda: (random_boxes(12, 120), random_boxes(12, 120) + 1e-7 * random_boxes(13, 120)),
}


@pytest.mark.parametrize("kind", ["bev", "3d"])
@pytest.mark.parametrize("name", PAIRS)
def test_equals_shapely_on_a_hundred_thousand_pairs(name, kind, device):
    a, b = PAIRS[name]()
    got = ops.box_iou(a.to(device), b.to(device), kind).cpu().numpy()
    assert np.abs(got - iou_by_shapely(a, b, kind)).max() < 1e-11
    assert (got > 0).mean() > 0.001


@pytest.mark.parametrize("kind", ["bev", "3d"])
@pytest.mark.parametrize("name", PAIRS)
def test_equals_reference(name, kind, device, simd):
    a, b = (boxes[:25] for boxes in PAIRS[name]())
    a[5, 3], a[6, 4], b[7, 5], b[8, 0], b[9, 6], b[10, 2] = 0, -1, -2, math.nan, math.inf, -math.inf
    got = ops.box_iou(a.to(device), b.to(device), kind).cpu()
    torch.testing.assert_close(got, reference.box_iou(a, b, kind), rtol=0, atol=1e-12, equal_nan=True)


def test_float32_boxes_give_the_float64_overlap_rounded_once(device):
    a, b = random_boxes(20, 200).float().to(device), random_boxes(21, 100).float().to(device)
    for kind in ("bev", "3d"):
        assert torch.equal(ops.box_iou(a, b, kind), ops.box_iou(a.double(), b.double(), kind).float())


def test_equal_boxes_overlap_by_exactly_one(device):
    for boxes in (random_boxes(30, 300, 1e5, 1e-3, 100), random_boxes(31, 300).float()):
        for kind in ("bev", "3d"):
            iou = ops.box_iou(boxes.to(device), boxes.to(device), kind)
            assert (iou.diagonal() == 1).all()
            assert iou.min() >= 0 and iou.max() <= 1


def test_half_a_turn_leaves_a_box_as_it_was(device):
    boxes = random_boxes(32, 100).to(device)
    turned, swapped = boxes.clone(), boxes.clone()
    turned[:, 6] += math.pi
    swapped[:, 6] -= math.pi / 2
    swapped[:, [3, 4]] = boxes[:, [4, 3]]
    for same in (turned, swapped):
        assert (ops.box_iou(boxes, same, "3d").diagonal() - 1).abs().max() < 1e-14


def test_boxes_inside_each_other_overlap_by_the_ratio_of_their_sizes(device):
    outer = random_boxes(33, 100, 50, 1, 5)
    inner = outer.clone()
    inner[:, 3:6] *= 0.25
    inner[:, 6] += 1.0
    inner[:, 3:5] = inner[:, 3:5].min(dim=1, keepdim=True).values / 2
    outer[:, 3:5] = outer[:, 3:5].max(dim=1, keepdim=True).values
    got = ops.box_iou(outer.to(device), inner.to(device)).diagonal().cpu()
    expected = (inner[:, 3] * inner[:, 4]) / (outer[:, 3] * outer[:, 4])
    torch.testing.assert_close(got, expected, rtol=1e-13, atol=0)


def test_boxes_that_touch_share_nothing(device):
    box = torch.tensor([[0.0, 0, 0, 4, 2, 1, 0]], **FLOAT64)
    beside = torch.tensor(
        [[4.0, 0, 0, 4, 2, 1, 0], [0, 2, 0, 4, 2, 1, 0], [4, 2, 0, 4, 2, 1, 0], [-3.5, 0.25, 0, 3, 1, 1, math.pi]],
        **FLOAT64,
    )
    assert ops.box_iou(box.to(device), beside.to(device)).tolist() == [[0, 0, 0, 0]]
    above = box.clone()
    above[0, 2] = 1
    assert ops.box_iou(box.to(device), above.to(device), "3d").item() == 0
    assert ops.box_iou(box.to(device), above.to(device), "bev").item() == 1
    boxes = random_boxes(34, 200)
    ahead = boxes.clone()  # along their own heading, where corners are rounded
    ahead[:, 0] += boxes[:, 3] * boxes[:, 6].cos()
    ahead[:, 1] += boxes[:, 3] * boxes[:, 6].sin()
    assert ops.box_iou(boxes.to(device), ahead.to(device)).diagonal().max() < 1e-14


def test_a_corner_that_just_misses_shares_exactly_nothing(device):
    """Circles and axis-aligned bounds overlap; only a side of the long box keeps them apart."""
    diagonal = torch.tensor([[0.0, 0, 0, 10, 1, 1, math.pi / 4]], **FLOAT64).to(device)
    touching = (0.5 + math.sqrt(0.5)) * math.sqrt(0.5)
    for gap, shares in ((1e-9, False), (-1e-6, True)):
        square = torch.tensor([[-touching - gap, touching + gap, 0, 1, 1, 1, 0]], **FLOAT64).to(device)
        for iou in (ops.box_iou(diagonal, square), ops.box_iou(square, diagonal)):
            assert (iou.item() > 0) == shares


def test_a_hundred_kilometres_away_nothing_changes(device):
    a, b = random_boxes(35, 100), random_boxes(36, 100)
    a[:, :3], b[:, :3] = (a[:, :3] * 1024).round() / 1024, (b[:, :3] * 1024).round() / 1024  # the shift adds no error
    here = ops.box_iou(a.to(device), b.to(device), "3d")
    shift = torch.tensor([1e5, -1e5, 1e3, 0, 0, 0, 0], **FLOAT64)
    assert torch.equal(ops.box_iou((a + shift).to(device), (b + shift).to(device), "3d"), here)
    assert (here > 0).any()


def test_order_and_common_turns_do_not_matter(device):
    a, b = random_boxes(37, 150), random_boxes(38, 150)
    iou = ops.box_iou(a.to(device), b.to(device)).cpu()
    assert (ops.box_iou(b.to(device), a.to(device)).cpu().T - iou).abs().max() < 1e-13
    turn = torch.tensor([[math.cos(1), -math.sin(1)], [math.sin(1), math.cos(1)]], **FLOAT64)
    for boxes in (a, b):
        boxes[:, :2] = boxes[:, :2] @ turn.T
        boxes[:, 6] += 1 + 2 * math.pi * 3
    assert (ops.box_iou(a.to(device), b.to(device)).cpu() - iou).abs().max() < 1e-13


@pytest.mark.parametrize("yaw", [0.0, 1e-300, 3.0, -math.pi / 2, 7 * math.pi / 4, -1234.5, 1e6, -1e15, 1e300])
def test_any_yaw_turns_as_its_sine_and_cosine_say(yaw, device):
    """Seen through a point: a small box at the far end of a long one that is turned."""
    box = torch.tensor([[0.0, 0, 0, 10, 2, 1, yaw]], **FLOAT64)
    quarter = torch.tensor(
        [[4 * math.cos(yaw), 4 * math.sin(yaw), 0, 4, 4, 1, math.atan2(math.sin(yaw), math.cos(yaw))]], **FLOAT64
    )
    expected = 3 * 2 / (20 + 16 - 6)  # 3 m of the long one's end
    assert abs(ops.box_iou(box.to(device), quarter.to(device)).item() - expected) < 1e-12 + abs(yaw) * 1e-16


def test_sizes_of_nothing_share_nothing_and_what_is_not_finite_is_not_a_number(device):
    nan, inf = math.nan, math.inf
    box = [0.0, 0, 0, 2, 2, 2, 0]
    odd = torch.tensor(
        [[0.0, 0, 0, 0, 2, 2, 0], [0, 0, 0, 2, -1, 2, 0], [0, 0, nan, 2, 2, 2, 0], [0, 0, 0, 2, 2, -1, 0]]
        + [[*box[:column], value, *box[column + 1 :]] for column in (0, 1, 3, 4, 6) for value in (nan, inf)],
        device=device,
    )
    one = torch.tensor([box], device=device)
    for iou in (ops.box_iou(one, odd)[0], ops.box_iou(odd, one)[:, 0]):
        assert iou[:4].tolist() == [0, 0, 1, 1]  # from above, z and height do not count
        assert iou[4:].isnan().all()
    assert ops.box_iou(one, odd[:4], "3d")[0].nan_to_num(-1).tolist() == [0, 0, -1, 0]
    assert ops.box_iou(odd[:1], odd[:1]).item() == 0  # nothing over nothing


def test_further_columns_are_ignored(device):
    a, b = random_boxes(40, 300, 5).to(device), random_boxes(41, 300, 5).to(device)
    wide = torch.cat([a, torch.full((300, 2), math.nan, device=device)], dim=1)
    assert torch.equal(ops.box_iou(wide, b), ops.box_iou(a, b))


def test_each_pair_alone_gives_the_same_bits_as_in_a_crowd(device):
    """Alone, in a vector, in a full block and in one from which most were passed over."""
    a, b = random_boxes(42, 12, 2), random_boxes(43, 700, 2)
    b[300:] = random_boxes(44, 400, 30)
    iou = ops.box_iou(a.to(device), b.to(device), "3d")
    for i in range(len(a)):
        for j in range(0, len(b), 17):
            assert ops.box_iou(a[i : i + 1].to(device), b[j : j + 1].to(device), "3d").item() == iou[i, j].item()


@pytest.mark.parametrize("name", PAIRS)
def test_every_level_of_instructions_gives_the_same_bits(name):
    a, b = PAIRS[name]()
    levels = ("base", "avx2", "avx512")
    before, results = torch.ops.geopt.simd(), []
    try:
        for level in levels[: 1 + levels.index(torch.ops.geopt.processor_simd())]:
            torch.ops.geopt.set_simd(level)
            results.append(ops.box_iou(a, b))
    finally:
        torch.ops.geopt.set_simd(before)
    assert all(torch.equal(result, results[0]) for result in results)


def test_no_boxes_give_an_empty_table(device):
    none, some = torch.zeros(0, 7, device=device), torch.ones(3, 9, device=device)
    assert ops.box_iou(none, some).shape == (0, 3)
    assert ops.box_iou(some, none).shape == (3, 0)


def test_a_yaw_that_wants_a_gradient_gets_none():
    boxes = random_boxes(45, 3).requires_grad_()
    assert not ops.box_iou(boxes, boxes).requires_grad
