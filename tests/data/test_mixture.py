"""Several datasets in one run: who gets how many places, which frame comes when, and what is refused."""

import itertools
import pickle
from collections import Counter

import numpy as np
import pytest
from nuscenes_folder import write_nuscenes
from same_frames import assert_same
from torch.utils.data import DataLoader

from geopt import pretraining
from geopt.config import ConfigError
from geopt.data import DataConfig, ResumableSampler, build_dataset, collate
from geopt.data.mixture import MixedFrames, build_frames, parts_of, places_by_weight
from geopt.finetuning import FinetuneConfig


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """Two datasets, the second with twice the key frames."""
    first = write_nuscenes(tmp_path_factory.mktemp("a"), num_points=60)
    return first, write_nuscenes(tmp_path_factory.mktemp("b"), num_points=60, num_key_frames=10, seed=1)


def entry(root, **changes):
    common = {"root": str(root), "version": "v1.0-mini", "train": "scene-0061", "val": "scene-0103", "num_sweeps": 2}
    return common | changes


@pytest.fixture
def config(roots):
    return DataConfig(mix=[entry(roots[0], name="a", weight=2), entry(roots[1], name="b")], workers=0)


@pytest.fixture
def mixed(config, grid):
    return build_frames(config, "train", grid, seed=3)


def shown(mixed, count, start=0):
    """(dataset, its epoch, its frame) in the order in which a run sees them."""
    row = itertools.chain.from_iterable(ResumableSampler(len(mixed), seed=3, batch_size=1, start=start))
    return [mixed.locate(*item) for item in itertools.islice(row, count)]


def test_every_epoch_gives_each_dataset_its_share_within_one(mixed):
    assert mixed.places.tolist() == [10, 5]  # 15 places, two to one
    for epoch in range(4):
        counts = Counter(part for part, _, _ in shown(mixed, 15, start=15 * epoch))
        assert counts == {0: 10, 1: 5}


@pytest.mark.parametrize("count", [1, 7, 15, 100, 28_131])
def test_places_are_within_one_of_the_share_and_none_is_left_over(count):
    rng = np.random.default_rng(count)
    for _ in range(50):
        weights = rng.exponential(size=rng.integers(1, 6))
        places = places_by_weight(count, weights)
        assert places.sum() == count
        assert (np.abs(places - count * weights / weights.sum()) < 1).all()


def test_no_frame_of_a_dataset_comes_again_before_all_of_it_have_come(mixed):
    for part, frames in enumerate((5, 10)):
        own = [index for which, _, index in shown(mixed, 150) if which == part]
        for first in range(0, len(own) - frames + 1, frames):
            assert sorted(own[first : first + frames]) == list(range(frames))


def test_a_frame_that_comes_again_moves_otherwise(mixed):
    items = {}
    row = itertools.chain.from_iterable(ResumableSampler(len(mixed), seed=3, batch_size=1))
    for item in itertools.islice(row, 15):
        part, _, index = mixed.locate(*item)
        items.setdefault((part, index), []).append(mixed[item])
    first, second = next(found for found in items.values() if len(found) == 2)
    assert first.frame == second.frame and first.seed != second.seed
    assert first.xyz.shape != second.xyz.shape or not np.array_equal(first.xyz, second.xyz)


def test_frames_of_the_same_number_move_differently_in_two_datasets(roots, grid):
    twice = [entry(roots[0], name="a"), entry(roots[0], name="b")]
    mixed = build_frames(DataConfig(mix=twice), "train", grid, seed=3)
    seeds = [part[0, 0].seed for part in mixed.parts]
    assert len(set(seeds)) == 2


def batches(mixed, workers=0, start=0, rank=0, ranks=1, count=10):
    sampler = ResumableSampler(len(mixed), seed=3, batch_size=2, start=start, rank=rank, world_size=ranks)
    loader = DataLoader(mixed, batch_sampler=sampler, collate_fn=collate, num_workers=workers)
    return list(itertools.islice(loader, count))


def test_a_run_that_was_cut_off_goes_on_with_the_same_bits(config, grid, mixed):
    whole = batches(mixed, count=12)
    for cut in (1, 5, 8):  # before, at and after the end of an epoch
        anew = build_frames(config, "train", grid, seed=3)
        for a, b in zip(whole[cut:], batches(anew, start=2 * cut, count=12 - cut), strict=True):
            assert_same(a, b)


def test_workers_change_nothing(mixed):
    for a, b in zip(batches(mixed), batches(mixed, workers=2), strict=True):
        assert_same(a, b)


def test_two_ranks_show_together_what_one_shows(mixed):
    one = [frame for batch in batches(mixed, count=10) for frame in batch.frames]
    pairs = zip(batches(mixed, rank=0, ranks=2, count=5), batches(mixed, rank=1, ranks=2, count=5), strict=True)
    assert [frame for pair in pairs for batch in pair for frame in batch.frames] == one


