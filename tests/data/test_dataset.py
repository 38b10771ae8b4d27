import dataclasses
import itertools
import logging
import pickle

import numpy as np
import pydantic
import pytest
import torch
from torch.utils.data import DataLoader

from geopt.data import AugmentConfig, DataConfig, ResumableSampler, build_dataset, collate
from geopt.data.seeds import Stream, generator, mask_seed

STILL = AugmentConfig(rotation_rad=0, scale=(1, 1), flip_x=0, flip_y=0)


@pytest.fixture
def config(tiny_root):
    return DataConfig(
        root=str(tiny_root),
        version="v1.0-mini",
        train="scene-0061",
        val="scene-0103",
        num_sweeps=4,
        sweep_choice="random",
    )


def equal(a, b):
    """Whether two samples or batches agree to the bit."""
    for field in dataclasses.fields(a):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if isinstance(x, torch.Tensor):
            x, y = x.numpy(), y.numpy()
        same = np.array_equal(x, y, equal_nan=True) if isinstance(x, np.ndarray) else x == y
        if not same:
            return False
    return True


def batches(dataset, workers, count=6, context=None):
    sampler = ResumableSampler(len(dataset), seed=5, batch_size=2)
    loader = DataLoader(
        dataset, batch_sampler=sampler, collate_fn=collate, num_workers=workers, multiprocessing_context=context
    )
    return list(itertools.islice(loader, count))


def test_two_workers_give_the_bits_of_none(config, grid):
    dataset = build_dataset(config, "train", grid, seed=5)
    alone, together = batches(dataset, 0), batches(dataset, 2)
    assert all(map(equal, alone, together))
    assert len({batch.seeds for batch in alone}) == 6 and alone[0].xyz.abs().sum() > 0


def test_two_workers_give_the_bits_of_none_on_real_scans(nuscenes_root, grid):
    config = DataConfig(root=str(nuscenes_root), version="v1.0-mini", train="scene-0523[:30]", val="scene-0523[30:]")
    dataset = build_dataset(config, "train", grid, seed=5)
    alone, together = batches(dataset, 0, 3), batches(dataset, 2, 3)
    assert all(map(equal, alone, together)) and all(len(batch.xyz) > 100_000 for batch in alone)


def test_spawned_workers_give_the_bits_of_none(config, grid):
    dataset = build_dataset(config, "train", grid, seed=5)
    assert all(map(equal, batches(dataset, 0, 2), batches(dataset, 1, 2, "spawn")))


def test_a_pickled_dataset_reads_the_same(config, grid):
    dataset = build_dataset(config.model_copy(update={"boxes": True}), "train", grid, seed=5)
    again = pickle.loads(pickle.dumps(dataset))
    first, second = dataset[3, 2], again[3, 2]
    assert torch.equal(first.boxes.geometry.nan_to_num(), second.boxes.geometry.nan_to_num())
    assert equal(dataclasses.replace(first, boxes=None), dataclasses.replace(second, boxes=None))


def test_an_item_depends_on_seed_epoch_and_index_alone(config, grid):
    first, second = (build_dataset(config, "train", grid, seed=5) for _ in range(2))
    _ = first[0, 0], first[7, 3]
    assert equal(first[1, 2], second[1, 2])
    assert equal(first[2], second[0, 2])
    other_seed = build_dataset(config, "train", grid, seed=6)
    for different in (first[2, 2], other_seed[1, 2]):
        assert not np.array_equal(first[1, 2].xyz[:5], different.xyz[:5]) and first[1, 2].seed != different.seed


def test_validation_frames_never_move_and_take_the_nearest_sweeps(config, grid):
    dataset = build_dataset(config, "val", grid, seed=5)
    source = dataset.source
    for index in (1, 4):
        sample, row = dataset[9, index], int(dataset.frames.rows[index])
        cloud = source.cloud(row, source.past(row, 3))
        kept = set(map(bytes, cloud.xyz))
        assert len(sample.xyz) > 300 and all(bytes(point) in kept for point in sample.xyz)
        assert np.array_equal(sample.sensor_origins, cloud.sensor_origins)
    assert dataset[0, 1].seed != dataset[9, 1].seed
    with pytest.raises(ValueError, match="augment must be False or None for validation frames, got True"):
        build_dataset(config, "val", grid, 0, augment=True)


def test_training_frames_without_augmentation_are_the_same_every_epoch(config, grid):
    dataset = build_dataset(config, "train", grid, seed=5, augment=False)
    assert np.array_equal(dataset[0, 4].xyz, dataset[1, 4].xyz)


