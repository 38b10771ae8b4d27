"""nms against its reference, a greedy loop over every pair, and what must hold of what is kept."""

import math
import random

import pytest
import torch
from ops.test_box_iou import iou_by_shapely, random_boxes

from geopt import ops, reference


def crowd(seed, count, per_object=6, extent_m=40.0):
    """Several boxes about each object, scores with ties."""
    generator = torch.Generator().manual_seed(seed)
    objects = random_boxes(seed, count // per_object + 1, extent_m, 0.5, 9).repeat_interleave(per_object, dim=0)[:count]
    boxes = objects + torch.tensor([0.4, 0.4, 0.2, 0.1, 0.1, 0.1, 0.2]) * torch.randn(
        count, 7, generator=generator, dtype=torch.float64
    )
    boxes[:, 3:6] = boxes[:, 3:6].abs() + 0.1
    return boxes[torch.randperm(count, generator=generator)], torch.randint(
        0, 60, (count,), generator=generator
    ).float() / 64


def greedy(iou, scores, threshold):
    """The rule itself on a whole table of overlaps."""
    kept = []
    for row in sorted(range(len(scores)), key=lambda r: (-scores[r].item(), r)):
        if not (iou[kept, row] > threshold).any():
            kept.append(row)
    return kept


def unkind_scene(seed):
    choose, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    count = choose.choice((1, 2, 30, 64, 90))
    boxes, scores = crowd(seed, count, choose.choice((1, 4, 20)), choose.choice((0.1, 5, 100)))
    some = torch.rand(count, generator=generator)
    kind = choose.choice(("plain", "flat", "grid", "outliers", "same", "far"))
    if kind == "flat":
        boxes[some < 0.3, 3], boxes[some > 0.8, 4] = 0.0, -1.0
    if kind == "grid":
        boxes = (boxes * 2).round() / 2
        boxes[:, 6] = math.pi / 2 * (boxes[:, 6] * 3).round()
    if kind == "outliers":
        boxes[some < 0.1, 0] *= 1e25
        boxes[some > 0.9, 3:6] *= 1e4
    if kind == "same":
        boxes = boxes[:1].expand(count, 7)
    if kind == "far":
        boxes[:, :2] += 1e5
    options = {"kind": choose.choice(("bev", "3d"))}
    if choose.random() < 0.5:
        options["groups"] = torch.randint(-2, 3, (count,), generator=generator)
    if choose.random() < 0.5:
        cuts = sorted(choose.randrange(count + 1) for _ in range(3))
        options["offsets"] = torch.tensor([0, *cuts, count])
    if choose.random() < 0.4:
        options["max_kept"] = choose.choice((1, 3, 10))
    # No plain fractions: on a grid many overlaps are, and rounding would decide.
    return boxes, scores, choose.choice((1e-9, 0.1003, 0.5003, 0.9003, 1.0)), options


def check(seed, device):
    boxes, scores, threshold, options = unkind_scene(seed)
    if seed % 2:
        boxes = boxes.float()
    there = {key: value.to(device) if isinstance(value, torch.Tensor) else value for key, value in options.items()}
    got = ops.nms(boxes.to(device), scores.to(device), threshold, **there)
    assert got.dtype == torch.int64
    assert got.tolist() == reference.nms(boxes, scores, threshold, **options).tolist()


@pytest.mark.parametrize("first", range(0, 60, 10))
def test_equals_reference(first, device, simd):
    for seed in range(first, first + 10):
        check(seed, device)


@pytest.mark.long
def test_equals_reference_a_thousand_times(threads):
    with threads(2):
        for seed in range(1000, 2000):
            check(seed, "cpu")


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.7])
@pytest.mark.parametrize("scene", ["street", "mixed sizes", "one place", "strays"])
def test_the_grid_passes_over_no_pair(scene, threshold, device):
    boxes, scores = crowd(1, 1500, 6, {"one place": 3.0}.get(scene, 60.0))
    if scene == "mixed sizes":
        boxes[::7, 3:6] *= 100
        boxes[1::7, 3:6] *= 0.01
    if scene == "strays":
        boxes[::50, :2] *= 1e12
    table = ops.box_iou(boxes, boxes)
    got = ops.nms(boxes.to(device), scores.to(device), threshold)
    assert got.tolist() == greedy(table, scores, threshold)