def test_a_mixture_of_one_shows_the_frames_of_the_dataset(roots, grid):
    alone = build_dataset(DataConfig(**entry(roots[0])), "train", grid, seed=3, augment=False)
    mixed = build_frames(DataConfig(mix=[entry(roots[0])]), "train", grid, seed=3, augment=False)
    by_name = {alone[index].frame: alone[index] for index in range(len(alone))}
    for index in range(len(mixed)):
        sample = mixed[index]
        kind, name = sample.frame.split(":")
        assert kind == "nuscenes"
        assert_same(sample.xyz, by_name.pop(name).xyz)
    assert not by_name


def test_validation_frames_come_once_each_one_dataset_after_the_other(config, grid):
    val = build_frames(config, "val", grid, seed=3)
    names = [val[index].frame for index in range(len(val))]
    assert names == [f"a:scene-0103/{n}" for n in range(5)] + [f"b:scene-0103/{n}" for n in range(10)]
    assert list(parts_of(val)) == ["a", "b"]
    with pytest.raises(IndexError):
        val[15]


def test_each_dataset_has_its_own_scaling_and_range(roots, grid):
    mix = [entry(roots[0], name="a", intensity_scale=1.0), entry(roots[0], name="b", max_range_m=5.0)]
    config = DataConfig(mix=mix, features=("intensity",))
    bright, near = (part.read(0) for part in build_frames(config, "val", grid, seed=0).parts)
    origins = bright.sensor_origins[bright.sweep]
    kept = np.linalg.norm(bright.xyz.astype(np.float64) - origins, axis=1) <= 5
    assert 0 < kept.sum() < len(kept)
    assert_same(near.xyz, bright.xyz[kept])
    np.testing.assert_allclose(near.features[:, 0] * 255, bright.features[kept, 0], rtol=1e-6)


def test_a_channel_that_a_dataset_lacks_is_told_or_filled(roots, grid):
    config = DataConfig(mix=[entry(roots[0], name="a")], features=("intensity", "elongation"))
    with pytest.raises(ValueError, match=r"data\.mix, a: .*nuscenes has no elongation.*fill: \{elongation: 0.0\}"):
        build_frames(config, "train", grid, seed=0)
    filled = entry(roots[0], name="a", fill={"elongation": -1.0})
    config = DataConfig(mix=[filled], features=("intensity", "elongation"))
    features = build_frames(config, "train", grid, seed=0)[0].features
    assert (features[:, 1] == -1).all() and features[:, 0].std() > 0
    config = DataConfig(mix=[entry(roots[0], fill={"intensity": 0.0})], features=("intensity",))
    with pytest.raises(ValueError, match=r"data\.fill: intensity must be left out"):
        build_frames(config, "train", grid, seed=0)


def test_a_weight_that_gives_no_place_is_refused(roots, grid):
    config = DataConfig(mix=[entry(roots[0], name="a"), entry(roots[1], name="b", weight=0.001)])
    with pytest.raises(ValueError, match="none of b; raise its weight"):
        build_frames(config, "train", grid, seed=0)


@pytest.mark.parametrize(
    "changes, text",
    [
        (["data.root=x"], "root must be left out beside mix"),
        (["data.mix=[{root: a}, {root: b}]"], "name of its own, got nuscenes twice"),
        (["data.mix=[{root: a, rot: b}]"], "unknown key 'data.mix.0.rot'; did you mean 'data.mix.0.root'"),
        (["data.mix=[{kind: waymo}]"], "a root, got none for waymo"),
        (["data.mix=[{root: a, weight: 0}]"], "data.mix.0.weight"),
        (["data.mix=[{root: a, name: a/b}]"], "data.mix.0.name"),
        (["data.mix=[{root: a}]", "data.label_fraction=scenes-10-seed0"], "label_fraction must be left out"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, text):
    base = [] if changes[0].startswith("data.mix") else ["data.mix=[{root: a}]"]
    with pytest.raises(ConfigError) as error:
        pretraining.load("tiny", base + changes)
    assert text in str(error.value)


def test_an_entry_follows_its_kind_and_else_the_preset():
    mix = "data.mix=[{root: a}, {kind: waymo, root: b}, {kind: waymo, root: c, name: far, num_sweeps: 3}]"
    data = pretraining.load("tiny", [mix]).data
    assert [one.name for one in data.mix] == ["nuscenes", "waymo", "far"]
    assert [one.num_sweeps for one in data.mix] == [2, 1, 3]  # tiny has 2, Waymo 1 of its own
    assert [one.intensity_curve for one in data.mix] == ["linear", "tanh", "tanh"]
    assert [part.root for part in data.parts()] == ["a", "b", "c"] and not any(part.mix for part in data.parts())


def test_fine_tuning_takes_no_mixture():
    with pytest.raises(ValueError, match="for pre-training"):
        FinetuneConfig(data=DataConfig(mix=[entry("a")]))


def test_places_survive_pickling_into_spawned_workers(mixed):
    again = pickle.loads(pickle.dumps(mixed))
    assert isinstance(again, MixedFrames)
    assert_same(again[2, 4], mixed[2, 4])