def test_random_sweeps_leave_out_one_of_the_nearest(config, grid):
    dataset = build_dataset(config.model_copy(update={"augment": STILL}), "train", grid, seed=0)
    source, row = dataset.source, int(dataset.frames.rows[4])
    pool = source.past(row, 4)
    origins = source.cloud(row, pool).sensor_origins
    chosen = set()
    for epoch in range(40):
        sample = dataset[epoch, 4]
        rows = tuple(int(np.flatnonzero((origins == origin).all(axis=1))[0]) for origin in sample.sensor_origins)
        assert rows[0] == 0 and len(rows) == 4 and list(rows) == sorted(rows)
        assert (
            np.diff([lag for lag in sample.features[:, 1][np.unique(sample.sweep, return_index=True)[1]]]) > 0
        ).all()
        chosen.add(rows)
    assert len(chosen) == 4  # each of the four nearest stays out at times


def test_slices_never_reach_into_each_other(nuscenes_root, grid):
    config = DataConfig(
        root=str(nuscenes_root),
        version="v1.0-mini",
        train="scene-0523[:30]",
        val="scene-0523[30:]",
        features=("time_lag_s",),
    )
    val = build_dataset(config, "val", grid, 0)
    assert val.describe(0) == "scene-0523/30" and len(val) == 10
    assert [len(val[i].sensor_origins) for i in range(10)] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    times = val.source.sweeps.timestamp_us
    for index in range(10):
        sample = val[index]
        oldest_us = sample.timestamp_us - int(sample.features.max() * 1e6)
        assert oldest_us > times[29] and sample.features.min() == 0
    assert len(build_dataset(config, "train", grid, 0)[0].sensor_origins) == 1


def test_features_are_the_named_channels(config, grid):
    config = config.model_copy(update={"features": ("ring", "time_lag_s", "intensity"), "num_sweeps": 3})
    dataset = build_dataset(config, "val", grid, 0)
    row = int(dataset.frames.rows[2])
    cloud = dataset.source.cloud(row, dataset.source.past(row, 2))
    position = {bytes(point): i for i, point in enumerate(cloud.xyz)}
    sample = dataset[2]
    rows = [position[bytes(point)] for point in sample.xyz]
    expected = np.stack([cloud.ring, cloud.time_lag_s, cloud.intensity * np.float32(1 / 255)], axis=1)[rows]
    assert np.array_equal(sample.features, expected) and sample.features[:, 2].max() <= 1
    none = build_dataset(config.model_copy(update={"features": ()}), "val", grid, 0)[2]
    assert none.features.shape == (len(none.xyz), 0)


def test_labels_belong_to_the_points_of_the_key_frame(config, grid):
    config = config.model_copy(update={"labels": "coarse", "frames": "all_sweeps"})
    dataset = build_dataset(config, "val", grid, 0)
    index = [dataset.describe(i) for i in range(len(dataset))].index("scene-0103/2")
    sample, row = dataset[index], int(dataset.frames.rows[index])
    position = {bytes(point): i for i, point in enumerate(dataset.source.cloud(row).xyz)}
    truth = dataset.source.lidarseg(row, "coarse")
    own = sample.sweep == 0
    assert sample.labels[own].tolist() == [truth[position[bytes(point)]] for point in sample.xyz[own]]
    assert own.sum() > 300 and (~own).sum() > 300 and not sample.labels[~own].any()
    assert dataset[index + 1].labels is None and dataset.describe(index + 1) == "scene-0103/2+1"


def test_samples_name_their_frame(config, grid):
    dataset = build_dataset(config.model_copy(update={"boxes": True}), "val", grid, 0)
    sample = dataset[0, 3]
    assert sample.frame == dataset.describe(3) == "scene-0103/3" and sample.token == "scene-0103-key3"
    assert sample.timestamp_us == dataset.source.sweeps.timestamp_us[dataset.frames.rows[3]]
    assert "scene-0103-car@3" in sample.boxes.tokens