def test_a_large_scene_equals_greedy_suppression_by_shapely(device):
    boxes, scores = crowd(2, 900)
    table = torch.from_numpy(iou_by_shapely(boxes, boxes))
    assert (table - 0.2).abs().min() > 1e-9  # no pair so close to the threshold that rounding decides
    got = ops.nms(boxes.to(device), scores.to(device), 0.2).tolist()
    assert got == greedy(table, scores, 0.2)
    assert 100 < len(got) < 500


def test_any_number_of_threads_keeps_the_same(threads):
    boxes, scores = crowd(3, 4000)
    groups = torch.arange(4000) % 3
    results = []
    for count in (1, 2, 5):
        with threads(count):
            results.append((ops.nms(boxes, scores, 0.3).tolist(), ops.nms(boxes, scores, 0.3, groups).tolist()))
    assert results[0] == results[1] == results[2]


def test_kept_boxes_do_not_overlap_and_each_other_box_overlaps_a_better_one(device):
    boxes, scores = crowd(4, 1200)
    kept = ops.nms(boxes.to(device), scores.to(device), 0.3).cpu()
    table = ops.box_iou(boxes, boxes)
    among = table[kept][:, kept] - torch.eye(len(kept))
    assert among.max() <= 0.3
    for row in set(range(1200)) - set(kept.tolist()):
        better = kept[(scores[kept] > scores[row]) | ((scores[kept] == scores[row]) & (kept < row))]
        assert (table[better, row] > 0.3).any()
    again = ops.nms(boxes[kept].to(device), scores[kept].to(device), 0.3)
    assert again.tolist() == list(range(len(kept)))


def test_equal_scores_go_to_the_lower_row(device):
    box = torch.tensor([[0.0, 0, 0, 4, 2, 1, 0]], device=device)
    boxes = torch.cat([box, box + 20, box, box + 20, box + 40])
    assert ops.nms(boxes, torch.ones(5, device=device), 0.5).tolist() == [0, 1, 4]
    zeros = torch.tensor([-0.0, 0.0, 0.0, -0.0, 0.0], device=device)
    assert ops.nms(boxes, zeros, 0.5).tolist() == [0, 1, 4]
    infinite = torch.tensor([-math.inf, 1, math.inf, 1, -math.inf], device=device)
    assert ops.nms(boxes, infinite, 0.5).tolist() == [2, 1, 4]


def test_only_more_than_the_threshold_suppresses(device):
    """1 m of 2 m shared on each side: an overlap of exactly a third of three quarters, and of exactly a half."""
    boxes = torch.tensor([[0.0, 0, 0, 3, 1, 1, 0], [1, 0, 0, 3, 1, 1, 0]], device=device)  # 2 m2 of 4 m2
    scores = torch.tensor([1.0, 2.0], device=device)
    assert ops.nms(boxes, scores, 0.5).tolist() == [1, 0]
    assert ops.nms(boxes, scores, math.nextafter(0.5, 0)).tolist() == [1]
    assert ops.nms(boxes[:1].expand(2, 7), scores, 1.0).tolist() == [1, 0]  # nothing exceeds 1
    beside = torch.tensor([[0.0, 0, 0, 3, 1, 1, 0], [3, 0, 0, 3, 1, 1, 0]], device=device)
    assert ops.nms(beside, scores, 0).tolist() == [1, 0]  # an edge is no overlap


def test_groups_and_clouds_do_not_meet_and_rows_come_cloud_by_cloud(device):
    box = torch.tensor([0.0, 0, 0, 4, 2, 1, 0], device=device)
    boxes, scores = box.expand(6, 7), torch.tensor([0.1, 0.9, 0.5, 0.2, 0.8, 0.8], device=device)
    groups = torch.tensor([7, -1, 7, 3, 3, 7], device=device)
    ends = torch.tensor([0, 3, 3, 6], device=device)
    assert ops.nms(boxes, scores, 0.5).tolist() == [1]
    assert ops.nms(boxes, scores, 0.5, groups).tolist() == [1, 4, 5]
    assert ops.nms(boxes, scores, 0.5, None, ends).tolist() == [1, 4]
    assert ops.nms(boxes, scores, 0.5, groups, ends).tolist() == [1, 2, 4, 5]


