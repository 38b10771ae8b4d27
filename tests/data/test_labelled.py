import dataclasses
import itertools
import pickle

import numpy as np
import pytest
import torch

from geopt import official
from geopt.data import (
    PASTED,
    AugmentConfig,
    DataConfig,
    LabelledCollate,
    PasteConfig,
    ResumableSampler,
    build_dataset,
    build_labelled,
    objects,
)
from geopt.data.objects import ObjectBank, cut_out, paste
from geopt.structures import Boxes, VoxelGrid

CLASSES = official.class_map("detection")
STILL = AugmentConfig(rotation_rad=0, scale=(1, 1), flip_x=0, flip_y=0)


@pytest.fixture
def config(tiny_root):
    return DataConfig(
        root=str(tiny_root), version="v1.0-mini", train="scene-0061", val="scene-0103", num_sweeps=3,
        sweep_choice="nearest", boxes=True, labels="coarse", augment=STILL,
    )  # fmt: skip


@pytest.fixture
def real_config(nuscenes_root):
    return DataConfig(
        root=str(nuscenes_root), version="v1.0-mini", train="scene-0523[:30]", val="scene-0523[30:]", num_sweeps=1,
        sweep_choice="nearest", boxes=True, augment=STILL,
    )  # fmt: skip


def in_box(xyz, geometry):
    """Closed test in float64, written anew."""
    x, y, z = (xyz.astype(np.float64) - geometry[:3]).T
    cos, sin = np.cos(geometry[6]), np.sin(geometry[6])
    along, across = x * cos + y * sin, y * cos - x * sin
    length, width, height = geometry[3:6] / 2
    return (np.abs(along) <= length) & (np.abs(across) <= width) & (np.abs(z) <= height)


def overlap(a, b):
    """Whether two boxes overlap from above: a net of points of each against the other."""
    net = np.stack(np.meshgrid(np.linspace(-0.5, 0.5, 41), np.linspace(-0.5, 0.5, 41)), axis=-1).reshape(-1, 2)

    def points(box):
        cos, sin = np.cos(box[6]), np.sin(box[6])
        flat = (net * box[3:5]) @ np.array([[cos, sin], [-sin, cos]]) + box[:2]
        return np.concatenate([flat, np.zeros((len(flat), 1))], axis=1)

    flat_a, flat_b = a.copy(), b.copy()
    flat_a[2] = flat_b[2] = 0.0
    return in_box(points(a), flat_b).any() or in_box(points(b), flat_a).any()


def test_a_batch_holds_the_boxes_and_labels_of_its_frames(config, grid):
    frames = build_dataset(config, "train", grid, seed=0, augment=False)
    samples = [frames[0], frames[3]]
    batch = LabelledCollate(CLASSES)(samples)
    assert batch.labels.tolist() == np.concatenate([s.labels for s in samples]).tolist()
    assert batch.tokens == tuple(s.token for s in samples)
    for i, sample in enumerate(samples):
        rows = slice(*batch.box_offsets[i : i + 2].tolist())
        known = [b for b, name in enumerate(sample.boxes.names) if name in CLASSES.class_of_category]
        assert np.array_equal(batch.boxes[rows].numpy(), sample.boxes.geometry[known].numpy(), equal_nan=True)
        names = [CLASSES.class_of_category[sample.boxes.names[b]] for b in known]
        assert [CLASSES.classes[c] for c in batch.box_classes[rows].tolist()] == names
        assert torch.equal(batch.box_num_points[rows], sample.boxes.num_points[known])


def test_a_batch_without_boxes_and_labels_has_none(config, grid):
    frames = build_dataset(config.model_copy(update={"boxes": False, "labels": None}), "val", grid, seed=0)
    batch = LabelledCollate(CLASSES)([frames[0]])
    assert batch.labels.numel() == 0 and batch.boxes.shape == (0, 9) and batch.box_offsets.tolist() == [0, 0]


def test_frames_with_and_without_labels_do_not_mix(config, grid):
    frames = build_dataset(config, "val", grid, seed=0)
    with pytest.raises(ValueError, match="labels must be there for all frames or none, got 1 of 2"):
        LabelledCollate(CLASSES)([frames[0], dataclasses.replace(frames[1], labels=None)])


