"""Maps to boxes."""

import math

import pytest
import torch
from labelled_clouds import labelled
from plain_nms import nms as plain_nms

from geopt.heads.bev import MapGrid
from geopt.heads.center_head import GroupMaps, TaskGroups
from geopt.heads.center_targets import center_targets, values_to_boxes
from geopt.heads.config import DecodeConfig, TargetConfig
from geopt.heads.decode import decode, peaks

MAP = MapGrid((-8.0, -6.0), (0.5, 0.5), (32, 24))
CLASSES = ("car", "walker", "cone")
GROUPS = TaskGroups((("walker", "cone"), ("car",)), CLASSES)
CONFIG = DecodeConfig()


def perfect_maps(batch):
    """Maps that show the targets themselves; a score of 1 - 1e-6 at centres."""
    targets = center_targets(batch, MAP, GROUPS.group_of_class, TargetConfig())
    logits = torch.logit(targets.heatmaps.clamp(1e-6, 1 - 1e-6))
    maps = []
    for number, rows in enumerate(GROUPS.rows):
        values = torch.zeros(batch.batch_size * MAP.num_cells, 10)
        of_group = targets.groups == number
        values[targets.cells[of_group]] = targets.values[of_group]
        maps.append(GroupMaps(logits[:, list(rows)], values.view(batch.batch_size, *MAP.shape, 10).permute(0, 3, 1, 2)))
    return maps


def random_maps(seed, batch_size=2, spread=2.0):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator) * spread

    return [
        GroupMaps(draw(batch_size, len(rows), *MAP.shape), draw(batch_size, 10, *MAP.shape)) for rows in GROUPS.rows
    ]


def test_perfect_maps_decode_to_the_boxes():
    boxes = [
        (0, [0.3, 0.4, 0.9, 4.4, 1.9, 1.6, 0.4, 3.0, -1.0]),
        (0, [-5.26, 3.1, 1.1, 4.0, 1.8, 1.5, -3.1, 0, 0]),
        (1, [4.74, -4.2, 0.8, 0.6, 0.7, 1.7, 1.5, 1.0, 1.0]),
        (2, [0.3, 0.4, 0.4, 0.4, 0.4, 1.0, 0.0, 0, 0]),
        (1, [-7.99, -5.99, 0.8, 0.6, 0.7, 1.7, 2.5, 1.0, 1.0]),
    ]
    batch = labelled([boxes[:4], [], boxes[4:] + boxes[:1]])
    found = decode(perfect_maps(batch), MAP, GROUPS, CONFIG)
    assert [len(d.boxes) for d in found] == [4, 0, 2]
    for b, d in enumerate(found):
        rows = slice(int(batch.box_offsets[b]), int(batch.box_offsets[b + 1]))
        true_boxes, true_classes = batch.boxes[rows], batch.box_classes[rows]
        for box, cls, score in zip(d.boxes, d.classes, d.scores):
            near = (true_boxes - box).abs().amax(1) + (true_classes != cls) * 100
            assert float(near.min()) < 1e-4 and float(score) > 0.999


def test_peaks_are_the_highest_of_their_window_and_ties_go_to_the_first_cell():
    generator = torch.Generator().manual_seed(0)
    for levels, window in ((3, 3), (1, 3), (1000, 3), (3, 5), (2, 5)):
        heatmap = torch.randint(0, levels, (2, 2, 12, 9), generator=generator).float()
        reach, wanted = window // 2, torch.zeros(2, 2, 12, 9, dtype=torch.bool)
        for b, c, i, j in torch.cartesian_prod(*(torch.arange(n) for n in heatmap.shape)).tolist():
            rivals = [
                (float(heatmap[b, c, p, q]), -p, -q)
                for p in range(max(0, i - reach), min(12, i + reach + 1))
                for q in range(max(0, j - reach), min(9, j + reach + 1))
            ]
            wanted[b, c, i, j] = max(rivals) == (float(heatmap[b, c, i, j]), -i, -j)
        assert torch.equal(peaks(heatmap, window), wanted)
    assert peaks(heatmap, 1).all()