def test_clouds_together_equal_clouds_alone(device):
    parts = [crowd(seed, count) for seed, count in ((5, 300), (6, 1), (7, 700), (8, 40))]
    ends = torch.tensor([0, *(len(p[1]) for p in parts)]).cumsum(0)
    boxes, scores = (torch.cat(values).to(device) for values in zip(*parts))
    groups = torch.arange(len(boxes), device=device) % 4
    together = ops.nms(boxes, scores, 0.2, groups, ends.to(device), max_kept=20).tolist()
    alone = []
    for first, last in zip(ends.tolist(), ends.tolist()[1:]):
        rows = slice(first, last)
        alone += (ops.nms(boxes[rows], scores[rows], 0.2, groups[rows], max_kept=20) + first).tolist()
    assert together == alone


def test_at_most_max_kept_of_each_group_and_they_are_the_best(device):
    boxes, scores = (t.to(device) for t in crowd(9, 2000))
    groups = torch.arange(2000, device=device) % 2
    everything = ops.nms(boxes, scores, 0.2, groups)
    for most in (1, 30, 5000):
        few = ops.nms(boxes, scores, 0.2, groups, max_kept=most).tolist()
        expected = [r for g in (0, 1) for r in [row for row in everything.tolist() if row % 2 == g][:most]]
        assert sorted(few) == sorted(expected) and few == [row for row in everything.tolist() if row in set(few)]


def test_a_permutation_of_the_boxes_permutes_what_is_kept(device):
    boxes, scores = crowd(10, 800)
    scores = scores + torch.arange(800) * 1e-6  # no ties
    order = torch.randperm(800, generator=torch.Generator().manual_seed(0))
    kept = ops.nms(boxes.to(device), scores.to(device), 0.3).cpu()
    assert torch.equal(order[ops.nms(boxes[order].to(device), scores[order].to(device), 0.3).cpu()], kept)


def test_boxes_without_a_size_are_kept_and_take_nothing_away(device):
    boxes = torch.tensor([[0.0, 0, 0, 4, 2, 1, 0]], device=device).repeat(4, 1)
    boxes[1, 3], boxes[2, 4] = 0, -2
    assert ops.nms(boxes, torch.tensor([1.0, 2, 3, 4], device=device), 0.0).tolist() == [3, 2, 1]
    assert ops.nms(boxes, torch.tensor([1.0, 2, 3, 4], device=device), 0.0, max_kept=2).tolist() == [3, 2]


def test_nothing_in_nothing_out(device):
    none = ops.nms(torch.zeros(0, 7, device=device), torch.zeros(0, device=device), 0.5)
    assert none.shape == (0,) and none.dtype == torch.int64
    ends = torch.zeros(3, dtype=torch.int64, device=device)
    groups = torch.zeros(0, dtype=torch.int64, device=device)
    assert ops.nms(torch.zeros(0, 9, device=device), torch.zeros(0, device=device), 0.5, groups, ends).shape == (0,)


def test_a_compiled_graph_keeps_the_same_and_bad_boxes_overlap_nothing():
    torch._dynamo.reset()
    boxes, scores = crowd(11, 200)
    groups, ends = torch.arange(200) % 3, torch.tensor([0, 80, 200])
    call = lambda b, s: ops.nms(b, s, 0.2, groups, ends, 25)  # noqa: E731
    compiled = torch.compile(call, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(boxes, scores), call(boxes, scores))
    plain = torch.compile(lambda b, s: ops.nms(b, s, 0.2), fullgraph=True, backend="aot_eager")
    same = boxes[:1].repeat(4, 1)
    same[1] = math.nan
    assert plain(same, torch.tensor([0.1, 0.2, 0.3, 0.4])).tolist() == [3, 1]
    assert plain(same, torch.tensor([math.nan, 0.2, 0.3, 0.4])).tolist() == [0, 1]