def test_lidar_frame_has_x_to_the_right(nuscenes_root, grid):
    config = DataConfig(
        root=str(nuscenes_root), version="v1.0-mini", train="scene-0523[:5]", val="scene-0523[20:22]", boxes=True
    )
    ego, lidar = (
        build_dataset(config.model_copy(update={"frame": f}), "val", grid, 0)[0].boxes for f in ("ego", "lidar")
    )
    shared = sorted(set(ego.tokens) & set(lidar.tokens))
    e = ego.geometry[[ego.tokens.index(t) for t in shared]].numpy()
    n = lidar.geometry[[lidar.tokens.index(t) for t in shared]].numpy()
    # the sensor sits 0.94 m ahead of the rear axle, 1.84 m up, and is tilted by a degree or two
    np.testing.assert_allclose(n[:, 0], -e[:, 1], atol=2.5)
    np.testing.assert_allclose(n[:, 1], e[:, 0] - 0.94, atol=2.5)
    assert len(shared) > 20


def test_shared_frames_of_training_and_validation_are_counted(config, grid, caplog):
    config = config.model_copy(update={"train": "scene-0061", "val": "scene-0061[3:],scene-0103"})
    with caplog.at_level(logging.WARNING):
        build_dataset(config, "val", grid, 0)
    assert "2 of the 7 validation frames are training frames too" in caplog.text


def test_an_index_beyond_the_frames_is_refused(config, grid):
    dataset = build_dataset(config, "train", grid, 0)
    for index in (5, -1):
        with pytest.raises(IndexError, match=rf"index must be from 0 to 4, got {index}"):
            dataset[0, index]


def test_batch_is_the_samples_in_a_row(config, grid):
    dataset = build_dataset(config, "train", grid, 0)
    samples = [dataset[0, i] for i in (0, 4, 2)]
    batch = collate(samples)
    assert batch.offsets.tolist() == [0, *np.cumsum([len(s.xyz) for s in samples])]
    assert batch.frames == ("scene-0061/0", "scene-0061/4", "scene-0061/2")
    assert batch.seeds == tuple(s.seed for s in samples) and all(0 <= seed < 2**63 for seed in batch.seeds)
    for place, sample in enumerate(samples):
        rows = slice(int(batch.offsets[place]), int(batch.offsets[place + 1]))
        assert np.array_equal(batch.xyz[rows].numpy(), sample.xyz)
        assert np.array_equal(batch.features[rows].numpy(), sample.features)
        origins = batch.sensor_origins[batch.sweep_rows[rows]].numpy()
        assert np.array_equal(origins, sample.sensor_origins[sample.sweep])
    assert (batch.xyz.dtype, batch.sweep_rows.dtype, batch.offsets.dtype) == (torch.float32, torch.int64, torch.int64)


def test_a_batch_may_hold_an_empty_frame(config, grid):
    sample = build_dataset(config, "train", grid, 0)[0]
    empty = dataclasses.replace(sample, xyz=sample.xyz[:0], features=sample.features[:0], sweep=sample.sweep[:0])
    assert collate([empty, sample, empty]).offsets.tolist() == [0, 0, len(sample.xyz), len(sample.xyz)]


def test_what_cannot_be_a_batch_is_refused(config, grid):
    sample = build_dataset(config, "train", grid, 0)[0]
    with pytest.raises(ValueError, match="samples must be at least one"):
        collate([])
    with pytest.raises(ValueError, match=r"the same number of features, got \[1, 2\]"):
        collate([sample, dataclasses.replace(sample, features=sample.features[:, :1])])


def test_streams_of_a_frame_are_independent():
    draws = {tuple(generator(stream, 1, 2, 0).integers(2**32, size=3)) for stream in Stream}
    draws |= {
        tuple(generator(Stream.MASK, *numbers).integers(2**32, size=3)) for numbers in ((1, 2, 1), (1, 3, 0), (2, 2, 0))
    }
    assert len(draws) == len(Stream) + 3
    assert 0 <= mask_seed(0, 0, 0) < 2**63 and mask_seed(0, 0, 0) != mask_seed(0, 0, 1)
    with pytest.raises(ValueError, match="must be >= 0, got -1"):
        generator(Stream.MASK, -1, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"features": ("colour",)},
        {"features": ("ring", "ring")},
        {"num_sweeps": 0},
        {"workers": -1},
        {"frame": "camera"},
        {"rooot": "/data"},
        {"augment": {"scale": (1.1, 0.9)}},
        {"augment": {"flip_x": 1.5}},
        {"augment": {"rotation_rad": -0.1}},
    ],
    ids=str,
)
def test_impossible_configs_are_refused(wrong):
    with pytest.raises(pydantic.ValidationError) as caught:
        DataConfig(**wrong)
    assert [error["loc"][0] for error in caught.value.errors()] == list(wrong)