@pytest.mark.parametrize("seed", range(4))
def test_decoding_is_what_its_description_says(seed):
    """Everything again, one frame, group and cell at a time, with another suppression."""
    config = DecodeConfig(score_threshold=0.6, candidates_per_group=25, nms_iou=0.1, max_boxes=30)
    maps = random_maps(seed)
    got = decode(maps, MAP, GROUPS, config)
    for b in range(2):
        everything = []
        for rows, of_group in zip(GROUPS.rows, maps):
            candidates = []
            highest = peaks(of_group.heatmap, 3)
            for c, i, j in torch.nonzero(highest[b]).tolist():
                score = of_group.heatmap[b, c, i, j].sigmoid()
                if score >= 0.6:
                    cell = torch.tensor([(b * 32 + i) * 24 + j])
                    box = values_to_boxes(of_group.values[b, :, i, j][None], cell, MAP)[0]
                    box[3:6] = box[3:6].clamp(0.01, 1000)
                    candidates.append((float(score), rows[c], box))
            candidates = sorted(candidates, key=lambda found: -found[0])[:25]
            boxes, scores = torch.stack([c[2] for c in candidates]), torch.tensor([c[0] for c in candidates])
            kept = plain_nms(boxes, scores, 0.1, torch.zeros(len(boxes)))
            everything += [candidates[row] for row in kept.tolist()]
        everything = sorted(everything, key=lambda found: -found[0])[:30]
        assert got[b].scores.tolist() == pytest.approx([c[0] for c in everything])
        assert got[b].classes.tolist() == [c[1] for c in everything]
        assert torch.allclose(got[b].boxes, torch.stack([c[2] for c in everything]), atol=1e-9)


@pytest.mark.parametrize("spread", [0.0, 1e-3, 1.0, 30.0, 1e4])
def test_whatever_the_maps_say_boxes_are_boxes(spread):
    config = DecodeConfig(score_threshold=0.0, max_boxes=40, peak_window=1, candidates_per_group=60)
    for d in decode(random_maps(5, spread=spread), MAP, GROUPS, config):
        assert len(d.boxes) <= 40 and d.boxes.dtype == torch.float64 and d.classes.dtype == torch.int64
        assert d.boxes.isfinite().all() and (d.boxes[:, 3:6] > 0).all() and (d.boxes[:, 6].abs() <= math.pi).all()
        assert (d.scores.diff() <= 0).all() and ((d.scores >= 0) & (d.scores <= 1)).all()
        assert ((d.classes >= 0) & (d.classes < 3)).all()


def test_classes_of_different_groups_do_not_suppress_each_other():
    box = [0.3, 0.4, 0.9, 4.4, 1.9, 1.6, 0.4, 0, 0]
    shifted = [0.8, *box[1:]]
    found = decode(perfect_maps(labelled([[(0, box), (1, box)]])), MAP, GROUPS, CONFIG)[0]
    assert sorted(found.classes.tolist()) == [0, 1]
    same_group = decode(perfect_maps(labelled([[(2, shifted), (1, box)]])), MAP, GROUPS, CONFIG)[0]
    assert len(same_group.classes) == 1


def test_a_frame_decodes_alone_as_in_a_batch_and_twice_alike():
    maps = random_maps(1)
    together, again = (decode(maps, MAP, GROUPS, CONFIG) for _ in range(2))
    alone = decode([GroupMaps(m.heatmap[1:], m.values[1:]) for m in maps], MAP, GROUPS, CONFIG)
    for one, other in ((together[1], alone[0]), (together[0], again[0]), (together[1], again[1])):
        assert all(torch.equal(a, b) for a, b in zip(one, other))


@pytest.mark.parametrize("part", ["heatmap", "values"])
def test_maps_of_a_diverged_model_are_refused(part):
    maps = random_maps(0)
    getattr(maps[0], part).fill_(math.nan)
    with pytest.raises(ValueError, match="decode: maps must be finite, got NaN or infinity; the model has diverged"):
        decode(maps, MAP, GROUPS, CONFIG)


def test_groups_must_hold_every_class_once():
    assert (
        GROUPS.rows == ((1, 2), (0,)) and GROUPS.group_of_class == (1, 0, 0) and GROUPS.names == ("walker+cone", "car")
    )
    with pytest.raises(ValueError, match="got bus that is no class, and nothing of cone"):
        TaskGroups((("car", "bus"), ("walker",)), CLASSES)