@pytest.mark.parametrize("training", [True, False])
def test_points_outside_the_grid_stay_for_segmentation(config, training):
    grid = VoxelGrid((-4.0, -4.0, -3.2), (4.0, 4.0, 4.8), (0.5, 0.5, 8.0))
    labels = config.model_copy(update={"boxes": False, "augment": AugmentConfig()})
    frames = build_labelled(labels, "train", grid, 0, class_map=CLASSES, training=training)
    sample, whole = frames[2], frames.read(2)
    assert np.array_equal(sample.labels, whole.labels) and len(sample.xyz) == len(whole.xyz)
    assert np.abs(sample.xyz[:, :2]).max() > 4


def test_detectors_train_on_the_grid_and_are_validated_on_all_boxes(real_config):
    grid = VoxelGrid((-20.0, -20.0, -3.2), (20.0, 20.0, 4.8), (0.5, 0.5, 8.0))
    train, plain = (build_labelled(real_config, "train", grid, 0, class_map=CLASSES, training=t) for t in (True, False))
    assert np.abs(train[0].xyz[:, :2]).max() <= 20 and train[0].boxes.geometry[:, :2].abs().max() <= 20
    assert len(plain[0].boxes.names) == len(plain.read(0).boxes.names) > len(train[0].boxes.names)


def test_cut_out_objects_hold_the_points_in_their_boxes(real_config, grid):
    sample = build_dataset(real_config, "train", grid, seed=0, augment=False).read(7)
    geometry = sample.boxes.geometry.numpy()
    owners = np.zeros(len(sample.xyz), dtype=int)
    for cutout, box in zip(cut_out(sample), geometry):
        free = in_box(sample.xyz, box) & (owners == 0)  # where boxes overlap, a point goes to the first
        owners += in_box(sample.xyz, box)
        assert np.array_equal(cutout.xyz, sample.xyz[free])
        assert np.array_equal(cutout.features, sample.features[free])


def test_one_object_is_cut_out_as_among_all(real_config, grid):
    sample = build_dataset(real_config, "train", grid, seed=0, augment=False).read(7)
    whole = cut_out(sample)
    for row in (0, 5, len(whole) - 1):
        (alone,) = cut_out(sample, [row])
        assert alone.token == whole[row].token and np.array_equal(alone.xyz, whole[row].xyz)
    assert sum(len(cutout.xyz) for cutout in whole) > 0


def test_objects_that_have_no_room_are_not_read(real_config, grid, monkeypatch):
    """Of a scene's only frame every object is there already: pasting must leave its file alone."""
    frames = build_dataset(real_config.model_copy(update={"train": "scene-0523[7:8]"}), "train", grid, 0, augment=False)
    bank, sample = ObjectBank(frames, CLASSES, ["car"], min_points=1), frames.read(0)
    monkeypatch.setattr(frames, "read", lambda *_: pytest.fail("the frame was read"))
    assert paste(sample, bank, {"car": 100}, np.random.default_rng(0)) is sample


@pytest.mark.parametrize("cached_frames", [64, 1])
def test_what_is_pasted_does_not_depend_on_the_cache(real_config, grid, cached_frames, monkeypatch):
    frames = build_dataset(real_config, "train", grid, seed=0, augment=False)
    bank = ObjectBank(frames, CLASSES, ["car"], min_points=5)
    monkeypatch.setattr(objects, "CACHED_FRAMES", cached_frames)
    after = paste(frames.read(0), bank, {"car": 60}, np.random.default_rng(0))
    whole = {cutout.token: cutout for place in range(30) for cutout in cut_out(frames.read(place))}
    end, num_pasted = len(after.xyz), 0
    for token in reversed(after.boxes.tokens[len(frames.read(0).boxes.tokens) :]):
        expected = whole[token].xyz
        assert np.array_equal(after.xyz[end - len(expected) : end], expected)
        end, num_pasted = end - len(expected), num_pasted + 1
    assert num_pasted > 0


def test_pasted_objects_fill_the_frame_up_and_stand_free(real_config, grid):
    frames = build_dataset(real_config, "train", grid, seed=0, augment=False)
    bank = ObjectBank(frames, CLASSES, PASTED["nuscenes"], min_points=5)
    pasted = 0
    for place in range(0, 30, 10):
        before = frames.read(place)
        after = paste(before, bank, {"pedestrian": 40, "car": 30}, np.random.default_rng(place))
        old, new = len(before.boxes.names), len(after.boxes.names)
        pasted += new - old
        boxes = after.boxes.geometry.numpy()
        assert np.array_equal(boxes[:old], before.boxes.geometry.numpy(), equal_nan=True)
        for i in range(old, new):
            assert after.boxes.num_points[i] >= 5
            assert not any(overlap(boxes[i], boxes[j]) for j in range(i)), "stands in another box"
        gone = (
            np.any([in_box(before.xyz, box) for box in boxes[old:]], axis=0)
            if new > old
            else np.zeros(len(before.xyz), bool)
        )
        kept = np.count_nonzero(~gone)
        assert np.array_equal(after.xyz[:kept], before.xyz[~gone]), "the frame's other points stay"
        assert all(in_box(after.xyz[kept:], box).any() for box in boxes[old:])
        assert len(set(after.boxes.instances[old:])) == new - old
    assert pasted > 10


def test_objects_come_from_the_training_frames_only(real_config, grid):
    few = real_config.model_copy(update={"train": "scene-0523[3:6]"})
    frames = build_labelled(
        few,
        "train",
        grid,
        0,
        class_map=CLASSES,
        training=True,
        paste_config=PasteConfig(objects={"car": 60}, fade_out=0),
    )
    allowed = {token for place in range(3) for token in frames.read(place).boxes.tokens}
    for place in range(3):
        assert set(frames[(0, place)].boxes.tokens) <= allowed
    assert frames.bank is not None and len(frames.bank.places["car"]) > 0


def test_pasting_fades_out_at_the_end_of_the_run(real_config, grid):
    options = PasteConfig(objects={"car": 60, "pedestrian": 60}, fade_out=0.5)
    frames = build_labelled(
        real_config, "train", grid, 0, class_map=CLASSES, training=True, paste_config=options, num_frames_seen=120
    )
    plain = build_dataset(real_config, "train", grid, 0, augment=False)

    def added(epoch):
        return sum(len(frames[(epoch, i)].boxes.names) - len(plain[i].boxes.names) for i in (0, 9, 20))

    assert added(0) > 0 and added(1) > 0
    assert added(2) == 0 and added(3) == 0


@pytest.mark.parametrize("num_frames_seen", [20, 40])
def test_the_last_frames_of_a_run_are_as_they_are(real_config, grid, num_frames_seen):
    """Of runs that end within an epoch of 30 frames, the first one or the second."""
    options = PasteConfig(objects={"car": 60, "pedestrian": 60}, fade_out=0.3)
    frames = build_labelled(
        real_config, "train", grid, 0, class_map=CLASSES, training=True, paste_config=options,
        num_frames_seen=num_frames_seen,
    )  # fmt: skip
    plain = build_dataset(real_config, "train", grid, 0, augment=False)
    order = itertools.chain.from_iterable(ResumableSampler(30, seed=0, batch_size=2))
    run = list(itertools.islice(order, num_frames_seen))
    added = [len(frames[item].boxes.names) - len(plain[item[1]].boxes.names) for item in run]
    end = round(0.7 * num_frames_seen)
    assert not any(added[end:])
    assert np.count_nonzero(added[:end]) > 0.5 * end


def test_items_depend_on_epoch_and_index_alone(real_config, grid):
    def build():
        return build_labelled(
            real_config, "train", grid, 0, class_map=CLASSES, training=True, paste_config=PasteConfig(), balance=True
        )

    first, other = build(), pickle.loads(pickle.dumps(build()))
    expected = [first[(0, i)] for i in (0, 5)]
    got = [other[(0, i)] for i in (5, 0)][::-1]
    for a, b in zip(expected, got):
        assert np.array_equal(a.xyz, b.xyz) and a.boxes.tokens == b.boxes.tokens


def test_unknown_classes_to_paste_are_named(real_config, grid):
    frames = build_dataset(real_config, "train", grid, seed=0, augment=False)
    with pytest.raises(ValueError, match="got 'cars'"):
        ObjectBank(frames, CLASSES, ["cars"], min_points=5)


def test_boxes_turn_with_their_pasted_points(real_config, grid):
    moved = real_config.model_copy(update={"augment": AugmentConfig()})
    frames = build_labelled(
        moved,
        "train",
        grid,
        0,
        class_map=CLASSES,
        training=True,
        paste_config=PasteConfig(objects={"car": 40}, fade_out=0),
    )
    sample = frames[(0, 4)]
    boxes: Boxes = sample.boxes
    held = [np.count_nonzero(in_box(sample.xyz, box)) for box in boxes.geometry.numpy()]
    counted = boxes.num_points.numpy()
    assert np.mean([h >= 0.8 * c for h, c in zip(held, counted) if c >= 5]) > 0.9
